"""One worker's end of the link in the gateway: bytes in, messages out, and how long it has been silent.

Invariant: what is kept for a worker that does not read is bounded by the credit of its streams, because
nothing more is drained from them while its transport is full.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol, cast

from media import link
from media.link_format import Decoder, encode

if TYPE_CHECKING:
    from gateway.workers.stream import Stream

log = logging.getLogger(__name__)

WRITE_BYTES_MAX = 256 * 1024
"""Kept by the transport before its streams are asked to wait: two seconds of audio of four streams."""


class Peer(Protocol):
    """Who owns the connections: the pool."""

    def connected(self, connection: "Connection") -> None:
        """Learn that somebody connected, who has not said yet what it is."""

    def joined(self, connection: "Connection") -> None:
        """Learn that a worker said `Hello`."""

    def received(self, connection: "Connection", messages: list[link.FromWorker]) -> None:
        """Take what came in one read, in order. Raises LinkError, which ends the worker."""

    def writable(self, connection: "Connection") -> None:
        """Go on sending."""

    def left(self, connection: "Connection") -> None:
        """Learn, exactly once, that the worker is gone."""


class Connection(asyncio.Protocol):
    """A worker, warm once it has said `Hello`."""

    def __init__(self, peer: Peer, now: float) -> None:
        self.streams: dict[int, Stream] = {}
        self.pid = 0
        self.streams_max = 0
        self.paused = False
        self.connected_at = now
        self.idle_since = now
        self.silent_seconds = 0.0
        self._peer = peer
        self._transport: asyncio.WriteTransport | None = None
        self._decoder: Decoder[link.FromWorker] = Decoder(link.FromWorker)

    @property
    def warm(self) -> bool:
        """`Hello` has come."""
        return self.streams_max > 0

    @property
    def buffered_bytes(self) -> int:
        """Kept in this process because the worker has not read it."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BYTES_MAX)
        self._peer.connected(self)

    def data_received(self, data: bytes) -> None:
        """Decode and hand over; whoever breaks the contract is cut off."""
        self.silent_seconds = 0.0
        try:
            messages = self._decoder.feed(data)
            if messages and not self.warm:
                self._greet(messages.pop(0))
            if messages:
                self._peer.received(self, messages)
        except link.LinkError as error:
            log.error("Worker %d broke the contract of the link and is ended: %s", self.pid, error)  # noqa: TRY400 - no traceback: it is the peer's fault
            self.abort()

    def _greet(self, message: link.FromWorker) -> None:
        if not isinstance(message, link.Hello) or message.streams_max < 1:
            raise link.LinkError(f"expected a Hello that takes streams, got {type(message).__name__}")
        self.pid, self.streams_max = message.pid, message.streams_max
        self._peer.joined(self)

    def pause_writing(self) -> None:
        """The worker does not keep up with reading."""
        self.paused = True

    def resume_writing(self) -> None:
        """The worker reads again."""
        self.paused = False
        self._peer.writable(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End of file, or a broken pipe: the process is gone or going."""
        self._transport = None
        self._peer.left(self)

    def send(self, messages: list[link.ToWorker]) -> None:
        """Write messages at once."""
        if self._transport is not None and messages:
            # Not joined: audio of many streams together is large, and a large new piece of memory is slow.
            self._transport.writelines([encode(message) for message in messages])

    def close(self) -> None:
        """Let the worker go: what was written is still sent, then it reads the end of file."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut the worker off."""
        if self._transport is not None:
            self._transport.abort()
