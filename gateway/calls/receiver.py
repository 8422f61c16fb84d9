"""The events of calls on the Socket.IO connections: taken by their models, answered when written.

Invariant: an event is about a call of the one who sends it, or is answered as one about a call that never
was.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from gateway import clock
from gateway.calls.calls import Calls
from gateway.calls.devices import user_of
from gateway.calls.views import call_view
from gateway.http.errors import Refused
from gateway.http.exchange import invalid
from gateway.socketio.interface import Ack, Client
from sessions.call_events import HeartbeatSeen, MediaJoined, MediaLeft
from sessions.call_leases import NoLease, lease_until_ms
from sessions.call_messages import (
    CallShown,
    CallsOpen,
    Heartbeat,
    NameDevice,
    ReportMedia,
    Signal,
    SignalPassed,
)
from sessions.call_records import Call
from sessions.payloads import Accepted, ClientEvent

Said = TypeVar("Said", bound=ClientEvent)
EVENT_CHARACTERS_MAX = 64
"""Of a name that a client made up, in the answer."""
BEGINNING = "call:"


class CallReceiver:
    """Handles `call:...`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._events: Mapping[str, Callable[[Client, Any], Awaitable[Ack]]] = {
            NameDevice.event: _taking(NameDevice, self._device),
            Heartbeat.event: _taking(Heartbeat, self._heartbeat),
            ReportMedia.event: _taking(ReportMedia, self._media),
            Signal.event: _taking(Signal, self._signal),
        }

    @property
    def names(self) -> Collection[str]:
        """The events that it handles."""
        return self._events.keys()

    def connected(self, client: Client) -> None:
        """Learn of a client: what rings for its user is told it soon."""
        self._calls.switchboard.connected(client)

    def gone(self, client: Client) -> None:
        """Learn that a client is no longer there."""
        self._calls.switchboard.gone(client)

    def receive(self, client: Client, event: str, payload: Any) -> Awaitable[Ack]:
        """Handle an event. Raises Refused, UnknownCall, and what the rules of calls refuse."""
        act = self._events.get(event)
        if act is None:
            known = ", ".join(sorted(self._events))
            raise Refused(404, "UNKNOWN_EVENT", f"There is no event {event[:EVENT_CHARACTERS_MAX]}. "
                          f"Known are: {known}")  # fmt: skip
        return act(client, payload)

    async def _device(self, client: Client, said: NameDevice) -> Ack:
        self._calls.switchboard.devices.name(client, said.device_id)
        who = user_of(client)
        found = await self._calls.store.open_calls([who])
        views = [await call_view(self._calls, call, who[1], said.device_id) for call in found.values()]
        return CallsOpen(calls=views).payload()

    async def _heartbeat(self, client: Client, said: Heartbeat) -> Ack:
        tenant, user = user_of(client)
        device = self._calls.switchboard.devices.device(client)
        call = await self._calls.act(tenant, said.call_id, HeartbeatSeen(user, device))
        return await self._shown(client, call)

    async def _media(self, client: Client, said: ReportMedia) -> Ack:
        tenant, user = user_of(client)
        device = self._calls.switchboard.devices.device(client)
        event = (MediaJoined if said.state == "joined" else MediaLeft)(user, device)
        await self._joinable(client, said.call_id)
        call = await self._calls.act(tenant, said.call_id, event)
        return await self._shown(client, call)

    async def _signal(self, client: Client, said: Signal) -> Ack:
        _, user = user_of(client)
        call = await self._joinable(client, said.call_id)
        passed = SignalPassed(
            call_id=call.id,
            sender="creator" if user == call.creator else "fan",
            description=said.description,
            candidate=said.candidate,
        )
        self._calls.switchboard.signal(call, user, passed)
        return Accepted().payload()

    async def _joinable(self, client: Client, call_id: str) -> Call:
        """Return a call whose media this device may be in now. Raises UnknownCall, NoLease, StoreDown."""
        who = user_of(client)
        switchboard = self._calls.switchboard
        device, bounds = switchboard.devices.device(client), self._calls.policy.bounds
        call = switchboard.known(who, call_id)
        if call is None or call.accepted_at_ms is None:
            # This process may not have heard yet that it was accepted in another one.
            call = await self._calls.one(*who, call_id)
            switchboard.note(call)
        try:
            lease_until_ms(call, who[1], device, clock.wall_ms(), bounds)
        except NoLease:
            # Another process may have written more of it, a sign of life for one, than was heard of here.
            call = await self._calls.one(*who, call_id)
            switchboard.note(call)
            lease_until_ms(call, who[1], device, clock.wall_ms(), bounds)
        return call

    async def _shown(self, client: Client, call: Call) -> Ack:
        device = self._calls.switchboard.devices.device(client)
        view = await call_view(self._calls, call, client.principal.user, device)
        return CallShown(call=view.call, media=view.media, remaining_ms=view.remaining_ms).payload()


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
