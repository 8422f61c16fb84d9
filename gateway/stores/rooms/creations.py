"""Rooms made: of those that are open in a tenant, no two have the same code.

Invariant: the database itself decides whose a code is, whoever asks at the same time.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select

from gateway.stores.interface import Refusal
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.operations import (
    ROOMS_OPEN_MAX,
    CodeTaken,
    CreateRoom,
    RoomDone,
    TooManyRooms,
)
from gateway.stores.rooms.rows import ROOM, room_of, room_row
from gateway.stores.rooms.schema import rooms
from gateway.stores.statements import insert_new
from sessions.room_records import Room
from sessions.rooms import idle_deadline_ms

_OWN = rooms.c
_KNOWN = select(*ROOM).where(_OWN.id.in_(bindparam("ids", expanding=True)))
_OPEN = (
    select(func.count())
    .select_from(rooms)
    .where(_OWN.tenant_id == bindparam("tenant"), _OWN.owner == bindparam("user"), _OWN.is_active)
)


def create_rooms(
    connection: Connection, creations: Sequence[CreateRoom], bounds: RoomBounds
) -> dict[str, RoomDone | Refusal]:
    """Make rooms; return what became of each by id. One that is there already is answered as it is."""
    wanted = {operation.room.id: operation.room for operation in creations}
    answers: dict[str, RoomDone | Refusal] = _known(connection, wanted)
    numbers: dict[tuple[str, str], int] = {}
    new: list[Room] = []
    for room_id, room in wanted.items():
        if room_id in answers:
            continue
        owner = room.tenant_id, room.owner
        if owner not in numbers:
            found = connection.execute(_OPEN, {"tenant": owner[0], "user": owner[1]})
            numbers[owner] = int(found.scalar_one())
        if numbers[owner] >= ROOMS_OPEN_MAX:
            answers[room_id] = TooManyRooms()
            continue
        numbers[owner] += 1
        new.append(room)
    if new:
        # In one order, or two groups that want each other's codes would wait for one another; of those in
        # this one who want the same, the first has it.
        new.sort(key=lambda room: (room.tenant_id, room.code))
        rows = [room_row(room, idle_deadline_ms(room, bounds.room)) for room in new]
        connection.execute(insert_new(connection, rooms), rows)
        made = _known(connection, {room.id: room for room in new})
        answers |= {room.id: made.get(room.id) or CodeTaken(room.code) for room in new}
    return answers


def _known(connection: Connection, wanted: dict[str, Room]) -> dict[str, RoomDone | Refusal]:
    found = connection.execute(_KNOWN, {"ids": sorted(wanted)})
    return {row[0]: RoomDone(room_of(row)) for row in found}
