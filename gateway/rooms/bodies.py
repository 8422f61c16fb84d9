"""What rooms and polls look like to clients: the JSON of what the rules say.

Invariant: each of these is what its model in `sessions.room_messages` or `sessions.poll_messages` would
write; a test holds them to it. They are plain dicts because a large room has thousands of them.
"""

from collections.abc import Iterable
from typing import Any, assert_never

from gateway import clock
from sessions.poll_snapshots import OptionSeen, PollSnapshot
from sessions.room_effects import (
    HostChanged,
    Message,
    MessagePosted,
    ParticipantJoined,
    ParticipantLeft,
    RoomClosed,
    RoomEvent,
)
from sessions.room_snapshots import Present, RoomSnapshot

Json = dict[str, Any]


def room_body(seen: RoomSnapshot) -> Json:
    """Return a room as `RoomBody` has it."""
    return {
        "id": seen.id,
        "room_code": seen.code,
        "name": seen.name,
        "host_user_id": seen.host,
        "max_participants": seen.participants_max,
        "is_private": seen.is_private,
        "is_active": seen.is_active,
    }


def people(participants: Iterable[Present]) -> list[Json]:
    """Return participants as `ParticipantBody` has them."""
    return [{"userId": at.user, "joinedAt": clock.rfc3339_ms(at.joined_at_ms)} for at in participants]


def message_body(message: Message) -> Json:
    """Return a chat message as `MessageBody` has it."""
    return {
        "id": message.id,
        "offset": message.offset,
        "userId": message.user,
        "text": message.text,
        "at": clock.rfc3339_ms(message.at_ms),
    }


def event(offset: int, happened: RoomEvent) -> tuple[str, Json]:
    """Return the name and the payload under which everybody in the room is told."""
    match happened:
        case MessagePosted():
            return "room:message", message_body(happened.message)
        case ParticipantJoined():
            joined_at = clock.rfc3339_ms(happened.joined_at_ms)
            return "room:participant_joined", {
                "userId": happened.user, "joinedAt": joined_at, "offset": offset,
            }  # fmt: skip
        case ParticipantLeft():
            return "room:participant_left", {
                "offset": offset, "userId": happened.user, "reason": happened.why,
            }  # fmt: skip
        case HostChanged():
            return "room:host_changed", {"offset": offset, "userId": happened.host}
        case RoomClosed():
            return "room:closed", {"offset": offset, "reason": happened.why}
        case _:
            assert_never(happened)


def poll_body(seen: PollSnapshot) -> Json:
    """Return a poll as `PollBody` has it; what one may not see is not there."""
    body: Json = {
        "id": seen.id,
        "state": seen.state.value,
        "version": seen.version,
        "question": seen.question,
        "options": [_option(option) for option in seen.options],
        "voters": seen.voters,
        "multiple": seen.multiple,
        "allow_change": seen.allow_change,
        "visibility": seen.visibility.value,
        "results": seen.results.value,
    }
    if seen.my_vote is not None:
        body["my_vote"] = list(seen.my_vote)
    if seen.my_seq is not None:
        body["my_seq"] = seen.my_seq
    if seen.winners is not None:
        body["winners"] = list(seen.winners)
    if seen.closes_at_ms is not None:
        body["closes_at"] = clock.rfc3339_ms(seen.closes_at_ms)
    return body


def _option(option: OptionSeen) -> Json:
    if option.votes is None:
        return {"id": option.id, "text": option.text}
    return {"id": option.id, "text": option.text, "votes": option.votes, "percent": option.percent}
