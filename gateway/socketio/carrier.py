"""What carries an Engine.IO connection: a wire, or the requests of the polling transport."""

from typing import Literal, Protocol, TypeAlias

from gateway.socketio.packets import Encoded
from gateway.wire.interface import Wire
from sessions.endings import Ending

Transport: TypeAlias = Literal["websocket", "polling"]


class Carrier(Protocol):
    """The way to one client. All methods return at once; after the end they do nothing."""

    @property
    def transport(self) -> Transport:
        """What Engine.IO calls it."""

    @property
    def address(self) -> str:
        """The peer's IP address."""

    @property
    def wire(self) -> Wire | None:
        """Where frames may be written directly; None where packets are fetched."""

    def send(self, sent: Encoded) -> None:
        """Send packets, in order, all of them; a client for which too much is kept is dropped."""

    def close(self, ending: Ending) -> None:
        """End the connection after what was sent. The one who holds it learns of it later, as of any end."""

    def ended(self) -> None:
        """The client has said that it ends the connection: let it go."""

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""

    def resume_reading(self) -> None:
        """Take from it again."""
