"""The statistics of what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Figure, median, percentile

NUMBERS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60)


@pytest.mark.parametrize(("values", "middle"), [([3], 3), ([9, 1, 5], 5), ([1, 2, 3, 10], 2.5)])
def test_the_median_lies_in_the_middle(values: list[float], middle: float) -> None:
    assert median(values) == middle


@given(NUMBERS)
def test_half_of_all_values_lie_on_each_side_of_the_median(values: list[float]) -> None:
    middle = median(values)
    assert 2 * sum(value <= middle for value in values) >= len(values)
    assert 2 * sum(value >= middle for value in values) >= len(values)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value


@given(NUMBERS, st.floats(0, 1))
def test_a_percentile_is_not_exceeded_by_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_nothing_has_no_statistics() -> None:
    for statistic in (median, lambda values: percentile(values, 0.5)):
        with pytest.raises(ValueError, match="nothing was measured"):
            statistic([])


def test_a_ratio_is_the_median_of_pairs_and_meets_its_goal_or_not() -> None:
    figure = Figure.of("fanout", "a frame", "us", [3.0, 30.0, 12.0], [2.0, 20.0, 2.0], goal=1.5)

    assert (figure.value, figure.reference, figure.low, figure.high) == (12.0, 2.0, 3.0, 30.0)
    assert figure.ratio == 1.5
    assert figure.met is True
    assert Figure.of("fanout", "a frame", "us", [3.1], [2.0], goal=1.5).met is False


def test_without_pairs_a_ratio_is_of_medians() -> None:
    assert Figure.of("rooms", "a message", "us", [3.0, 4.0, 5.0], [2.0, 2.0]).ratio == 2.0
    assert Figure("rooms", "a message", "us", 3.0, 2.0).ratio == 1.5
    assert Figure.of("rooms", "a message", "us", [3.0, 5.0], [0.0, 4.0]).ratio == 2.0


def test_a_goal_without_a_reference_bounds_the_value() -> None:
    assert Figure.of("idle", "CPU", "%", [0.9], goal=1.0).met is True
    assert Figure.of("idle", "CPU", "%", [1.1], goal=1.0).met is False
    assert Figure.of("idle", "CPU", "%", [1.1]).met is None


def test_more_may_be_better() -> None:
    understood = Figure("captions", "words", "%", 90.0, goal=50.0, more_is_better=True)
    assert understood.met is True
    assert Figure("captions", "words", "%", 40.0, goal=50.0, more_is_better=True).met is False


def test_passes_beside_the_raw_loop_are_compared_as_ratios() -> None:
    assert Figure.of("fanout", "a frame", "us", [3.0, 6.0], [2.0, 3.0]).sample == (1.5, 2.0)
    assert Figure.of("idle", "CPU", "%", [0.9, 1.0]).sample == (0.9, 1.0)
    assert Figure("hold", "CPU", "%", 2.0).sample == (2.0,)


def test_machines_read_everything() -> None:
    figure = Figure.of("fanout", "a frame", "us", [3.0], [2.0], goal=1.4)
    read = figure.as_json()

    assert read == {
        "scenario": "fanout", "name": "a frame", "unit": "us", "value": 3.0, "reference": 2.0, "goal": 1.4,
        "low": 3.0, "high": 3.0, "values": [3.0], "references": [2.0], "ratio": 1.5, "more_is_better": False,
        "met": False,
    }  # fmt: skip
    assert Figure.from_json(read) == figure
