"""A leg: one side's way into the media of a call, and when that side was surely there for the last time.

Invariant: a heartbeat says that somebody is there, and does not bring back who left the media; the last sign
of a leg never goes back. Times are milliseconds since the epoch.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Leg:
    """In the media since, heard of last, out of the media since."""

    joined_at_ms: int | None = None
    heard_at_ms: int | None = None
    left_at_ms: int | None = None

    @property
    def in_media(self) -> bool:
        """Whether this side is in the media, as far as anybody knows."""
        return self.joined_at_ms is not None and self.left_at_ms is None

    @property
    def last_sign_ms(self) -> int:
        """The last moment at which this side was surely there; 0 before the first."""
        return (self.heard_at_ms or 0) if self.left_at_ms is None else self.left_at_ms


def joined(leg: Leg, now_ms: int) -> Leg:
    """Return the leg of who came into the media, or came back."""
    joined_at_ms = now_ms if leg.joined_at_ms is None else leg.joined_at_ms
    return Leg(joined_at_ms, max(now_ms, leg.last_sign_ms))


def left(leg: Leg, now_ms: int) -> Leg:
    """Return the leg of who is out of the media."""
    return replace(leg, left_at_ms=max(now_ms, leg.last_sign_ms)) if leg.in_media else leg


def heard(leg: Leg, now_ms: int) -> Leg:
    """Return the leg of who sent a heartbeat."""
    return replace(leg, heard_at_ms=max(now_ms, leg.heard_at_ms or 0))
