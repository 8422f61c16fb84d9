"""The streams of a gateway and the workers that have them: who takes what, and what happens when one dies.

Invariant: every stream that is open has a worker, or waits for one and is told `Failed` within a bound; a
worker that is lost takes nothing with it (see `relay`).
"""

import asyncio
import logging
from collections.abc import Sequence

from gateway.workers.connection import Connection
from gateway.workers.crew import Crew
from gateway.workers.plan import Seat, choose
from gateway.workers.relay import Event, Gap, RelayLimits
from gateway.workers.settings import PoolSettings
from gateway.workers.stream import Stream, StreamListener
from media import link

__all__ = ["Event", "Gap", "PoolSettings", "RelayLimits", "Stream", "StreamListener", "WorkerPool"]

log = logging.getLogger(__name__)

BATCH_SECONDS = 0.001
"""Between two times when audio goes to workers, that of all streams together: each write costs more than what
is in it. Audio that comes later than so after the last goes at once."""


class WorkerPool:
    """Opens streams on workers; `command` starts one worker process that connects."""

    def __init__(self, settings: PoolSettings, command: Sequence[str]) -> None:
        self.settings = settings
        self.crew = Crew(settings, command, self)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Stream, None] = {}
        self._touched: dict[Stream, None] = {}
        self._stream_number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._batch: asyncio.TimerHandle | None = None
        self._flushing = False
        self._flushed_at = -BATCH_SECONDS
        self._ticked_at = 0.0

    # --- what can be asked -------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        """Workers that are warm."""
        return len(self.crew.warm)

    @property
    def streams(self) -> int:
        """Streams that workers have."""
        return sum(len(connection.streams) for connection in self.crew.warm)

    @property
    def waiting(self) -> int:
        """Streams without a worker."""
        return len(self._waiting)

    @property
    def losses(self) -> int:
        """Workers that died or were ended although they should have gone on."""
        return self.crew.losses

    @property
    def room(self) -> int:
        """Streams that could be opened now and would get a worker, at the latest when one has started."""
        free = sum(connection.streams_max - len(connection.streams) for connection in self.crew.warm)
        return free + self.crew.startable * self.settings.streams_max - len(self._waiting)

    @property
    def ready(self) -> bool:
        """A worker is warm."""
        return self.workers > 0

    async def wait_ready(self, workers: int = 1) -> None:
        """Return as soon as so many workers are warm."""
        await self.crew.wait_warm(workers)

    # --- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and start the first worker. Raises OSError with a sentence."""
        await self.crew.start()
        self._ticked_at = self._loop.time()
        self._tick()

    async def aclose(self, deadline_seconds: float) -> None:
        """End every worker: told by the end of file, killed at the deadline. Open streams hear no more."""
        if self._timer is not None:
            self._timer.cancel()
        await self.crew.aclose(deadline_seconds)

    def open_stream(self, source_lang: str, targets: link.Wanted, listener: StreamListener) -> Stream:
        """Open a stream; it may wait for its worker, and takes audio meanwhile.

        Raises link.LinkError for languages that cannot be written.
        """
        self._stream_number += 1
        stream = Stream(self._stream_number, source_lang, self.settings.relay, listener, self)
        stream.set_targets(targets)
        self._queue(stream)
        self._place()
        return stream

    # --- streams -----------------------------------------------------------------------------------

    def touch(self, stream: Stream) -> None:
        """Move what the stream has in the next turn of the event loop."""
        self._touched[stream] = None
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def touch_soon(self, stream: Stream) -> None:
        """Move what the stream has within BATCH_SECONDS, together with others' audio."""
        self._touched[stream] = None
        if self._batch is not None or self._flushing:
            return
        due = self._flushed_at + BATCH_SECONDS
        if due <= self._loop.time():
            self.touch(stream)
        else:
            self._batch = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        """Move everything that this turn of the loop brought: one write for each worker."""
        self._flushing = False
        self._flushed_at = self._loop.time()
        if self._batch is not None:
            self._batch.cancel()
            self._batch = None
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
            seats = [Seat(c, len(c.streams), c.streams_max) for c in self.crew.warm]
            connection = choose(seats, self.settings.workers_max, stream.failed_on, stream.stalled_on)
            if connection is not None:
                del self._waiting[stream]
                stream.waiting_since = None
                stream.connection = connection
                stream.advanced_at = self._loop.time()
                connection.streams[stream.number] = stream
                stream.relay.assigned()
                self.touch(stream)
        self.crew.populate()

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
        self.touch(stream)

    # --- from the crew -----------------------------------------------------------------------------

    def joined(self) -> None:
        """There is room again."""
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
            self.touch(stream)

    def writable(self, connection: Connection) -> None:
        """A worker reads again: send what its streams kept back."""
        for stream in connection.streams.values():
            self.touch(stream)

    def lost(self, connection: Connection) -> None:
        """A worker is gone: its streams go elsewhere."""
        for stream in list(connection.streams.values()):
            stream.losses += stream.relay.unfinished
            self._lose(stream, f"{stream.losses} media workers died while they had this stream")
        connection.streams.clear()
        self._place()

    # --- time --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._loop.time()
        # A gateway that was itself held up must not take its workers' silence for their fault.
        passed = min(now - self._ticked_at, 2 * self.settings.tick_seconds)
        self._ticked_at = now
        self._timer = self._loop.call_later(self.settings.tick_seconds, self._tick)
        self.crew.look(now, passed)
        self._look_at_waiting(now)
        self._look_at_streams(now)
        self._place()

    def _look_at_waiting(self, now: float) -> None:
        seconds_max = self.settings.wait_seconds_max
        for stream in list(self._waiting):
            stream.relay.handle_time(now)
            if stream.waiting_since is not None and now - stream.waiting_since > seconds_max:
                why = f"there is no media worker: {self.crew.trouble}"
                if self.ready:
                    why = "every media worker is full"
                del self._waiting[stream]
                stream.relay.fail(f"{why}; gave up after {seconds_max:.0f} s")
            self.touch(stream)

    def _look_at_streams(self, now: float) -> None:
        seconds_max = self.settings.stall_seconds
        for connection in self.crew.warm:
            for stream in list(connection.streams.values()):
                if not stream.relay.owing:
                    stream.advanced_at = now
                elif now - stream.advanced_at > seconds_max:
                    log.error("Stream %d stands still in worker %d", stream.number, connection.pid)
                    connection.send([link.Drop(stream.number)])
                    self._vacate(connection, stream)
                    stream.failures += 1
                    stream.stalled_on.add(connection)
                    self._lose(stream, f"nothing came of it for {seconds_max:.0f} s")
