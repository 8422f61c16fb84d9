"""A room on the server's Socket.IO and nothing else: what an event to an audience costs, without stores.

It does what `bench/room_server.mjs` does on npm's socket.io. `python -m bench.room_server` prints its port
and runs until its standard input ends.
"""

import asyncio
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvloop
from starlette.applications import Starlette

from auth.tokens import KeyRing
from bench.servers import NO_LIMITS, SECRET
from gateway.alarms import Alarms
from gateway.limits import DoorLimits
from gateway.server import Server
from gateway.serving import spare_the_collector, wire_limits
from gateway.settings import Settings
from gateway.socketio.endpoint import SocketIO, routes
from gateway.socketio.hall import Hall, limits_of
from gateway.socketio.interface import Ack, Client
from gateway.tasks import Tasks

OFF = {name.lower(): value for name, value in NO_LIMITS.items()} | {
    "socketio_connection_rate_limit": "0",
    "socketio_event_rate_limit": "0",
}


class Room:
    """The receiver of `room:join` and `room:message`."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._offsets = itertools.count(1)

    def connected(self, client: Client) -> None:
        """Nothing is kept of a client."""

    def gone(self, client: Client) -> None:
        """Nothing was kept of it."""

    def receive(self, client: Client, event: str, payload: Any) -> Ack:
        """Let a client in, or tell everybody what it says."""
        audience = self._hall.audience(payload["roomCode"])
        if event == "room:join":
            audience.add(client)
            return {"ok": True}
        offset = next(self._offsets)
        message = {
            "id": f"msg_{offset}",
            "offset": offset,
            "userId": client.principal.user,
            "text": payload["text"],
            "at": "2026-11-29T10:00:00.000Z",
        }
        audience.emit("room:message", message)
        return {"ok": True, "message": message}


async def serve(data_dir: Path) -> None:
    """Print the port, then serve until standard input ends."""
    settings = Settings(_env_file=None, data_dir=data_dir, jwt_secret=SECRET, **OFF)  # type: ignore[arg-type]
    loop, tasks = asyncio.get_running_loop(), Tasks()
    keys = KeyRing.of(SECRET.encode())
    hall = Hall(limits_of(settings), keys, DoorLimits(settings), Alarms(loop), tasks, loop)
    hall.register(Room(hall), "room:")
    server = Server(
        Starlette(routes=routes(SocketIO(hall, settings))),
        port=0,
        limits=wire_limits(settings),
        ready=lambda port: print(port, flush=True),
        shutdown_seconds=1.0,
    )
    spare_the_collector()
    loop.add_reader(sys.stdin.fileno(), server.handle_exit, 0, None)
    await server.serve()
    await tasks.aclose()


def main() -> None:
    """Serve with a data directory that is forgotten."""
    with tempfile.TemporaryDirectory(prefix="stagedoor-bench-") as folder:
        uvloop.run(serve(Path(folder)))


if __name__ == "__main__":
    main()
