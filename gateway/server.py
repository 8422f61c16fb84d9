"""The process's server: uvicorn with our wire, and an end that keeps its deadline whatever the viewers do.

On SIGTERM or SIGINT: no new connections, the application's drain, WebSockets told 1012 one after the other in
random order, the rest aborted, all within `shutdown_seconds`, exit status 0. A second signal ends at once.
"""

import asyncio
import contextlib
import logging
import random
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.wire.house import House
from gateway.wire.interface import Door, Reception
from gateway.wire.limits import WireLimits
from gateway.wire.porter import Porter
from gateway.wire.protocol import WireProtocol

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
SPREAD_SHARE: Final = 0.3
"""Of the shutdown time: over this the 1012s are spread, so that viewers do not all reconnect at once."""
DRAIN_SHARE: Final = 0.3
"""Of the shutdown time: as long as the application's drain may hold the closing up."""
LIFESPAN_SHARE: Final = 0.2
"""Of the shutdown time: kept for the application's own end, after the connections are gone."""
SPREAD_PER_WIRE_SECONDS: Final = 0.01
DATE_SECONDS: Final = 1.0
STEP_SECONDS: Final = 0.05


class Server(uvicorn.Server):
    """uvicorn's server for `application`. `port=0` takes a free one; `port` tells it once `ready` was called.

    `drain` is awaited before WebSockets are closed: readiness off, sessions told. Sizes and times are
    in `limits`; `door` decides who may connect, `reception` takes connections that need no application.
    `forwarded_allow_ips` are the proxies whose
    X-Forwarded-For is believed, as uvicorn takes them; none by default.
    """

    def __init__(  # noqa: PLR0913 - each is one fact about how the process serves
        self,
        application: Any,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        limits: WireLimits | None = None,
        door: Door | None = None,
        reception: Reception | None = None,
        drain: Callable[[], Awaitable[None]] | None = None,
        ready: Callable[[int], None] | None = None,
        shutdown_seconds: float = 10.0,
        forwarded_allow_ips: str = "",
        backlog: int = 2048,
        keep_alive_seconds: int = 5,
    ) -> None:
        self.house = House(limits, door, reception=reception)
        super().__init__(
            uvicorn.Config(
                application,
                host=host,
                port=port,
                http=partial(Porter, house=self.house),  # type: ignore[arg-type] # called like the class
                ws=partial(WireProtocol, house=self.house),  # type: ignore[arg-type] # called like the class
                interface="asgi3",
                loop="uvloop",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(forwarded_allow_ips),
                forwarded_allow_ips=forwarded_allow_ips or None,
                backlog=backlog,
                timeout_keep_alive=keep_alive_seconds,
            )
        )
        self.shutdown_seconds = shutdown_seconds
        self._drain = drain
        self._ready = ready
        self._exit = asyncio.Event()
        self._at_once = asyncio.Event()
        self._signals = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def port(self) -> int:
        """The port that is bound, once the server has started."""
        name = self.servers[0].sockets[0].getsockname()
        return int(name[1])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals for the time of serving; unlike uvicorn's they are not raised again afterwards, so
        the process ends with status 0."""
        loop = self._loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end; a second signal leaves out its courtesies."""
        self.should_exit = True
        self._exit.set()
        self._signals += 1
        if self._signals > 1:
            self.force_exit = True
            self._at_once.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen, then tell the port."""
        raise_open_files()
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready(self.port)

    async def main_loop(self) -> None:
        """Keep the date of responses until a signal comes."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._exit.wait(), DATE_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End within `shutdown_seconds`; at once after a second signal."""
        clock = asyncio.get_running_loop().time
        end = clock() + self.shutdown_seconds
        connections_end = end - self.shutdown_seconds * LIFESPAN_SHARE
        self.house.closing = True
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        if self._drain is not None and not self.force_exit:
            await self._bounded("drain", self._drain(), self.shutdown_seconds * DRAIN_SHARE)
        await self._close_connections(clock)
        while self.server_state.connections and clock() < connections_end and not self.force_exit:
            await self._pause(STEP_SECONDS)
        await self._abort_connections()
        await self._bounded("application's end", self.lifespan.shutdown(), max(end - clock(), STEP_SECONDS))
        self.house.stop()

    async def _close_connections(self, clock: Callable[[], float]) -> None:
        held: list[object] = list(self.server_state.connections)
        wires = [connection for connection in held if isinstance(connection, WireProtocol)]
        for connection in held:
            if isinstance(connection, HttpToolsProtocol | Porter):
                connection.shutdown()
        random.shuffle(wires)
        spread_seconds = min(self.shutdown_seconds * SPREAD_SHARE, len(wires) * SPREAD_PER_WIRE_SECONDS)
        start = clock()
        for index, wire in enumerate(wires):
            ahead = start + index * spread_seconds / len(wires) - clock()
            if ahead > STEP_SECONDS and not self.force_exit:
                await self._pause(ahead)
            wire.shutdown()

    async def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)
        running = list(self.server_state.tasks)
        if not running:
            return
        await asyncio.wait(running, timeout=0 if self.force_exit else STEP_SECONDS)
        logging.getLogger("uvicorn.error").addFilter(_not_cancelled)
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=STEP_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._at_once.wait(), seconds)

    async def _bounded(self, what: str, work: Awaitable[None], seconds: float) -> None:
        """Await `work` for `seconds` at most, not past a second signal; an error is logged, not raised."""
        running = asyncio.get_running_loop().create_task(_awaited(work), name=what)
        hurry = asyncio.get_running_loop().create_task(self._at_once.wait(), name="second signal")
        await asyncio.wait({running, hurry}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not running.done():
            log.warning("The %s did not finish within %.1f s and was left", what, seconds)
            running.cancel()
            await asyncio.wait({running}, timeout=STEP_SECONDS)
        elif not running.cancelled() and (error := running.exception()) is not None:
            log.error("The %s failed", what, exc_info=error)


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _not_cancelled(record: logging.LogRecord) -> bool:
    """What was cancelled by the end of the server is no error of the application."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def raise_open_files() -> None:
    """Lift the soft limit of open files to the hard one: a connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(application: Any, **facts: Any) -> None:
    """Serve until a signal; takes what `Server` takes."""
    Server(application, **facts).run()
