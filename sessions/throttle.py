"""How often a room is told of its polls: at most four times a second, however many vote, and the last always.

    what happens      nothing waits                     something waits
    ----------------  --------------------------------  --------------------------------
    changed(poll)     it waits                          it waits behind the others, once
    take, slot open   nothing                           the first, and the slot is taken
    take, too early   nothing                           nothing yet: see `deadline_ms`

Invariant: between two takes lie INTERVAL_MS, and whatever changed is taken after its last change. What waits
is only the name of a poll; what is sent is how that poll is at the time, so that the last is the final one.
"""

from dataclasses import dataclass, replace

INTERVAL_MS = 275
"""Four in a second would be 250; the rest keeps a network that bunches frames from making it five."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """One room's: when something was taken last, and the polls that wait, the longest first. It is not
    stored, and its times are milliseconds of a steady clock."""

    taken_at_ms: int | None = None
    waiting: tuple[str, ...] = ()


def changed(throttle: Throttle, poll_id: str) -> Throttle:
    """Have a poll wait, unless it does."""
    if poll_id in throttle.waiting:
        return throttle
    return replace(throttle, waiting=(*throttle.waiting, poll_id))


def deadline_ms(throttle: Throttle, now_ms: int) -> int | None:
    """Return when `take` has something, `now_ms` at the earliest; None while nothing waits."""
    if not throttle.waiting:
        return None
    return now_ms if throttle.taken_at_ms is None else max(now_ms, throttle.taken_at_ms + INTERVAL_MS)


def take(throttle: Throttle, now_ms: int) -> tuple[Throttle, str | None]:
    """Return the poll whose snapshot goes out now, if one does."""
    due_ms = deadline_ms(throttle, now_ms)
    if due_ms is None or now_ms < due_ms:
        return throttle, None
    return Throttle(now_ms, throttle.waiting[1:]), throttle.waiting[0]
