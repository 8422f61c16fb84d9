"""The command `python -m bench`: measures and shows a table; with `--json`, for machines as well."""

import os
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import report
from bench.backends import Backends
from bench.crowd import LoadFailed
from bench.figures import Figure
from bench.processes import pin, two_sides
from bench.scenarios import SCENARIOS

console = Console(stderr=True, highlight=False)


def measured(names: list[str], backends: Backends) -> list[Figure]:
    """Run the scenarios one after the other and show how far they are. Raises LoadFailed."""
    chosen = [(name, SCENARIOS[name](backends)) for name in names]
    figures: list[Figure] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(scenario.steps for _, scenario in chosen))
        done = 0
        for name, scenario in chosen:

            def tick(what: str, name: str = name) -> None:
                nonlocal done
                progress.update(task, description=f"{name}: {what}", completed=done)
                done += 1

            figures += scenario.run(tick)
    return figures


def bench(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help=f"Which of: {', '.join(SCENARIOS)}. Default: all.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
    database_url: Annotated[
        str, typer.Option(help="An empty PostgreSQL database to measure in. Default: a server of its own.")
    ] = "",
    redis_url: Annotated[
        str, typer.Option(help="A Redis to measure with. Default: a server of its own.")
    ] = "",
) -> None:
    """Measure what the server costs on this machine, as ratios to a raw socket loop.

    Takes about four minutes. Quit what else needs the processor: figures are CPU time, but caches are shared.
    """
    unknown = sorted(set(scenarios or ()) - SCENARIOS.keys())
    if unknown:
        console.print(f"[bold red]bench:[/] there is no {', '.join(unknown)}, only {', '.join(SCENARIOS)}")
        raise typer.Exit(2)
    pin(os.getpid(), two_sides()[1])
    try:
        figures = measured(scenarios or list(SCENARIOS), Backends(database_url, redis_url))
    except LoadFailed as error:
        console.print(f"[bold red]bench:[/] {error}", markup=True)
        raise typer.Exit(1) from error
    terminal = Console(highlight=False)
    wide = terminal if terminal.is_terminal else Console(highlight=False, width=report.COLUMNS)
    wide.print(report.table(figures))
    if json is not None:
        json.write_bytes(orjson.dumps(report.document(figures), option=orjson.OPT_INDENT_2))


def main() -> None:
    """Run the command; Ctrl-C ends it quietly."""
    if not sys.platform.startswith("linux"):
        console.print("[bold red]bench:[/] this measures with epoll and /proc, which only Linux has")
        raise SystemExit(2)
    try:
        typer.run(bench)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
