"""What happens in a room, in the order of its offsets, and what the rules of a room have their owner do.

`RoomEvent`s are what participants are told and what a snapshot goes forward by; effects are imperatives.
"""

from dataclasses import dataclass
from typing import Literal

Departure = Literal["left", "kicked", "lost"]
"""Why somebody is no longer in: they left, were kicked, or did not come back within the grace time."""

Closure = Literal["host", "admin", "idle"]
"""Who closed a room, or that nothing had happened in it for too long."""


@dataclass(frozen=True, slots=True)
class Message:
    """A chat message as it was typed; `offset` is that of the event which brought it."""

    id: str
    offset: int
    user: str
    text: str
    at_ms: int


# --- what participants are told -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """Somebody came in, last in the line of those who may become host."""

    user: str
    joined_at_ms: int


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """Somebody is no longer in."""

    user: str
    why: Departure


@dataclass(frozen=True, slots=True)
class HostChanged:
    """The room has another host."""

    host: str


@dataclass(frozen=True, slots=True)
class MessagePosted:
    """Somebody wrote something."""

    message: Message


@dataclass(frozen=True, slots=True)
class RoomClosed:
    """The room is over, and nobody is in any more."""

    why: Closure


RoomEvent = ParticipantJoined | ParticipantLeft | HostChanged | MessagePosted | RoomClosed


# --- effects ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Publish:
    """Keep an event under its offset and tell everybody in the room, whoever has just come in included."""

    offset: int
    event: RoomEvent


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Answer the sender of a message with what it was stored as. `again`: it was stored before, from an
    earlier try; the text is the one of that."""

    message_id: str
    offset: int
    at_ms: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class ShowTyping:
    """Tell the others that somebody is typing; keep nothing of it."""

    user: str


@dataclass(frozen=True, slots=True)
class Expel:
    """Take every connection of a user out of the room."""

    user: str


@dataclass(frozen=True, slots=True)
class EndPolls:
    """Close the polls of the room that are open."""


Effect = Publish | Acknowledge | ShowTyping | Expel | EndPolls
