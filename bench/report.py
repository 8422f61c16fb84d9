"""Figures for people and for machines."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from bench.figures import Figure

COLUMNS = 130
"""Of the table where there is no terminal to fit into."""


def table(figures: Sequence[Figure]) -> Table:
    """Return the table that the terminal shows."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("Scenario")
    made.add_column("What")
    for heading in ("Stagedoor", "low..high", "Raw loop", "Ratio", "Goal"):
        made.add_column(heading, justify="right")
    made.add_column("")
    before = ""
    for figure in figures:
        if before and figure.scenario != before:
            made.add_section()
        first = figure.scenario if figure.scenario != before else ""
        made.add_row(first, figure.name, *cells(figure))
        before = figure.scenario
    return made


def cells(figure: Figure) -> tuple[str, ...]:
    """Return value, range, reference, ratio, goal and verdict of a figure, as text."""
    apart = figure.low is not None and figure.high is not None and figure.low != figure.high
    return (
        f"{_number(figure.value)} {figure.unit}",
        f"{_number(figure.low or 0.0)}..{_number(figure.high or 0.0)}" if apart else "",
        "" if figure.reference is None else f"{_number(figure.reference)} {figure.unit}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "" if figure.goal is None else f"<= {figure.goal:g}" + ("" if figure.ratio is None else " x"),
        "" if figure.met is None else "[green]met[/]" if figure.met else "[red]missed[/]",
    )


def document(figures: Sequence[Figure]) -> dict[str, Any]:
    """Return everything as JSON would have it: the figures, and the machine they hold for."""
    return {"machine": machine(), "figures": [figure.as_json() for figure in figures]}


def machine() -> dict[str, str | int]:
    """Return what the figures hold for."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
