"""A connection on a wire: what it brings goes to its `Connection`, what it is sent is written, at once.

Invariant: after the handshake nothing of this waits, sleeps or runs: no task, no timer, no queue of its own.
"""

from typing import Final, Protocol

from gateway.socketio import packets
from gateway.socketio.carrier import Transport
from gateway.socketio.connection import Connection
from gateway.socketio.hall import Hall
from gateway.socketio.packets import Encoded
from gateway.wire.frames import text_frame
from gateway.wire.interface import Wire
from sessions import endings
from sessions.endings import Ending

PROBE: Final = packets.PING + "probe"
PROBE_FRAME: Final = text_frame((packets.PONG + "probe").encode())
PING_FRAME: Final = text_frame(packets.PING.encode())
UPGRADE_SECONDS: Final = 10.0
"""From the second handshake to the packet that ends polling."""


class Moving(Protocol):
    """A connection that polls and is to move to a wire."""

    connection: Connection

    def begin_move(self) -> bool:
        """Answer a request that waits, so that the client may stop polling; False if it is over."""

    def finish_move(self, wired: "Wired") -> bool:
        """Hand over what was not fetched, and the connection; False if it is over."""

    def stay(self) -> None:
        """Go on polling: the wire came to nothing."""


class Wired:
    """The `Carrier` of a connection, and the receiver of its wire."""

    __slots__ = ("_connection", "_hall", "_moving", "_probed", "wire")

    transport: Transport = "websocket"

    def __init__(self, wire: Wire, hall: Hall, moving: Moving | None = None) -> None:
        """Begin a connection, or take over one that polls, once its client says so."""
        self.wire = wire
        self._hall = hall
        self._moving = moving
        self._probed = False
        if moving is None:
            wire.keep_alive(PING_FRAME)
            self._connection = Connection(hall, self)
        else:
            self._connection = moving.connection
            hall.alarms.set(self, hall.loop.time() + UPGRADE_SECONDS)

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self.wire.address

    # --- what the wire brings -------------------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """Take a text message: one Engine.IO packet."""
        if self._moving is None:
            self._connection.receive_text(text)
        else:
            self._probe(self._moving, text)

    def receive_binary(self, payloads: list[bytes]) -> None:
        """Take the binary messages of one read: an Engine.IO packet each."""
        if self._moving is not None:
            self.wire.close(endings.POLICY.code, "not before the upgrade")
            return
        for payload in payloads:
            self._connection.receive_binary(payload)

    def writable(self) -> None:
        """The wire has kept what a slow reader missed, and sent it: nothing to do."""

    def closed(self, code: int) -> None:
        """The wire is gone, and the connection with it, unless that polls still."""
        if self._moving is None:
            self._connection.lost(code)
        else:
            self._hall.alarms.clear(self)
            self._moving.stay()

    def _probe(self, moving: Moving, text: str) -> None:
        """Take the two packets of an upgrade."""
        if text == PROBE and not self._probed and moving.begin_move():
            self._probed = True
            self.wire.write(PROBE_FRAME)
        elif text == packets.UPGRADE and self._probed and moving.finish_move(self):
            self._moving = None
            self._hall.alarms.clear(self)
            self.wire.keep_alive(PING_FRAME)
        else:
            self.wire.close(endings.POLICY.code, "not an upgrade")

    def alarm(self, now: float) -> None:
        """The upgrade was not finished in time."""
        self.wire.close(endings.POLICY.code, "the upgrade took too long")

    # --- what its connection sends --------------------------------------------------------------------

    def send(self, sent: Encoded) -> None:
        """Send packets; see `Carrier`."""
        self.wire.write(sent.frames)

    def close(self, ending: Ending) -> None:
        """End the connection after what was sent."""
        self.wire.close(ending.code, ending.reason)

    def ended(self) -> None:
        """The client has said that it ends the connection."""
        self.wire.close(endings.DONE.code)

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""
        self.wire.pause_reading()

    def resume_reading(self) -> None:
        """Take from it again."""
        self.wire.resume_reading()
