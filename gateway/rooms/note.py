"""What processes tell each other of a room: what happened there, which polls have changed, who is typing.

Invariant: a note may be lost, come twice or come late, and no harm is done: what it says of events and polls
is in the database. What comes from outside is checked before it is believed.
"""

from dataclasses import dataclass
from typing import Any, assert_never, cast, get_args

import orjson

from sessions.room_effects import (
    Closure,
    Departure,
    HostChanged,
    Message,
    MessagePosted,
    ParticipantJoined,
    ParticipantLeft,
    Publish,
    RoomClosed,
    RoomEvent,
)

BYTES_MAX = 512 * 1024
"""Of a note. A longer one is cut: whoever gets it reads the rest."""


@dataclass(frozen=True, slots=True)
class PollNews:
    """A poll has come to a version; `voters` are names on ballots that were cast since the last news."""

    poll_id: str
    version: int
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """What the process `sender` has to tell of a room, which has come to `offset`."""

    sender: str
    offset: int = 0
    events: tuple[Publish, ...] = ()
    polls: tuple[PollNews, ...] = ()
    typing: tuple[str, ...] = ()


def encode(note: Note) -> bytes:
    """Return a note as it is sent."""
    events = [[published.offset, *_words(published.event)] for published in note.events]
    while events and len(data := _dumped(note, events)) > BYTES_MAX:
        events = events[: len(events) // 2]
    return data if events else _dumped(note, [])


def _dumped(note: Note, events: list[list[Any]]) -> bytes:
    polls = [[news.poll_id, news.version, *news.voters] for news in note.polls]
    return orjson.dumps([note.sender, note.offset, events, polls, note.typing])


def _words(event: RoomEvent) -> list[Any]:
    match event:
        case ParticipantJoined():
            return ["joined", event.user, event.joined_at_ms]
        case ParticipantLeft():
            return ["left", event.user, event.why]
        case HostChanged():
            return ["host", event.host]
        case MessagePosted(message):
            return ["message", message.id, message.user, message.text, message.at_ms]
        case RoomClosed():
            return ["closed", event.why]
        case _:
            assert_never(event)


def decode(data: bytes) -> Note | None:
    """Return the note that was sent; None if it is none."""
    try:
        sender, offset, events, polls, typing = orjson.loads(data)
        return Note(
            sender=_text(sender),
            offset=_count(offset),
            events=tuple(_published(*words) for words in events),
            polls=tuple(
                PollNews(_text(poll_id), _count(version), tuple(map(_text, voters)))
                for poll_id, version, *voters in polls
            ),
            typing=tuple(map(_text, typing)),
        )
    except (ValueError, TypeError):  # what orjson raises is a ValueError
        return None


def _published(offset: Any, kind: Any, *words: Any) -> Publish:
    return Publish(_count(offset), _event(offset, kind, *words))


def _event(offset: int, kind: Any, *words: Any) -> RoomEvent:
    match kind, words:
        case "joined", (user, at_ms):
            return ParticipantJoined(_text(user), _count(at_ms))
        case "left", (user, why) if why in get_args(Departure):
            return ParticipantLeft(_text(user), cast("Departure", why))
        case "host", (user,):
            return HostChanged(_text(user))
        case "message", (message_id, user, text, at_ms):
            message = Message(_text(message_id), offset, _text(user), _text(text), _count(at_ms))
            return MessagePosted(message)
        case "closed", (why,) if why in get_args(Closure):
            return RoomClosed(cast("Closure", why))
        case _:
            raise ValueError("no event of a room")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a count")
    return value
