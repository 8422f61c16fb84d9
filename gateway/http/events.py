"""What is said on the Socket.IO connection: the table from which its part of `/asyncapi.json` is made.

A test holds it to the events that receivers handle, in both directions.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from sessions.call_messages import CALL_CLIENT_EVENTS, CALL_SERVER_EVENTS
from sessions.payloads import Accepted, ClientEvent, EventRefused, Payload, ServerEvent
from sessions.poll_messages import (
    ClosePoll,
    CreatePoll,
    EditPoll,
    OpenPoll,
    PollClosed,
    PollCreated,
    PollUpdated,
    Vote,
)
from sessions.room_messages import (
    HostChanged,
    JoinRoom,
    LeaveRoom,
    ParticipantJoined,
    ParticipantLeft,
    Resumed,
    RoomAuthenticated,
    RoomClosed,
    RoomJoined,
    RoomMessage,
    SendMessage,
    SendTyping,
    Typing,
)

Document = dict[str, Any]
PLACE = "socketio"


class TokenRenewed(Accepted):
    """The connection goes on with the fresh token, which expires at `expiresAt`."""

    user_id: Annotated[str, Field(alias="userId")]
    expires_at: Annotated[str, Field(alias="expiresAt")]


class RenewToken(ClientEvent):
    """Go on with a fresh token of the same user."""

    event: ClassVar[str] = "authenticate"
    ack: ClassVar[type[Accepted]] = TokenRenewed
    token: str


class TokenExpiring(ServerEvent):
    """The token is about to expire: send `authenticate` with a fresh one."""

    event: ClassVar[str] = "warning"
    code: str
    expires_at: Annotated[str, Field(alias="expiresAt")]


class EventFailed(ServerEvent, EventRefused):
    """An event that was not to be acknowledged was refused; or the connection ends, with why."""

    event: ClassVar[str] = "error"


CLIENT_EVENTS: tuple[type[ClientEvent], ...] = (
    RenewToken, JoinRoom, LeaveRoom, SendMessage, SendTyping, CreatePoll, EditPoll, OpenPoll, Vote,
    ClosePoll, *CALL_CLIENT_EVENTS,
)  # fmt: skip
SERVER_EVENTS: tuple[type[ServerEvent], ...] = (
    RoomAuthenticated, TokenExpiring, EventFailed, RoomJoined, ParticipantJoined, ParticipantLeft,
    RoomMessage, HostChanged, RoomClosed, Typing, PollCreated, PollUpdated, PollClosed,
    *CALL_SERVER_EVENTS,
)  # fmt: skip
MORE_ANSWERS: dict[type[ClientEvent], tuple[type[Accepted], ...]] = {JoinRoom: (Resumed,)}
"""Answers of events that can be accepted in more than one way."""


def answers_of(event: type[ClientEvent]) -> tuple[type[Payload], ...]:
    """Return every answer that an event may get."""
    return (event.ack, *MORE_ANSWERS.get(event, ()), EventRefused)


def models() -> list[type[Payload]]:
    """Return the model of everything that is said."""
    answers = (answer for event in CLIENT_EVENTS for answer in answers_of(event))
    return list(dict.fromkeys([*CLIENT_EVENTS, *SERVER_EVENTS, *answers]))


def channel() -> Document:
    """Return the channel of the connection (AsyncAPI 3.0, "Channel Object")."""
    return {
        "address": "/socket.io/",
        "description": "Socket.IO (protocol 5, Engine.IO 4), namespace /. The token goes into `auth`.",
        "bindings": {"ws": {"method": "GET"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages()},
    }


def operations() -> Document:
    """Return what is received, each with its answer, and what is sent ("Operation Reply Object")."""
    received = {
        f"receive_{_key(event.event)}": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{PLACE}"},
            "messages": [_message_ref(_name(event))],
            "reply": {
                "channel": {"$ref": f"#/channels/{PLACE}"},
                "messages": [_message_ref(_name(answer)) for answer in answers_of(event)],
            },
        }
        for event in CLIENT_EVENTS
    }
    sent = {
        "send_events": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{PLACE}"},
            "messages": [_message_ref(_name(event)) for event in SERVER_EVENTS],
        }
    }
    return received | sent


def messages() -> Document:
    """Return every message, by the name of its model."""
    named = {_name(event): _message(event, event.event) for event in CLIENT_EVENTS}
    named |= {_name(event): _message(event, event.event) for event in SERVER_EVENTS}
    answers = {answer for event in CLIENT_EVENTS for answer in answers_of(event)}
    return named | {_name(answer): _message(answer, "ack") for answer in sorted(answers, key=_name)}


def _message(model: type[Payload], name: str) -> Document:
    return {
        "name": name,
        "title": model.__name__,
        "summary": " ".join((model.__doc__ or "").split()),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def _message_ref(name: str) -> Document:
    return {"$ref": f"#/channels/{PLACE}/messages/{name}"}


def _name(model: type[Payload]) -> str:
    return model.__name__


def _key(event: str) -> str:
    return event.replace(":", "_")
