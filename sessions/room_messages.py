"""The messages of rooms on the Socket.IO connection: what a client may send, how each is answered, and what
everybody in a room is told.

A room is told of everything that changes it under the offsets 1, 2, 3 and so on, without a gap; a snapshot
and the events after its offset are the next snapshot. Moments are RFC 3339 in UTC, to the millisecond.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sessions.payloads import Accepted, ClientEvent, Payload, ServerEvent
from sessions.poll_messages import PollBody
from sessions.room_codes import TYPED_CHARACTERS_MAX
from sessions.room_effects import Closure, Departure
from sessions.rooms import CLIENT_ID_CHARACTERS_MAX, MESSAGE_CHARACTERS_MAX

EPOCH_CHARACTERS_MAX = 64


# --- parts --------------------------------------------------------------------------------------------


class RoomBody(Payload):
    """A room; `host_user_id` is who is host now."""

    id: str
    room_code: str
    name: str
    host_user_id: str
    max_participants: int
    is_private: bool
    is_active: bool


class ParticipantBody(Payload):
    """Somebody who is in the room."""

    user_id: Annotated[str, Field(alias="userId")]
    joined_at: Annotated[str, Field(alias="joinedAt")]


class MessageBody(Payload):
    """A chat message as it was typed. A page must not show it as markup."""

    id: str
    offset: int
    user_id: Annotated[str, Field(alias="userId")]
    text: str
    at: str


class Place(Payload):
    """Where a client was: the newest offset that it has seen, and of which epoch."""

    epoch: Annotated[str, Field(max_length=EPOCH_CHARACTERS_MAX)]
    offset: Annotated[int, Field(ge=0, lt=2**53)]


class Missed(Payload):
    """An event that a client has missed, as it was emitted at the time."""

    event: str
    data: dict[str, Any]


class RoomView(Payload):
    """A room as somebody in it sees it at `offset`: participants in the order of joining, the newest
    messages, the oldest of them first, and the polls, the newest last."""

    room: RoomBody
    participants: list[ParticipantBody]
    messages: list[MessageBody]
    polls: list[PollBody]
    epoch: str
    offset: int


# --- from the client ----------------------------------------------------------------------------------


class Joined(Accepted, RoomView):
    """In, and from here on told of everything after `offset`. `resumed` is false: this is the whole room, and
    takes the place of whatever the client had of it."""

    resumed: Literal[False] = False


class Resumed(Accepted):
    """In again as if never gone: `missed` are the events after the place that the client gave, in order, up
    to `offset`. Polls are whole, and take the place of what the client had of them."""

    resumed: Literal[True] = True
    room_id: Annotated[str, Field(alias="roomId")]
    missed: list[Missed]
    polls: list[PollBody]
    epoch: str
    offset: int


class JoinRoom(ClientEvent):
    """Go into a room by its code, in any case; with `resume` to go on where the client was. What was missed
    comes if the place is still kept (two minutes after the connection was lost) and not too much has
    happened; otherwise the whole room does, as without `resume`."""

    event: ClassVar[str] = "room:join"
    ack: ClassVar[type[Accepted]] = Joined
    room_code: Annotated[
        str, Field(alias="roomCode", max_length=2 * TYPED_CHARACTERS_MAX, examples=["XJ9K2M"])
    ]
    resume: Place | None = None


class LeaveRoom(ClientEvent):
    """Go, with every connection of this user."""

    event: ClassVar[str] = "room:leave"


class MessageStored(Accepted):
    """The message is stored, as this; for one that was sent again, as it was the first time."""

    message: MessageBody


class SendMessage(ClientEvent):
    """Write to everybody in the room. `clientId` is the client's own name for the message, and the same when
    it sends it again: it is then stored once."""

    event: ClassVar[str] = "room:message"
    ack: ClassVar[type[Accepted]] = MessageStored
    text: Annotated[str, Field(max_length=MESSAGE_CHARACTERS_MAX)]
    client_id: Annotated[str, Field(alias="clientId", max_length=CLIENT_ID_CHARACTERS_MAX)]


class SendTyping(ClientEvent):
    """This user is writing something; the others are told, at most every two seconds."""

    event: ClassVar[str] = "room:typing"


# --- from the server ----------------------------------------------------------------------------------


class RoomAuthenticated(ServerEvent):
    """The connection is authenticated as `userId`; and once more after each join, with the room and who is
    in it."""

    event: ClassVar[str] = "room:authenticated"
    user_id: Annotated[str | None, Field(alias="userId")] = None
    room_id: Annotated[str | None, Field(alias="roomId")] = None
    participants: list[ParticipantBody] | None = None


class RoomJoined(ServerEvent, RoomView):
    """The whole room: after a join that was not resumed, and whenever events could not be delivered one by
    one. It takes the place of whatever the client had of the room."""

    event: ClassVar[str] = "room:joined"


class ParticipantJoined(ServerEvent, ParticipantBody):
    """Somebody came in, last in the line."""

    event: ClassVar[str] = "room:participant_joined"
    offset: int


class ParticipantLeft(ServerEvent):
    """Somebody is no longer in: they left, were kicked, or did not come back in time."""

    event: ClassVar[str] = "room:participant_left"
    offset: int
    user_id: Annotated[str, Field(alias="userId")]
    reason: Departure


class RoomMessage(ServerEvent, MessageBody):
    """Somebody wrote something; the sender is told too."""

    event: ClassVar[str] = "room:message"


class HostChanged(ServerEvent):
    """The room has another host."""

    event: ClassVar[str] = "room:host_changed"
    offset: int
    user_id: Annotated[str, Field(alias="userId")]


class RoomClosed(ServerEvent):
    """The room is over, and nobody is in any more."""

    event: ClassVar[str] = "room:closed"
    offset: int
    reason: Closure


class Typing(ServerEvent):
    """Somebody else is writing something. It has no offset, and is not kept."""

    event: ClassVar[str] = "room:typing"
    user_id: Annotated[str, Field(alias="userId")]
