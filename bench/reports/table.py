"""Figures as the terminal shows them."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from bench.figures import Check, Figure, Note, Result

HEADINGS = ("Measured", "low..high", "Beside", "Ratio", "Goal")
"""Of the figures; beside what, a figure's name says where it is not the raw loop."""
COLUMNS = 130
"""Of the table where there is no terminal to fit into."""


def table(results: Sequence[Result]) -> Table:
    """Return the table of figures, and below each scenario's what was checked."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("Scenario")
    made.add_column("What")
    for heading in HEADINGS:
        made.add_column(heading, justify="right")
    made.add_column("")
    before = ""
    for result in results:
        if not isinstance(result, Figure | Check | Note):
            continue
        if before and result.scenario != before:
            made.add_section()
        first = result.scenario if result.scenario != before else ""
        if isinstance(result, Figure):
            made.add_row(first, result.name, *cells(result))
        elif isinstance(result, Note):
            made.add_row(first, f"[yellow]{result.text}[/]")
        else:
            made.add_row(
                first, f"[dim]{result.what}[/]", f"[dim]{result.times:,}[/]", *[""] * 4, "[green]right[/]"
            )
        before = result.scenario
    return made


def cells(figure: Figure) -> tuple[str, ...]:
    """Return value, range, reference, ratio, goal and verdict of a figure, as text."""
    apart = figure.low is not None and figure.high is not None and figure.low != figure.high
    bound = ">=" if figure.more_is_better else "<="
    return (
        f"{number(figure.value)} {figure.unit}",
        f"{number(figure.low or 0.0)}..{number(figure.high or 0.0)}" if apart else "",
        "" if figure.reference is None else f"{number(figure.reference)} {figure.unit}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "" if figure.goal is None else f"{bound} {figure.goal:g}" + ("" if figure.ratio is None else " x"),
        "" if figure.met is None else "[green]met[/]" if figure.met else "[red]missed[/]",
    )


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(results: Sequence[Result]) -> str:
    """Return the figures as a table of a Markdown page, and what was checked as a list below it."""
    headings = ["Scenario", "What", *HEADINGS]
    lines = [_line(headings), _line(["---"] * len(headings))]
    before = ""
    for figure in results:
        if not isinstance(figure, Figure):
            continue
        *texts, goal, _ = cells(figure)
        name = f"`{figure.scenario}`" if figure.scenario != before else ""
        lines.append(_line([name, figure.name, *texts, goal + (", missed" if figure.met is False else "")]))
        before = figure.scenario
    below = [
        f"- `{each.scenario}`: {each.what}: {each.times:,}" if isinstance(each, Check) else f"- {each.text}"
        for each in results
        if isinstance(each, Check | Note)
    ]
    return "\n".join([*lines, "", *below, ""])


def _line(texts: Sequence[str]) -> str:
    return f"|{'|'.join(f' {text} ' if text else ' ' for text in texts)}|"
