"""The worker process: engines loaded, then streams taken over a link until the gateway's end closes.

Invariant: no worker outlives its link: when the gateway is gone it ends at once, also while an engine
computes. What a stream may do to the others is bounded in `media.places`.
"""

import asyncio
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from media import link
from media.engines.base import EngineError, EngineSettings
from media.engines.catalogue import Catalogue
from media.link_format import Decoder, encode
from media.pipeline import EngineSet, Pipeline
from media.places import Emit, Engines, Places, StreamPipeline

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
"""Between two signs of life of a worker that has streams."""
GRACE_SECONDS = 0.5
"""From the end of the link to the end of the process, whatever an engine is doing."""


class _Link(asyncio.Protocol):
    """The socket to the gateway: the messages of one turn of the loop leave as one write.

    While the gateway does not read, nothing more is read from it, and so little more is made for it: what
    streams hold is bounded by their credit.
    """

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.places: Places | None = None
        self._loop = asyncio.get_running_loop()
        self._decoder: Decoder[link.ToWorker] = Decoder(link.ToWorker)
        self._transport: asyncio.Transport | None = None
        self._frames: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                if self.places is not None:
                    self.places.receive(message)
        except link.LinkError:
            log.exception("The gateway broke the contract of the link; this worker ends")
            self.closed.set()

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()

    def send(self, message: link.FromWorker) -> None:
        if not self._frames:
            self._loop.call_soon(self._flush)
        self._frames.append(encode(message))

    def _flush(self) -> None:
        frames, self._frames = self._frames, []
        if self._transport is not None:
            self._transport.write(b"".join(frames))


async def run(
    path: Path,
    load: Callable[[], Awaitable[Engines]],
    streams_max: int,
    *,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    signals: Sequence[int] = (),
) -> None:
    """Serve the gateway that listens at `path` until its end closes, or one of `signals` comes.

    The engines are loaded before the worker says `Hello`. Raises OSError when nobody listens at `path`, and
    what `load` raises. Within GRACE_SECONDS after the end of the link the process is ended, come what may.
    """
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_unix_connection(_Link, str(path))
    sock = transport.get_extra_info("socket")
    threading.Thread(
        target=_end_after, args=(os.dup(sock.fileno()),), name="end of link", daemon=True
    ).start()
    for number in signals:
        loop.add_signal_handler(number, connection.closed.set)
    engines = await load()
    try:
        async with asyncio.TaskGroup() as tasks:
            places = connection.places = Places(engines, connection.send, tasks, streams_max)
            connection.send(link.Hello(os.getpid(), streams_max))
            beat = tasks.create_task(_beat(places, heartbeat_seconds), name="heartbeat")
            await connection.closed.wait()
            beat.cancel()
            places.close()
    finally:
        # The thread has this socket too: closing our end of it would not be seen by the gateway.
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        transport.close()
        await engines.aclose()


async def _beat(places: Places, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        places.heartbeat()


def _end_after(ear: int) -> None:
    """Wait in a thread of its own for the end of the link, then end the process should it still be there.

    A computing engine may keep the event loop for long, but has to let go of the interpreter sometimes.
    """
    poll = select.poll()
    poll.register(ear, 0)  # a hang-up is reported without being asked for
    poll.poll()
    threading.Event().wait(GRACE_SECONDS)
    os._exit(0)


class _LoadedEngines:
    """The engines that settings chose."""

    def __init__(self, engines: EngineSet) -> None:
        self._engines = engines

    def pipeline(self, opened: link.Open, emit: Emit) -> StreamPipeline:
        return Pipeline(opened, self._engines, emit)

    async def aclose(self) -> None:
        await self._engines.aclose()


def main(
    data_dir: Path,
    settings: EngineSettings,
    streams_max: int,
    child: bool = False,
    *,
    warm: Sequence[str] = ("en",),
) -> int:
    """Run a worker for the gateway of `data_dir`; return the exit status.

    `warm` lists source languages whose recognizer is loaded in advance. A `child` leaves Ctrl-C to its
    gateway. What keeps it from working is said on the standard error.
    """
    if child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals = [signal.SIGTERM] if child else [signal.SIGTERM, signal.SIGINT]
    path = data_dir / link.SOCKET_NAME

    async def load() -> Engines:
        engines = EngineSet(Catalogue.load(settings))
        for lang in warm:
            await engines.warm(lang)
        return _LoadedEngines(engines)

    try:
        asyncio.run(run(path, load, streams_max, signals=signals))
    except (FileNotFoundError, ConnectionRefusedError):
        return _refuse(
            f"No server listens at {path}: start `stagedoor serve` with this data directory first."
        )
    except (OSError, EngineError, ValueError) as error:
        return _refuse(str(error))
    return 0


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"stagedoor worker: {sentence}\n")
    return 1
