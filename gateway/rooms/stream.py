"""The events of one room as this process hears them, in the one order that they have.

Invariant: they are told strictly by offset, each once. What comes too early waits; what is missing is read
from the database; if it cannot be had there any more, the whole room is told anew.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from gateway.metrics import ROOM_GAPS
from gateway.stores.interface import StoreDown
from gateway.stores.rooms.reads import Missed
from gateway.tasks import Tasks
from sessions.room_effects import Publish
from sessions.room_snapshots import RoomSnapshot, after

log = logging.getLogger(__name__)

AHEAD_MAX = 1000
"""Events kept that are too early; more are read again."""
RECENT_MAX = 256
"""Events kept for those who come back shortly."""
GAP_SECONDS = 0.05
"""For what is missing to come by itself, before it is read."""
RETRY_SECONDS = 1.0
FRAMES_PER_TURN = 20_000
"""Told in one turn of the event loop, about; the rest waits for the next, so that nobody else waits long."""


class StreamClosed(Exception):
    """The room is told nobody in this process any more."""


class Source(Protocol):
    """Where a room is read."""

    async def whole(self) -> RoomSnapshot:
        """Return the room as a newcomer sees it. Raises StoreDown, UnknownRoom."""

    async def since(self, offset: int) -> Missed | None:
        """Return what happened after an offset. Raises StoreDown."""


class Listener(Protocol):
    """Who tells the room's people of this process."""

    def tell(self, published: Publish) -> int:
        """Tell everybody of an event, which `seen` has already; return to how many it went."""

    def tell_anew(self) -> None:
        """Tell everybody the whole room: events between were lost."""


class Stream:
    """Of one room. `seen` is the room after everything that was told; None until it was read."""

    def __init__(self, source: Source, listener: Listener, tasks: Tasks) -> None:
        self._source = source
        self._listener = listener
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self.seen: RoomSnapshot | None = None
        self._known = 0
        self._ahead: dict[int, Publish] = {}
        self._recent: deque[Publish] = deque(maxlen=RECENT_MAX)
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._reading = False
        self._telling: asyncio.Handle | None = None
        self._closed = False

    @property
    def offset(self) -> int:
        """The newest offset that was told; -1 before the room was read."""
        return -1 if self.seen is None else self.seen.offset

    def offer(self, published: Iterable[Publish], known: int = 0) -> None:
        """Tell events if it is their turn. `known`: the room is known to have come so far."""
        for each in published:
            self._known = max(self._known, each.offset)
            if each.offset > self.offset and len(self._ahead) < AHEAD_MAX:
                self._ahead[each.offset] = each
        self._known = max(self._known, known)
        if self._telling is None:
            self._tell()

    async def reach(self, offset: int) -> RoomSnapshot:
        """Return the room once everything up to `offset` was told. Raises StoreDown, UnknownRoom,
        StreamClosed."""
        if self._closed:
            raise StreamClosed
        self._known = max(self._known, offset)
        while self.seen is None or self.seen.offset < offset:
            reached: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append((offset, reached))
            if self._telling is None:
                self._read(at_once=True)
            await reached
        return self.seen

    def since(self, offset: int) -> list[Publish] | None:
        """Return what was told after an offset; None where that is not remembered."""
        if offset >= self.offset:
            return [] if offset == self.offset else None
        if not self._recent or self._recent[0].offset > offset + 1:
            return None
        return [each for each in self._recent if each.offset > offset]

    def close(self) -> None:
        """Tell nothing more; whoever waits gets StreamClosed."""
        self._closed = True
        self._fail(StreamClosed())
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    # --- telling --------------------------------------------------------------------------------------

    def _tell(self) -> None:
        self._telling = None
        if self.seen is None or self._closed:
            return
        frames = 0
        while (published := self._ahead.pop(self.seen.offset + 1, None)) is not None:
            self.seen = after(self.seen, published)
            self._recent.append(published)
            frames += 1 + self._listener.tell(published)
            if self._is_closed():
                return  # The last who was here is out.
            if frames >= FRAMES_PER_TURN and self._ahead:
                self._telling = self._loop.call_soon(self._tell)
                break
        self._wake()
        if self._telling is None and self._known > self.seen.offset:
            self._read(at_once=False)

    def _is_closed(self) -> bool:
        return self._closed

    def _wake(self) -> None:
        ready = [reached for offset, reached in self._waiting if offset <= self.offset]
        self._waiting = [entry for entry in self._waiting if entry[0] > self.offset]
        for reached in ready:
            if not reached.done():
                reached.set_result(None)

    # --- reading --------------------------------------------------------------------------------------

    def _read(self, *, at_once: bool) -> None:
        if not self._reading and not self._closed:
            self._reading = True
            self._tasks.start(self._catch_up(0.0 if at_once else GAP_SECONDS), name="room events")

    async def _catch_up(self, patience_seconds: float) -> None:
        try:
            await asyncio.sleep(patience_seconds)
            while not self._closed and (self.seen is None or self._known > self.seen.offset):
                if self._telling is not None:
                    await asyncio.sleep(0)
                    continue
                try:
                    await (self._read_whole() if self.seen is None else self._read_gap(self.seen.offset))
                except StoreDown as down:
                    self._fail(down)
                    if self.seen is None:
                        return  # Nobody is told anything yet, and whoever wants in asks again.
                    await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:
            # Broad, for whoever waits must hear of it. It is not tried again: it would only fail again.
            self._fail(error)
            self._known = self.offset
            raise
        finally:
            self._reading = False

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for _, reached in waiting:
            if not reached.done():
                reached.set_exception(error)
                reached.exception()  # Seen: its waiter may be gone.

    async def _read_whole(self) -> None:
        self._take(await self._source.whole())
        self._tell()

    def _take(self, seen: RoomSnapshot) -> None:
        self.seen = seen
        self._known = max(self._known, seen.offset)
        self._ahead = {offset: each for offset, each in self._ahead.items() if offset > seen.offset}

    async def _read_gap(self, offset: int) -> None:
        ROOM_GAPS.labels("read").inc()
        missed = await self._source.since(offset)
        if self.offset != offset:
            return  # It has come by itself meanwhile.
        if missed is not None and missed.events and missed.events[0].offset == offset + 1:
            self.offer(missed.events)
            return
        if missed is not None and missed.offset <= offset:
            # Somebody thought that there was more than there is.
            self._known = offset
            return
        ROOM_GAPS.labels("lost").inc()
        seen = await self._source.whole()
        self._recent.clear()
        self._take(seen)
        self._listener.tell_anew()
        self._tell()
