"""Sliding windows: at most N accepted in any window, whatever the rhythm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.rate_limits import Rate, RateLimited, Window

FIVE_A_MINUTE = Rate(5, 60.0)


def accepted(window: Window, rate: Rate, times: list[float]) -> list[float]:
    taken = []
    for now in times:
        try:
            window.admit("tries", rate, now)
        except RateLimited:
            continue
        taken.append(now)
    return taken


def test_the_sixth_in_a_minute_is_told_when_to_come_back() -> None:
    window = Window()
    for second in range(5):
        assert window.admit("tries", FIVE_A_MINUTE, float(second)) == 4 - second

    with pytest.raises(RateLimited) as refusal:
        window.admit("tries", FIVE_A_MINUTE, 10.0)

    assert refusal.value.retry_after_seconds == 50
    assert window.admit("tries", FIVE_A_MINUTE, 60.0) == 0


def test_of_110_in_three_seconds_exactly_100_succeed() -> None:
    assert len(accepted(Window(), Rate(100), [i * 3 / 110 for i in range(110)])) == 100


def test_a_limit_of_zero_is_no_limit() -> None:
    window = Window()

    assert [window.admit("tries", Rate(0), 0.0) for _ in range(1000)] == [-1] * 1000


@given(
    st.integers(1, 7),
    st.lists(st.floats(0, 300, allow_nan=False).map(lambda t: round(t, 3)), max_size=200).map(sorted),
)
def test_no_window_ever_holds_more_than_the_rate(count_max: int, times: list[float]) -> None:
    rate = Rate(count_max, 60.0)
    taken = accepted(Window(), rate, times)

    for start in taken:
        assert sum(start <= t < start + 60.0 - 1e-9 for t in taken) <= count_max


@given(st.lists(st.integers(0, 300_000).map(lambda ms: ms / 1000), min_size=1, max_size=100).map(sorted))
def test_who_waits_as_told_gets_in(times: list[float]) -> None:
    window = Window()
    for now in times:
        try:
            window.admit("tries", FIVE_A_MINUTE, now)
        except RateLimited as refusal:
            window.admit("tries", FIVE_A_MINUTE, now + refusal.retry_after_seconds)
            return
