"""The histogram: what it shows is never less than what was recorded, and hardly more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import percentile
from bench.histogram import PRECISION_BITS, Histogram

TIMES = st.lists(st.integers(0, 2**50), min_size=1, max_size=80)


def of(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


@given(TIMES, st.floats(0, 1))
def test_a_percentile_is_the_true_one_or_a_little_more(values: list[int], share: float) -> None:
    exact, shown = percentile([float(value) for value in values], share), of(values).percentile(share)
    assert exact <= shown <= exact * (1 + 2**-PRECISION_BITS)


@given(st.integers(0, 2**62))
def test_the_only_value_is_shown_as_it_was(value: int) -> None:
    made = of([value])
    assert (made.count, made.lowest, made.highest, made.percentile(0.5)) == (1, value, value, value)


@given(TIMES, TIMES)
def test_two_add_up_to_what_one_would_have_been(some: list[int], others: list[int]) -> None:
    added = of(some)
    added.add(of(others))
    assert added.as_json() == of(some + others).as_json()


@given(TIMES)
def test_it_is_read_as_it_was_written(values: list[int]) -> None:
    made = of(values)
    read = Histogram.from_json(made.as_json())
    assert (read.count, list(read.steps())) == (made.count, list(made.steps()))


@given(TIMES)
def test_its_steps_rise_to_the_whole(values: list[int]) -> None:
    steps = list(of(values).steps())
    assert steps == sorted(steps)
    assert steps[-1] == (max(values), len(values))


def test_adding_nothing_changes_nothing() -> None:
    made = of([7])
    made.add(Histogram())
    assert (made.lowest, made.highest, made.count) == (7, 7, 1)


def test_clocks_that_disagree_count_as_no_time() -> None:
    assert of([-5]).highest == 0


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Histogram().percentile(0.5)
