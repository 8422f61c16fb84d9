"""New rooms: a code drawn, a row written.

Invariant: a room is made once however often it is asked for under one id, and has the code that it was
written with.
"""

from auth.principal import Principal
from gateway import clock
from gateway.ids import draw, new_epoch
from gateway.rooms.store import RoomStore
from gateway.stores.rooms.operations import CodeTaken, CreateRoom
from sessions import room_codes, room_records
from sessions.room_records import Room, RoomWanted

DRAWS_MAX = 10
"""With a million open rooms in a tenant, ten codes in a row are taken once in 10^29."""


async def found(store: RoomStore, principal: Principal, wanted: RoomWanted, room_id: str) -> Room:
    """Return a room that was made for its owner. Raises TextRefused, BadCapacity, TooManyRooms, StoreDown."""
    for draws_left in reversed(range(DRAWS_MAX)):
        code = room_codes.generate(draw(room_codes.COUNT))
        room = room_records.create(
            wanted, room_id=room_id, tenant_id=principal.tenant, code=code,
            owner=principal.user, epoch=new_epoch(), now_ms=clock.wall_ms(),
        )  # fmt: skip
        try:
            return (await store.room(CreateRoom(room))).room
        except CodeTaken:
            if not draws_left:
                raise
    raise AssertionError
