"""The command `stagedoor bench`, also `python -m bench`: measures, compares, shows."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from bench import running
from bench.backends import Backends
from bench.capacity import measuring
from bench.capacity import report as fleets
from bench.capacity.model import Costs, Crowd, Machine
from bench.crowd import LoadFailed
from bench.peers.measuring import Peers
from bench.recording import Kept, record, show
from bench.reports import comparison, document, table
from bench.reports.page import page
from bench.running import Makers, WrongSetting
from bench.scenarios import ELSEWHERE, SCENARIOS
from bench.servers import Elsewhere, Surroundings
from bench.target import NoTarget, Target

console = Console(stderr=True, highlight=False)
PROCESSES_MAX = 64
COLUMNS_OF_PLANS = 170
Passes = Annotated[int | None, typer.Option(help="How often each cost is measured.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set what `list` shows.")]
Json = Annotated[Path | None, typer.Option(help="Also write everything here, to compare.")]
Html = Annotated[Path | None, typer.Option(help="Also write a page with plots here.")]
Markdown = Annotated[Path | None, typer.Option(help="Also write the table as Markdown here.")]


class Scenarios(TyperGroup):
    """A group whose first word may be a scenario too: `bench fanout` is `bench run fanout`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before anything that is no command and no question for help."""
        if (not args or args[0] not in self.commands) and args[:1] != ["--help"]:
            args = ["run", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=Scenarios,
    name="bench",
    help=f"Measure a server: {', '.join(SCENARIOS)}. Without a name: all of them, in about five minutes.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _refuse(message: str, *, code: int = 2) -> NoReturn:
    console.print(f"[bold red]bench:[/] {escape(message)}")
    raise typer.Exit(code)


def _elsewhere(url: str, token: str, secret: str, pid: int) -> Elsewhere | None:
    if not url:
        if token or secret or pid:
            _refuse(
                "--token, --secret and --pid go with --url; without it the server is one of the bench's own"
            )
        return None
    try:
        return Elsewhere(Target.at(url, token, secret), pid or None)
    except NoTarget as error:
        _refuse(str(error))


def _names(given: Sequence[str], elsewhere: Elsewhere | None) -> list[str]:
    possible = ELSEWHERE if elsewhere is not None else tuple(SCENARIOS)
    unknown = [name for name in given if name not in SCENARIOS]
    if unknown:
        _refuse(f"there is no {', '.join(unknown)}, only {', '.join(SCENARIOS)}")
    inside = [name for name in given if name not in possible]
    if inside:
        _refuse(f"{', '.join(inside)} measures from inside; with --url there is {', '.join(possible)}")
    return list(dict.fromkeys(given)) or list(possible)


def _wanted(sets: Sequence[str], seconds: float | None, passes: int | None) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for each in sets:
        name, equals, value = each.partition("=")
        if not equals:
            _refuse(f"--set is NAME=VALUE, not {each!r}; `stagedoor bench list` has the names")
        wanted[name] = value
    if seconds is not None:
        wanted["seconds"] = str(seconds)
    if passes is not None:
        wanted["passes"] = str(passes)
    return wanted


@app.command()
def run(  # noqa: PLR0913, PLR0917 - each is an option
    scenarios: Annotated[list[str] | None, typer.Argument(help="Which; default: all.")] = None,
    url: Annotated[
        str, typer.Option(help="Load the server there, as it is set up, not one of the bench's own.")
    ] = "",
    token: Annotated[
        str,
        typer.Option(help="An access token for it; every client is the same user.", envvar="STAGEDOOR_TOKEN"),
    ] = "",
    secret: Annotated[
        str,
        typer.Option(
            help="Its JWT_SECRET, to sign each client a token of its own.", envvar="STAGEDOOR_SECRET"
        ),
    ] = "",
    pid: Annotated[
        int, typer.Option(help="Its process, if it runs on this machine: CPU and memory are shown.")
    ] = 0,
    seconds: Annotated[float | None, typer.Option(help="How long load by the clock lasts.")] = None,
    passes: Passes = None,
    sets: Sets = None,
    processes: Annotated[
        int, typer.Option(min=1, max=PROCESSES_MAX, help="Load processes. Default: 2, or one a core.")
    ] = max(2, (os.cpu_count() or 2) - 1),
    json: Json = None,
    html: Html = None,
    markdown: Markdown = None,
    database_url: Annotated[
        str, typer.Option(help="An empty PostgreSQL database to measure in. Default: a server of its own.")
    ] = "",
    redis_url: Annotated[
        str, typer.Option(help="A Redis to measure with. Default: a server of its own.")
    ] = "",
) -> None:
    """Run scenarios; the word `run` may be left out.

    Quit what else needs the processor: costs are CPU time, but caches are shared, and whoever is measured
    waits for a core.
    """
    elsewhere = _elsewhere(url, token, secret, pid)
    names = _names(scenarios or (), elsewhere)
    around = Surroundings(Backends(database_url, redis_url), elsewhere, processes)
    wanted = _wanted(sets or (), seconds, passes)
    _measure({name: SCENARIOS[name] for name in names}, around, wanted, Kept(json, html, markdown))


@app.command()
def peers(
    passes: Passes = None, sets: Sets = None, json: Json = None, html: Html = None, markdown: Markdown = None
) -> None:
    """Measure other servers that do the same, in the same run: what is installed of them."""
    wanted = _wanted(sets or (), None, passes)
    _measure({"peers": lambda _around: Peers()}, Surroundings(), wanted, Kept(json, html, markdown))


def _measure(makers: Makers, around: Surroundings, wanted: dict[str, str], kept: Kept) -> None:
    """Run, show and keep; exit with 1 if anything was not right."""
    try:
        made = record(makers, around, wanted, console)
        show(made, kept, console)
    except WrongSetting as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename} cannot be written: {error.strerror}", code=1)
    if made.failures:
        raise typer.Exit(1)


@app.command("list")
def list_scenarios() -> None:
    """Show the scenarios and what can be set of each with --set."""
    made = Table("Scenario", "With --url", "Settings", box=None, pad_edge=False)
    makers: Makers = {**SCENARIOS, "peers": lambda _around: Peers()}
    for name, make in makers.items():
        settings = ", ".join(
            f"{knob}={value:g}" for knob, value in running.knobs(make(Surroundings())).items()
        )
        made.add_row(name, "yes" if name in ELSEWHERE else "", settings)
    Console(highlight=False).print(made)


@app.command()
def capacity(  # noqa: PLR0913, PLR0917 - each is an option
    viewers: Annotated[
        list[int] | None, typer.Option(min=1, help="For how many; may be repeated. Default: 10k, 1M, 10M.")
    ] = None,
    channel_viewers: Annotated[int, typer.Option(min=1, help="Viewers of a channel.")] = 10_000,
    languages: Annotated[int, typer.Option(min=1, help="Languages of it that are followed.")] = 4,
    captions: Annotated[float, typer.Option(min=0.01, help="Captions a second to each viewer.")] = 2.5,
    channel_processes: Annotated[
        int, typer.Option(min=0, help="Processes that a channel is routed to, at least; 0: to all.")
    ] = 2,
    cores: Annotated[int, typer.Option(min=1, help="Gateway processes on a machine.")] = 6,
    measured: Annotated[
        Path | None, typer.Option("--costs", help="Costs that --measure has written.")
    ] = None,
    measure: Annotated[
        Path | None, typer.Option(help="Measure this machine's costs first, and write them here.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Of the simulation.")] = 10.0,
) -> None:
    """Say how many machines carry an audience, and play one process of them (docs/capacity.md)."""
    costs = _costs(measured, measure)
    crowds = [
        Crowd(each, channel_viewers, languages, captions, channel_processes=channel_processes)
        for each in viewers or (10_000, 1_000_000, 10_000_000)
    ]
    try:
        plans = fleets.planned(costs, crowds, Machine(gateway_cores=cores), seconds)
    except ValueError as error:
        _refuse(str(error))
    terminal = Console(highlight=False)
    wide = terminal if terminal.is_terminal else Console(highlight=False, width=COLUMNS_OF_PLANS)
    wide.print(fleets.table(plans))


def _costs(measured: Path | None, measure: Path | None) -> Costs:
    """Return the costs that are given, those of this machine, or those of docs/capacity.md."""
    try:
        if measure is not None:
            with console.status("") as status:
                costs, notes = measuring.measure(Backends(), status.update)
            for note in notes:
                console.print(f"[yellow]bench:[/] {escape(note)}")
            measure.write_bytes(orjson.dumps(asdict(costs), option=orjson.OPT_INDENT_2))
            return costs
        return Costs() if measured is None else Costs.from_json(orjson.loads(measured.read_bytes()))
    except LoadFailed as error:
        _refuse(str(error), code=1)
    except OSError as error:
        _refuse(f"{error.filename}: {error.strerror}", code=1)
    except (ValueError, TypeError, AttributeError) as error:
        _refuse(f"{measured} has no costs: {error}")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A run that was written with --json.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    strict: Annotated[bool, typer.Option(help="Exit with 1 if anything is worse.")] = False,
) -> None:
    """Say what is better or worse in the second run than in the first, and what no different from chance."""
    try:
        found = comparison.compare(document.read(before), document.read(after))
    except document.NotADocument as error:
        _refuse(str(error))
    terminal = Console(highlight=False)
    wide = terminal if terminal.is_terminal else Console(highlight=False, width=table.COLUMNS)
    for doubt in found.doubts:
        console.print(f"[yellow]bench:[/] {escape(doubt)}")
    wide.print(comparison.table(found))
    wide.print(comparison.summary(found))
    if strict and found.count(comparison.Verdict.WORSE):
        raise typer.Exit(1)


@app.command("page")
def show_page(
    run_file: Annotated[Path, typer.Argument(metavar="RUN", help="A run that was written with --json.")],
    html: Annotated[Path, typer.Argument(help="The page to write.")],
) -> None:
    """Make the page with plots of a run that was kept."""
    try:
        html.write_text(page(document.read(run_file)), encoding="utf-8")
    except document.NotADocument as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename} cannot be written: {error.strerror}", code=1)
