"""The ASGI side of a connection until it is attached: what the application receives and sends, bounded."""

import asyncio
import email.utils
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeAlias

from gateway.wire import answers, frames, handshake
from gateway.wire.interface import EXTENSION, Receiver, Wire

Message: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

log = logging.getLogger(__name__)


class PeerGone(OSError):
    """The application sent to a peer that is no longer there (the ASGI specification asks for an OSError)."""


class Carrier(Wire, Protocol):
    """The connection as its conversation needs it."""

    @property
    def connecting(self) -> bool:
        """Whether the upgrade request has not been answered."""

    @property
    def open(self) -> bool:
        """Whether messages can still be written."""

    @property
    def behind(self) -> bool:
        """Whether the peer has not taken everything."""

    def accepted(self, response: bytes) -> None:
        """Answer the upgrade request with 101; messages may come at once."""

    def refuse(self, response: bytes) -> None:
        """Answer the upgrade request otherwise and end."""


class Conversation:
    """One run of the application for one connection; gone once a receiver is attached or the peer is."""

    __slots__ = (
        "_carrier",
        "_connect_given",
        "_denial",
        "_end",
        "_key",
        "_messages",
        "_queue_max",
        "_reading_paused",
        "_waiter",
        "attached",
        "early",
        "scope",
    )

    def __init__(self, carrier: Carrier, scope: dict[str, Any], key: bytes, queue_max: int) -> None:
        self._carrier: Carrier | None = carrier
        self._key = key
        self._queue_max = queue_max
        self._messages: deque[str | bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._denial: tuple[int, list[tuple[bytes, bytes]], bytearray] | None = None
        self._connect_given = False
        self._reading_paused = False
        self._end: Message | None = None
        self.attached = False
        self.early = b""
        """What came with or after the upgrade request before it was answered: read once it is."""
        self.scope = scope
        scope["extensions"][EXTENSION] = {"wire": carrier}

    async def run(self, application: Application) -> None:
        """Run the application to its end; a connection that is not attached then ends as well."""
        carrier = self._carrier
        assert carrier is not None
        try:
            await application(self.scope, self.receive, self.send)
        except PeerGone:
            pass
        except Exception:
            log.exception("The application failed on a WebSocket")
            self._stop(carrier, 1011, "internal error")
        else:
            self._stop(carrier, 1000, "")
        finally:
            self.scope = {}

    def _stop(self, carrier: Carrier, code: int, reason: str) -> None:
        if carrier.connecting:
            if code == 1000:
                log.error("The application returned without answering a WebSocket upgrade")
            carrier.refuse(answers.head(500, [(b"content-length", b"0"), (b"connection", b"close")]))
        elif not self.attached or code != 1000:
            carrier.close(code, reason)

    def take(self, event: str | list[bytes]) -> None:
        """Queue a text or a run of binary messages for `receive`, pausing the peer when there are many."""
        if isinstance(event, str):
            self._messages.append(event)
        else:
            self._messages.extend(event)
        if len(self._messages) >= self._queue_max and self._carrier is not None and not self._reading_paused:
            self._reading_paused = True
            self._carrier.pause_reading()
        self._wake()

    def hand_over(self, receiver: Receiver) -> None:
        """Give the queued messages to `receiver`, in order, and let the peer send again."""
        self.attached = True
        run: list[bytes] = []
        messages, self._messages = self._messages, deque()
        for message in messages:
            if isinstance(message, bytes):
                run.append(message)
                continue
            if run:
                receiver.receive_binary(run)
                run = []
            receiver.receive_text(message)
        if run:
            receiver.receive_binary(run)
        if self._reading_paused and self._carrier is not None:
            self._reading_paused = False
            self._carrier.resume_reading()
        self._carrier = None

    def drained(self) -> None:
        """The peer has taken everything: a waiting `send` goes on."""
        self._wake()

    def lost(self, code: int, reason: str = "") -> None:
        """The connection is gone."""
        self._end = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self._carrier = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def receive(self) -> Message:
        """The ASGI callable."""
        if self.attached:
            raise RuntimeError("an attached connection is read by its receiver: return from the application")
        if not self._connect_given:
            self._connect_given = True
            return {"type": "websocket.connect"}
        while not self._messages and self._end is None:
            await self._wait()
        if not self._messages:
            assert self._end is not None
            return self._end
        message = self._messages.popleft()
        if self._reading_paused and not self._messages and self._carrier is not None:
            self._reading_paused = False
            self._carrier.resume_reading()
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def send(self, message: Message) -> None:
        """The ASGI callable. Raises PeerGone (an OSError) when nobody is there."""
        while self._carrier is not None and self._carrier.behind:
            await self._wait()
        carrier = self._carrier
        if carrier is None and self.attached:
            raise RuntimeError("an attached connection is written to through its wire")
        if carrier is None:
            raise PeerGone("the peer has closed the connection")
        kind = message["type"]
        if carrier.connecting:
            self._answer(carrier, kind, message)
        elif not carrier.open:
            raise PeerGone("the connection is closing")
        elif kind == "websocket.send":
            payload = message.get("bytes")
            if payload is not None:
                carrier.write(frames.binary_frame(payload))
            else:
                carrier.write(frames.text_frame(message["text"].encode()))
        elif kind == "websocket.close":
            carrier.close(message.get("code", 1000), message.get("reason") or "")
        else:
            raise RuntimeError(f"expected 'websocket.send' or 'websocket.close', not {kind!r}")

    def _answer(self, carrier: Carrier, kind: str, message: Message) -> None:
        if self._denial is not None:
            self._deny(carrier, kind, message)
        elif kind == "websocket.accept":
            carrier.accepted(
                handshake.accepting(self._key, message.get("subprotocol"), message.get("headers") or ())
            )
        elif kind == "websocket.close":
            carrier.refuse(answers.head(403, [(b"content-length", b"0"), (b"connection", b"close")]))
        elif kind == "websocket.http.response.start":
            self._denial = (message["status"], list(message.get("headers") or ()), bytearray())
        else:
            raise RuntimeError(
                "expected 'websocket.accept', 'websocket.close' or 'websocket.http.response.start', "
                f"not {kind!r}"
            )

    def _deny(self, carrier: Carrier, kind: str, message: Message) -> None:
        assert self._denial is not None
        status, headers, body = self._denial
        if kind != "websocket.http.response.body":
            raise RuntimeError(f"expected 'websocket.http.response.body', not {kind!r}")
        body += message.get("body", b"")
        if message.get("more_body", False):
            return
        given = {name.lower() for name, _ in headers}
        for name, value in (
            (b"date", email.utils.formatdate(usegmt=True).encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ):
            if name not in given:
                headers.append((name, value))
        carrier.refuse(answers.head(status, headers) + body)
