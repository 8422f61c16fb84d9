"""Coarse deadlines of very many owners, on one timer of the event loop.

Invariant: an owner's alarm rings once, not before its time and at most one tick after it; setting it
again moves it. Nothing ticks while nothing is set.
"""

import asyncio
import heapq
import itertools
import math
from typing import Protocol

TICK_SECONDS = 0.1


class Owner(Protocol):
    """Something with a deadline."""

    def alarm(self, now: float) -> None:
        """Do what is due at `now`, in seconds of the event loop's clock."""


class Alarms:
    """Deadlines by owner, in seconds of the event loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[tuple[float, int, Owner]] = []
        self._set: dict[Owner, float] = {}
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._set)

    @property
    def kept(self) -> int:
        """Entries kept, those that were moved or cleared included."""
        return len(self._due)

    def set(self, owner: Owner, when: float) -> None:
        """Ring for `owner` at `when`; infinity clears its alarm."""
        if when == math.inf:
            self.clear(owner)
        elif self._set.get(owner) != when:
            self._set[owner] = when
            heapq.heappush(self._due, (when, next(self._order), owner))
            self._tidy()
            self._arm()

    def clear(self, owner: Owner) -> None:
        """Forget `owner`'s alarm."""
        self._set.pop(owner, None)
        self._tidy()

    def _tidy(self) -> None:
        """Forget what was moved or cleared, once that is most of what is kept; an idle timer goes too."""
        if len(self._due) > 64 + 2 * len(self._set) or not self._set:
            self._due = [entry for entry in self._due if self._set.get(entry[2]) == entry[0]]
            heapq.heapify(self._due)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        when = self._due[0][0]
        if self._timer is None or when < self._timer.when() - TICK_SECONDS:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(max(when, self._loop.time() + TICK_SECONDS), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        try:
            while self._due and self._due[0][0] <= now:
                when, _, owner = heapq.heappop(self._due)
                if self._set.get(owner) == when:
                    del self._set[owner]
                    owner.alarm(now)
        finally:
            # One owner that fails must not silence the others.
            if self._due:
                self._arm()
