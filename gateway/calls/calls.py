"""The calls of this process: something happens to one, its rule decides, it is written, and what follows is
done.

Invariant: nobody is told of anything, and nobody is answered, before it is written; and what was written is
told although whoever asked is gone.

The rules run in the store (`gateway.stores.calls`), within the transaction that writes what they decide; this
is load, step and save. Here are the effects, and the timers.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

from auth.principal import Principal
from gateway import clock
from gateway.calls.media import Provider
from gateway.calls.records import record
from gateway.calls.reminders import Reminders
from gateway.calls.store import CallStore
from gateway.calls.switchboard import Switchboard
from gateway.ids import new_id
from gateway.stores.calls.operations import Act, Block, BlockDone, CallDone, Ring, UnknownCall
from gateway.stores.interface import Refusal, StoreDown
from gateway.tasks import Tasks
from sessions.call_deadlines import deadline_ms
from sessions.call_effects import CloseMedia, HoldMinute, Notify, RecordContact, Refuse, SettleCall
from sessions.call_events import ConnectionFound, ConnectionLost, DeadlinePassed, Event, FundsChanged
from sessions.call_leases import NoLease, lease_until_ms
from sessions.call_messages import Media
from sessions.call_records import Bounds, Call, CallType, Terms

log = logging.getLogger(__name__)

T = TypeVar("T")
UIDS_KEPT_MAX = 10_000
FORGET_MS = 24 * 3_600_000
"""How long the outbox is kept: far longer than anybody reads it back."""


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """What the settings say of calls; the rate of `terms` is each creator's own."""

    bounds: Bounds
    terms: Terms
    enabled: bool


class Calls:
    """Every call that this process has to do with. Made within an event loop."""

    def __init__(
        self, store: CallStore, switchboard: Switchboard, provider: Provider, policy: CallPolicy,
        reminders: Reminders,
    ) -> None:  # fmt: skip
        self.store = store
        self.switchboard = switchboard
        self.provider = provider
        self.policy = policy
        self._reminders = reminders
        self._tasks = Tasks()
        self._uids: OrderedDict[tuple[str, str], int] = OrderedDict()
        reminders.due = self._due
        switchboard.lost = lambda call: self._soon(call, ConnectionLost(call.creator))
        switchboard.found = lambda call: self._soon(call, ConnectionFound(call.creator))

    # --- acting ---------------------------------------------------------------------------------------

    async def ring(
        self, call_id: str, creator: Principal, fan: str, call_type: CallType, device: str | None
    ) -> Call:
        """Have a creator ring a fan. Raises what the rules refuse, StoreDown."""
        policy = self.policy
        ring = Ring(
            call_id, creator.tenant, creator.user, fan, call_type, policy.terms, device, policy.enabled
        )

        async def rung() -> CallDone:
            if policy.enabled:
                await self._tidy(creator.tenant, creator.user, fan)
            return await self.store.call(ring)

        return await self._done(rung(), "ring")

    async def _tidy(self, tenant: str, *users: str) -> None:
        """End what is overdue of users, so that nobody is busy with a call whose process was lost. Raises
        StoreDown."""
        found = await self.store.open_calls([(tenant, user) for user in users])
        for call in {call.id: call for call in found.values()}.values():
            if clock.wall_ms() >= deadline_ms(call, self.policy.bounds):
                await self.act(tenant, call.id, DeadlinePassed())

    async def act(self, tenant: str, call_id: str, event: Event) -> Call:
        """Have something happen to a call. Raises what its rule refuses, UnknownCall, StoreDown."""
        return await self._done(self.store.call(Act(tenant, call_id, event, new_id("act"))), "call")

    async def block(self, tenant: str, by: str, user: str) -> BlockDone:
        """Have a user block another, and end what there is between them. Raises TooManyBlocks, StoreDown."""

        async def blocked() -> BlockDone:
            done = await self.store.block(Block(tenant, by, user))
            for ended in done.ended:
                self._perform(ended)
            return done

        return await self._kept(blocked(), "block")

    async def _done(self, written: Coroutine[Any, Any, CallDone], name: str) -> Call:
        async def performed() -> CallDone:
            done = await written
            self._perform(done)
            return done

        done = await self._kept(performed(), name)
        if done.refusal is not None:
            raise done.refusal
        return done.call

    async def _kept(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Return what comes of `work`, which goes on to its end also if nobody waits for it any more."""

        came: list[T] = []

        async def outcome() -> Exception | None:
            try:
                came.append(await work)
            except Exception as error:  # noqa: BLE001 - raised again, for whoever waits
                return error
            return None

        error = await asyncio.shield(self._tasks.start(outcome(), name=name))
        if error is not None:
            raise error
        return came[0]

    def _perform(self, done: CallDone) -> None:
        call = done.call
        self.switchboard.note(call)
        self._reminders.set(call)
        record(call, done.effects)
        for effect in done.effects:
            match effect:
                case Notify():
                    self.switchboard.tell(call, effect)
                case CloseMedia():
                    self._tasks.start(self.provider.close(call), name="media closed")
                case HoldMinute() | SettleCall() | RecordContact() | Refuse():
                    pass  # Done by the store, in the transaction; a refusal is for whoever asked.
                case _:
                    assert_never(effect)

    # --- in time --------------------------------------------------------------------------------------

    def _due(self, call: Call) -> None:
        self._soon(call, DeadlinePassed())

    def _soon(self, call: Call, event: Event) -> None:
        self._tasks.start(self._happen(call, event), name="call")

    async def _happen(self, call: Call, event: Event) -> None:
        try:
            after = await self.act(call.tenant_id, call.id, event)
            if isinstance(event, ConnectionLost):
                # Whoever was lost may have come back before it was written.
                self.switchboard.look_after(after)
        except StoreDown as down:
            # The sweep finds it when the database is back.
            log.warning("Not noted of a call: %s", down, extra={"callId": call.id})
        except Refusal as refusal:
            log.info("Nothing became of a call: %s", refusal, extra={"callId": call.id})

    async def due(self, _now_ms: int, most: int, /) -> int:
        """Register this with the reaper: do what deadlines have left to do, oldest first."""
        count_due, ended = await self.store.sweep(most)
        for done in ended:
            self._perform(done)
        return count_due

    async def forget(self, _now_ms: int, most: int, /) -> int:
        """Register this with the reaper: forget what was told long ago."""
        return await self.store.forget_events(FORGET_MS, most)

    async def funds_changed(self, tenant: str, user: str) -> None:
        """Let a call of somebody who has more credits now go on for longer. Raises StoreDown."""
        call = (await self.store.open_calls([(tenant, user)])).get((tenant, user))
        if call is not None and call.fan == user:
            await self.act(tenant, call.id, FundsChanged())

    # --- the media ------------------------------------------------------------------------------------

    async def media(self, call: Call, user: str, device: str | None) -> Media | None:
        """Return what a device of a user may join a call with now; None if there is nothing. Raises
        NotInCall, StoreDown."""
        now_ms = clock.wall_ms()
        try:
            until_ms = lease_until_ms(call, user, device, now_ms, self.policy.bounds)
        except NoLease:
            return None
        return self.provider.media(call, user, await self.uid(call.tenant_id, user), until_ms, now_ms)

    async def uid(self, tenant: str, user: str) -> int:
        """Return the number that stands for a user in media channels. Raises StoreDown."""
        who = tenant, user
        uid = self._uids.get(who)
        if uid is None:
            uid = self._uids[who] = await self.store.uid(tenant, user)
            if len(self._uids) > UIDS_KEPT_MAX:
                self._uids.popitem(last=False)
        return uid

    async def one(self, tenant: str, user: str, call_id: str) -> Call:
        """Return a call of a user. Raises UnknownCall, StoreDown."""
        call = await self.store.one(tenant, call_id)
        if call is None or user not in call.parties:
            raise UnknownCall
        return call

    async def aclose(self) -> None:
        """End what goes on in the background; what was submitted is written all the same."""
        self._reminders.clear()
        await self.switchboard.aclose()
        await self._tasks.aclose()
