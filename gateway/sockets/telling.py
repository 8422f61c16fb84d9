"""How a message reaches one client."""

from gateway.metrics import REFUSALS
from gateway.wire.frames import text_frame
from gateway.wire.interface import Wire
from sessions import messages


def tell(wire: Wire, message: messages.ServerMessage) -> None:
    """Send one message; an error is counted."""
    if isinstance(message, messages.Error):
        REFUSALS.labels(message.code).inc()
    wire.write(text_frame(message.encoded()))
