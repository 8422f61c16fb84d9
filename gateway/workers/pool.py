"""The workers of a gateway and the streams they have: who takes what, and what happens when one dies.

Invariant: every stream that is open has a worker, or waits for one and is told `Failed` within a bound; a
worker that is lost takes nothing with it (see `relay`). Processes are bounded, and so is how often one that
dies at once is started again.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.workers.children import Child, Children
from gateway.workers.connection import Connection
from gateway.workers.listening import listen
from gateway.workers.plan import Backoff, Seat, choose, missing
from gateway.workers.relay import Event, Gap, RelayLimits
from gateway.workers.stream import Stream, StreamListener
from media import link

__all__ = ["Event", "Gap", "PoolSettings", "Stream", "StreamListener", "WorkerPool"]

log = logging.getLogger(__name__)

RETIREMENT_SECONDS = 2.0
"""For a process that was let go to end by itself."""
TIMER_SECONDS = 0.01
"""By which a timer of the event loop may come early."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many processes and streams, and how long to be patient with them."""

    data_dir: Path
    workers_max: int = 2  # that are busy; a spare comes on top
    streams_max: int = 4  # that a process of ours is expected to take; its Hello decides
    heartbeat_seconds: float = 10.0  # a busy worker sends something every 2 s, see media.worker
    stall_seconds: float = 60.0  # a stream that owes and does not move is opened elsewhere
    start_seconds_max: float = 60.0  # from the start of a process to its Hello
    wait_seconds_max: float = 30.0  # a stream without a worker fails after this
    idle_seconds: float = 60.0  # surplus warm workers are let go after this
    failures_max: int = 2  # how often a stream that a worker gave up is tried again
    losses_max: int = 5  # how many workers may die of a stream before it moves on by a commit
    backoff_seconds: float = 0.25
    backoff_seconds_max: float = 10.0
    young_seconds: float = 10.0
    tick_seconds: float = 1.0
    relay: RelayLimits = field(default_factory=RelayLimits)

    @property
    def socket_path(self) -> Path:
        """Where workers connect."""
        return self.data_dir / link.SOCKET_NAME


class WorkerPool:
    """Starts and ends workers and gives them streams; `command` starts one process that connects."""

    def __init__(self, settings: PoolSettings, command: Sequence[str]) -> None:
        self.settings = settings
        self.losses = 0
        """Workers that died or were ended although they should have gone on."""
        self._loop = asyncio.get_running_loop()
        self._children = Children(command, self._child_ended)
        self._backoff = Backoff(
            settings.backoff_seconds, settings.backoff_seconds_max, settings.young_seconds
        )
        self._connections: dict[Connection, None] = {}  # also those that have not said Hello
        self._waiting: dict[Stream, None] = {}
        self._touched: dict[Stream, None] = {}
        self._stream_number = 0
        self._joined = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = False
        self._closing = False
        self._start_at = 0.0
        self._ticked_at = 0.0
        self._trouble = "no worker has started yet"

    # --- what can be asked -------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        """Workers that are warm."""
        return len(self._warm_connections())

    @property
    def streams(self) -> int:
        """Streams that workers have."""
        return sum(len(connection.streams) for connection in self._connections)

    @property
    def waiting(self) -> int:
        """Streams without a worker."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        """Streams that could be opened now and would get a worker, at the latest when one has started."""
        settings = self.settings
        startable = settings.workers_max + 1 - sum(1 for child in self._children if child.warm)
        free = sum(
            connection.streams_max - len(connection.streams) for connection in self._warm_connections()
        )
        return free + max(0, startable) * settings.streams_max - len(self._waiting)

    @property
    def ready(self) -> bool:
        """A worker is warm."""
        return self.workers > 0

    async def wait_ready(self, workers: int = 1) -> None:
        """Return as soon as so many workers are warm."""
        while self.workers < workers:
            self._joined.clear()
            await self._joined.wait()

    def _warm_connections(self) -> list[Connection]:
        return [connection for connection in self._connections if connection.warm]

    # --- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and start the first worker. Raises OSError with a sentence."""
        sock = listen(self.settings.socket_path)
        self._server = await self._loop.create_unix_server(
            lambda: Connection(self, self._loop.time()), sock=sock
        )
        self._ticked_at = self._loop.time()
        self._tick()

    async def aclose(self, deadline_seconds: float) -> None:
        """End every worker: told by the end of file, killed at the deadline. Open streams hear no more."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                self.settings.socket_path.unlink()
        for connection in list(self._connections):
            connection.close()
        await self._children.aclose(deadline_seconds)
        for connection in list(self._connections):
            connection.abort()

    def open_stream(self, source_lang: str, targets: link.Wanted, listener: StreamListener) -> Stream:
        """Open a stream; it may wait for its worker, and takes audio meanwhile.

        Raises link.LinkError for languages that cannot be written.
        """
        self._stream_number += 1
        stream = Stream(self._stream_number, source_lang, self.settings.relay, listener, self._touch)
        stream.set_targets(targets)
        self._queue(stream)
        self._place()
        return stream

    # --- streams -----------------------------------------------------------------------------------

    def _touch(self, stream: Stream) -> None:
        self._touched[stream] = None
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Move everything that this turn of the loop brought: one write for each worker."""
        self._flushing = False
        touched, self._touched = self._touched, {}
        batches: dict[Connection, list[link.ToWorker]] = {}
        for stream in touched:
            connection = stream.connection
            if connection is not None and stream.dropped:
                batches.setdefault(connection, []).append(link.Drop(stream.number))
            elif connection is not None and not connection.paused:
                batches.setdefault(connection, []).extend(stream.relay.outgoing())
            if stream.over:
                self._forget(stream)
            stream.tell()
        for connection, batch in batches.items():
            connection.send(batch)

    def _queue(self, stream: Stream) -> None:
        now = self._loop.time()
        stream.connection = None
        stream.waiting_since = now
        stream.relay.handle_time(now)
        self._waiting[stream] = None

    def _place(self) -> None:
        """Give waiting streams to workers with room, and start workers for the rest."""
        for stream in [stream for stream in self._waiting if not stream.over]:
            seats = [Seat(c, len(c.streams), c.streams_max) for c in self._warm_connections()]
            connection = choose(seats, self.settings.workers_max, stream.failed_on, stream.stalled_on)
            if connection is not None:
                del self._waiting[stream]
                stream.waiting_since = None
                stream.connection = connection
                stream.advanced_at = self._loop.time()
                connection.streams[stream.number] = stream
                stream.relay.assigned()
                self._touch(stream)
        self._populate()

    def _forget(self, stream: Stream) -> None:
        """Free the place of a stream that is over."""
        self._waiting.pop(stream, None)
        if stream.connection is not None:
            self._vacate(stream.connection, stream)
            stream.connection = None
            self._place()

    def _vacate(self, connection: Connection, stream: Stream) -> None:
        connection.streams.pop(stream.number, None)
        if not connection.streams:
            connection.idle_since = self._loop.time()

    def _lose(self, stream: Stream, reason: str) -> None:
        """Take a stream from its worker; it waits for another, or fails when this has happened too often."""
        settings = self.settings
        stream.relay.worker_lost()
        stream.connection = None
        if stream.failures > settings.failures_max or stream.losses > settings.losses_max:
            stream.relay.fail(reason)
        else:
            self._queue(stream)
        self._touch(stream)

    # --- workers -----------------------------------------------------------------------------------

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
        self._place()

    def received(self, connection: Connection, messages: list[link.FromWorker]) -> None:
        """Hand messages to their streams; one for a stream that was dropped meanwhile has no addressee."""
        for message in messages:
            if isinstance(message, link.Hello):
                raise link.LinkError("a second Hello")
            stream = connection.streams.get(message.stream)
            if stream is None:
                continue
            if isinstance(message, link.Failed):
                log.warning("Worker %d gave up stream %d: %s", connection.pid, stream.number, message.reason)
                self._vacate(connection, stream)
                stream.failures += 1
                stream.failed_on.add(connection)
                self._lose(stream, message.reason)
                self._place()
                continue
            before = stream.relay.heard_bytes, stream.relay.committed_bytes
            stream.relay.receive(message)
            after = stream.relay.heard_bytes, stream.relay.committed_bytes
            if after != before or not isinstance(message, link.Progress):
                stream.advanced_at = self._loop.time()
            if after[1] > before[1]:
                stream.losses = stream.failures = 0
            self._touch(stream)

    def writable(self, connection: Connection) -> None:
        """A worker reads again: send what its streams kept back."""
        for stream in connection.streams.values():
            self._touch(stream)

    def left(self, connection: Connection) -> None:
        """A worker is gone: its streams go elsewhere."""
        self._connections.pop(connection, None)
        if self._closing:
            return
        if connection.warm:
            self._bury(connection)
        for stream in list(connection.streams.values()):
            stream.losses += stream.relay.unfinished
            self._lose(stream, f"{stream.losses} media workers died while they had this stream")
        connection.streams.clear()
        self._place()

    def _bury(self, connection: Connection) -> None:
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

    def _child_ended(self, child: Child, how: str) -> None:
        if self._closing:
            return
        now = self._loop.time()
        if not child.retired:
            self._trouble = how
            delay = self._backoff.ended(now - child.started_at)
            self._start_at = max(self._start_at, now + delay)
            if delay:
                log.error("Media worker: %s; the next one is started in %.2f s", how, delay)
                self._loop.call_later(delay, self._populate)
        self._populate()

    def _populate(self) -> None:
        """Start what is missing, as far as back-off and limits allow."""
        now = self._loop.time()
        if self._closing or self._server is None or now < self._start_at - TIMER_SECONDS:
            return
        warm = self._warm_connections()
        count = missing(
            children=len(self._children),
            starting=sum(1 for child in self._children if not (child.warm or child.ending)),
            idle=sum(1 for connection in warm if not connection.streams),
            waiting=len(self._waiting),
            room=sum(connection.streams_max - len(connection.streams) for connection in warm),
            streams_max=self.settings.streams_max,
            workers_max=self.settings.workers_max,
        )
        for _ in range(count):
            self._children.start(now)

    # --- time --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._loop.time()
        # A gateway that was itself held up must not take its workers' silence for their fault.
        passed = min(now - self._ticked_at, 2 * self.settings.tick_seconds)
        self._ticked_at = now
        self._timer = self._loop.call_later(self.settings.tick_seconds, self._tick)
        self._check_workers(now, passed)
        self._check_streams(now)
        self._retire(now)
        self._place()

    def _check_workers(self, now: float, passed: float) -> None:
        settings = self.settings
        for connection in list(self._connections):
            if not connection.warm and now - connection.connected_at > settings.start_seconds_max:
                connection.abort()
            connection.silent_seconds = connection.silent_seconds + passed if connection.streams else 0.0
            if connection.silent_seconds > settings.heartbeat_seconds:
                log.error("Media worker %d hangs and is killed", connection.pid)
                connection.silent_seconds = 0.0
                connection.abort()
        for child in self._children:
            if not (child.warm or child.ending) and now - child.started_at > settings.start_seconds_max:
                log.error("Media worker %d did not get ready in %.0f s and is killed",
                          child.pid, settings.start_seconds_max)  # fmt: skip
                child.kill()

    def _check_streams(self, now: float) -> None:
        settings = self.settings
        for stream in list(self._waiting):
            stream.relay.handle_time(now)
            if stream.waiting_since is not None and now - stream.waiting_since > settings.wait_seconds_max:
                full = self.workers > 0
                why = "every media worker is full" if full else f"there is no media worker: {self._trouble}"
                del self._waiting[stream]
                stream.relay.fail(f"{why}; gave up after {settings.wait_seconds_max:.0f} s")
            self._touch(stream)
        for connection in list(self._connections):
            for stream in list(connection.streams.values()):
                if not stream.relay.owing:
                    stream.advanced_at = now
                elif now - stream.advanced_at > settings.stall_seconds:
                    log.error("Stream %d stands still in worker %d", stream.number, connection.pid)
                    connection.send([link.Drop(stream.number)])
                    self._vacate(connection, stream)
                    stream.failures += 1
                    stream.stalled_on.add(connection)
                    self._lose(stream, f"nothing came of it for {settings.stall_seconds:.0f} s")

    def _retire(self, now: float) -> None:
        """Let surplus processes of ours go, one spare apart; those started by hand stay."""
        idle = [connection for connection in self._warm_connections() if not connection.streams]
        for connection in idle[1:]:
            child = self._children.find(connection.pid)
            if child is not None and now - connection.idle_since > self.settings.idle_seconds:
                child.retired = True
                connection.close()
