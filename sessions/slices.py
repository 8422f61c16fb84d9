"""A slice: minutes held for one session in every window at once, used up, and settled exactly once.

    (none) --grant--> OPEN --checkpoint*--> OPEN --settle--> CLOSED --late report--> CLOSED

Invariant: over all slices of a user, what is used and what is held never pass a window's limit; what a
closed slice was settled at never changes. Amounts are whole milliseconds of accepted media.

The model is that of RFC 8506 (granted units, validity time, final unit); a slice ends at a window's edge, as
its tariff-time-change does, so that use is charged to the window it happened in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sessions.periods import Period, window_end_ms, window_keys

UNLIMITED = -1
SMALLEST_MS = 1000
"""A share is not cut smaller than this; and what is granted in the last such time of a window is charged to
the next one, or the edge would be approached in ever smaller slices."""
LIFETIME_FACTOR = 2
"""A slice may be open for this many times its usual length: a stream that stalls holds minutes no longer."""


class MediaKind(StrEnum):
    """What minutes are of."""

    SUBTITLES = "subtitles"
    DUBBING = "dubbing"


@dataclass(frozen=True, slots=True)
class Quota:
    """One window of a user: settled use, what open slices hold, and what was given besides the limit."""

    used_ms: int = 0
    held_ms: int = 0
    extra_ms: int = 0

    def remaining_ms(self, limit_ms: int) -> int | None:
        """Return what nobody has used or holds; None without a limit."""
        if limit_ms == UNLIMITED:
            return None
        return limit_ms + self.extra_ms - self.used_ms - self.held_ms


@dataclass(frozen=True, slots=True)
class Grant:
    """What is held for a session: `granted_ms`, in the windows `keys`, until `expires_at_ms` by the clock.

    `final` says that nothing is left after it. `warn_at_ms` is how much of it may be used before a window
    has reached its warning (0: it has already), `warn_period` which; None when none will.
    """

    granted_ms: int
    keys: Mapping[Period, str]
    expires_at_ms: int
    final: bool
    warn_at_ms: int | None = None
    warn_period: Period | None = None


class QuotaSpent(Exception):
    """A window has nothing left; `resets_at_ms` is when it ends, `held` that sessions of the same user hold
    the rest of it now."""

    def __init__(self, kind: MediaKind, period: Period, resets_at_ms: int, *, held: bool) -> None:
        where = {
            Period.HOUR: "this hour", Period.DAY: "today (UTC)", Period.MONTH: "this month",
        }[period]  # fmt: skip
        rest = "is in use by your other sessions" if held else "is used up"
        super().__init__(f"Your {kind.value} time for {where} {rest}")
        self.kind = kind
        self.period = period
        self.resets_at_ms = resets_at_ms
        self.held = held


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant goes by: each window's limit (-1: none), the usual length of a slice, the warning's share
    of a limit in percent (0: never)."""

    limits_ms: Mapping[Period, int]
    slice_ms: int = 60_000
    warning_percent: int = 80


def charged_at_ms(now_ms: int) -> int:
    """Return the moment whose windows a grant made now is charged to."""
    return now_ms + SMALLEST_MS


def grant(
    kind: MediaKind, quotas: Mapping[Period, Quota], terms: Terms, *, owed_ms: int, live: int, now_ms: int
) -> Grant:
    """Return what may be held now. Raises QuotaSpent.

    `owed_ms` was sent already and comes first; `live` counts the sessions of this user that draw on the same
    windows, this one included. `quotas` are those of the windows of `charged_at_ms(now_ms)`.
    """
    assert owed_ms >= 0
    assert live >= 1
    at_ms = charged_at_ms(now_ms)
    left: dict[Period, int] = {}
    for period in Period:
        remaining = quotas[period].remaining_ms(terms.limits_ms[period])
        if remaining is not None:
            left[period] = remaining
    scarcest = min(left, key=lambda period: (left[period], -window_end_ms(period, at_ms)), default=None)
    size = terms.slice_ms
    final = False
    if scarcest is not None:
        if left[scarcest] <= 0:
            quota = quotas[scarcest]
            spent = quota.used_ms >= terms.limits_ms[scarcest] + quota.extra_ms
            raise QuotaSpent(kind, scarcest, window_end_ms(scarcest, at_ms), held=not spent)
        # More may be owed than is left: then all of it is charged, and the next request refused.
        owed_ms = min(owed_ms, left[scarcest])
        rest = left[scarcest] - owed_ms
        size = min(size, rest, max(rest // live, SMALLEST_MS))
        final = size == rest
    edge_ms = window_end_ms(Period.HOUR, at_ms)
    expires_at_ms = min(edge_ms, now_ms + LIFETIME_FACTOR * terms.slice_ms)
    if size > expires_at_ms - now_ms:
        size, final = expires_at_ms - now_ms, False
    granted_ms = owed_ms + size
    warn_at_ms, warn_period = _warning(quotas, terms)
    if warn_at_ms is not None and warn_at_ms > granted_ms:
        warn_at_ms, warn_period = None, None
    return Grant(granted_ms, window_keys(at_ms), expires_at_ms, final, warn_at_ms, warn_period)


def _warning(quotas: Mapping[Period, Quota], terms: Terms) -> tuple[int | None, Period | None]:
    """Return how much more may be used before the first window reaches its warning, and which."""
    soonest: tuple[int, Period] | None = None
    for period in Period:
        limit_ms, quota = terms.limits_ms[period], quotas[period]
        if limit_ms == UNLIMITED or not terms.warning_percent:
            continue
        line_ms = (limit_ms + quota.extra_ms) * terms.warning_percent // 100
        ahead_ms = max(0, line_ms - quota.used_ms - quota.held_ms)
        if soonest is None or ahead_ms < soonest[0]:
            soonest = ahead_ms, period
    return soonest if soonest is not None else (None, None)


# --- what is stored ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice as it is stored: `cumulative_ms` is what its session reported, `settled_ms` what it was closed
    at."""

    granted_ms: int
    cumulative_ms: int = 0
    settled_ms: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What closing a slice, or a late report of it, comes to: the slice afterwards, what to take from the
    held and add to the used of each window, and the quantity of the event (None: no event)."""

    slice: Slice
    released_ms: int
    used_ms: int
    late: bool = False

    @property
    def quantity_ms(self) -> int | None:
        """Milliseconds of the event that records it; None when there is nothing to record."""
        return self.used_ms or None


def checkpoint(held: Slice, cumulative_ms: int) -> Slice:
    """Return the slice after a report of use; older reports and closed slices change nothing."""
    if held.closed or cumulative_ms <= held.cumulative_ms:
        return held
    return replace(held, cumulative_ms=min(cumulative_ms, held.granted_ms))


def settle(held: Slice, cumulative_ms: int | None) -> Settled:
    """Close a slice at what was used of it; None: at its last checkpoint, because its owner is gone.

    Settling a closed slice again changes nothing, unless its owner reports more than it was closed at: then
    the difference is used late, and may pass the limit by at most the rest of the slice.
    """
    reported_ms = min(max(cumulative_ms or 0, held.cumulative_ms), held.granted_ms)
    if not held.closed:
        closed = Slice(held.granted_ms, reported_ms, reported_ms, closed=True)
        return Settled(closed, released_ms=held.granted_ms, used_ms=reported_ms)
    more_ms = reported_ms - held.settled_ms
    if more_ms <= 0:
        return Settled(held, released_ms=0, used_ms=0)
    closed = replace(held, cumulative_ms=reported_ms, settled_ms=reported_ms)
    return Settled(closed, released_ms=0, used_ms=more_ms, late=True)


def cost_micro(quantity_ms: int, rate_micro_per_minute: int) -> int:
    """Return the cost of a quantity, rounded half up to a micro-credit."""
    return (quantity_ms * rate_micro_per_minute + 30_000) // 60_000
