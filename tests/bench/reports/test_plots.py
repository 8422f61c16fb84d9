"""Plots: scales that hold what they show, and words beside the lines."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.reports.plots import POINTS_MAX, Line, linear, logarithmic, plot, shares

POSITIVE = st.floats(0.01, 1e9)


@given(POSITIVE)
def test_an_even_scale_begins_at_nought_and_ends_at_a_round_number_past_the_highest(highest: float) -> None:
    scale = linear(highest)
    assert scale.at(0) == 0
    assert scale.at(highest) <= 1.001
    assert 2 <= len(scale.ticks) <= 7


@given(POSITIVE, POSITIVE)
def test_a_logarithmic_scale_holds_both_ends(one: float, other: float) -> None:
    low, high = sorted((one, other))
    scale = logarithmic(low, high)
    assert -0.001 <= scale.at(low) <= scale.at(high) <= 1.001


@pytest.mark.parametrize("highest", [0.0, 0.5, 0.95, 0.999, 0.99999, 1.0])
def test_percentiles_have_room_by_their_nines(highest: float) -> None:
    scale = shares(highest)
    places = [scale.at(share) for share, _ in scale.ticks]
    assert places == sorted(places)
    assert places[0] == 0
    assert all(0 <= place <= 1 for place in places)


def test_ninety_and_ninety_nine_are_as_far_apart_as_ninety_nine_and_its_tenth() -> None:
    scale = shares(0.9999)
    assert scale.at(0.99) - scale.at(0.9) == pytest.approx(scale.at(0.999) - scale.at(0.99))


def drawn(*lines: Line) -> str:
    return plot("How long", "seconds", "ms", lines, linear(4), linear(10))


def test_a_plot_says_in_words_what_it_shows() -> None:
    made = drawn(Line("a <caption>", [(0, 1), (4, 9.5)]), Line("audio", [(0, 2), (4, 3)]))

    (label,) = re.findall(r'aria-label="([^"]*)"', made)
    assert label == "How long, ms. a &lt;caption&gt;: from 1 to 9.5. audio: from 2 to 3."
    assert "<caption>" not in made
    assert made.count("<li>") == 2


def test_one_line_needs_no_legend() -> None:
    assert "<li>" not in drawn(Line("a caption", [(0, 1), (4, 9)]))


def test_lines_differ_without_colour() -> None:
    made = drawn(*(Line(name, [(0, 1), (4, 2)]) for name in ("a", "b", "c")))
    dashes = re.findall(r'<polyline [^>]*stroke-dasharray="([^"]*)"', made)
    assert len(set(dashes)) == 3


def test_points_that_nobody_could_tell_apart_are_left_out_and_the_last_stays() -> None:
    made = drawn(Line("long", [(number / 1000, 5) for number in range(4001)]))
    (points,) = re.findall(r'points="([^"]*)"', made.split("data-points")[0])
    assert len(points.split()) <= POINTS_MAX + 1
    assert "|4|5" in made
