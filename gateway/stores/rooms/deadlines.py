"""What is due in rooms and polls, found by the indexes on deadlines, and what is then done by the journals.

Invariant: a look finds at most what it asks for, oldest first, whatever else there is; what it found and what
is no longer due stays as it was, with a later deadline.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.operations import (
    LOST_AT_ONCE_MAX,
    ActInPoll,
    ActInRoom,
    LoseSeats,
    PollDone,
    RoomDone,
    UnknownRoom,
)
from gateway.stores.rooms.poll_changes import PollChanges
from gateway.stores.rooms.room_changes import RoomChanges
from gateway.stores.rooms.schema import (
    polls,
    room_events,
    room_kicked,
    room_messages,
    room_participants,
    room_seats,
    rooms,
)
from gateway.stores.statements import now_ms
from sessions import polls as poll_rules
from sessions.lifetimes import NEVER_MS
from sessions.room_events import DeadlinePassed

NOBODY = ""
"""Boot of what is done for no connection."""
Key = tuple[str, str]
"""Tenant and id."""


# --- what is due ----------------------------------------------------------------------------------------


def idle_rooms(connection: Connection, at_ms: int, most: int, tenant_id: str | None = None) -> list[Key]:
    """Return open rooms that may have idled for too long, of one tenant or of all."""
    own = rooms.c
    query = select(own.tenant_id, own.id).where(own.is_active, own.deadline_at <= at_ms)
    if tenant_id is not None:
        query = query.where(own.tenant_id == tenant_id)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(own.deadline_at).limit(most))]


def rooms_with_lost(connection: Connection, at_ms: int, most: int, grace_ms: int) -> list[Key]:
    """Return rooms with participants whose grace time is over."""
    own = room_participants.c
    overdue = select(own.tenant_id, own.room_id).where(own.lost_at <= at_ms - grace_ms)
    found = connection.execute(overdue.order_by(own.lost_at).limit(LOST_AT_ONCE_MAX))
    return list(dict.fromkeys((row[0], row[1]) for row in found))[:most]


def due_polls(connection: Connection, at_ms: int, most: int, tenant_id: str | None = None) -> list[Key]:
    """Return polls that are to be closed or archived, of one tenant or of all."""
    own = polls.c
    query = select(own.tenant_id, own.id).where(own.deadline_at <= at_ms)
    if tenant_id is not None:
        query = query.where(own.tenant_id == tenant_id)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(own.deadline_at).limit(most))]


def old_histories(connection: Connection, at_ms: int, most: int) -> list[str]:
    """Return closed rooms of which what was said is to be forgotten."""
    own = rooms.c
    query = select(own.id).where(~own.is_active, own.deadline_at <= at_ms)
    return list(connection.execute(query.order_by(own.deadline_at).limit(most)).scalars())


# --- what is done ---------------------------------------------------------------------------------------


def pass_in_rooms(
    connection: Connection, bounds: RoomBounds, found: Sequence[Key], at_ms: int
) -> list[RoomDone]:
    """Have the deadlines of rooms pass; return those in which that changed something."""
    acts = [ActInRoom(tenant, room_id, DeadlinePassed(), NOBODY, at_ms) for tenant, room_id in found]
    answers = RoomChanges(bounds).apply(connection, acts)
    return [answer for answer in answers if isinstance(answer, RoomDone) and answer.effects]


def pass_in_polls(
    connection: Connection, bounds: RoomBounds, found: Sequence[Key], at_ms: int
) -> list[PollDone]:
    """Have the deadlines of polls pass; return what became of each."""
    acts = [ActInPoll(tenant, poll_id, poll_rules.DeadlinePassed(), at_ms) for tenant, poll_id in found]
    answers = PollChanges(bounds).apply(connection, acts)
    return [answer for answer in answers if isinstance(answer, PollDone)]


def forget(connection: Connection, room_id: str, most: int) -> bool:
    """Forget at most `most` events and messages of a closed room, and with the last who was kicked; return
    whether any are left."""
    for table in (room_messages, room_events):
        own = table.c
        oldest = select(own.event_offset).where(own.room_id == room_id).order_by(own.event_offset).limit(most)
        offsets = list(connection.execute(oldest).scalars())
        if offsets:
            connection.execute(delete(table).where(own.room_id == room_id, own.event_offset <= offsets[-1]))
        if len(offsets) == most:
            return True
    connection.execute(delete(room_kicked).where(room_kicked.c.room_id == room_id))
    connection.execute(update(rooms).where(rooms.c.id == room_id).values(deadline_at=NEVER_MS))
    return False


def give_back_seats(connection: Connection, bounds: RoomBounds, boot_id: str, most: int) -> int:
    """Give back at most `most` seats of a life of a process that is over, as its own word would have; return
    how many there were."""
    own = room_seats.c
    query = select(own.room_id, own.subject).where(own.boot_id == boot_id)
    found = connection.execute(query.order_by(own.room_id, own.subject).limit(most)).all()
    at_ms = now_ms(connection)
    for start in range(0, len(found), LOST_AT_ONCE_MAX):
        _lose(connection, bounds, boot_id, found[start : start + LOST_AT_ONCE_MAX], at_ms)
    return len(found)


def _lose(connection: Connection, bounds: RoomBounds, boot_id: str, seats: Sequence[Any], at_ms: int) -> None:
    by_room: dict[str, list[str]] = {}
    for room_id, user in seats:
        by_room.setdefault(room_id, []).append(user)
    losses = [LoseSeats(room_id, boot_id, tuple(users), at_ms) for room_id, users in by_room.items()]
    answers = RoomChanges(bounds).apply(connection, losses)
    for loss, answer in zip(losses, answers, strict=True):
        if isinstance(answer, UnknownRoom):
            connection.execute(delete(room_seats).where(room_seats.c.room_id == loss.room_id))


def has_seats(connection: Connection, boot_id: str) -> bool:
    """Return whether a life of a process has any seat."""
    query = select(room_seats.c.room_id).where(room_seats.c.boot_id == boot_id).limit(1)
    return connection.execute(query).first() is not None
