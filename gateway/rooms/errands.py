"""What the polls of one room need from outside: to be read, to be closed in time, to be known elsewhere.

Invariant: whatever fails here is tried again or found by a later look at the database; nobody waits for it.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway import clock
from gateway.rooms.note import PollNews
from gateway.stores.interface import StoreDown
from gateway.stores.rooms.operations import ActInPoll, UnknownPoll
from sessions.polls import DeadlinePassed

if TYPE_CHECKING:
    from gateway.rooms.local import LocalRoom
    from gateway.rooms.rooms import Rooms

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Errands:
    """Of one room; `room` is set once there is one."""

    room: "LocalRoom"

    def __init__(self, rooms: "Rooms") -> None:
        self._rooms = rooms

    def read_poll(self, poll_id: str) -> None:
        """Read a poll, and give it to `refreshed`."""
        self._rooms.tasks.start(self._read_poll(poll_id), name="poll")

    def read_ballot(self, poll_id: str, user: str) -> None:
        """Read a poll with the ballot of a user, and give both to `voted_elsewhere`."""
        self._rooms.tasks.start(self._read_ballot(poll_id, user), name="ballot")

    def end_poll(self, poll_id: str) -> None:
        """Have a poll closed: its time is over."""
        self._rooms.tasks.start(self._end_poll(poll_id), name="poll's end")

    def tell_others(self, news: PollNews) -> None:
        """Tell other processes."""
        self._rooms.tell_others(self.room.id, polls=(news,))

    async def _read_poll(self, poll_id: str) -> None:
        try:
            found = await self._rooms.store.one_poll(self.room.tenant, poll_id, None)
        except StoreDown:
            found = None
        poll = found[0] if found is not None and found[0].room_id == self.room.id else None
        self.room.polls.refreshed(poll_id, poll)

    async def _read_ballot(self, poll_id: str, user: str) -> None:
        try:
            found = await self._rooms.store.one_poll(self.room.tenant, poll_id, user)
        except StoreDown:
            return
        if found is not None and found[0].room_id == self.room.id:
            self.room.polls.voted_elsewhere(user, *found)

    async def _end_poll(self, poll_id: str) -> None:
        while not self.room.ended:
            try:
                event = ActInPoll(self.room.tenant, poll_id, DeadlinePassed(), clock.wall_ms())
                await self._rooms.act_in_poll(event)
            except StoreDown as down:
                log.warning("A poll is not closed yet", extra={"pollId": poll_id, "reason": str(down)})
                await asyncio.sleep(RETRY_SECONDS)
            except UnknownPoll:
                return
            else:
                return
