"""What a user has used and has left in each window, as people are told it.

Invariant: used is what was settled plus what open slices have reported so far; nothing shown is below zero.
Amounts are whole milliseconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sessions.periods import Period, window_end_ms
from sessions.slices import UNLIMITED, MediaKind, Quota

NOTHING = Quota()


@dataclass(frozen=True, slots=True)
class Tally:
    """One window as it is stored: its quota, and what open slices have reported of what they hold."""

    quota: Quota = NOTHING
    open_ms: int = 0


UNUSED = Tally()


class WindowUsage(NamedTuple):
    """One window of one kind. `limit_ms` includes minutes given besides; it and `remaining_ms` are -1 where
    there is no limit. `free_ms` is what a new session could still hold (None: any amount): less than what
    remains while other sessions of the user hold a part of it."""

    period: Period
    used_ms: int
    limit_ms: int
    remaining_ms: int
    free_ms: int | None
    resets_at_ms: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The windows of a user under a plan, now; of the kinds that were asked for."""

    plan: str
    windows: Mapping[MediaKind, Mapping[Period, WindowUsage]]


def window_usage(period: Period, tally: Tally, limit_ms: int, at_ms: int) -> WindowUsage:
    """Return what a window that holds the moment `at_ms` comes to under a limit (-1: none)."""
    quota = tally.quota
    used_ms = quota.used_ms + tally.open_ms
    resets_at_ms = window_end_ms(period, at_ms)
    if limit_ms == UNLIMITED:
        return WindowUsage(period, used_ms, UNLIMITED, UNLIMITED, None, resets_at_ms)
    whole_ms = limit_ms + quota.extra_ms
    free_ms = max(0, quota.remaining_ms(limit_ms) or 0)
    return WindowUsage(period, used_ms, whole_ms, max(0, whole_ms - used_ms), free_ms, resets_at_ms)


def tightest(windows: Iterable[WindowUsage]) -> WindowUsage | None:
    """Return the window that ends a session first: the least free and, of several, the one that resets last,
    as `slices.grant` chooses; None without any limit."""
    limited = [window for window in windows if window.free_ms is not None]
    return min(limited, key=lambda window: (window.free_ms, -window.resets_at_ms), default=None)
