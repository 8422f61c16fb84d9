"""The workers of a gateway: who is warm, who is starting, who has to go.

Invariant: processes are bounded, one warm worker is idle whenever that bound allows it, and one that dies
at once is started again ever more slowly. What becomes of the streams of a lost worker is the pool's matter.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from gateway.workers.children import Child, Children
from gateway.workers.connection import Connection
from gateway.workers.listening import listen
from gateway.workers.plan import Backoff, missing
from gateway.workers.settings import PoolSettings
from media import link

log = logging.getLogger(__name__)

RETIREMENT_SECONDS = 2.0
"""For a process that was let go to end by itself."""
TIMER_SECONDS = 0.01
"""By which a timer of the event loop may come early."""


class CrewListener(Protocol):
    """Who has streams for the workers: the pool."""

    @property
    def waiting(self) -> int:
        """Streams without a worker."""

    def joined(self) -> None:
        """Learn that one more worker is warm."""

    def received(self, connection: Connection, messages: list[link.FromWorker]) -> None:
        """Take what a worker said, in order. Raises LinkError, which ends the worker."""

    def writable(self, connection: Connection) -> None:
        """Go on sending."""

    def lost(self, connection: Connection) -> None:
        """Learn, exactly once, that a worker is gone."""


class Crew:
    """Listens for workers, starts and ends processes; `command` starts one that connects."""

    def __init__(self, settings: PoolSettings, command: Sequence[str], listener: CrewListener) -> None:
        self.settings = settings
        self.losses = 0
        self.trouble = "none has started yet"
        """What happened to the last process that ended by itself."""
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._children = Children(command, self._ended)
        self._backoff = Backoff(
            settings.backoff_seconds, settings.backoff_seconds_max, settings.young_seconds
        )
        self._connections: dict[Connection, None] = {}  # also those that have not said Hello
        self._joined = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._closing = False
        self._start_at = 0.0

    @property
    def warm(self) -> list[Connection]:
        """Workers that take streams."""
        return [connection for connection in self._connections if connection.warm]

    @property
    def startable(self) -> int:
        """Processes that may still become warm."""
        return max(0, self.settings.workers_max + 1 - sum(1 for child in self._children if child.warm))

    async def wait_warm(self, workers: int) -> None:
        """Return as soon as so many workers are warm."""
        while len(self.warm) < workers:
            self._joined.clear()
            await self._joined.wait()

    # --- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen. Raises OSError with a sentence when the socket cannot be had."""
        sock = listen(self.settings.socket_path)
        self._server = await self._loop.create_unix_server(
            lambda: Connection(self, self._loop.time()), sock=sock
        )

    async def aclose(self, deadline_seconds: float) -> None:
        """End every worker: told by the end of file, killed at the deadline."""
        self._closing = True
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                self.settings.socket_path.unlink()
            self._server = None
        for connection in list(self._connections):
            connection.close()
        await self._children.aclose(deadline_seconds)
        for connection in list(self._connections):
            connection.abort()

    def populate(self) -> None:
        """Start what is missing, as far as back-off and limits allow."""
        now = self._loop.time()
        if self._closing or self._server is None or now < self._start_at - TIMER_SECONDS:
            return
        warm = self.warm
        count = missing(
            children=len(self._children),
            starting=sum(1 for child in self._children if not (child.warm or child.ending)),
            idle=sum(1 for connection in warm if not connection.streams),
            waiting=self._listener.waiting,
            room=sum(connection.streams_max - len(connection.streams) for connection in warm),
            streams_max=self.settings.streams_max,
            workers_max=self.settings.workers_max,
        )
        # One at a time while they die: the back-off is for each.
        for _ in range(min(count, 1) if self._backoff.failures else count):
            self._children.start(now)

    # --- from connections and children -------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        """Know a connection from its first moment, so that one that says nothing is cut off."""
        if self._closing:
            connection.abort()
        self._connections[connection] = None

    def joined(self, connection: Connection) -> None:
        """A worker is warm."""
        connection.idle_since = self._loop.time()
        child = self._children.find(connection.pid)
        if child is not None:
            child.warm = True
        log.info("Media worker %d is warm and takes %d streams", connection.pid, connection.streams_max)
        self._joined.set()
        self._listener.joined()

    def received(self, connection: Connection, messages: list[link.FromWorker]) -> None:
        """Hand messages on."""
        self._listener.received(connection, messages)

    def writable(self, connection: Connection) -> None:
        """Hand on that a worker reads again."""
        self._listener.writable(connection)

    def left(self, connection: Connection) -> None:
        """A connection is gone, and with it the process behind it."""
        self._connections.pop(connection, None)
        if self._closing or not connection.warm:
            return
        child = self._children.find(connection.pid)
        retired = child is not None and child.retired
        if not retired:
            self.losses += 1
            log.warning(
                "Media worker %d is gone; %d streams go elsewhere", connection.pid, len(connection.streams)
            )
        if child is not None:
            child.ending = True
            # Its link is its life: without it there is nothing that it could still do.
            self._loop.call_later(RETIREMENT_SECONDS if retired else 0.0, child.kill)
        self._listener.lost(connection)

    def _ended(self, child: Child, how: str) -> None:
        if self._closing:
            return
        if not child.retired:
            now = self._loop.time()
            self.trouble = how
            delay = self._backoff.ended(now - child.started_at)
            self._start_at = max(self._start_at, now + delay)
            if delay:
                log.error("Media worker: %s; the next one is started in %.2f s", how, delay)
                self._loop.call_later(delay, self.populate)
        self.populate()

    # --- time --------------------------------------------------------------------------------------

    def look(self, now: float, passed_seconds: float) -> None:
        """End who is silent though it should speak, or late, or not needed."""
        settings = self.settings
        for connection in list(self._connections):
            if not connection.warm and now - connection.connected_at > settings.start_seconds_max:
                connection.abort()
            connection.silent_seconds = (
                connection.silent_seconds + passed_seconds if connection.streams else 0.0
            )
            if connection.silent_seconds > settings.heartbeat_seconds:
                log.error("Media worker %d hangs and is ended", connection.pid)
                connection.silent_seconds = 0.0
                connection.abort()
        for child in self._children:
            late = now - child.started_at > settings.start_seconds_max
            if late and not (child.warm or child.ending):
                log.error("Media worker %d did not get ready in time and is killed", child.pid)
                child.kill()
        self._retire(now)

    def _retire(self, now: float) -> None:
        """Let surplus processes of ours go, one spare apart; those started by hand stay."""
        idle = [connection for connection in self.warm if not connection.streams]
        for connection in idle[1:]:
            child = self._children.find(connection.pid)
            if child is not None and now - connection.idle_since > self.settings.idle_seconds:
                child.retired = True
                connection.close()
