"""What rooms are made of in one server, put together from its settings."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.http.idempotency import Idempotency
from gateway.http.rooms import RoomDesk
from gateway.limits import DoorLimits
from gateway.metrics import ROOM_PARTICIPANTS, ROOMS
from gateway.rooms.finding import Finder
from gateway.rooms.guesses import Guesses
from gateway.rooms.receiver import MessageLimits, RoomReceiver
from gateway.rooms.rooms import Rooms
from gateway.rooms.store import RoomStore
from gateway.settings import Settings
from gateway.socketio.hall import Hall
from gateway.stores.interface import Database, StoreDown, Writer
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.poll_changes import PollChanges
from gateway.stores.rooms.room_changes import RoomChanges
from gateway.stores.topics import Topics
from gateway.tasks import Tasks
from sessions.plans import Plans

RESEAT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What rooms stand on."""

    database: Database
    writer: Writer
    topics: Topics
    bounds: RoomBounds
    boot_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class RoomPart:
    """Rooms in one server: the driver, and what the routes work with."""

    rooms: Rooms
    desk: RoomDesk

    async def run(self) -> None:
        """Look after the rooms for ever."""
        await self.rooms.watch()

    def rebooted(self, tasks: Tasks) -> None:
        """Learn that this process goes on under another id."""
        tasks.start(self._reseat(), name="seats taken again")

    async def _reseat(self) -> None:
        while True:
            try:
                await self.rooms.reseat()
            except StoreDown:
                await asyncio.sleep(RESEAT_SECONDS)
            else:
                return

    def update_gauges(self) -> None:
        """Bring the gauges up to now."""
        ROOMS.set(self.rooms.count)
        ROOM_PARTICIPANTS.set(self.rooms.connections)


def compose(
    settings: Settings, ground: Ground, hall: Hall, door: DoorLimits, plans: Plans, idempotency: Idempotency
) -> RoomPart:
    """Put rooms together, and have the hall give them the events that are theirs."""
    changes = RoomChanges(ground.bounds), PollChanges(ground.bounds)
    store = RoomStore(ground.database, ground.writer, *changes)
    rooms = Rooms(store, hall, ground.topics, ground.boot_id, ground.bounds.room)
    guesses = Guesses(door, settings.room_code_user_limit, settings.room_code_address_limit)
    finder = Finder(rooms, guesses)
    limits = MessageLimits(settings.room_user_message_limit, settings.room_message_limit)
    hall.register(RoomReceiver(rooms, finder, door, limits), "room:", "poll:")
    return RoomPart(rooms, RoomDesk(rooms, finder, plans, idempotency))
