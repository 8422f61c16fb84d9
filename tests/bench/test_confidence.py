"""Chance and certainty, held to tables, to symmetry and to what nobody would doubt."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import confidence
from bench.confidence import chance, ratio_range

SAMPLE = st.lists(st.integers(1, 50).map(float), min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        # Wholly apart: 2 of the C(m + n, m) arrangements are as extreme.
        ([1, 2, 3], [4, 5, 6], 2 / 20),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        # U = 5: of the arrangements 1 + 1 + 2 + 3 + 5 + 7 have that or less (Mann and Whitney, table I).
        ([1, 2, 3, 5, 9], [4, 6, 7, 8, 10], 38 / 252),
        ([5, 5, 5], [5, 5, 5], 1.0),
    ],
)
def test_small_samples_are_counted_out(ours: list[float], theirs: list[float], expected: float) -> None:
    assert chance(ours, theirs) == pytest.approx(expected)


@given(SAMPLE, SAMPLE)
def test_it_does_not_matter_which_run_came_first(ours: list[float], theirs: list[float]) -> None:
    assert chance(ours, theirs) == pytest.approx(chance(theirs, ours))
    assert 0 < chance(ours, theirs) <= 1


@given(SAMPLE, SAMPLE)
def test_the_unit_does_not_matter(ours: list[float], theirs: list[float]) -> None:
    scaled = chance([value * 1000 for value in ours], [value * 1000 for value in theirs])
    assert scaled == pytest.approx(chance(ours, theirs))


def test_large_samples_are_near_what_counting_would_say(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(7)
    ours = [source.gauss(0, 1) for _ in range(9)]
    theirs = [source.gauss(0.8, 1) for _ in range(8)]
    counted = chance(ours, theirs)

    monkeypatch.setattr(confidence, "ARRANGEMENTS_MAX", 0)
    assert chance(ours, theirs) == pytest.approx(counted, abs=0.02)


def test_samples_of_one_kind_seldom_look_different() -> None:
    source = random.Random(3)
    draws = [([source.random() for _ in range(5)], [source.random() for _ in range(5)]) for _ in range(600)]
    found = sum(chance(ours, theirs) < 0.05 for ours, theirs in draws)
    assert found < 0.05 * 600 * 1.6


def test_the_ratio_lies_where_the_medians_say() -> None:
    low, high = ratio_range([10, 11, 9, 10, 10.5], [20, 21, 19, 20, 20.5])
    assert 1.6 < low < 2.0 < high < 2.4
    assert ratio_range([10, 10, 10], [10, 10, 10]) == (1, 1)
    assert ratio_range([1, 2, 3], [1, 2, 3]) == ratio_range([1, 2, 3], [1, 2, 3])


def test_nothing_cannot_be_compared() -> None:
    for ask in (chance, ratio_range):
        with pytest.raises(ValueError, match="nothing was measured"):
            ask([], [1.0])
