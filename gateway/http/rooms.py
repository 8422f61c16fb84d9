"""Rooms over HTTP: made, found, listed, closed, and what a host does with those in them.

Invariant: a room or poll of another tenant is answered as one that never was, and a code that nobody has as
often as a limit allows.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid5

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.principal import Principal
from gateway.http.errors import Refused
from gateway.http.exchange import answer, body_of, query_of
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.http.room_shapes import CreateRoom, RoomAnswer, RoomQuery, RoomRow, Rooms, SomeUser
from gateway.http.usage import moment
from gateway.rooms.finding import Finder
from gateway.rooms.founding import found
from gateway.rooms.rooms import Rooms as LiveRooms
from gateway.stores.cursors import BadCursor
from gateway.stores.rooms.operations import UnknownRoom
from sessions.plans import Plans
from sessions.room_events import CloseRequested, Event, HandOverRequested, KickRequested
from sessions.room_records import Room, RoomWanted, State

log = logging.getLogger(__name__)

PREFIX = "/api/rooms"
MINE_MAX = 200
"""Rooms of one user in a list: a user owns at most half as many."""
_ROOMS = UUID("9d0f7a0e-6f40-5c7b-8a6e-2f8a55b0c1e4")
"""The namespace (RFC 9562, section 5.5) of rooms that follow from the id of a request."""


@dataclass(frozen=True, slots=True)
class RoomDesk:
    """What the routes of rooms work with."""

    rooms: LiveRooms
    finder: Finder
    plans: Plans
    idempotency: Idempotency

    async def find(self, request: Request, principal: Principal) -> Room:
        """Return the room that a path names by its code, if it is open, or by its id. Raises NotARoomCode,
        UnknownRoom, RateLimited, StoreDown."""
        named: str = request.path_params["room"]
        room_id = _uuid(named)
        if room_id is None:
            address = request.client.host if request.client else ""
            room_id = (await self.finder.find(principal, address, named)).id
        room = await self.rooms.store.one(principal.tenant, room_id)
        if room is None:
            raise UnknownRoom
        return room


def routes(guard: Guard, desk: RoomDesk) -> list[Route]:
    """Return the routes under `/api/rooms`."""
    return [*_lists(guard, desk), *_acts(guard, desk)]


def _lists(guard: Guard, desk: RoomDesk) -> list[Route]:
    async def create(request: Request) -> Response:
        principal = await guard.limited(request)
        body = await body_of(request, CreateRoom)
        _check_plan(desk.plans, principal)
        wanted = RoomWanted(body.name, body.max_participants, body.is_private)

        async def act(made_id: str) -> RoomAnswer:
            room = await found(desk.rooms.store, principal, wanted, str(uuid5(_ROOMS, made_id)))
            log.info("Room created", extra={"roomId": room.id, "userId": principal.user})
            return RoomAnswer(data=room_row(room, principal))

        return await desk.idempotency.once(request, principal, "room", body, act)

    async def listed(request: Request) -> Response:
        principal = await guard.limited(request)
        query = query_of(request, RoomQuery)
        store, cursor = desk.rooms.store, None
        if query.scope == "mine":
            found_rooms = await store.rooms_of(principal.tenant, principal.user, MINE_MAX)
        else:
            try:
                found_rooms, cursor = await store.public_rooms(principal.tenant, query.limit, query.cursor)
            except BadCursor as error:
                raise Refused(422, "INVALID", f"cursor: {error}", param="cursor") from error
        return answer(Rooms(data=[room_row(room, principal) for room in found_rooms], next_cursor=cursor))

    async def one(request: Request) -> Response:
        principal = await guard.limited(request)
        return answer(RoomAnswer(data=room_row(await desk.find(request, principal), principal)))

    return [
        Route(f"{PREFIX}/create", create, methods=["POST"], name="create_room"),
        Route(PREFIX, listed, name="rooms"),
        Route(f"{PREFIX}/{{room}}", one, name="room"),
    ]


def _acts(guard: Guard, desk: RoomDesk) -> list[Route]:
    async def act(request: Request, event: Callable[[Principal], Awaitable[Event]]) -> Response:
        principal = await guard.limited(request)
        happening = await event(principal)
        room = await desk.find(request, principal)
        done = await desk.rooms.act(principal.tenant, room.id, happening)
        log.info("Room changed", extra={"roomId": room.id, "userId": principal.user,
                                        "event": type(happening).__name__})  # fmt: skip
        return answer(RoomAnswer(data=room_row(done.room, principal)))

    async def close(request: Request) -> Response:
        async def event(principal: Principal) -> Event:
            return CloseRequested(principal.user, principal.is_admin)

        return await act(request, event)

    async def kick(request: Request) -> Response:
        async def event(principal: Principal) -> Event:
            return KickRequested(principal.user, (await body_of(request, SomeUser)).user_id)

        return await act(request, event)

    async def hand_over(request: Request) -> Response:
        async def event(principal: Principal) -> Event:
            return HandOverRequested(principal.user, (await body_of(request, SomeUser)).user_id)

        return await act(request, event)

    return [
        Route(f"{PREFIX}/{{room}}/close", close, methods=["POST"], name="close_room"),
        Route(f"{PREFIX}/{{room}}/kick", kick, methods=["POST"], name="kick"),
        Route(f"{PREFIX}/{{room}}/host", hand_over, methods=["POST"], name="hand_over"),
    ]


def _check_plan(plans: Plans, principal: Principal) -> None:
    if plans.facts[principal.plan.value].features.room_creation:
        return
    creating = [name for name, facts in plans.facts.items() if facts.features.room_creation]
    which = ", ".join(plans.facts[name].display_name for name in creating) or "none of this server"
    sentence = f"Your plan does not create rooms; these do: {which}. You can join rooms on any plan."
    raise Refused(403, "PLAN_REQUIRED", sentence, plans=creating)


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


def room_row(room: Room, principal: Principal) -> RoomRow:
    """Return what somebody is told of a room."""
    return RoomRow(
        id=room.id,
        room_code=room.code,
        name=room.name,
        host_user_id=room.host,
        max_participants=room.participants_max,
        is_private=room.is_private,
        is_active=room.state is State.OPEN,
        participants=room.count,
        is_owner=room.owner == principal.user,
        created_at=moment(room.created_at_ms),
        closed_at=None if room.closed_at_ms is None else moment(room.closed_at_ms),
    )
