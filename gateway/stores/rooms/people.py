"""Participants and the kicked, written and read beyond what a lookup finds.

Invariant: the rows of a room's participants are changed only under its lock, and are as many as
`rooms.participants` says.
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update

from gateway.stores.prepared import ForEach, Listed, Places
from gateway.stores.rooms.rows import participant_row
from gateway.stores.rooms.schema import room_kicked, room_participants
from sessions.room_events import KickRequested
from sessions.room_records import Participant, Room

_OWN = room_participants.c


def _everybody(ids: Places) -> Select[tuple[str, int, int, int | None]]:
    own = select(_OWN.subject, _OWN.place, _OWN.joined_at, _OWN.lost_at)
    return own.where(_OWN.room_id.in_(ids)).order_by(_OWN.place)


def _kicked(ids: Places) -> Select[tuple[str]]:
    return select(room_kicked.c.subject).where(room_kicked.c.room_id.in_(ids))


_EVERYBODY = Listed(_everybody, ids=_OWN.room_id.type)
_KICKED = Listed(_kicked, ids=room_kicked.c.room_id.type)
_ENTER = ForEach(
    insert(room_participants).inline(), "room_id", "subject", "tenant_id", "user_id", "place", "joined_at",
    "lost_at",
)  # fmt: skip
_MOVE = ForEach(
    update(room_participants)
    .where(_OWN.room_id == bindparam("of_room"), _OWN.subject == bindparam("of_user"))
    .values(place=bindparam("at_place"), joined_at=bindparam("at"), lost_at=bindparam("lost"))
)
_GO = ForEach(
    delete(room_participants).where(
        _OWN.room_id == bindparam("of_room"), _OWN.subject == bindparam("of_user")
    )
)
_EMPTY = ForEach(delete(room_participants).where(_OWN.room_id == bindparam("of_room")))
_KEEP_OUT = ForEach(insert(room_kicked).inline(), "room_id", "subject", "kicked_by", "kicked_at")


class Changed(Protocol):
    """A room whose participants have changed: those in `stored` have a row, those in `changed` need another
    or none, and `emptied` says that all rows go."""

    @property
    def room(self) -> Room:
        """The room as it is now."""

    @property
    def people(self) -> dict[str, Participant]:
        """Who is in, of those that are known."""

    stored: set[str]
    changed: set[str]
    emptied: bool


def everybody(connection: Connection, room_id: str) -> list[Participant]:
    """Return who is in a room."""
    return [Participant(*row) for row in _EVERYBODY.rows(connection, ids=[room_id])]


def kicked_from(connection: Connection, room_id: str) -> set[str]:
    """Return who was kicked from a room."""
    return {row[0] for row in _KICKED.rows(connection, ids=[room_id])}


def keep_out(connection: Connection, room_id: str, kick: KickRequested, now_ms: int) -> None:
    """Note a kick that is new."""
    row = {"room_id": room_id, "subject": kick.user, "kicked_by": kick.by, "kicked_at": now_ms}
    _KEEP_OUT.run(connection, [row])


def save(connection: Connection, changed: Sequence[Changed]) -> None:
    """Write what changed of participants, each kind of change for all rooms together."""
    emptied = [{"of_room": one.room.id} for one in changed if one.emptied]
    gone, moved, new = [], [], []
    for one in changed:
        for user in sorted(one.changed):
            at = one.people.get(user)
            own = {"of_room": one.room.id, "of_user": user}
            if at is None:
                gone += [own] if user in one.stored else []
            elif user in one.stored:
                moved.append(own | {"at_place": at.place, "at": at.joined_at_ms, "lost": at.lost_at_ms})
            else:
                new.append(participant_row(one.room, at))
    for statement, rows in ((_EMPTY, emptied), (_GO, gone), (_MOVE, moved), (_ENTER, new)):
        if rows:
            statement.run(connection, rows)
