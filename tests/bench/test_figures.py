"""Statistics that a claim may rest on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Figure, median, percentile

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


def test_the_median_is_the_middle_or_between_two() -> None:
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([7], 0.5) == 7


@given(VALUES, st.floats(0, 1))
def test_at_least_the_share_lies_at_or_under_a_percentile(values: list[float], share: float) -> None:
    bound = percentile(values, share)

    assert bound in values
    assert sum(value <= bound for value in values) >= share * len(values)


def test_nothing_measured_is_no_figure() -> None:
    for statistic in (median, lambda values: percentile(values, 0.5)):
        with pytest.raises(ValueError, match="nothing was measured"):
            statistic([])


def test_a_goal_bounds_the_ratio_where_there_is_a_reference_and_the_value_elsewhere() -> None:
    against = Figure.of("fanout", "a frame", "us", [3.0, 4.0, 5.0], [2.0], goal=1.5)
    alone = Figure.of("idle", "memory", "MB", [300.0], goal=350)

    assert (against.ratio, against.met) == (2.0, False)
    assert (alone.ratio, alone.met) == (None, True)
    assert Figure.of("idle", "memory", "MB", [1.0]).met is None
