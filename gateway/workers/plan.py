"""Which worker a stream goes to, and how many processes there should be; pure rules, no process in sight.

Invariant: while the limit on processes allows it, one warm worker has nothing to do, so that a stream can
begin, or go on after a loss, without waiting for engines to load.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Seat(Generic[Key]):
    """A warm worker: what it has, and what it takes."""

    worker: Key
    streams: int
    streams_max: int


def choose(
    seats: Iterable[Seat[Key]], busy_max: int, avoid: Collection[Key] = (), never: Collection[Key] = ()
) -> Key | None:
    """Return the least loaded worker with room; None when the stream has to wait.

    Once `busy_max` workers are busy, one that is idle is the reserve for losses: it is taken only when no
    other has room. `avoid` lists those that failed with this stream: better any other; `never` is final.
    """
    seats = list(seats)
    busy = sum(1 for seat in seats if seat.streams)
    free = [seat for seat in seats if seat.streams < seat.streams_max and seat.worker not in never]
    if not free:
        return None

    def cost(seat: Seat[Key]) -> tuple[bool, bool, int]:
        return seat.worker in avoid, not seat.streams and busy >= busy_max, seat.streams

    return min(free, key=cost).worker


def missing(
    *, children: int, starting: int, idle: int, waiting: int, room: int, streams_max: int, workers_max: int
) -> int:
    """Return how many processes to start now.

    `children` counts every process of ours, also those that start; `idle` and `room` (free places) count
    warm workers only. One spare comes on top of `workers_max`.
    """
    homeless = max(0, waiting - room)
    wanted = -(-homeless // streams_max) + 1
    return max(0, min(wanted - starting - idle, workers_max + 1 - children))


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next process, after some that died young."""

    first_seconds: float
    seconds_max: float
    young_seconds: float
    failures: int = 0

    def ended(self, lived_seconds: float) -> float:
        """Note that a process ended by itself; return the seconds to wait before another is started."""
        self.failures = self.failures + 1 if lived_seconds < self.young_seconds else 0
        if not self.failures:
            return 0.0
        return min(self.seconds_max, self.first_seconds * 2.0 ** min(self.failures - 1, 30))
