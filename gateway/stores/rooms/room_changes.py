"""The journal of rooms: made, entered, left, written in and closed, each as its rule says.

Invariant: rooms are locked in the order of their ids, before polls; so no two groups wait for one another,
and of many who want the last place one gets it.
"""

from collections.abc import Sequence
from typing import assert_never

from sqlalchemy import Connection

from gateway.stores.interface import Refusal
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.creations import create_rooms
from gateway.stores.rooms.loaded import LoadedRoom, LoadedRooms
from gateway.stores.rooms.loaded_polls import LoadedPolls
from gateway.stores.rooms.lookups import Lookup
from gateway.stores.rooms.operations import (
    ActInRoom,
    CreateRoom,
    LoseSeats,
    PollDone,
    RoomDone,
    RuleRefused,
    UnknownRoom,
)
from sessions import polls
from sessions.room_effects import Effect, EndPolls
from sessions.room_events import CloseRequested, ConnectionLost, DeadlinePassed, JoinRequested
from sessions.rooms import CannotKick, KickedOut, NotHost, NotInRoom, RoomFull, RoomOver
from sessions.texts import TextRefused

REFUSALS = (RoomOver, RoomFull, KickedOut, NotInRoom, NotHost, CannotKick, TextRefused)
"""What the rules of a room refuse with."""

RoomOperation = CreateRoom | ActInRoom | LoseSeats


class RoomChanges:
    """Journal of everything that happens in rooms, in one so that their order holds."""

    name = "rooms"

    def __init__(self, bounds: RoomBounds) -> None:
        self._bounds = bounds

    def apply(self, connection: Connection, operations: Sequence[RoomOperation]) -> list[RoomDone | Refusal]:
        """Apply each in order. One that was applied before changes nothing."""
        creations = [operation for operation in operations if isinstance(operation, CreateRoom)]
        created = create_rooms(connection, creations, self._bounds) if creations else {}
        group = _Group(connection, self._bounds)
        group.load([operation for operation in operations if not isinstance(operation, CreateRoom)])
        answers = [
            created[operation.room.id] if isinstance(operation, CreateRoom) else group.apply(operation)
            for operation in operations
        ]
        group.save()
        return answers


class _Group:
    """One group, and what it has loaded."""

    def __init__(self, connection: Connection, bounds: RoomBounds) -> None:
        self._bounds = bounds
        self._rooms = LoadedRooms(connection, bounds)
        self._polls = LoadedPolls(connection, bounds.poll)

    def load(self, operations: Sequence[ActInRoom | LoseSeats]) -> None:
        self._rooms.lock({operation.room_id for operation in operations})
        lookup, ending = Lookup(), set()
        for operation in operations:
            loaded = self._rooms.get(operation.room_id)
            if loaded is None:
                continue
            if isinstance(operation, LoseSeats):
                lookup.add_users(loaded.room, (*operation.users, loaded.room.owner, loaded.room.host))
                continue
            lookup.add(loaded.room, operation.event, operation.now_ms, self._bounds.room.grace_ms)
            if isinstance(operation.event, CloseRequested | DeadlinePassed):
                ending.add(operation.room_id)
        self._rooms.look(lookup)
        # All at once, for their order: one room's and then the other's might be locked crosswise.
        self._polls.lock_open_in(ending)

    def apply(self, operation: ActInRoom | LoseSeats) -> RoomDone | Refusal:
        loaded = self._rooms.get(operation.room_id)
        match operation:
            case LoseSeats():
                return UnknownRoom() if loaded is None else self._lose(loaded, operation)
            case ActInRoom():
                if loaded is None or loaded.room.tenant_id != operation.tenant_id:
                    return UnknownRoom()
                return self._act(loaded, operation)
            case _:
                assert_never(operation)

    def _act(self, loaded: LoadedRoom, operation: ActInRoom) -> RoomDone | Refusal:
        event, now_ms = operation.event, operation.now_ms
        try:
            room, effects = self._rooms.step(loaded, event, now_ms)
        except REFUSALS as refusal:
            return RuleRefused(refusal)
        if isinstance(event, JoinRequested):
            loaded.seats.take(event.user, operation.boot_id)
        ended = self._end_polls(loaded, now_ms) if EndPolls() in effects else ()
        return RoomDone(room, effects, ended)

    def _lose(self, loaded: LoadedRoom, operation: LoseSeats) -> RoomDone:
        effects: list[Effect] = []
        for user in operation.users:
            if loaded.seats.give_back(user, operation.boot_id):
                effects += self._rooms.step(loaded, ConnectionLost(user), operation.now_ms)[1]
        return RoomDone(loaded.room, tuple(effects))

    def _end_polls(self, loaded: LoadedRoom, now_ms: int) -> tuple[PollDone, ...]:
        event = polls.CloseRequested("", host=True, reason="room")
        ended = self._polls.open_in(loaded.room.id)
        effects = [self._polls.step(poll, event, now_ms) for poll in ended]
        return tuple(PollDone(poll.poll, done, host=True) for poll, done in zip(ended, effects, strict=True))

    def save(self) -> None:
        self._rooms.save()
        self._polls.save()
