"""A room as this process has it: who of it is here, what they are told, and what has to happen when.

Invariant: whoever is told of the room is in it. Who leaves, is kicked or is lost hears of that, and then
nothing more; when the room is closed everybody does.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

import orjson

from gateway import clock
from gateway.rooms import bodies
from gateway.rooms.bodies import Json
from gateway.rooms.polls import Found, Owner, RoomPolls
from gateway.rooms.stream import Source, Stream
from gateway.socketio.interface import Audiences, Client
from gateway.tasks import Tasks
from sessions.room_effects import HostChanged, ParticipantJoined, ParticipantLeft, Publish, RoomClosed
from sessions.room_records import Room
from sessions.room_snapshots import RoomSnapshot

TYPING_SECONDS = 2.0
"""The others are told of somebody who goes on typing this often."""
LATE_SECONDS = 0.005


class House(Protocol):
    """What a room asks of the process."""

    def out(self, room: "LocalRoom", client: Client) -> None:
        """Forget that a client is in the room."""

    def deadline(self, room: "LocalRoom") -> None:
        """Have those out who did not come back in time."""

    def ended(self, room: "LocalRoom") -> None:
        """Forget the room, once it was told how its polls ended."""


class LocalRoom:
    """One room; `room` is it as it was found. `ended`: it was closed, and is only to tell how its polls
    ended."""

    def __init__(
        self, room: Room, audiences: Audiences, source: Source, house: House, errands: Owner, tasks: Tasks,
        grace_ms: int,
    ) -> None:  # fmt: skip
        self.room = room
        self.id = room.id
        self.tenant = room.tenant_id
        self.code = room.code
        self._house = house
        self._grace_ms = grace_ms
        self._loop = asyncio.get_running_loop()
        self.everyone = audiences.audience(f"room:{room.id}")
        self.stream = Stream(source, self, tasks)
        self.polls = RoomPolls(self, audiences, errands)
        self.ended = False
        self.polls_version = -1
        self._inside: set[str] | None = None
        self._people: orjson.Fragment | None = None
        self._members: dict[str, dict[Client, int]] = {}
        self._arriving: dict[Client, str] = {}
        self._typed_at: dict[str, float] = {}
        self._lost: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    # --- who is here --------------------------------------------------------------------------------

    @property
    def users(self) -> Iterable[str]:
        """Users who are in with a connection here."""
        return self._members

    @property
    def host(self) -> str:
        """Who is host."""
        return "" if self.stream.seen is None else self.stream.seen.host

    @property
    def empty(self) -> bool:
        """Whether nobody is here, or about to be."""
        return not self._members and not self._arriving

    def clients_of(self, user: str) -> Sequence[Client]:
        """Return a user's connections that are in."""
        return list(self._members.get(user, ()))

    def has(self, user: str) -> bool:
        """Whether a user has a connection here that is in or about to be."""
        return user in self._members or user in self._arriving.values()

    def inside(self, user: str) -> bool:
        """Whether a user is in the room, here or elsewhere, as far as was told."""
        if self._inside is None:
            if self.stream.seen is None:
                return False
            self._inside = {at.user for at in self.stream.seen.participants}
        return user in self._inside

    def arrive(self, client: Client) -> None:
        """Count a connection that is about to be in."""
        self._arriving[client] = client.principal.user

    def turn_back(self, client: Client) -> None:
        """Count it no more: it was refused."""
        self._arriving.pop(client, None)

    def admit(self, client: Client) -> None:
        """Tell a connection from now on of everything."""
        user = client.principal.user
        self._arriving.pop(client, None)
        self._members.setdefault(user, {})[client] = self.stream.offset
        self._lost.pop(user, None)
        self.everyone.add(client)
        self.polls.came(user)

    def drop(self, client: Client) -> None:
        """Tell a connection nothing more."""
        user = client.principal.user
        self._arriving.pop(client, None)
        clients = self._members.get(user, {})
        clients.pop(client, None)
        if not clients:
            self._members.pop(user, None)
            self._typed_at.pop(user, None)
        self.everyone.discard(client)
        self.polls.went(client)

    def expel(self, user: str, before: int | None = None) -> None:
        """Take the connections of a user out that came in before an offset, or all of them."""
        for client, offset in list(self._members.get(user, {}).items()):
            if before is None or offset < before:
                self.drop(client)
                self._house.out(self, client)

    # --- what they are told -------------------------------------------------------------------------

    def tell(self, published: Publish) -> int:
        """Tell everybody of an event; return to how many it went."""
        self.everyone.emit(*bodies.event(published.offset, published.event))
        told = len(self.everyone)
        match published.event:
            case ParticipantJoined(user):
                self._people = None
                if self._inside is not None:
                    self._inside.add(user)
            case ParticipantLeft(user):
                self._people = None
                if self._inside is not None:
                    self._inside.discard(user)
                self._lost.pop(user, None)
                self.expel(user, published.offset)
            case HostChanged():
                self.polls.host_changed()
            case RoomClosed():
                self._end()
            case _:
                pass
        return told

    def tell_anew(self) -> None:
        """Tell everybody the whole room, and those who are not in it any more for the last time."""
        self._people = self._inside = None
        for user in list(self._members):
            if self._seen().is_active and not self.inside(user):
                left = {"offset": self._seen().offset, "userId": user, "reason": "lost"}
                for client in self.clients_of(user):
                    client.emit("room:participant_left", left)
                self.expel(user)
                continue
            body = self.view(self.polls.shown_to(user))
            for client in self.clients_of(user):
                client.emit("room:joined", body)
            if not self.inside(user):
                self.expel(user)
        self.polls.host_changed()
        if not self._seen().is_active:
            self._end()

    def view(self, polls: list[Json]) -> Json:
        """Return the room as `RoomView` has it."""
        seen = self._seen()
        return {
            "room": bodies.room_body(seen),
            "participants": self.people(),
            "messages": [bodies.message_body(message) for message in seen.messages],
            "polls": polls,
            "epoch": seen.epoch,
            "offset": seen.offset,
        }

    def people(self) -> orjson.Fragment:
        """Return everybody who is in; encoded once for all who come while nobody else does."""
        if self._people is None:
            self._people = orjson.Fragment(orjson.dumps(bodies.people(self._seen().participants)))
        return self._people

    def typing(self, user: str, by: Client | None = None) -> bool:
        """Tell the others that a user is typing, unless they were told just now; return whether they were."""
        now = self._loop.time()
        if now - self._typed_at.get(user, -TYPING_SECONDS) < TYPING_SECONDS:
            return False
        if by is not None:
            self._typed_at[user] = now
        self.everyone.emit("room:typing", {"userId": user}, skip=by)
        return True

    def learn(self, found: Sequence[Found], user: str) -> list[Json]:
        """Take in the polls that were read for a user who comes in; return them as that user sees them."""
        return self.polls.learn(found, user, first=not self._members)

    def _seen(self) -> RoomSnapshot:
        assert self.stream.seen is not None
        return self.stream.seen

    def _end(self) -> None:
        self.ended = True
        self._people = self._inside = None
        self.polls.room_closed()
        for user in list(self._members):
            for client in self.clients_of(user):
                self._house.out(self, client)
        self._house.ended(self)

    # --- deadlines ----------------------------------------------------------------------------------

    def lost(self, user: str, at_ms: int) -> None:
        """Note since when a user has no connection anywhere."""
        self._lost[user] = at_ms
        self.arm()

    def arm(self) -> None:
        """Come back when the first of those who were lost has not come back in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lost:
            due_ms = min(self._lost.values()) + self._grace_ms
            wait_seconds = max(0.0, (due_ms - clock.wall_ms()) / 1000) + LATE_SECONDS
            self._timer = self._loop.call_later(wait_seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        over_ms = clock.wall_ms() - self._grace_ms
        self._lost = {user: at_ms for user, at_ms in self._lost.items() if at_ms > over_ms}
        self._house.deadline(self)
        self.arm()

    def close(self) -> None:
        """Forget everybody and everything."""
        self.stream.close()
        self.polls.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for client in self.everyone.clients:
            self.everyone.discard(client)
