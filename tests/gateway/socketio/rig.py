"""A server with Socket.IO alone, in the loop of the test, and a receiver that does what clients ask it to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from gateway.alarms import Alarms
from gateway.http import errors
from gateway.http.bodies import BodyLimit
from gateway.http.errors import Refused
from gateway.limits import DoorLimits
from gateway.server import Server
from gateway.settings import Settings
from gateway.socketio.endpoint import SocketIO, routes
from gateway.socketio.hall import Hall, limits_of
from gateway.socketio.interface import Ack, Client
from gateway.tasks import Tasks
from gateway.wire.limits import WireLimits
from tests.house import KEYS, NO_LIMITS

OFF = {name.lower(): 0 for name in NO_LIMITS if "ADDRESS" in name or "UNAUTH" in name} | {
    "socketio_connection_rate_limit": 0,
    "socketio_event_rate_limit": 0,
}


class Parrot:
    """A receiver of the events `do:...`, which names what it should do."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self.here: list[Client] = []
        self.gone_count = 0
        self.heard: list[Any] = []
        self.going_on = asyncio.Event()
        """While it is not set, `do:wait` waits."""
        self.changed = asyncio.Event()

    def connected(self, client: Client) -> None:
        self.here.append(client)
        self.changed.set()

    def gone(self, client: Client) -> None:
        self.here.remove(client)
        self.gone_count += 1
        self.changed.set()

    def receive(self, client: Client, event: str, payload: Any) -> Ack | Awaitable[Ack]:
        self.heard.append(payload)
        self.changed.set()
        doing: Callable[[Client, Any], Ack | Awaitable[Ack]] = getattr(self, event.removeprefix("do:"))
        return doing(client, payload)

    def echo(self, client: Client, payload: Any) -> Ack:
        client.emit("echoed", payload)
        return {"ok": True, "payload": payload}

    def join(self, client: Client, name: str) -> Ack:
        self._hall.audience(name).add(client)
        return {"ok": True}

    def leave(self, client: Client, name: str) -> Ack:
        self._hall.audience(name).discard(client)
        return {"ok": True}

    def say(self, client: Client, payload: Any) -> Ack:
        skip = client if payload.get("skip") else None
        for each in range(payload.get("times", 1)):
            self._hall.audience(payload["to"]).emit("said", payload.get("what", each), skip)
        return {"ok": True}

    def refuse(self, client: Client, payload: Any) -> Ack:
        raise Refused(409, "NOT_NOW", "Not now; try again later", later=True)

    def fail(self, client: Client, payload: Any) -> Ack:
        raise ZeroDivisionError

    def quit(self, client: Client, payload: Any) -> Ack:
        client.disconnect("bye", payload)
        return {"ok": True}

    async def ask(self, client: Client, payload: Any) -> Ack:
        return {"ok": True, "answer": list(await client.ask("question", payload))}

    async def wait(self, client: Client, payload: Any) -> Ack:
        await self.going_on.wait()
        return {"ok": True, "payload": payload}

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until something is so that changes with what clients do."""
        async with asyncio.timeout(20):
            while not fact():
                self.changed.clear()
                await self.changed.wait()


class Stand:
    """The server that runs."""

    def __init__(self, hall: Hall, socketio: SocketIO, server: Server, parrot: Parrot) -> None:
        self.hall = hall
        self.socketio = socketio
        self.server = server
        self.parrot = parrot

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


@contextlib.asynccontextmanager
async def standing(**changes: Any) -> AsyncIterator[Stand]:
    """Serve Socket.IO with some settings changed; no limits at the door unless they are named."""
    facts: dict[str, Any] = {"data_dir": Path("/nonexistent"), "jwt_secret": "x" * 32} | OFF | changes
    settings = Settings(_env_file=None, **facts)
    loop, tasks, ready = asyncio.get_running_loop(), Tasks(), asyncio.Event()
    hall = Hall(limits_of(settings), KEYS, DoorLimits(settings), Alarms(loop), tasks, loop)
    socketio, parrot = SocketIO(hall, settings), Parrot(hall)
    hall.register(parrot, "do:")
    application = Starlette(
        routes=routes(socketio),
        middleware=[Middleware(BodyLimit, max(64 << 10, settings.message_bytes_max))],
        exception_handlers=errors.ANSWERS,
    )
    server = Server(
        application,
        port=0,
        limits=WireLimits(
            message_bytes_max=settings.message_bytes_max,
            viewer_buffer_bytes_max=settings.viewer_buffer_bytes_max,
            ping_interval_seconds=settings.ping_interval_seconds,
            close_timeout_seconds=1.0,
        ),
        drain=lambda: drained(socketio),
        ready=lambda _: ready.set(),
        shutdown_seconds=3.0,
        forwarded_allow_ips=",".join(settings.trusted_proxies),
    )
    serving = loop.create_task(server.serve())
    await ready.wait()
    try:
        yield Stand(hall, socketio, server, parrot)
    finally:
        server.handle_exit(15, None)
        await serving
        await tasks.aclose()


async def drained(socketio: SocketIO) -> None:
    """Drain, as a coroutine."""
    socketio.drain()
