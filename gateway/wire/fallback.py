"""The `Wire` of a server without the extension: the same bounds and order over plain ASGI receive and send.

One coroutine reads, one writes; what waits for a slow peer is bounded as on the direct path.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from starlette.websockets import WebSocketDisconnect

from gateway.tasks import Tasks
from gateway.wire import frames
from gateway.wire.backlog import Backlog
from gateway.wire.interface import EXTENSION, Receiver, Wire
from gateway.wire.limits import WireLimits
from gateway.wire.outlet import INTERNAL_ERROR, TOO_SLOW

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


def wire_of(
    scope: MutableMapping[str, Any], receive: Receive, send: Send, limits: WireLimits | None = None
) -> Wire:
    """Give the wire of an accepted connection, whichever server carries it.

    Accept, take the wire, `attach` a receiver, then `await finished(wire)` and return: at once on the direct
    path, when the connection is gone on any other.
    """
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension is not None:
        wire: Wire = extension["wire"]
        return wire
    client = scope.get("client")
    return FallbackWire(client[0] if client else "", receive, send, limits or WireLimits())


async def finished(wire: Wire) -> None:
    """Wait for as long as the ASGI coroutine has to live for `wire`; see `wire_of`."""
    if isinstance(wire, FallbackWire):
        await wire.run()


class FallbackWire:
    """A connection that the ASGI coroutine reads; see `Wire`. Frames are taken apart again."""

    def __init__(self, address: str, receive: Receive, send: Send, limits: WireLimits) -> None:
        self._address = address
        self._receive = receive
        self._send = send
        self._limits = limits
        self._receiver: Receiver | None = None
        self._backlog = Backlog(limits.viewer_buffer_bytes_max)
        self._sending = 0
        self._wakeup = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._closing: tuple[int, str] | None = None
        self._code = 0
        self._over = asyncio.Event()
        self._lagged = False
        self._bound: asyncio.TimerHandle | None = None
        self._ping = b""
        self._heard = True

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self._address

    @property
    def buffered_bytes(self) -> int:
        """Bytes kept here because the server has not taken them; what it keeps itself cannot be seen."""
        return len(self._backlog) + self._sending

    def attach(self, receiver: Receiver) -> None:
        """Hand every later message to `receiver`, as soon as `finished` runs."""
        if self._receiver is not None:
            raise RuntimeError("attach once, after accepting")
        self._receiver = receiver

    def write(self, data: bytes) -> None:
        """Send ready-made frames, in order, all of them; see `Wire`."""
        if self._closing is not None or self._over.is_set():
            return
        if self._backlog.add(data):
            self._lagged = self._lagged or self._sending > 0
            self._wakeup.set()
        else:
            self._backlog.drop()
            self.close(TOO_SLOW, "too slow a reader")

    def write_latest(self, data: bytes) -> None:
        """Send ready-made frames that only matter now; see `Wire`."""
        if self._closing is None and not self._over.is_set():
            self._lagged = self._lagged or self._sending > 0
            self._backlog.put_latest(data)
            self._wakeup.set()

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake after what was written; it ends within the bound."""
        if self._closing is None and not self._over.is_set():
            self._closing = (code, reason)
            self._code = code
            self._wakeup.set()
            self._reading.set()
            seconds = self._limits.close_timeout_seconds
            self._bound = asyncio.get_running_loop().call_later(seconds, self._over.set)

    def pause_reading(self) -> None:
        """Stop taking from the server, whose own queue then fills and stops the peer."""
        if self._closing is None:
            self._reading.clear()

    def resume_reading(self) -> None:
        """Take from the server again."""
        self._heard = True
        self._reading.set()

    def keep_alive(self, ping: bytes) -> None:
        """Ping with `ping`, beside what the server does by itself; see `Wire`."""
        self._ping = ping

    async def run(self) -> None:
        """Read and write until the connection is gone; called once, from the ASGI coroutine."""
        receiver = self._receiver
        assert receiver is not None, "attach first"
        tasks = Tasks()
        tasks.start(self._write(receiver), name="wire writer")
        tasks.start(self._read(receiver), name="wire reader")
        tasks.start(self._keep_alive(), name="wire keepalive")
        try:
            await self._over.wait()
        finally:
            self._over.set()
            if self._bound is not None:
                self._bound.cancel()
            await tasks.aclose()
            receiver.closed(self._code or frames.ABNORMAL)

    async def _keep_alive(self) -> None:
        pinged = False
        while self._closing is None:
            await asyncio.sleep(self._limits.ping_interval_seconds)
            if pinged and not self._heard and self._reading.is_set():
                self.close(INTERNAL_ERROR, "no answer to a ping")
            elif self._ping:
                pinged, self._heard = True, False
                self._backlog.ping = self._ping
                self._wakeup.set()

    async def _read(self, receiver: Receiver) -> None:
        while True:
            await self._reading.wait()
            message = await self._receive()
            self._heard = True
            if message["type"] == "websocket.disconnect":
                self._code = message.get("code") or self._code
                self._over.set()
                return
            if self._closing is not None or message["type"] != "websocket.receive":
                continue
            text = message.get("text")
            if text is not None:
                receiver.receive_text(text)
            else:
                receiver.receive_binary([message["bytes"]])

    async def _write(self, receiver: Receiver) -> None:
        while True:
            kept = self._backlog.take(1)
            if kept:
                await self._put(kept)
            elif self._closing is not None:
                code, reason = self._closing
                await self._hand_to_server({"type": "websocket.close", "code": code, "reason": reason})
                return
            elif self._lagged:
                self._lagged = False
                receiver.writable()
            else:
                self._wakeup.clear()
                await self._wakeup.wait()

    async def _put(self, kept: bytes) -> None:
        self._sending = len(kept)
        for opcode, payload in frames.split_frames(kept):
            if opcode == frames.TEXT:
                await self._hand_to_server({"type": "websocket.send", "text": payload.decode()})
            elif opcode == frames.BINARY:
                await self._hand_to_server({"type": "websocket.send", "bytes": payload})
        self._sending = 0

    async def _hand_to_server(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError, WebSocketDisconnect):
            # What servers and Starlette raise for a connection that has ended; the reader learns its code.
            self._over.set()
