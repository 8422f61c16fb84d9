"""Scenarios one after the other: set as asked, each shown, and one that fails leaves the others be."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from bench.crowd import LoadFailed
from bench.figures import Figure, Result
from bench.running import WrongSetting, knobs, run, turned
from bench.scenarios import Scenario
from bench.scenarios.mixed import Mixed
from bench.servers import Surroundings

FIGURE = Figure.of("quick", "a thing", "us", [1.0])


@dataclass(frozen=True, slots=True)
class Quick:
    """Measures nothing."""

    clients: int = 3
    seconds: float = 0.5
    fails: int = 0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        return 1

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        tick("something")
        self.around.say("half of it")
        if self.fails:
            raise LoadFailed("viewer 3 was sent something else")
        return [FIGURE]


def two(around: Surroundings) -> Scenario:
    return Quick(fails=1, around=around)


def one(around: Surroundings) -> Scenario:
    return Quick(around=around)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_one_that_fails_leaves_the_others_be() -> None:
    outcome = run({"two": two, "one": one}, Surroundings(), {}, quiet())

    assert outcome.results == [FIGURE]
    assert outcome.failures == {"two": "viewer 3 was sent something else"}


def test_they_are_set_as_asked_and_it_is_kept() -> None:
    outcome = run({"one": one}, Surroundings(), {"clients": "7", "seconds": "1.5"}, quiet())
    assert outcome.settings == {"one": {"clients": 7, "seconds": 1.5, "fails": 0}}


def test_a_setting_holds_for_those_that_have_it() -> None:
    mixed = turned(Mixed(), {"viewers": "12", "seconds": "3"})
    assert isinstance(mixed, Mixed)
    assert (mixed.mix.viewers, mixed.mix.speakers, mixed.seconds) == (12, Mixed().mix.speakers, 3.0)
    assert knobs(mixed)["viewers"] == 12


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("viewers", "3", "nothing here is called viewers"),
        ("clients", "many", "clients is a whole number"),
        ("clients", "1.5", "clients is a whole number"),
        ("seconds", "0", "more than 0"),
        ("seconds", "nan", "more than 0"),
        ("clients", "9999999999", "less than a billion"),
    ],
)
def test_what_cannot_be_set_is_said_before_anything_runs(name: str, value: str, said: str) -> None:
    with pytest.raises(WrongSetting, match=said):
        run({"one": one}, Surroundings(), {name: value}, quiet())
