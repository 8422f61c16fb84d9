"""The way into a room: a place taken, what was missed or the whole room, and everything from then on.

Invariant: what a client is answered and what it is told afterwards leave no gap between them and overlap
nowhere: nothing waits between the moment the answer is of and the moment from which on it is told.
"""

from collections.abc import Sequence

from gateway.metrics import ROOM_JOINS
from gateway.rooms import bodies
from gateway.rooms.bodies import Json
from gateway.rooms.local import LocalRoom
from gateway.rooms.polls import Found
from gateway.rooms.rooms import Rooms
from gateway.rooms.stream import StreamClosed
from gateway.socketio.interface import Client
from gateway.stores.rooms.operations import RoomDone
from sessions.room_effects import ParticipantJoined, Publish
from sessions.room_events import JoinRequested
from sessions.room_messages import Place
from sessions.room_records import Room
from sessions.rooms import NotInRoom

TRIES_MAX = 3
"""Joins of one client that somebody undid before it was told of the room."""


async def enter(rooms: Rooms, client: Client, room: Room, place: Place | None) -> Json:
    """Let a client into a room, and return the answer; `place` is where it was. Raises what the rules of
    rooms refuse, UnknownRoom, StoreDown."""
    local = rooms.open(room)
    local.arrive(client)
    user = client.principal.user
    try:
        for _ in range(TRIES_MAX):
            done = await rooms.act(local.tenant, local.id, JoinRequested(user))
            try:
                await local.stream.reach(done.room.offset)
                found = await rooms.store.polls_of(local.id, user)
                missed = None if place is None or _is_new(done, user) else await _missed(rooms, local, place)
            except StreamClosed:
                local = rooms.open(room)
                local.arrive(client)
                continue
            if local.inside(user) and not local.ended:
                return _admit(rooms, client, local, found, missed)
        raise NotInRoom(user)  # noqa: TRY301 - it is refused like any other
    except BaseException:
        ROOM_JOINS.labels("refused").inc()
        local.turn_back(client)
        rooms.left(local, user)
        raise


def _is_new(done: RoomDone, user: str) -> bool:
    """Whether a user has only now come in, so that there is nothing to go on with."""
    return any(
        isinstance(effect, Publish)
        and isinstance(effect.event, ParticipantJoined)
        and effect.event.user == user
        for effect in done.effects
    )


async def _missed(rooms: Rooms, local: LocalRoom, place: Place) -> list[Publish] | None:
    """Return what happened after a place, up to now; None if that cannot be said."""
    seen = local.stream.seen
    if seen is None or place.epoch != seen.epoch or place.offset > seen.offset:
        return None
    recent = local.stream.since(place.offset)
    if recent is not None:
        return recent
    read = await rooms.store.since(local.tenant, local.id, place.offset)
    if read is None or not read.complete:
        return None
    await local.stream.reach(read.offset)
    rest = local.stream.since(read.offset)
    return None if rest is None else [*read.events, *rest]


def _admit(
    rooms: Rooms, client: Client, local: LocalRoom, found: Sequence[Found], missed: list[Publish] | None
) -> Json:
    polls = local.learn(found, client.principal.user)
    view = local.view(polls)
    rooms.admit(client, local)
    client.emit("room:authenticated", {"roomId": local.id, "participants": view["participants"]})
    if missed is None:
        ROOM_JOINS.labels("whole").inc()
        client.emit("room:joined", view)
        return {"ok": True, "resumed": False} | view
    ROOM_JOINS.labels("resumed").inc()
    events = [bodies.event(published.offset, published.event) for published in missed]
    return {
        "ok": True,
        "resumed": True,
        "roomId": local.id,
        "missed": [{"event": name, "data": data} for name, data in events],
        "polls": polls,
        "epoch": view["epoch"],
        "offset": view["offset"],
    }
