"""Clients that no library would let a test be: they break the protocol, stop reading, or are very many."""

import asyncio
import os
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import orjson

from gateway.wire.frames import BINARY, CLOSE, TEXT, split_frames
from tests.house import House, token

FIN = 0x80
MASK = b"\x37\xfa\x21\x3d"
NO_STATUS = 1005
ABNORMAL = 1006


def upgrade(path: str, *, host: str = "localhost", headers: Iterable[str] = ()) -> bytes:
    """Return an upgrade request."""
    lines = [
        f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *headers, "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode("latin-1")


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    first = (FIN if fin else 0) | reserved | opcode
    second = FIN if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, second | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, second | 126, size)
    else:
        head = struct.pack("!BBQ", first, second | 127, size)
    if not masked:
        return head + payload
    keys = (MASK * (size // 4 + 1))[:size]
    veiled = (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")
    return head + MASK + veiled


class Peer(asyncio.Protocol):
    """One connection: `status` is the HTTP status of its answer, `close_code` how it ended, None before."""

    def __init__(self) -> None:
        self.status = 0
        self.headers = ""
        self.body = b""
        self.close_code: int | None = None
        self.came: deque[tuple[float, Any]] = deque()
        self.heard_bytes = 0
        self.connected: dict[str, Any] = {}
        self._kept = bytearray()
        self._changed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._closing = ABNORMAL

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard_bytes += len(data)
        self._kept += data
        if not self.status:
            head, end, rest = bytes(self._kept).partition(b"\r\n\r\n")
            if not end:
                return
            self.status = int(head.split(b" ", 2)[1])
            self.headers = head.decode("latin-1").lower()
            self._kept = bytearray(rest)
        if self.status == 101:
            self._read_frames()
        else:
            self.body = bytes(self._kept)
        self._changed.set()

    def _read_frames(self) -> None:
        now, whole = time.perf_counter(), whole_frames(self._kept)
        for opcode, payload in split_frames(bytes(self._kept[:whole])):
            if opcode == TEXT:
                self.came.append((now, orjson.loads(payload)))
            elif opcode == BINARY:
                self.came.append((now, payload))
            elif opcode == CLOSE:
                self._closing = int.from_bytes(payload[:2], "big") if payload else NO_STATUS
                self.transport.write(frame(CLOSE, payload[:2]))
        del self._kept[:whole]

    def connection_lost(self, exc: Exception | None) -> None:
        self.close_code = self._closing
        self._changed.set()

    # --- what it does ---------------------------------------------------------------------------------

    def send(self, *frames: bytes) -> None:
        self.transport.write(b"".join(frames))

    def say(self, **message: Any) -> None:
        self.send(frame(TEXT, orjson.dumps(message)))

    def loop_every(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something again and again while the connection lasts."""
        if self.close_code is None and not self.transport.is_closing():
            act()
            asyncio.get_running_loop().call_later(seconds, self.loop_every, seconds, act)

    def cut(self) -> None:
        """End the connection without a word, so that the server is told by a reset."""
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.transport.abort()

    async def until(self, reached: Any, within_seconds: float = 20.0) -> None:
        """Wait until `reached` is true of this peer."""
        try:
            async with asyncio.timeout(within_seconds):
                while not reached(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            last = [message for _, message in list(self.came)[-3:]]
            raise AssertionError(f"waited in vain; {self.close_code=} {self.status=} last: {last}") from error

    async def answered(self) -> int:
        """Return the HTTP status of the answer."""
        await self.until(lambda peer: peer.status or peer.close_code is not None)
        return self.status

    async def closed(self, within_seconds: float = 20.0) -> int:
        """Return the close code, once the connection is gone."""
        await self.until(lambda peer: peer.close_code is not None, within_seconds)
        assert self.close_code is not None
        return self.close_code

    async def take(self, *types: str, within_seconds: float = 20.0) -> Any:
        """Return the next message of one of the types (any if none is given), leaving out others."""
        while True:
            await self.until(lambda peer: peer.came or peer.close_code is not None, within_seconds)
            if not self.came:
                raise AssertionError(f"closed with {self.close_code} instead of sending {types}")
            _, message = self.came.popleft()
            if not types or (isinstance(message, dict) and message["type"] in types):
                return message

    async def authenticate(self, bearer: str = "", resume: Any = None) -> dict[str, Any]:
        """Send the first message; return its answer."""
        more = {"resume": resume} if resume else {}
        self.say(type="authenticate", token=bearer or token(), **more)
        self.connected = await self.take()
        return self.connected

    async def finals(self, count: int, within_seconds: float = 30.0) -> list[dict[str, Any]]:
        """Return the next `count` final subtitles."""
        taken: list[dict[str, Any]] = []
        while len(taken) < count:
            message = await self.take("subtitle", within_seconds=within_seconds)
            if message["is_final"]:
                taken.append(message)
        return taken

    def finals_so_far(self) -> list[tuple[int, str]]:
        """Take (offset, text) of the final subtitles that have come."""
        messages = [message for _, message in self.came]
        self.came.clear()
        return [
            (m["offset"], m["text"])
            for m in messages
            if isinstance(m, dict) and m["type"] == "subtitle" and m["is_final"]
        ]


def whole_frames(data: bytearray) -> int:
    """Return how many bytes of `data` are whole frames of a server."""
    at = 0
    while len(data) - at >= 2:
        size, start = data[at + 1], at + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            if len(data) < start:
                break
            size = int.from_bytes(data[at + 2 : start], "big")
        if len(data) < start + size:
            break
        at = start + size
    return at


class Crowd:
    """Peers of one house, cut off at the end of a test."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.peers: list[Peer] = []

    async def dials(self, address: str = "127.0.0.1", receive_bytes: int = 0) -> Peer:
        """Open a TCP connection from a loopback address, with a small receive buffer if asked for."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.bind((address, 0))
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, ("127.0.0.1", self.house.port))
        except OSError:
            sock.close()
            raise
        _, peer = await loop.create_connection(Peer, sock=sock)
        self.peers.append(peer)
        return peer

    async def arrives(self, path: str, **options: Any) -> Peer:
        """Open a WebSocket, without a token yet."""
        peer = await self.dials(**options)
        peer.send(upgrade(f"/ws/live/{path}"))
        assert await peer.answered() == 101, (peer.status, peer.body)
        return peer

    async def joins(self, path: str, bearer: str = "", resume: Any = None, **options: Any) -> Peer:
        """Open a WebSocket and authenticate; assert that it is welcome."""
        peer = await self.dials(**options)
        peer.send(upgrade(f"/ws/live/{path}"))
        answer = await peer.authenticate(bearer, resume)
        assert answer["type"] == "connected", answer
        return peer

    async def many(self, count: int, path: str, **options: Any) -> list[Peer]:
        """Let so many join, some at a time."""
        joined: list[Peer] = []
        while len(joined) < count:
            batch = min(100, count - len(joined))
            joined += await asyncio.gather(*(self.joins(path, **options) for _ in range(batch)))
        return joined

    async def gone(self) -> None:
        for peer in self.peers:
            if peer.close_code is None:
                peer.transport.abort()
        for peer in self.peers:
            await peer.closed()


@asynccontextmanager
async def crowd_of(house: House) -> AsyncIterator[Crowd]:
    """Give a crowd that has gone at the end."""
    async with AsyncExitStack() as stack:
        crowd = Crowd(house)
        stack.push_async_callback(crowd.gone)
        yield crowd


def caption(text: str, number: int = 0, **more: Any) -> dict[str, Any]:
    """Return a final caption of a publisher."""
    return {"type": "caption", "text": text, "start": number, "end": number + 1, "is_final": True, **more}


async def none_are_left(house: House) -> None:
    """Wait until the server counts no connection any more."""
    names = ("stagedoor_live_connections", "stagedoor_unauthenticated_connections")
    deadline = time.monotonic() + 10
    while any(left := [house.metric(name) for name in names]):
        assert time.monotonic() < deadline, dict(zip(names, left, strict=True))
        await asyncio.to_thread(os.sched_yield)
