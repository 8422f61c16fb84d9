"""Windows of a quota: the hour, the day and the month (UTC) in which minutes are counted.

Invariant: a window is a key that follows from the time alone; nothing resets it.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

HOUR_MS = 3_600_000


class Period(StrEnum):
    """How long a window is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


_FORMATS = {Period.HOUR: "%Y-%m-%dT%H", Period.DAY: "%Y-%m-%d", Period.MONTH: "%Y-%m"}


def window_key(period: Period, at_ms: int) -> str:
    """Return the key of the window that holds a moment: `2026-11-20T14`, `2026-11-20` or `2026-11`."""
    return _of_hour(at_ms // HOUR_MS)[period][0]


def window_keys(at_ms: int) -> dict[Period, str]:
    """Return the key of each window that holds a moment."""
    return _keys_of_hour(at_ms // HOUR_MS).copy()


def window_end_ms(period: Period, at_ms: int) -> int:
    """Return when the window that holds a moment ends, which is when the next begins."""
    return _of_hour(at_ms // HOUR_MS)[period][1]


@lru_cache(maxsize=64)
def _keys_of_hour(number: int) -> dict[Period, str]:
    return {period: key for period, (key, _) in _of_hour(number).items()}


@lru_cache(maxsize=64)
def _of_hour(number: int) -> dict[Period, tuple[str, int]]:
    """Return key and end of each window that holds an hour since the epoch: one that everybody asks for."""
    hour = datetime.fromtimestamp(number * HOUR_MS // 1000, UTC)
    day = hour.replace(hour=0)
    ends = {
        Period.HOUR: hour + timedelta(hours=1),
        Period.DAY: day + timedelta(days=1),
        Period.MONTH: (day.replace(day=1) + timedelta(days=31)).replace(day=1),
    }
    return {
        period: (hour.strftime(_FORMATS[period]), int(end.timestamp()) * 1000) for period, end in ends.items()
    }


@lru_cache(maxsize=256)
def period_of(key: str) -> Period:
    """Return the period of a window's key. Raises ValueError if it is none."""
    for period, form in _FORMATS.items():
        try:
            if datetime.strptime(key, form).strftime(form) == key:  # noqa: DTZ007 - only its shape counts
                return period
        except ValueError:
            continue
    raise ValueError(f"{key!r} is no window: those are like 2026-11-20T14, 2026-11-20 or 2026-11")
