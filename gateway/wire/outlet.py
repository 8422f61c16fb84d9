"""The writing half of a connection: frames leave in the order written, and nothing is kept without bound.

Writing goes straight to the socket while nothing waits before it (`_fd` is valid exactly then). Once the
transport holds bytes of its own, everything later waits in a `Backlog` until `resume_writing`.
A transport calls `connection_lost` before it closes its socket, so a valid `_fd` is our connection's.
"""

import asyncio
import os
from abc import ABC, abstractmethod
from typing import Final

from gateway.wire import frames
from gateway.wire.backlog import Backlog
from gateway.wire.house import House
from gateway.wire.limits import WRITE_BYTES_MAX

TOO_SLOW: Final = 4008
INTERNAL_ERROR: Final = 1011

CONNECTING: Final = 0
OPEN: Final = 1
CLOSING: Final = 2
"""Our close frame is written; the peer's is awaited."""
ENDING: Final = 3
"""Neither side has more to say; the transport is about to end."""
CLOSED: Final = 4


class Outlet(asyncio.Protocol, ABC):
    """What `WireProtocol` is built on: its state, its transport and everything that writes to it."""

    __slots__ = ("_behind", "_fd", "_heard", "_ping_frame", "_socket_fd", "_state", "house", "transport")

    def __init__(self, house: House) -> None:
        self.house = house
        self.transport: asyncio.Transport | None = None
        self._state = CONNECTING
        self._fd = self._socket_fd = -1
        self._behind: Backlog | None = None
        self._heard = True
        self._ping_frame = frames.PING

    def write(self, data: bytes) -> None:
        """Send ready-made frames, in order, all of them; see `Wire`."""
        fd = self._fd
        if fd < 0:
            self._write_behind(data)
            return
        try:
            sent = os.write(fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return
        if sent < len(data) and self.transport is not None:
            self.transport.write(data[sent:] if sent else data)

    def _write_behind(self, data: bytes) -> None:
        if self._state != OPEN or self.transport is None:
            return
        if self._behind is None:
            self.transport.write(data)
        elif not self._behind.add(data):
            self._behind.drop()
            self.close(TOO_SLOW, "too slow a reader")

    def write_latest(self, data: bytes) -> None:
        """Send ready-made frames that only matter now; see `Wire`."""
        if self._behind is None:
            self.write(data)
        elif self._state == OPEN:
            self._behind.put_latest(data)

    def _pong(self, payload: bytes) -> None:
        if self._behind is None:
            self.write(frames.pong_frame(payload))
        else:
            self._behind.pong = frames.pong_frame(payload)

    def pause_writing(self) -> None:
        """The transport holds bytes: from now on ours wait."""
        self._fd = -1
        if self._behind is None:
            self._behind = Backlog(self.house.limits.viewer_buffer_bytes_max)
        else:
            self._behind.stuck = True

    def resume_writing(self) -> None:
        """The transport is empty: hand it the next piece, or write directly again when there is none."""
        behind, transport = self._behind, self.transport
        if behind is None or transport is None:
            return
        self._heard = True  # whoever takes bytes is alive
        behind.stuck = False
        while not behind.stuck:
            piece = behind.take(WRITE_BYTES_MAX)
            if not piece:
                break
            transport.write(piece)
        else:
            return
        self._behind = None
        if self._state != OPEN:
            return
        self._fd = self._socket_fd
        self._drained()

    def _ping(self) -> None:
        if self._behind is None:
            self.write(self._ping_frame)
        else:
            self._behind.ping = self._ping_frame

    def keep_alive(self, ping: bytes) -> None:
        """Ping with another frame than the protocol's own; see `Wire`."""
        self._ping_frame = ping

    def _say_last(self, frame: bytes) -> None:
        """Write `frame` before anything that still waits, which is dropped: the peer will not read it."""
        if self._behind is not None and self.transport is not None:
            self._behind.drop()
            self.transport.write(frame)
        else:
            self.write(frame)

    @property
    def buffered_bytes(self) -> int:
        """Bytes kept in this process because the peer has not taken them."""
        kept = len(self._behind) if self._behind is not None else 0
        return kept + (self.transport.get_write_buffer_size() if self.transport is not None else 0)

    @property
    def open(self) -> bool:
        """Whether messages can still be written."""
        return self._state == OPEN

    @property
    def behind(self) -> bool:
        """Whether the peer has not taken everything."""
        return self._behind is not None

    @abstractmethod
    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake after what was written."""

    @abstractmethod
    def abort(self) -> None:
        """End at once, without a word."""

    @abstractmethod
    def _drained(self) -> None:
        """The peer has taken everything and the connection is open."""
