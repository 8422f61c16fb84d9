"""The bounds of the wire in one frozen value: nothing a peer sends or fails to read is without a limit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Bounds of one connection; sizes in bytes, times in seconds.

    `message_bytes_max` bounds frames too: what a frame announces is checked before its payload comes.
    """

    message_bytes_max: int = 1 << 20
    fragments_max: int = 1024
    control_frames_max: int = 256
    """Pings and pongs in one read: more than these are a flood, whatever their size."""
    viewer_buffer_bytes_max: int = 1 << 20
    """Kept for a peer that does not read, beyond one write of at most `WRITE_BYTES_MAX` under way."""
    queue_messages_max: int = 32
    """Messages kept for an ASGI `receive` before reading pauses; one read may overshoot it."""
    ping_interval_seconds: float = 20.0
    close_timeout_seconds: float = 10.0
    hasty_close_seconds: float = 1.0
    """What remains of `close_timeout_seconds` once the server is going down."""
    accept_timeout_seconds: float = 30.0
    """From the upgrade request to the application's answer."""
    linger_seconds: float = 1.0
    """How long a refused peer may take to read why; closing at once would reset the answer away."""
    head_timeout_seconds: float = 10.0
    """For one request line with its headers, however slowly they come."""
    head_bytes_max: int = 64 << 10
    """Headers of one request, counted as they come; the URL alone may be as long."""
    unheard_per_address_max: int = 0
    """Connections of one address whose headers are not complete; 0 = no limit."""
    unheard_max: int = 0
    """The same over all addresses; 0 = no limit."""
    retry_after_seconds: int = 5


WRITE_BYTES_MAX = 64 << 10
"""Handed to the transport at once from what is kept for a slow peer: enough for a good TCP segment train,
small enough that dropping the rest frees nearly all of it."""
