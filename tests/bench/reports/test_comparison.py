"""Two runs compared: only what lies apart is a difference, and it has a direction."""

import io
import random

import pytest
from rich.console import Console

from bench.figures import Figure
from bench.reports import comparison
from bench.reports.comparison import Verdict, compare, difference
from tests.bench.reports.documents import document

CALM = [10.0, 10.2, 9.9, 10.1, 10.3]
SLOWER = [12.0, 12.2, 11.9, 12.1, 12.3]


def figure(values: list[float], references: list[float] = [], **changes: bool) -> Figure:  # noqa: B006
    made = Figure.of("fanout", "a frame", "us", values, references)
    return Figure(**({name: getattr(made, name) for name in Figure.__slots__} | changes))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (CALM, SLOWER, Verdict.WORSE),
        (SLOWER, CALM, Verdict.BETTER),
        (CALM, CALM, Verdict.SAME),
        (CALM, [10.1, 9.8, 10.4, 10.0, 10.2], Verdict.SAME),
        (CALM, [1.01 * value + 0.15 for value in CALM], Verdict.SAME),  # sure, and too small to matter
        (CALM[:3], SLOWER[:3], Verdict.UNTOLD),
        ([10.0], [20.0], Verdict.UNTOLD),
    ],
)
def test_verdicts(before: list[float], after: list[float], verdict: Verdict) -> None:
    assert difference(figure(before), figure(after)).verdict is verdict


def test_more_may_be_better() -> None:
    found = difference(figure(CALM, more_is_better=True), figure(SLOWER, more_is_better=True))
    assert found.verdict is Verdict.BETTER


def test_a_machine_that_was_busy_for_both_sides_makes_no_difference() -> None:
    busy = [2 * value for value in CALM]
    assert difference(figure(CALM, [5.0] * 5), figure(busy, [10.0] * 5)).verdict is Verdict.SAME
    assert difference(figure(CALM), figure(busy)).verdict is Verdict.WORSE


def test_without_a_raw_loop_in_one_run_values_are_compared() -> None:
    assert difference(figure(CALM, [5.0] * 5), figure(CALM)).verdict is Verdict.SAME


def test_two_runs_of_the_same_thing_seldom_differ() -> None:
    source = random.Random(11)
    differ = 0
    for _ in range(60):
        runs = [figure([source.gauss(10, 1) for _ in range(5)]) for _ in range(2)]
        differ += difference(*runs).verdict in {Verdict.BETTER, Verdict.WORSE}
    assert differ <= 60 * comparison.CHANCE_MAX * 2


def test_what_both_runs_have_is_compared_and_the_rest_is_said() -> None:
    before = document(figure(CALM), Figure("idle", "CPU", "%", 1.0), settings={"fanout": {"viewers": 1000}})
    after = document(
        figure(SLOWER), machine={"processor": "another"}, versions={"python": "3.12.1"},
        settings={"fanout": {"viewers": 500}}, target="wss://live.example.com",
    )  # fmt: skip
    found = compare(before, after)

    assert [each.verdict for each in found.differences] == [Verdict.WORSE]
    said = " ".join(found.doubts)
    doubts = "machines differ", "settings of fanout differ", "python was 3.11.7", "Only one run has idle"
    for doubt in (*doubts, "wss://live.example.com"):
        assert doubt in said


def test_a_run_against_itself_has_no_difference_and_no_doubt() -> None:
    found = compare(document(), document())
    assert not found.doubts
    assert found.count(Verdict.BETTER) == found.count(Verdict.WORSE) == 0


def test_the_table_says_both_values_the_ratio_and_how_sure_that_is() -> None:
    found = compare(document(figure(CALM)), document(figure(SLOWER)))
    console = Console(width=130, file=io.StringIO())
    with console.capture() as shown:
        console.print(comparison.table(found))
    text = " ".join(shown.get().split())

    assert "fanout a frame 10.1 us 12.1 us 1.20" in text
    assert "0.008 worse" in text
    assert comparison.summary(found).startswith("0 better, 1 worse, 0 no difference, 0 too few passes")
