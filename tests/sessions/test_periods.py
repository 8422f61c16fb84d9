"""Windows of quotas: keys that follow from the time alone."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.periods import Period, period_of, window_end_ms, window_key, window_keys


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


MOMENTS = st.integers(at("2020-01-01T00:00"), at("2045-01-01T00:00"))


def test_a_moment_is_in_one_hour_one_day_and_one_month() -> None:
    assert window_keys(at("2026-11-20T14:59:59.999")) == {
        Period.HOUR: "2026-11-20T14",
        Period.DAY: "2026-11-20",
        Period.MONTH: "2026-11",
    }


@pytest.mark.parametrize(
    ("period", "moment", "end"),
    [
        (Period.HOUR, "2026-11-20T14:00", "2026-11-20T15:00"),
        (Period.HOUR, "2026-12-31T23:59:59.999", "2027-01-01T00:00"),
        (Period.DAY, "2028-02-28T12:00", "2028-02-29T00:00"),
        (Period.DAY, "2026-02-28T12:00", "2026-03-01T00:00"),
        (Period.MONTH, "2026-01-31T12:00", "2026-02-01T00:00"),
        (Period.MONTH, "2026-12-31T23:00", "2027-01-01T00:00"),
        (Period.MONTH, "2026-02-01T00:00", "2026-03-01T00:00"),
    ],
)
def test_a_window_ends_where_the_next_begins(period: Period, moment: str, end: str) -> None:
    assert window_end_ms(period, at(moment)) == at(end)


@given(st.sampled_from(Period), MOMENTS)
def test_the_end_of_a_window_is_the_first_moment_of_another(period: Period, moment_ms: int) -> None:
    end_ms = window_end_ms(period, moment_ms)
    assert end_ms > moment_ms
    assert window_key(period, end_ms - 1) == window_key(period, moment_ms)
    assert window_key(period, end_ms) > window_key(period, moment_ms)


@given(st.sampled_from(Period), MOMENTS)
def test_a_key_says_its_period(period: Period, moment_ms: int) -> None:
    assert period_of(window_key(period, moment_ms)) is period


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-11-31", "2026-11-20T24", "2026-1-2", " 2026-11"]
)
def test_anything_else_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match="no window"):
        period_of(text)
