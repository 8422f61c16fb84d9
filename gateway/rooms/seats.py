"""Seats that are given back: of users who have no connection in this process any more.

Invariant: seats are given back in the order in which connections come and go. Many that go at once are one
operation; none is forgotten while the database is down.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from gateway import clock
from gateway.rooms.store import RoomStore
from gateway.stores.interface import Refusal, StoreDown
from gateway.stores.rooms.operations import LOST_AT_ONCE_MAX, LoseSeats, RoomDone
from gateway.tasks import Tasks

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Tells(Protocol):
    """Who is told what came of it."""

    def lost(self, room_id: str, tenant: str, users: tuple[str, ...], done: RoomDone) -> None:
        """Learn that users have given their seats back."""

    def is_here(self, room_id: str, user: str) -> bool:
        """Whether a user has a connection in a room again."""


class Seats:
    """Gives back the seats of one process."""

    def __init__(self, store: RoomStore, boot_id: Callable[[], str], tasks: Tasks, tells: Tells) -> None:
        self._store = store
        self._boot_id = boot_id
        self._tasks = tasks
        self._tells = tells
        self._loop = asyncio.get_running_loop()
        self._leaving: dict[tuple[str, str], dict[str, None]] = {}
        self._flushing: asyncio.Handle | None = None

    def lose(self, tenant: str, room_id: str, user: str) -> None:
        """Give back a user's seat, together with those of all who go in this turn of the event loop."""
        self._leaving.setdefault((tenant, room_id), {})[user] = None
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Submit what waits: before a join, which must come after."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        leaving, self._leaving = self._leaving, {}
        for (tenant, room_id), gone in leaving.items():
            users = tuple(gone)
            for first in range(0, len(users), LOST_AT_ONCE_MAX):
                some = users[first : first + LOST_AT_ONCE_MAX]
                operation = LoseSeats(room_id, self._boot_id(), some, clock.wall_ms())
                written = self._store.lose(operation)
                self._tasks.start(self._written(tenant, operation, written), name="seats given back")

    async def _written(self, tenant: str, operation: LoseSeats, written: "asyncio.Future[RoomDone]") -> None:
        try:
            done = await written
        except StoreDown as down:
            # Too much waited for the database, or the server is shutting down.
            log.warning("Seats could not be given back yet", extra={"reason": str(down)})
            await asyncio.sleep(RETRY_SECONDS)
            for user in operation.users:
                if not self._tells.is_here(operation.room_id, user):
                    self.lose(tenant, operation.room_id, user)
        except Refusal:
            return  # The room is gone, and its seats with it.
        else:
            self._tells.lost(operation.room_id, tenant, operation.users, done)
