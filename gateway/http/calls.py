"""Calls over HTTP: rung, answered, kept up and ended; what one has had; tokens for the media.

Invariant: whoever is in neither leg is answered as if the call never was. What may not be called is refused
in one order: role, how often, what is turned on, and then by the rules of the call.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid5

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.agora import Role, Seat
from auth.principal import Principal
from auth.rate_limits import Admitted
from gateway import clock
from gateway.calls.bodies import call_body
from gateway.calls.calls import Calls
from gateway.calls.views import call_view
from gateway.http.call_shapes import (
    ActiveCalls,
    CallAnswer,
    CallHistory,
    CallQuery,
    CallToken,
    DeviceQuery,
    HeartbeatBody,
    Initiate,
    Nothing,
    OnDevice,
    TokenQuery,
)
from gateway.http.errors import Refused
from gateway.http.exchange import answer, body_of, query_of
from gateway.http.features import Features
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.http.limited import ADMITTED
from gateway.limits import DoorLimits
from gateway.stores.calls.operations import UnknownCall
from gateway.stores.cursors import BadCursor
from sessions.call_events import (
    AcceptRequested,
    CancelRequested,
    DeclineRequested,
    EndRequested,
    Event,
    HeartbeatSeen,
    MediaJoined,
    MediaLeft,
)
from sessions.call_leases import lease_until_ms
from sessions.call_records import Call
from sessions.invitations import shown_ms

PREFIX = "/api/calls"
CHANNEL_PREFIX = "call_"
_CALLS = UUID("3c1f3a9e-3d57-5c0b-9a4e-7d1b0f6c2e85")
"""The namespace (RFC 9562, section 5.5) of calls that follow from the id of a request."""


Said = Callable[[Request, Principal], Awaitable[tuple[Event, str | None]]]
"""What a request has happen to a call, and on which device of the one who asks."""


@dataclass(frozen=True, slots=True)
class CallDesk:
    """What the routes of calls work with."""

    calls: Calls
    door: DoorLimits
    features: Features
    idempotency: Idempotency

    async def shown(self, call: Call, user: str, device: str | None) -> CallAnswer:
        """Return a call as a device of one side is shown it."""
        view = await call_view(self.calls, call, user, device)
        return CallAnswer(call=view.call, media=view.media, remaining_ms=view.remaining_ms)


def routes(guard: Guard, desk: CallDesk) -> list[Route]:
    """Return the routes under `/api/calls`, and that of call tokens."""
    return [*_ringing(guard, desk), *_acting(guard, desk), *_asking(guard, desk), *_tokens(guard, desk.calls)]


def _ringing(guard: Guard, desk: CallDesk) -> list[Route]:
    async def initiate(request: Request) -> Response:
        principal = await guard.creator(request)
        address = request.client.host if request.client else ""
        # Before all else, so that whoever tries too often learns that also while calls are off.
        counted = await desk.door.count_call(principal, address)
        before = request.scope.get(ADMITTED, Admitted())
        request.scope[ADMITTED] = Admitted(before.standings + counted.standings)
        desk.features.need("calls")
        body = await body_of(request, Initiate)

        async def act(made_id: str) -> CallAnswer:
            call_id = str(uuid5(_CALLS, made_id))
            call = await desk.calls.ring(call_id, principal, body.fan_id, body.call_type, body.device_id)
            now_ms = clock.wall_ms()
            # This answer is kept for whoever asks with the same key again: it holds no credentials.
            return CallAnswer(
                call=call_body(call, principal.user, now_ms), remaining_ms=shown_ms(call, now_ms)
            )

        return await desk.idempotency.once(request, principal, "call", body, act)

    return [Route(f"{PREFIX}/initiate", initiate, methods=["POST"], name="initiate_call")]


def _acting(guard: Guard, desk: CallDesk) -> list[Route]:
    async def act(request: Request, said: Said) -> Response:
        principal = await guard.limited(request)
        event, device = await said(request, principal)
        call = await desk.calls.act(principal.tenant, request.path_params["id"], event)
        if principal.user not in call.parties:
            # An admin has ended it, who is shown no more of it than either side.
            return answer(CallAnswer(call=call_body(call, call.creator, clock.wall_ms())))
        return answer(await desk.shown(call, principal.user, device))

    async def accepting(request: Request, principal: Principal) -> tuple[Event, str | None]:
        device = (await body_of(request, OnDevice, optional=True)).device_id
        # What it says of the world is found out in the transaction that accepts.
        event = AcceptRequested(principal.user, device, allowed=False, busy=True, rate_micro_per_minute=0)
        return event, device

    async def beating(request: Request, principal: Principal) -> tuple[Event, str | None]:
        body = await body_of(request, HeartbeatBody, optional=True)
        if body.media is None:
            return HeartbeatSeen(principal.user, body.device_id), body.device_id
        joined = body.media == "joined"
        return (MediaJoined if joined else MediaLeft)(principal.user, body.device_id), body.device_id

    async def ending(request: Request, principal: Principal) -> tuple[Event, str | None]:
        await body_of(request, Nothing, optional=True)
        call = None
        if principal.is_admin:
            call = await desk.calls.store.one(principal.tenant, request.path_params["id"])
        stranger = call is not None and principal.user not in call.parties
        return EndRequested(principal.user, admin=stranger), None

    def plainly(event: Callable[[str], Event]) -> Said:
        async def said(request: Request, principal: Principal) -> tuple[Event, str | None]:
            await body_of(request, Nothing, optional=True)
            return event(principal.user), None

        return said

    def route(name: str, said: Said) -> Route:
        async def endpoint(request: Request) -> Response:
            return await act(request, said)

        return Route(f"{PREFIX}/{{id}}/{name}", endpoint, methods=["POST"], name=f"{name}_call")

    return [
        route("accept", accepting),
        route("decline", plainly(DeclineRequested)),
        route("cancel", plainly(CancelRequested)),
        route("end", ending),
        route("heartbeat", beating),
    ]


def _asking(guard: Guard, desk: CallDesk) -> list[Route]:
    async def history(request: Request) -> Response:
        principal = await guard.limited(request)
        query = query_of(request, CallQuery)
        try:
            found, cursor = await desk.calls.store.page(
                principal.tenant, principal.user, query.limit, query.cursor
            )
        except BadCursor as error:
            raise Refused(422, "INVALID", f"cursor: {error}", param="cursor") from error
        now_ms = clock.wall_ms()
        bodies = [call_body(call, principal.user, now_ms) for call in found]
        return answer(CallHistory(calls=bodies, next_cursor=cursor))

    async def active(request: Request) -> Response:
        principal = await guard.limited(request)
        device = query_of(request, DeviceQuery).device_id
        who = principal.tenant, principal.user
        found = await desk.calls.store.open_calls([who])
        views = [await call_view(desk.calls, call, principal.user, device) for call in found.values()]
        return answer(ActiveCalls(calls=views))

    async def one(request: Request) -> Response:
        principal = await guard.limited(request)
        device = query_of(request, DeviceQuery).device_id
        call = await desk.calls.one(principal.tenant, principal.user, request.path_params["id"])
        return answer(await desk.shown(call, principal.user, device))

    return [
        Route(PREFIX, history, name="calls"),
        Route(f"{PREFIX}/active", active, name="active_calls"),
        Route(f"{PREFIX}/{{id}}", one, name="call"),
    ]


def _tokens(guard: Guard, calls: Calls) -> list[Route]:
    async def token(request: Request) -> Response:
        principal = await guard.limited(request)
        query = query_of(request, TokenQuery)
        now_ms = clock.wall_ms()
        until_ms = await _allowed_until_ms(calls, principal, query, now_ms)
        uid = query.uid or await calls.uid(principal.tenant, principal.user)
        seat = Seat(query.channel, uid, Role(query.role))
        ticket = calls.provider.ticket(seat, until_ms, now_ms)
        if ticket is None:
            raise Refused(409, "AGORA_NOT_CONFIGURED", "Calls here go from browser to browser and need no "
                          "token. For Agora set AGORA_APP_ID and AGORA_APP_CERTIFICATE")  # fmt: skip
        return answer(
            CallToken(
                token=ticket.token,
                app_id=ticket.app_id,
                channel=query.channel,
                uid=uid,
                role=query.role,
                expires_at=clock.rfc3339_ms(ticket.ends_at_ms),
            )
        )

    return [Route("/api/agora/token", token, name="agora_token")]


async def _allowed_until_ms(calls: Calls, principal: Principal, query: TokenQuery, now_ms: int) -> int:
    """Return until when somebody may have a token for a channel: a member of its call for as long as the call
    goes on, an admin for one lease. Raises UnknownCall, NoLease, Refused, StoreDown."""
    call = None
    if query.channel.startswith(CHANNEL_PREFIX):
        call = await calls.store.one(principal.tenant, query.channel.removeprefix(CHANNEL_PREFIX))
    member = call is not None and principal.user in call.parties
    if call is None and query.channel.startswith(CHANNEL_PREFIX):
        raise UnknownCall
    if not member and not principal.is_admin:
        raise UnknownCall
    own = await calls.uid(principal.tenant, principal.user)
    if query.uid not in (None, 0, own) and not principal.is_admin:
        raise Refused(403, "NOT_ALLOWED", "A token is for your own number: leave uid out, or give yours")
    if call is not None and member:
        return lease_until_ms(call, principal.user, query.device_id, now_ms, calls.policy.bounds)
    return now_ms + calls.policy.bounds.lease_ms
