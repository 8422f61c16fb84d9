"""Who brings a channel's audio: one publisher at a time, whose own reconnect takes over.

    WAITING --claim--> LIVE --lost--> PAUSED --claim by the same user--> LIVE
       ^                 |               |
       |               ended           expire (grace over)
       +------claim------+------ENDED <--+      (a claim in ENDED starts a new stream)

Invariant: a stream has one holder, and a holder that comes back within the grace time keeps its stream.
"""

from dataclasses import dataclass, replace
from typing import Literal

State = Literal["waiting", "live", "paused", "ended"]


class ChannelBusy(Exception):
    """Somebody else publishes on this channel."""

    def __init__(self) -> None:
        super().__init__("Somebody else is publishing on this channel; wait until they end, or use another")


@dataclass(frozen=True, slots=True)
class Publishing:
    """State of one channel's publisher side; `session_id` is the newest holder's."""

    state: State = "waiting"
    user: str = ""
    session_id: str = ""
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a granted claim means: a new stream, or the old one taken over from `superseded` (if open)."""

    new_stream: bool
    superseded: str | None


def claim(at: Publishing, user: str, session_id: str, now: float) -> tuple[Publishing, Claimed]:
    """Let `user` publish. Raises ChannelBusy while another holds the channel or may still come back."""
    at = expire(at, now)
    held = at.state in ("live", "paused")
    if held and at.user != user:
        raise ChannelBusy
    superseded = at.session_id if at.state == "live" else None
    return Publishing("live", user, session_id), Claimed(not held, superseded)


def lost(at: Publishing, session_id: str, grace_seconds: float, now: float) -> Publishing:
    """Note that the holder's connection broke; a connection that was taken over changes nothing."""
    if at.state != "live" or at.session_id != session_id:
        return at
    return replace(at, state="paused", expires_at=now + grace_seconds)


def expire(at: Publishing, now: float) -> Publishing:
    """End a pause that has outlasted its grace."""
    return replace(at, state="ended") if at.state == "paused" and now >= at.expires_at else at


def ended(at: Publishing, session_id: str) -> Publishing:
    """Note that the holder ended its stream."""
    return replace(at, state="ended") if at.session_id == session_id and at.state != "waiting" else at
