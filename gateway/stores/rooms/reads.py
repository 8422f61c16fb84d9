"""What is asked of rooms and polls: each is a function of a connection, for `Database.read`.

Invariant: what one of them returns was so at one moment. A room or poll of another tenant is as one that is
not there.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from gateway.stores.columns import UuidText, is_uuid
from gateway.stores.cursors import BadCursor, cursor_of, place_of
from gateway.stores.prepared import Listed, Places
from gateway.stores.rooms.rows import MESSAGE, ROOM, event_of, message_of, room_of
from gateway.stores.rooms.schema import polls, room_events, room_messages, room_participants, rooms
from gateway.stores.statements import at_one_moment
from sessions.room_effects import Message, MessagePosted, Publish
from sessions.room_records import Participant, Room
from sessions.room_snapshots import MESSAGES_SHOWN_MAX
from sessions.texts import is_text

EVENTS_MAX = 1000
"""Events that `events_since` returns at most."""
PEOPLE_AT_ONCE = 500
"""Participants read in one go: on PostgreSQL that keeps an event loop from doing else."""

_ROOM, _IN, _EVENT, _POSTED = rooms.c, room_participants.c, room_events.c, room_messages.c
_ONE = select(*ROOM).where(_ROOM.id == bindparam("id", type_=_ROOM.id.type))
_WITH_CODE = select(*ROOM).where(
    _ROOM.tenant_id == bindparam("tenant"), _ROOM.room_code == bindparam("code"), _ROOM.is_active
)
_PEOPLE = (
    select(_IN.subject, _IN.place, _IN.joined_at, _IN.lost_at)
    .where(_IN.room_id == bindparam("id", type_=_IN.room_id.type), _IN.place > bindparam("after"))
    .order_by(_IN.place)
    .limit(PEOPLE_AT_ONCE)
)
_NEWEST = (
    select(*MESSAGE)
    .where(_POSTED.room_id == bindparam("id", type_=_POSTED.room_id.type))
    .order_by(_POSTED.event_offset.desc())
    .limit(MESSAGES_SHOWN_MAX)
)


def _since(table: Any, *columns: ColumnElement[Any]) -> Select[Any]:
    own = table.c
    within = own.event_offset > bindparam("after"), own.event_offset <= bindparam("until")
    return select(own.event_offset, *columns).where(
        own.room_id == bindparam("id", type_=own.room_id.type), *within
    )


_EVENTS = union_all(
    _since(room_events, _EVENT.kind, _EVENT.subject, _EVENT.why, _EVENT.occurred_at, cast(null(), UuidText)),
    _since(
        room_messages,
        literal_column("'message'"), _POSTED.subject, _POSTED.text, _POSTED.created_at, _POSTED.id,
    ),
).order_by("event_offset")  # fmt: skip


def _heads(ids: Places) -> Select[Any]:
    changes = (
        select(func.coalesce(func.sum(polls.c.version), 0))
        .where(polls.c.room_id == _ROOM.id)
        .scalar_subquery()
    )
    lost_at = (
        select(func.min(_IN.lost_at))
        .where(_IN.room_id == _ROOM.id, _IN.lost_at.is_not(None))
        .scalar_subquery()
    )
    return select(_ROOM.id, _ROOM.last_offset, changes, lost_at).where(_ROOM.id.in_(ids))


_HEADS = Listed(_heads, ids=_ROOM.id.type)


@dataclass(frozen=True, slots=True)
class Whole:
    """A room with everybody who is in, and its newest messages, the oldest of them first, as
    `room_snapshots.snapshot` wants them."""

    room: Room
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """The events of a room after an offset, in order. `offset` is the room's newest; `complete` says that
    none of those between was left out: neither because history does not go back so far, nor for `most`."""

    epoch: str
    offset: int
    events: tuple[Publish, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Head:
    """How far a room is: the offset of its newest event, and a number that goes up with each change of any of
    its polls. `lost_at_ms`: since when the first of those in it has had no connection, None if all have one;
    a process with people of the room has that one out in time, also when another noted the loss."""

    offset: int
    polls: int
    lost_at_ms: int | None = None


def room_by_code(connection: Connection, tenant_id: str, code: str) -> Room | None:
    """Return the open room with a code (`room_codes.normalise`), without participants (`Room.unseen`)."""
    row = connection.execute(_WITH_CODE, {"tenant": tenant_id, "code": code}).first()
    return None if row is None else room_of(row)


def room(connection: Connection, tenant_id: str, room_id: str) -> Room | None:
    """Return a room, open or closed, without participants."""
    row = connection.execute(_ONE, {"id": room_id}).first() if is_uuid(room_id) else None
    return None if row is None or row.tenant_id != tenant_id else room_of(row)


def rooms_of(connection: Connection, tenant_id: str, user: str, most: int) -> list[Room]:
    """Return the open rooms that a user owns or is in, without participants, the newest first."""
    entered = select(_IN.room_id).where(_IN.tenant_id == tenant_id, _IN.subject == user)
    query = select(*ROOM).where(
        _ROOM.tenant_id == tenant_id, _ROOM.is_active, or_(_ROOM.owner == user, _ROOM.id.in_(entered))
    )
    query = query.order_by(_ROOM.created_at.desc(), _ROOM.id.desc()).limit(most)
    return [room_of(row) for row in connection.execute(query)]


def public_rooms(
    connection: Connection, tenant_id: str, limit: int, cursor: str | None
) -> tuple[list[Room], str | None]:
    """Return the open rooms that are not private, without participants, the newest first, and the cursor of
    those that follow (None: there are none). Raises BadCursor."""
    query = select(*ROOM).where(_ROOM.tenant_id == tenant_id, _ROOM.is_active, ~_ROOM.is_private)
    if cursor is not None:
        at_ms, room_id = place_of(cursor, int, str)
        if not is_uuid(str(room_id)):
            raise BadCursor
        earlier = (_ROOM.created_at < at_ms) | ((_ROOM.created_at == at_ms) & (_ROOM.id < room_id))
        query = query.where(_ROOM.created_at <= at_ms, earlier)
    query = query.order_by(_ROOM.created_at.desc(), _ROOM.id.desc()).limit(limit + 1)
    found = [room_of(row) for row in connection.execute(query)]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], cursor_of(last.created_at_ms, last.id)


def is_in(connection: Connection, room_id: str, user: str) -> bool:
    """Return whether a user is in a room."""
    if not (is_uuid(room_id) and is_text(user)):
        return False
    query = select(_IN.place).where(_IN.room_id == room_id, _IN.subject == user)
    return connection.execute(query).first() is not None


def whole(connection: Connection, tenant_id: str, room_id: str) -> Whole | None:
    """Return a room as a newcomer sees it. It costs what the room is large: keep it, and apply events."""
    at_one_moment(connection)
    bare = room(connection, tenant_id, room_id)
    if bare is None:
        return None
    people: dict[str, Participant] = {}
    after = 0
    while len(people) < bare.unseen:
        found = connection.execute(_PEOPLE, {"id": room_id, "after": after}).all()
        people |= {row[0]: Participant(*row) for row in found}
        after = found[-1].place
    newest = connection.execute(_NEWEST, {"id": room_id}).all()
    return Whole(
        replace(bare, participants=people, unseen=0), tuple(message_of(row) for row in reversed(newest))
    )


def events_since(
    connection: Connection, tenant_id: str, room_id: str, offset: int, most: int = EVENTS_MAX
) -> Missed | None:
    """Return what happened in a room after an offset, at most the next `most` events."""
    at_one_moment(connection)
    bare = room(connection, tenant_id, room_id)
    if bare is None:
        return None
    until = min(offset + most, bare.offset)
    events = []
    if offset < until:
        rows = connection.execute(_EVENTS, {"id": room_id, "after": offset, "until": until})
        events = [_published(row) for row in rows]
    complete = 0 <= offset <= bare.offset and len(events) == bare.offset - offset
    return Missed(bare.epoch, bare.offset, tuple(events), complete)


def _published(row: Any) -> Publish:
    offset, kind, user, text, at_ms, message_id = row
    if kind == "message":
        return Publish(offset, MessagePosted(Message(message_id, offset, user, text, at_ms)))
    return Publish(offset, event_of(kind, user, text, at_ms))


def heads(connection: Connection, room_ids: Collection[str]) -> dict[str, Head]:
    """Return how far rooms are, by id, at most EVENTS_MAX of them: a cheap query for a process that nobody
    tells."""
    known = [room_id for room_id in room_ids if is_uuid(room_id)]
    return {
        room_id: Head(offset, int(changes), lost_at_ms)
        for room_id, offset, changes, lost_at_ms in _HEADS.rows(connection, ids=known)
    }
