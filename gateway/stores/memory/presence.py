"""Presence within one process.

Invariant: as in `gateway.stores.presence`; those who share a roster see each other, as processes on one store
do.
"""

from collections.abc import Callable, Sequence

from gateway.stores.presence import TTL_SECONDS, Entry, Member, Place, Roster, checked


class MemoryPresence:
    """Who is where; `now` returns seconds of a clock that never jumps."""

    def __init__(self, now: Callable[[], float], roster: Roster | None = None) -> None:
        self._now = now
        self._roster = roster or Roster()
        self._own: dict[tuple[Place, str], tuple[str, bytes]] = {}

    async def enter(self, place: Place, member: str, connection: str, facts: bytes = b"") -> bool:
        """Let a member be at a place through a connection."""
        return self._enter(place, member, connection, None, facts)

    async def enter_bounded(
        self, place: Place, member: str, connection: str, count_max: int, facts: bytes = b""
    ) -> bool:
        """The same, unless the place has `count_max` other members."""
        return self._enter(place, member, connection, count_max, facts)

    async def leave(self, place: Place, connection: str) -> None:
        """Let a connection be there no more."""
        self._own.pop((place, connection), None)
        self._roster.leave(place, connection)

    async def refresh(self) -> None:
        """Say that every connection of this process is still there."""
        now = self._now()
        until = now + TTL_SECONDS
        for (place, connection), (member, facts) in self._own.items():
            if not self._roster.refresh(place, connection, until):
                self._roster.enter(place, connection, Entry(member, facts, until), now)

    async def members(self, place: Place) -> Sequence[Member]:
        """Return who is there."""
        return self._roster.members(place, self._now())

    async def count(self, place: Place) -> int:
        """Return how many members are there."""
        return self._roster.count(place, self._now())

    async def counts(self, places: Sequence[Place]) -> Sequence[int]:
        """Return how many members are at each place."""
        now = self._now()
        return [self._roster.count(place, now) for place in places]

    def _enter(self, place: Place, member: str, connection: str, count_max: int | None, facts: bytes) -> bool:
        now = self._now()
        entry = Entry(member, checked(facts), now + TTL_SECONDS)
        entered = self._roster.enter(place, connection, entry, now, count_max)
        if entered:
            self._own[place, connection] = (member, facts)
        return entered
