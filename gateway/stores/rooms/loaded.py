"""The rooms that one group touches: locked in the order of their ids, seen as far as its events look, changed
in memory, saved once.

Invariant: a step sees everybody whom its rule asks for; what steps changed is written, and nothing else is.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update

from gateway.stores.columns import is_uuid
from gateway.stores.prepared import ForEach, Listed, Places
from gateway.stores.rooms import people
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.history import History
from gateway.stores.rooms.lookups import Lookup
from gateway.stores.rooms.rows import ROOM, ROOM_CHANGES, room_changes, room_of
from gateway.stores.rooms.schema import rooms as table
from gateway.stores.rooms.seats import Seats, save_seats
from sessions import rooms
from sessions.lifetimes import NEVER_MS
from sessions.room_effects import Effect
from sessions.room_events import DeadlinePassed, Event, JoinRequested, KickRequested, MessageSent
from sessions.room_records import Participant, Room, Sent, State

DEADLINE_LAG_MS = 60_000
"""A deadline is moved when it is so much too early: not with each message, for then an index would be too."""


def _locked(ids: Places) -> Select[Any]:
    return select(*ROOM).where(table.c.id.in_(ids)).order_by(table.c.id).with_for_update()


_LOCK = Listed(_locked, ids=table.c.id.type)
_SAVE = ForEach(
    update(table)
    .where(table.c.id == bindparam("of_room"))
    .values({name: bindparam(f"new_{name}") for name in ROOM_CHANGES})
)


class LoadedRoom:
    """One of them. `room` has its participants in `people`, as far as they are loaded."""

    def __init__(self, room: Room, deadline_ms: int) -> None:
        self.room = self.before = room
        self.deadline_ms = deadline_ms
        self.people: dict[str, Participant] = {}
        self.kicked: frozenset[str] = frozenset()
        self.sent: dict[tuple[str, str], Sent] = {}
        self.seats = Seats(room.id)
        self.stored: set[str] = set()
        self.changed: set[str] = set()
        self.emptied = False
        self.looked_over = False
        self._lost: set[str] = set()

    def know(self, found: Iterable[Participant]) -> None:
        """Take participants from the store, but for those that are known here already."""
        for at in found:
            if at.user not in self.stored:
                self.stored.add(at.user)
                self._put(at)

    def _put(self, at: Participant) -> None:
        self.people[at.user] = at
        if at.lost_at_ms is None:
            self._lost.discard(at.user)
        else:
            self._lost.add(at.user)

    def part(self, event: Event, now_ms: int, grace_ms: int) -> Room:
        """Return the room with those whom an event concerns."""
        seen = {user: self.people[user] for user in rooms.concerned(self.room, event) if user in self.people}
        if self._lost and isinstance(event, JoinRequested | DeadlinePassed):
            seen |= {user: self.people[user] for user in self._lost if self._overdue(user, now_ms, grace_ms)}
            seen = in_line(seen)
        if isinstance(event, MessageSent) and event.by in seen:
            sent = self.sent.get((event.by, event.client_id))
            seen[event.by] = replace(seen[event.by], sent=(sent,) if sent else ())
        unseen = self.room.count - len(seen)
        return replace(self.room, participants=seen, kicked=self.kicked, unseen=unseen)

    def _overdue(self, user: str, now_ms: int, grace_ms: int) -> bool:
        lost_at_ms = self.people[user].lost_at_ms
        return lost_at_ms is not None and lost_at_ms + grace_ms <= now_ms

    def whole(self) -> Room:
        """Return the room with everybody; they must be loaded."""
        return replace(self.room, participants=in_line(self.people), kicked=self.kicked, unseen=0)

    def take(self, seen: Room, after: Room) -> None:
        """Keep what a step made of the room as it was seen."""
        if after is seen:
            return
        self.room, self.kicked = after, after.kicked
        if after.state is State.CLOSED:
            self._empty()
            return
        for user in seen.participants:
            if user not in after.participants:
                del self.people[user]
                self._lost.discard(user)
                self.changed.add(user)
                self.seats.clear(user)
        for user, at in after.participants.items():
            if at.sent:
                self.sent[user, at.sent[-1].client_id] = at.sent[-1]
            elif self.people.get(user) != at:
                self._put(at)
                self.changed.add(user)

    def _empty(self) -> None:
        self.emptied = True
        self.people.clear()
        self._lost.clear()
        self.changed.clear()
        self.seats.empty()


def in_line(people: dict[str, Participant]) -> dict[str, Participant]:
    """Return participants in the order in which they came, as who has all of them has them."""
    return dict(sorted(people.items(), key=lambda item: item[1].place))


class LoadedRooms:
    """All of them."""

    def __init__(self, connection: Connection, bounds: RoomBounds) -> None:
        self._connection = connection
        self._bounds = bounds
        self._rooms: dict[str, LoadedRoom] = {}
        self._history = History()

    def lock(self, ids: Collection[str]) -> None:
        """Load rooms without anybody, and keep other writers from them until the end of the transaction."""
        wanted = sorted({room_id for room_id in ids if is_uuid(room_id)})
        for row in _LOCK.rows(self._connection, ids=wanted):
            self._rooms[row[0]] = LoadedRoom(room_of(row), row[len(ROOM) - 1])

    def get(self, room_id: str) -> LoadedRoom | None:
        """Return a room that is locked, None if there is none."""
        return self._rooms.get(room_id)

    def look(self, lookup: Lookup) -> None:
        """Load what the events of a group look at."""
        for room_id, found in lookup.found(self._connection).items():
            loaded = self._rooms[room_id]
            loaded.know(found.people)
            loaded.kicked |= found.kicked
            loaded.sent |= found.sent
            loaded.seats.know(found.seats)

    def step(self, loaded: LoadedRoom, event: Event, now_ms: int) -> tuple[Room, tuple[Effect, ...]]:
        """Step a room by its rule; return it with those it has looked at. Raises what the rule raises."""
        loaded.looked_over |= isinstance(event, DeadlinePassed)
        if isinstance(event, KickRequested):
            loaded.kicked |= people.kicked_from(self._connection, loaded.room.id)
        bounds = self._bounds.room
        seen = loaded.part(event, now_ms, bounds.grace_ms)
        try:
            after, effects = rooms.step(seen, event, now_ms, bounds)
        except rooms.OthersNeeded:
            loaded.know(people.everybody(self._connection, loaded.room.id))
            seen = loaded.whole()
            after, effects = rooms.step(seen, event, now_ms, bounds)
        loaded.take(seen, after)
        if effects:
            self._history.add(after, event, effects, now_ms)
        if isinstance(event, KickRequested) and event.user not in seen.kicked:
            people.keep_out(self._connection, after.id, event, now_ms)
        return after, effects

    def save(self) -> None:
        """Write what changed."""
        changed = [
            loaded
            for _, loaded in sorted(self._rooms.items())
            if loaded.room is not loaded.before or loaded.looked_over
        ]
        if changed:
            people.save(self._connection, changed)
            _SAVE.run(self._connection, [self._row(loaded) for loaded in changed])
        save_seats(self._connection, (loaded.seats for loaded in self._rooms.values()))
        self._history.save(self._connection)

    def _row(self, loaded: LoadedRoom) -> dict[str, object]:
        deadline_ms = self._deadline_ms(loaded.room)
        is_near = 0 <= deadline_ms - loaded.deadline_ms < DEADLINE_LAG_MS
        if is_near and not loaded.looked_over and loaded.room.state is State.OPEN:
            deadline_ms = loaded.deadline_ms
        values = room_changes(loaded.room, deadline_ms)
        return {"of_room": loaded.room.id} | {f"new_{name}": value for name, value in values.items()}

    def _deadline_ms(self, room: Room) -> int:
        if room.state is State.OPEN:
            return rooms.idle_deadline_ms(room, self._bounds.room)
        assert room.closed_at_ms is not None
        return room.closed_at_ms + self._bounds.history_ms if self._bounds.history_ms else NEVER_MS
