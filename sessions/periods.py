"""Windows of a quota: the hour, the day and the month (UTC) in which minutes are counted.

Invariant: a window is a key that follows from the time alone; nothing resets it.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """How long a window is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


_FORMATS = {Period.HOUR: "%Y-%m-%dT%H", Period.DAY: "%Y-%m-%d", Period.MONTH: "%Y-%m"}


def window_key(period: Period, at_ms: int) -> str:
    """Return the key of the window that holds a moment: `2026-11-20T14`, `2026-11-20` or `2026-11`."""
    return _utc(at_ms).strftime(_FORMATS[period])


def window_keys(at_ms: int) -> dict[Period, str]:
    """Return the key of each window that holds a moment."""
    return {period: window_key(period, at_ms) for period in Period}


def window_end_ms(period: Period, at_ms: int) -> int:
    """Return when the window that holds a moment ends, which is when the next begins."""
    at = _utc(at_ms)
    if period is Period.HOUR:
        end = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    elif period is Period.DAY:
        end = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    else:
        first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        end = (first + timedelta(days=31)).replace(day=1)
    return int(end.timestamp()) * 1000


def period_of(key: str) -> Period:
    """Return the period of a window's key. Raises ValueError if it is none."""
    for period, form in _FORMATS.items():
        try:
            if datetime.strptime(key, form).strftime(form) == key:  # noqa: DTZ007 - only its shape counts
                return period
        except ValueError:
            continue
    raise ValueError(f"{key!r} is no window: those are like 2026-11-20T14, 2026-11-20 or 2026-11")


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)
