"""A run from beginning to end: measured, made a document, shown, and kept where somebody wants it.

Invariant: no token and no secret gets into a document.
"""

import os
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bench import running
from bench.processes import pin, two_sides
from bench.reports import table
from bench.reports.document import Document, write
from bench.reports.machine import load_average, machine, versions
from bench.reports.page import page
from bench.running import Makers
from bench.servers import Surroundings

UNSAID = ("--token", "--secret")


@dataclass(frozen=True, slots=True)
class Kept:
    """Files that a run is written to besides being shown; None: not."""

    json: Path | None = None
    html: Path | None = None
    markdown: Path | None = None


def record(makers: Makers, around: Surroundings, wanted: Mapping[str, str], console: Console) -> Document:
    """Run scenarios on the load's cores and return what came of it. Raises WrongSetting."""
    busy, began, clock = load_average(), datetime.fromtimestamp(time.time(), UTC), time.monotonic()
    elsewhere = around.elsewhere
    if elsewhere is None or elsewhere.pid is not None:
        pin(os.getpid(), two_sides()[1])
    outcome = running.run(makers, around, wanted, console)
    return Document(
        tuple(outcome.results), machine(), versions(), outcome.settings, command(sys.argv),
        elsewhere.target.address if elsewhere is not None else "a server of the bench's own",
        f"{began:%Y-%m-%d %H:%M:%SZ}", time.monotonic() - clock, busy, outcome.failures,
    )  # fmt: skip


def command(arguments: list[str]) -> str:
    """Return how the bench was called, without a credential."""
    words = ["stagedoor"] if Path(arguments[0]).name == "stagedoor" else ["python", "-m", "bench"]
    hidden = False
    for word in arguments[1:]:
        name, equals, _ = word.partition("=")
        words.append("..." if hidden else f"{name}=..." if equals and name in UNSAID else word)
        hidden = word in UNSAID
    return shlex.join(words)


def show(document: Document, kept: Kept, console: Console) -> None:
    """Print the table, and what failed on `console`; write the files. Raises OSError."""
    terminal = Console(highlight=False)
    wide = terminal if terminal.is_terminal else Console(highlight=False, width=table.COLUMNS)
    if document.results:
        wide.print(table.table(document.results))
    for name, why in document.failures.items():
        console.print(f"[bold red]bench:[/] {name}: {escape(why)}")
    if kept.json is not None:
        write(document, kept.json)
    if kept.html is not None:
        kept.html.write_text(page(document), encoding="utf-8")
    if kept.markdown is not None:
        kept.markdown.write_text(table.markdown(document.results), encoding="utf-8")
