"""What the events of a group look at, found for all of them together: at most two queries however many.

Invariant: whom a rule asks for is found if they are there; whoever else is found does no harm.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    Select,
    String,
    cast,
    literal_column,
    null,
    select,
    union_all,
)

from gateway.stores.prepared import Listed, Places, side_by_side
from gateway.stores.rooms.operations import LOST_AT_ONCE_MAX
from gateway.stores.rooms.schema import room_kicked, room_messages, room_participants, room_seats
from gateway.stores.statements import joined
from sessions import rooms
from sessions.room_events import DeadlinePassed, Event, JoinRequested, MessageSent
from sessions.room_records import Participant, Room, Sent
from sessions.texts import is_text

_IN, _KICKED, _SEATS, _SENT = room_participants.c, room_kicked.c, room_seats.c, room_messages.c


def _people(rooms: Places, users: Places, cutoffs: Places) -> CompoundSelect[Any]:
    asked = side_by_side("asked", room_id=rooms, subject=users).c
    seats = _of(asked, _SEATS, joined(_SEATS.boot_id))
    overdue = (
        select(room_participants)
        .where(_IN.lost_at <= cutoffs[0], _IN.room_id.in_(rooms))
        .order_by(_IN.lost_at)
        .limit(literal_column(str(LOST_AT_ONCE_MAX)))
        .subquery()
        .c
    )
    who = overdue.room_id, overdue.subject, overdue.place, overdue.joined_at, overdue.lost_at
    return union_all(
        select(asked.room_id, asked.subject, *_presence(asked), seats),
        select(*who, literal_column("0", Integer), cast(null(), String)),
    )


def _senders(rooms: Places, users: Places, names: Places) -> Select[Any]:
    asked = side_by_side("asked", room_id=rooms, subject=users, client_id=names).c
    sent = [
        _of(asked, _SENT, column, _SENT.client_id == asked.client_id)
        for column in (_SENT.id, _SENT.event_offset, _SENT.created_at)
    ]
    return select(asked.room_id, asked.subject, *_presence(asked), asked.client_id, *sent)


def _presence(asked: Any) -> list[ColumnElement[Any]]:
    columns = [_of(asked, _IN, column) for column in (_IN.place, _IN.joined_at, _IN.lost_at)]
    return [*columns, _of(asked, _KICKED, literal_column("1", Integer))]


def _of(asked: Any, own: Any, value: ColumnElement[Any], *also: ColumnElement[bool]) -> ColumnElement[Any]:
    # A value for each that is asked for, not a join: PostgreSQL would rather read a table of thousands whole
    # than look up fifty of its rows.
    query = select(value).where(own.room_id == asked.room_id, own.subject == asked.subject, *also)
    return query.scalar_subquery()


_PEOPLE = Listed(_people, rooms=_IN.room_id.type, users=_IN.subject.type, cutoffs=_IN.lost_at.type)
_SENDERS = Listed(_senders, rooms=_IN.room_id.type, users=_IN.subject.type, names=_SENT.client_id.type)


@dataclass(slots=True)
class Found:
    """What was found of one room; of seats, user and boot."""

    people: list[Participant] = field(default_factory=list)
    kicked: set[str] = field(default_factory=set)
    seats: list[tuple[str, str]] = field(default_factory=list)
    sent: dict[tuple[str, str], Sent] = field(default_factory=dict)

    def take(
        self, user: str, place: int | None, joined_at_ms: int, lost_at_ms: int | None, is_kicked: int | None
    ) -> None:
        """Take what was found of one user: no place, if they are not in."""
        if place is not None:
            self.people.append(Participant(user, place, joined_at_ms, lost_at_ms))
        if is_kicked:
            self.kicked.add(user)


class Lookup:
    """What a group looks at."""

    def __init__(self) -> None:
        self._people: set[tuple[str, str]] = set()
        self._senders: set[tuple[str, str, str]] = set()
        self._cutoff_ms = 0

    def add(self, room: Room, event: Event, now_ms: int, grace_ms: int) -> None:
        """Look at what a step will look at."""
        if isinstance(event, MessageSent):
            if is_text(event.by):
                name = event.client_id if is_text(event.client_id) else ""
                self._senders.add((room.id, event.by, name))
            return
        self.add_users(room, rooms.concerned(room, event))
        if isinstance(event, JoinRequested | DeadlinePassed):
            self._cutoff_ms = max(self._cutoff_ms, now_ms - grace_ms)

    def add_users(self, room: Room, users: Iterable[str]) -> None:
        """Look at these users. One that is no text can be nowhere."""
        self._people.update((room.id, user) for user in users if is_text(user))

    def found(self, connection: Connection) -> dict[str, Found]:
        """Return what is there, by room."""
        by_room: dict[str, Found] = defaultdict(Found)
        if self._people:
            rooms_of, users = zip(*self._people, strict=True)
            people = _PEOPLE.rows(connection, rooms=rooms_of, users=users, cutoffs=[self._cutoff_ms])
            for room_id, user, *presence, seats in people:
                found = by_room[room_id]
                found.take(user, *presence)
                if seats:
                    found.seats += [(user, boot_id) for boot_id in seats.split(",")]
        if self._senders:
            rooms_of, users, names = zip(*self._senders, strict=True)
            senders = _SENDERS.rows(connection, rooms=rooms_of, users=users, names=names)
            for room_id, user, place, joined_at_ms, lost_at_ms, is_kicked, name, *sent in senders:
                found = by_room[room_id]
                found.take(user, place, joined_at_ms, lost_at_ms, is_kicked)
                if sent[0] is not None:
                    found.sent[user, name] = Sent(name, *sent)
        return by_room
