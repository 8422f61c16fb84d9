"""The events of rooms and polls on the Socket.IO connections: taken by their models, answered when written.

Invariant: an event is answered once, with what was stored or with why nothing was. Nobody acts in a room but
whoever is in it on this connection.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from auth.rate_limits import Rate
from gateway.http.errors import Refused
from gateway.http.exchange import invalid
from gateway.ids import new_uuid
from gateway.limits import DoorLimits, user_key
from gateway.metrics import ROOM_MESSAGES
from gateway.rooms.bodies import Json, message_body
from gateway.rooms.entrance import enter
from gateway.rooms.finding import Finder
from gateway.rooms.local import LocalRoom
from gateway.rooms.rooms import Rooms
from gateway.rooms.voting import Voting
from gateway.socketio.interface import Ack, Client
from sessions.payloads import ClientEvent
from sessions.room_effects import Acknowledge, Message, MessagePosted
from sessions.room_events import LeaveRequested, MessageSent
from sessions.room_messages import JoinRoom, LeaveRoom, SendMessage, SendTyping
from sessions.rooms import NotInRoom

Said = TypeVar("Said", bound=ClientEvent)
OK: Json = {"ok": True}
EVENT_CHARACTERS_MAX = 64
"""Of a name that a client made up, in the answer."""


class InAnotherRoom(Refused):
    """A connection is in one room at a time."""

    def __init__(self, room_id: str) -> None:
        sentence = "This connection is in another room: leave that one first, or open another connection"
        super().__init__(409, "IN_ANOTHER_ROOM", sentence, roomId=room_id)


class RoomReceiver:
    """Handles `room:...` and `poll:...`."""

    def __init__(self, rooms: Rooms, finder: Finder, door: DoorLimits, limits: "MessageLimits") -> None:
        self._rooms = rooms
        self._finder = finder
        self._door = door
        self._limits = limits
        voting = Voting(rooms, self._room_of)
        self._events: Mapping[str, Callable[[Client, Any], Awaitable[Ack]]] = {
            JoinRoom.event: _taking(JoinRoom, self._join),
            LeaveRoom.event: _taking(LeaveRoom, self._leave),
            SendMessage.event: _taking(SendMessage, self._message),
            SendTyping.event: _taking(SendTyping, self._typing),
            **{said.event: _taking(said, act) for said, act in voting.events},
        }

    @property
    def names(self) -> Collection[str]:
        """The events that it handles."""
        return self._events.keys()

    def connected(self, client: Client) -> None:
        """Learn of a client: it is in no room yet."""

    def gone(self, client: Client) -> None:
        """Learn that a client is no longer there."""
        self._rooms.gone(client)

    def receive(self, client: Client, event: str, payload: Any) -> Awaitable[Ack]:
        """Handle an event. Raises Refused, and what the rules of rooms and polls refuse."""
        act = self._events.get(event)
        if act is None:
            known = ", ".join(sorted(self._events))
            raise Refused(404, "UNKNOWN_EVENT", f"There is no event {event[:EVENT_CHARACTERS_MAX]}. "
                          f"Known are: {known}")  # fmt: skip
        return act(client, payload)

    def _room_of(self, client: Client) -> LocalRoom:
        local = self._rooms.of(client)
        if local is None:
            raise NotInRoom(client.principal.user)
        return local

    async def _join(self, client: Client, said: JoinRoom) -> Ack:
        room = await self._finder.find(client.principal, client.address, said.room_code)
        local = self._rooms.of(client)
        if local is not None and local.id != room.id:
            raise InAnotherRoom(local.id)
        return await enter(self._rooms, client, room, said.resume)

    async def _leave(self, client: Client, _said: LeaveRoom) -> Ack:
        local = self._room_of(client)
        user = client.principal.user
        await self._rooms.act(local.tenant, local.id, LeaveRequested(user))
        local.expel(user)  # Who was taken for lost meanwhile is told nothing more either.
        return OK

    async def _message(self, client: Client, said: SendMessage) -> Ack:
        local = self._room_of(client)
        principal = client.principal
        await self._door.count(user_key(principal), self._limits.user)
        await self._door.count(f"room/{local.id}", self._limits.room)
        sent = MessageSent(principal.user, said.client_id, new_uuid(), said.text)
        done = await self._rooms.act(local.tenant, local.id, sent)
        (stored,) = (effect for effect in done.effects if isinstance(effect, Acknowledge))
        text = said.text
        if stored.again:
            text = await self._text_of(local, stored) or text
        else:
            ROOM_MESSAGES.inc()
        message = Message(stored.message_id, stored.offset, principal.user, text, stored.at_ms)
        return {"ok": True, "message": message_body(message)}

    async def _text_of(self, local: LocalRoom, stored: Acknowledge) -> str | None:
        """Return the text of a message that was stored before: that of the first try."""
        missed = await self._rooms.store.since(local.tenant, local.id, stored.offset - 1, most=1)
        event = missed.events[0].event if missed is not None and missed.events else None
        return event.message.text if isinstance(event, MessagePosted) else None

    async def _typing(self, client: Client, _said: SendTyping) -> Ack:
        local = self._room_of(client)
        user = client.principal.user
        if local.typing(user, client):
            self._rooms.tell_others(local.id, typing=(user,))
        return OK


class MessageLimits:
    """How many messages a user may send, and everybody in a room together; 0: any number."""

    def __init__(self, user_max: int, room_max: int) -> None:
        self.user = Rate("messages", "messages", user_max, 10.0)
        self.room = Rate("room", "messages in this room", room_max, 10.0)


def _taking(
    model: type[Said], act: Callable[[Client, Said], Awaitable[Ack]]
) -> Callable[[Client, Any], Awaitable[Ack]]:
    """Return `act` with its payload checked by its model. Raises Refused with 422."""

    def take(client: Client, payload: Any) -> Awaitable[Ack]:
        try:
            said = model.model_validate({} if payload is None else payload)
        except ValidationError as error:
            raise invalid(error, "payload") from error
        return act(client, said)

    return take
