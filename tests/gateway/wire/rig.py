"""What the tests of the wire stand on: client frames, a transport whose peer may stop reading, a server."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.speedups import apply_mask

from gateway.server import Server
from gateway.wire.handshake import Place, Request
from gateway.wire.house import House
from gateway.wire.http import HttpProtocol
from gateway.wire.interface import Door, Wire
from gateway.wire.limits import WireLimits
from gateway.wire.protocol import WireProtocol

Message = MutableMapping[str, Any]
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ADDRESS = "192.0.2.7"
PLACE = Place((ADDRESS, 5000), ("192.0.2.1", 8000), "wss", "", "3.0")
UPGRADE_HEADERS = [
    (b"host", b"example.org"),
    (b"upgrade", b"websocket"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]
PLAIN_REQUEST = b"GET /health HTTP/1.1\r\nhost: example.org\r\n\r\n"
MASK = b"\x11\x22\x33\x44"


def client_frame(first: int, payload: bytes, mask: bytes = MASK) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((first, 128 | size))
    elif size < 1 << 16:
        head = bytes((first, 254)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 255)) + size.to_bytes(8, "big")
    return head + mask + apply_mask(payload, mask)


def text(words: str) -> bytes:
    return client_frame(0x81, words.encode())


def binary(payload: bytes) -> bytes:
    return client_frame(0x82, payload)


def closing(code: int = 1000, reason: str = "") -> bytes:
    return client_frame(0x88, code.to_bytes(2, "big") + reason.encode())


def request_bytes(headers: list[tuple[bytes, bytes]] | None = None, path: bytes = b"/live?x=1") -> bytes:
    lines = [name + b": " + value + b"\r\n" for name, value in headers or UPGRADE_HEADERS]
    return b"GET " + path + b" HTTP/1.1\r\n" + b"".join(lines) + b"\r\n"


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeTransport(asyncio.Transport):
    """A transport whose peer takes `room` more bytes; TLS, so that nothing is written past it."""

    def __init__(self, room: int = 1 << 60) -> None:
        super().__init__(
            {"sslcontext": True, "peername": ("192.0.2.7", 5000), "sockname": ("192.0.2.1", 8000)}
        )
        self.room = room
        self.taken = b""
        self.held = b""
        self.eof = False
        self.reading = True
        self.closing = False
        self.aborted = False
        self.over = False
        self.protocol: Any = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.eof
        if self.closing:
            return
        waited = bool(self.held)
        self.held += bytes(data)
        self._move()
        if self.held and not waited:
            self.protocol.pause_writing()

    def _move(self) -> None:
        self.taken += self.held[: self.room]
        moved = min(self.room, len(self.held))
        self.held = self.held[moved:]
        self.room -= moved

    def read_by_peer(self, room: int = 1 << 60) -> None:
        """The peer reads on: `room` bytes more fit."""
        self.room += room
        while self.held and self.room:
            self._move()
            if not self.held and not self.aborted:
                self.protocol.resume_writing()
        self._finish()

    def _finish(self) -> None:
        if self.closing and not self.held and not self.over:
            self.over = True
            self.protocol.connection_lost(None)

    def settle(self) -> None:
        """Let the loop's turn after `close` or `abort` come."""
        if self.aborted and not self.over:
            self.over = True
            self.protocol.connection_lost(None)
        self._finish()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return len(self.held)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True
        self.held = b""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def peer_ends(self) -> None:
        if not self.protocol.eof_received():
            self.close()
            self.settle()


class Owner:
    """A receiver that remembers everything."""

    def __init__(self) -> None:
        self.heard: list[str | list[bytes]] = []
        self.writable_count = 0
        self.codes: list[int] = []
        self.gone = asyncio.Event()

    def receive_text(self, words: str) -> None:
        self.heard.append(words)

    def receive_binary(self, payloads: list[bytes]) -> None:
        self.heard.append(payloads)

    def writable(self) -> None:
        self.writable_count += 1

    def closed(self, code: int) -> None:
        self.codes.append(code)
        self.gone.set()


class Rig:
    """One connection over a `FakeTransport`, with the clock in the test's hand."""

    def __init__(self, app: Any = None, limits: WireLimits | None = None, room: int = 1 << 60) -> None:
        self.clock = Clock()
        self.house = House(limits, clock=self.clock, wall=lambda: 0.0)
        self.app = app or self.attaching
        self.owner = Owner()
        self.scope: Message = {}
        self.config = Config(
            self.app, interface="asgi3", log_config=None, access_log=False, proxy_headers=False
        )
        self.config.load()
        self.state = ServerState()
        self.transport = FakeTransport(room)

    async def attaching(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        self.scope = scope
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        wire: Wire = scope["extensions"]["stagedoor.wire"]["wire"]
        wire.attach(self.owner)

    def wire(self) -> WireProtocol:
        wire = WireProtocol(self.config, self.state, {}, house=self.house)
        self.transport.protocol = wire
        wire.connection_made(self.transport)
        return wire

    def http(self) -> HttpProtocol:
        protocol = HttpProtocol(self.config, self.state, {}, house=self.house)
        self.transport.protocol = protocol
        protocol.connection_made(self.transport)
        return protocol

    async def begin(
        self, early: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None
    ) -> WireProtocol:
        wire = self.wire()
        wire.begin(
            Request("GET", b"/live?x=1", "1.1", headers or UPGRADE_HEADERS),
            early,
            lambda: PLACE,
            ADDRESS,
        )
        await self.run_tasks()
        return wire

    async def opened(self) -> WireProtocol:
        """A wire that is accepted and attached; the response is taken off the transport's record."""
        wire = await self.begin()
        assert self.sent().startswith(b"HTTP/1.1 101 ")
        return wire

    async def run_tasks(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def sent(self) -> bytes:
        """What the peer has taken since the last call."""
        taken, self.transport.taken = self.transport.taken, b""
        return taken

    def after(self, seconds: float) -> None:
        """Move the clock and let the wheel act."""
        self.clock.now += seconds
        self.house.turn()


@contextlib.asynccontextmanager
async def running(
    app: Any, limits: WireLimits | None = None, door: Door | None = None, **facts: Any
) -> AsyncIterator[tuple[int, Server]]:
    """Serve `app` on a free port in this loop."""
    ready = asyncio.Event()
    server = Server(app, port=0, limits=limits, door=door, ready=lambda _: ready.set(), **facts)
    serving = asyncio.get_running_loop().create_task(server.serve())
    await ready.wait()
    try:
        yield server.port, server
    finally:
        server.handle_exit(15, None)
        await serving


async def raw_upgrade(
    port: int, early: bytes = b"", receive_bytes: int | None = None, path: bytes = b"/live"
) -> socket.socket:
    """A socket that has asked for an upgrade, `early` in the same packet; nothing was read."""
    sock = socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    await asyncio.get_running_loop().sock_sendall(sock, request_bytes(path=path) + early)
    return sock
