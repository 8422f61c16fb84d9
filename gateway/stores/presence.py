"""Presence: who is where, over all processes.

Invariant: a member is at a place from its first connection there to its last, or, if its process was killed,
until its time runs out; however many connections it has, it counts once.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.stores.names import joined

Place = tuple[str, ...]
"""What somebody is at: what kind of place, its tenant, its id."""

TTL_SECONDS = 30.0
"""A connection of which its process says nothing for so long is gone."""
HEARTBEAT_SECONDS = 10.0
"""How often a process says so of all of its own: two may be lost."""
CONNECTIONS_MAX = 100_000
"""At one place; who comes then is not counted."""
LISTED_MAX = 1000
"""Connections of which `members` tells at most, those that are surest to stay first."""
FACTS_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody at a place. `facts` are those of its connection that spoke last."""

    name: str
    connections: int
    facts: bytes = b""


class Presence(Protocol):
    """Who is where. Nothing here raises because a store is lost: then each process knows of its own only."""

    async def enter(self, place: Place, member: str, connection: str, facts: bytes = b"") -> bool:
        """Let a member be at a place through a connection; False, and it is not, when the place is full.

        `facts`: at most FACTS_BYTES_MAX, ValueError. Again for the same connection: its facts are new.
        """

    async def enter_bounded(
        self, place: Place, member: str, connection: str, count_max: int, facts: bytes = b""
    ) -> bool:
        """The same, unless the place has `count_max` other members: exact, however many come at once."""

    async def leave(self, place: Place, connection: str) -> None:
        """Let a connection be there no more; harmless if it is not."""

    async def refresh(self) -> None:
        """Say that every connection of this process is still there; once each HEARTBEAT_SECONDS."""

    async def members(self, place: Place) -> Sequence[Member]:
        """Return who is there, up to LISTED_MAX connections."""

    async def count(self, place: Place) -> int:
        """Return how many members are there."""

    async def counts(self, places: Sequence[Place]) -> Sequence[int]:
        """Return how many members are at each place, in one round trip."""


@dataclass(slots=True)
class Entry:
    """One connection at a place."""

    member: str
    facts: bytes
    until: float


class Roster:
    """Who is where, without a clock or a store: entries by place and connection, the next to run out first.

    Times are seconds of the caller's clock; all entries live equally long, so order is that of refreshing.
    """

    def __init__(self) -> None:
        self._places: dict[Place, OrderedDict[str, Entry]] = {}
        self._members: dict[Place, Counter[str]] = {}

    def enter(
        self, place: Place, connection: str, entry: Entry, now: float, count_max: int | None = None
    ) -> bool:
        """Add or replace an entry, unless the place is full."""
        entries = self._entries(place, now)
        members = self._members.get(place, Counter())
        if connection not in entries and len(entries) >= CONNECTIONS_MAX:
            return False
        if count_max is not None and entry.member not in members and len(members) >= count_max:
            return False
        self.leave(place, connection)
        self._places.setdefault(place, OrderedDict())[connection] = entry
        self._members.setdefault(place, Counter())[entry.member] += 1
        return True

    def leave(self, place: Place, connection: str) -> None:
        """Remove an entry, if it is there."""
        entries = self._places.get(place, OrderedDict())
        entry = entries.pop(connection, None)
        if entry is None:
            return
        members = self._members[place]
        members[entry.member] -= 1
        if not members[entry.member]:
            del members[entry.member]
        if not entries:
            del self._places[place], self._members[place]

    def refresh(self, place: Place, connection: str, until: float) -> bool:
        """Let an entry live until then; False if it is not there."""
        entries = self._places.get(place, OrderedDict())
        if connection not in entries:
            return False
        entries[connection].until = until
        entries.move_to_end(connection)
        return True

    def get(self, place: Place, connection: str) -> Entry | None:
        """Return an entry, whether or not its time has run out."""
        return self._places.get(place, OrderedDict()).get(connection)

    def places(self) -> Sequence[Place]:
        """Return every place where somebody is."""
        return list(self._places)

    def connections(self, place: Place) -> Sequence[str]:
        """Return every connection at a place."""
        return list(self._places.get(place, ()))

    def count(self, place: Place, now: float) -> int:
        """Return how many members are at a place."""
        self._entries(place, now)
        return len(self._members.get(place, ()))

    def members(self, place: Place, now: float) -> Sequence[Member]:
        """Return who is at a place."""
        entries = list(self._entries(place, now).values())[-LISTED_MAX:]
        return grouped([(entry.member, entry.facts) for entry in entries])

    def _entries(self, place: Place, now: float) -> OrderedDict[str, Entry]:
        """Return the entries of a place whose time has not run out, having forgotten the others."""
        entries = self._places.get(place, OrderedDict())
        while entries:
            connection, entry = next(iter(entries.items()))
            if now < entry.until:
                break
            self.leave(place, connection)
        return entries


def grouped(connections: Sequence[tuple[str, bytes]]) -> Sequence[Member]:
    """Return the members of (member, facts) of connections, of which the last spoke last."""
    count = Counter(member for member, _ in connections)
    facts = dict(connections)
    return [Member(name, count[name], facts[name]) for name in sorted(facts)]


def checked(facts: bytes) -> bytes:
    """Return facts that are not too many. Raises ValueError."""
    if len(facts) > FACTS_BYTES_MAX:
        raise ValueError(f"Facts of a connection may have {FACTS_BYTES_MAX} bytes; these have {len(facts)}")
    return facts


def place_name(place: Place) -> str:
    """Return the name of a place in a store."""
    return joined(*place)
