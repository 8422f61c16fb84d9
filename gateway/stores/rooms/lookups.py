"""What the events of a group look at, found for all of them together: at most two queries however many.

Invariant: whom a rule asks for is found if they are there; whoever else is found does no harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    String,
    cast,
    literal_column,
    null,
    select,
    union_all,
)

from gateway.stores.columns import Moment, UuidText
from gateway.stores.prepared import Listed, Places, side_by_side
from gateway.stores.rooms.operations import LOST_AT_ONCE_MAX
from gateway.stores.rooms.schema import room_kicked, room_messages, room_participants, room_seats
from sessions import rooms
from sessions.room_events import DeadlinePassed, Event, JoinRequested, MessageSent
from sessions.room_records import Participant, Room, Sent
from sessions.texts import is_text

_IN, _KICKED, _SEATS, _SENT = room_participants.c, room_kicked.c, room_seats.c, room_messages.c
_NOTHING = {
    "number": cast(null(), BigInteger), "at": cast(null(), Moment), "lost_at": cast(null(), Moment),
    "name": cast(null(), String), "id": cast(null(), UuidText),
}  # fmt: skip


def _part(part: str, room_id: ColumnElement[str], user: ColumnElement[str], **values: Any) -> Select[Any]:
    own = [value.label(name) for name, value in {**_NOTHING, **values}.items()]
    return select(literal_column(f"'{part}'", String).label("part"), room_id, user, *own)


def participants() -> Select[Any]:
    """Return the query for participants in the columns of a lookup."""
    return _part(
        "in", _IN.room_id, _IN.subject, number=_IN.place, at=_IN.joined_at, lost_at=_IN.lost_at
    )  # fmt: skip


def _people(rooms: Places, users: Places, cutoffs: Places) -> CompoundSelect[Any]:
    asked = side_by_side("asked", room_id=rooms, subject=users)
    overdue = (
        select(room_participants)
        .where(_IN.lost_at <= cutoffs[0], _IN.room_id.in_(rooms))
        .order_by(_IN.lost_at)
        .limit(literal_column(str(LOST_AT_ONCE_MAX)))
        .subquery()
    )
    late = overdue.c
    return union_all(
        _joined(participants(), _IN, asked.c),
        _joined(_part("kicked", _KICKED.room_id, _KICKED.subject), _KICKED, asked.c),
        _joined(_part("seat", _SEATS.room_id, _SEATS.subject, name=_SEATS.boot_id), _SEATS, asked.c),
        _part("in", late.room_id, late.subject, number=late.place, at=late.joined_at, lost_at=late.lost_at),
    )


def _senders(rooms: Places, users: Places, names: Places) -> CompoundSelect[Any]:
    asked = side_by_side("asked", room_id=rooms, subject=users, client_id=names)
    sent = _part(
        "sent", _SENT.room_id, _SENT.subject, number=_SENT.event_offset, at=_SENT.created_at,
        name=_SENT.client_id, id=_SENT.id,
    )  # fmt: skip
    return union_all(
        _joined(participants(), _IN, asked.c),
        _joined(_part("kicked", _KICKED.room_id, _KICKED.subject), _KICKED, asked.c),
        _joined(sent, _SENT, asked.c).where(_SENT.client_id == asked.c.client_id),
    )


def _joined(query: Select[Any], table: Any, asked: Any) -> Select[Any]:
    return query.where(table.room_id == asked.room_id, table.subject == asked.subject)


_PEOPLE = Listed(_people, rooms=_IN.room_id.type, users=_IN.subject.type, cutoffs=_IN.lost_at.type)
_SENDERS = Listed(_senders, rooms=_IN.room_id.type, users=_IN.subject.type, names=_SENT.client_id.type)


@dataclass(slots=True)
class Found:
    """What was found of one room; of seats, user and boot."""

    people: list[Participant] = field(default_factory=list)
    kicked: set[str] = field(default_factory=set)
    seats: list[tuple[str, str]] = field(default_factory=list)
    sent: dict[tuple[str, str], Sent] = field(default_factory=dict)


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
        by_room: dict[str, Found] = {}
        if self._people:
            rooms_of, users = zip(*self._people, strict=True)
            self._take(by_room, _PEOPLE.rows(
                connection, rooms=rooms_of, users=users, cutoffs=[self._cutoff_ms]
            ))  # fmt: skip
        if self._senders:
            rooms_of, users, names = zip(*self._senders, strict=True)
            self._take(by_room, _SENDERS.rows(connection, rooms=rooms_of, users=users, names=names))
        return by_room

    @staticmethod
    def _take(by_room: dict[str, Found], rows: Iterable[tuple[Any, ...]]) -> None:
        for part, room_id, user, number, at_ms, lost_at_ms, name, message_id in rows:
            found = by_room.setdefault(room_id, Found())
            if part == "in":
                found.people.append(Participant(user, number, at_ms, lost_at_ms))
            elif part == "kicked":
                found.kicked.add(user)
            elif part == "seat":
                found.seats.append((user, name))
            else:
                found.sent[user, name] = Sent(name, message_id, number, at_ms)
