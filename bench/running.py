"""Scenarios run one after the other, whatever becomes of each, with a bar that shows how far they are."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.crowd import LoadFailed
from bench.figures import Result
from bench.scenarios import Scenario
from bench.servers import Surroundings

Makers = Mapping[str, Callable[[Surroundings], Scenario]]
"""Scenarios by name, to be made for some surroundings."""


class WrongSetting(ValueError):
    """Something was to be set that no chosen scenario has, or to what it cannot be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What scenarios have measured, those that failed with the reason, and how they were set."""

    results: list[Result]
    failures: dict[str, str]
    settings: dict[str, dict[str, Any]]


def knobs(scenario: Scenario) -> dict[str, Any]:
    """Return what can be set of a scenario, with its values; those of a mix are among them."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(scenario):  # type: ignore[arg-type]  # the protocol asks for a dataclass
        value = getattr(scenario, field.name)
        if isinstance(value, int | float):
            found[field.name] = value
        elif dataclasses.is_dataclass(value) and not isinstance(value, Surroundings):
            found |= knobs(value)  # type: ignore[arg-type]
    return found


def turned(scenario: Scenario, wanted: Mapping[str, str]) -> Scenario:
    """Return the scenario with those of its knobs set that are named. Raises WrongSetting."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(scenario):  # type: ignore[arg-type]
        value = getattr(scenario, field.name)
        if isinstance(value, int | float) and field.name in wanted:
            changes[field.name] = _number(field.name, wanted[field.name], type(value))
        elif dataclasses.is_dataclass(value) and not isinstance(value, Surroundings):
            changes[field.name] = turned(value, wanted)  # type: ignore[arg-type]
    return dataclasses.replace(scenario, **changes)  # type: ignore[type-var]


def _number(name: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        value = kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise WrongSetting(f"{name} is {what}, not {text!r}") from error
    if not 0 < value < 1e9:
        raise WrongSetting(f"{name} has to be more than 0 and less than a billion, not {text}")
    return value


def chosen(makers: Makers, around: Surroundings, wanted: Mapping[str, str]) -> dict[str, Scenario]:
    """Return the scenarios, set as wanted. Raises WrongSetting."""
    made = {name: make(around) for name, make in makers.items()}
    all_knobs = {name: knobs(scenario) for name, scenario in made.items()}
    for name in wanted:
        if not any(name in has for has in all_knobs.values()):
            have = "; ".join(f"{scenario}: {', '.join(has)}" for scenario, has in all_knobs.items())
            raise WrongSetting(f"nothing here is called {name}. There is {have}")
    return {name: turned(scenario, wanted) for name, scenario in made.items()}


def run(makers: Makers, around: Surroundings, wanted: Mapping[str, str], console: Console) -> Outcome:
    """Run them. Raises WrongSetting before any is run."""
    results: list[Result] = []
    failures: dict[str, str] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[far]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, far="")
        heard = dataclasses.replace(around, say=lambda text: progress.update(task, far=text))
        scenarios = chosen(makers, heard, wanted)
        progress.update(task, total=sum(scenario.steps for scenario in scenarios.values()))
        before = 0
        for name, scenario in scenarios.items():
            began = time.monotonic()
            try:
                results += scenario.run(_ticker(progress, task, name, before))
            except LoadFailed as error:
                failures[name] = str(error)
            how = f"[bold red]failed[/]: {escape(failures[name])}" if name in failures else "[green]done[/]"
            console.print(f"{name} {how} in {time.monotonic() - began:.0f} s")
            before += scenario.steps
            progress.update(task, completed=before, far="")
    return Outcome(results, failures, {name: knobs(scenario) for name, scenario in scenarios.items()})


def _ticker(progress: Progress, task: Any, name: str, before: int) -> Callable[[str], None]:
    steps = 0

    def tick(what: str) -> None:
        nonlocal steps
        progress.update(task, description=f"{name}: {what}", completed=before + steps, far="")
        steps += 1

    return tick
