"""What a participant sees of a room: whole, when they join, and from then on event by event.

Invariant: a snapshot and the events published after it are, at each offset, the snapshot of that offset. A
page does what `after` does, and a test proves it for every event.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from sessions.room_effects import (
    HostChanged,
    Message,
    MessagePosted,
    ParticipantJoined,
    ParticipantLeft,
    Publish,
    RoomClosed,
)
from sessions.room_records import Room, State

MESSAGES_SHOWN_MAX = 50
"""The newest messages that a snapshot has."""


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who is in."""

    user: str
    joined_at_ms: int


@dataclass(frozen=True, slots=True)
class RoomSnapshot:
    """A room at an offset: participants in the order of joining, messages the oldest first."""

    id: str
    code: str
    name: str
    host: str
    participants_max: int
    is_private: bool
    is_active: bool
    epoch: str
    offset: int
    participants: tuple[Present, ...]
    messages: tuple[Message, ...]


class OffsetGap(Exception):
    """An event is not the next one: what was between was missed, and has to be asked for."""

    def __init__(self, expected: int, offset: int) -> None:
        super().__init__(f"Expected the event at offset {expected}, got {offset}: ask for what was missed")
        self.expected = expected
        self.offset = offset


def snapshot(room: Room, messages: Sequence[Message]) -> RoomSnapshot:
    """Return what anybody in the room sees now; `messages` are its newest, the oldest of them first."""
    line = sorted(room.participants.values(), key=lambda participant: participant.place)
    return RoomSnapshot(
        id=room.id,
        code=room.code,
        name=room.name,
        host=room.host,
        participants_max=room.participants_max,
        is_private=room.is_private,
        is_active=room.state is State.OPEN,
        epoch=room.epoch,
        offset=room.offset,
        participants=tuple(Present(at.user, at.joined_at_ms) for at in line),
        messages=tuple(messages[-MESSAGES_SHOWN_MAX:]),
    )


def after(seen: RoomSnapshot, published: Publish) -> RoomSnapshot:
    """Return the snapshot that follows by an event; one that was seen already changes nothing. Raises
    OffsetGap."""
    if published.offset <= seen.offset:
        return seen
    if published.offset != seen.offset + 1:
        raise OffsetGap(seen.offset + 1, published.offset)
    seen = replace(seen, offset=published.offset)
    event = published.event
    match event:
        case ParticipantJoined():
            new = Present(event.user, event.joined_at_ms)
            return replace(seen, participants=(*seen.participants, new))
        case ParticipantLeft():
            staying = tuple(present for present in seen.participants if present.user != event.user)
            return replace(seen, participants=staying)
        case HostChanged():
            return replace(seen, host=event.host)
        case MessagePosted():
            return replace(seen, messages=(*seen.messages, event.message)[-MESSAGES_SHOWN_MAX:])
        case RoomClosed():
            return replace(seen, is_active=False, participants=())
        case _:
            assert_never(event)
