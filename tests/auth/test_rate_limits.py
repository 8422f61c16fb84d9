"""Sliding windows: at most N accepted in any window, whatever the rhythm."""

from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.rate_limits import MICRO, Admitted, Rate, RateLimited, Window, admit
from tests.auth.rate_cases import CASES, Case, Model, judge


class Windows:
    """The windows of one key, by the name of their rate."""

    def __init__(self) -> None:
        self._windows: defaultdict[str, Window] = defaultdict(Window)

    def ask(self, now_micro: int, rates: Sequence[Rate]) -> Admitted | RateLimited:
        try:
            return admit([(rate, self._windows[rate.name]) for rate in rates if rate.count_max], now_micro)
        except RateLimited as refusal:
            return refusal


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_the_rule(case: Case) -> None:
    windows = Windows()
    for ask in case.asks:
        judge(ask, windows.ask(ask.at, ask.rates))


def test_who_is_refused_is_told_what_and_when_to_come_back() -> None:
    windows, rate = Windows(), Rate("api", "requests", 2)
    for now in (0, 20 * MICRO):
        windows.ask(now, [rate])
    refusal = windows.ask(50 * MICRO + 1, [rate])
    assert isinstance(refusal, RateLimited)
    assert (refusal.rate, refusal.retry_after_seconds) == (rate, 10)
    assert str(refusal) == "Too many requests: at most 2 in 60 seconds. Try again in 10 s."


def test_of_110_in_three_seconds_exactly_100_succeed() -> None:
    windows = Windows()
    outcomes = [windows.ask(i * 3 * MICRO // 110, [Rate("api", "requests", 100)]) for i in range(110)]
    assert [isinstance(outcome, Admitted) for outcome in outcomes] == [True] * 100 + [False] * 10


class TestSteady:
    def test_is_so_many_at_once_in_the_time_that_they_take_in_the_long_run(self) -> None:
        rate = Rate.steady("user", "requests", per_second=10, burst_max=20)
        assert (rate.count_max, rate.window_seconds) == (20, 2.0)

    def test_a_burst_below_the_rate_is_the_rate(self) -> None:
        rate = Rate.steady("user", "requests", per_second=10, burst_max=0)
        assert (rate.count_max, rate.window_seconds) == (10, 1.0)

    def test_zero_a_second_is_off(self) -> None:
        assert Rate.steady("user", "requests", per_second=0, burst_max=20).count_max == 0


class TestAdmitted:
    def test_speaks_for_the_rate_with_the_least_left(self) -> None:
        windows = Windows()
        admitted = windows.ask(0, [Rate("wide", "tries", 9, 30.0), Rate("narrow", "tries", 2, 90.0)])
        assert isinstance(admitted, Admitted)
        assert (admitted.remaining, admitted.reset_seconds) == (1, 90)

    def test_without_a_rate_nothing_limits(self) -> None:
        assert (Admitted().remaining, Admitted().reset_seconds) == (-1, 0)


RATES = st.builds(
    Rate, name=st.sampled_from(["a", "b"]), what=st.just("tries"), count_max=st.integers(0, 4),
    window_seconds=st.sampled_from([60.0, 7.5]),
)  # fmt: skip


@given(
    st.lists(RATES, min_size=1, max_size=3, unique_by=lambda rate: rate.name),
    st.lists(st.tuples(st.integers(-30 * MICRO, 40 * MICRO) | st.integers(0, 2), st.booleans()), max_size=60),
)
def test_it_agrees_with_counting_everything_anew(rates: list[Rate], steps: list[tuple[int, bool]]) -> None:
    windows, model, now = Windows(), Model(), 1000 * MICRO
    for step, every in steps:
        now += step
        asked = rates if every else rates[:1]
        outcome = windows.ask(now, asked)
        assert (isinstance(outcome, Admitted), outcome.standings) == model.ask(now, asked)


@given(st.lists(st.integers(0, 300 * MICRO), min_size=1, max_size=100).map(sorted))
def test_who_waits_as_told_gets_in(times: list[int]) -> None:
    windows, rate = Windows(), Rate("tries", "tries", 5)
    for now in times:
        outcome = windows.ask(now, [rate])
        if isinstance(outcome, RateLimited):
            later = windows.ask(now + outcome.retry_after_seconds * MICRO, [rate])
            assert isinstance(later, Admitted)
            return
