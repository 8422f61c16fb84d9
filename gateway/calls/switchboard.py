"""Who is told what of calls: every device of a user, in whichever process it is.

Invariant: a notice that was written reaches every device that is connected, once: from whoever wrote it, by a
note from another process, or by the outbox, which is read for what nobody says. A device that connects later
is told of the invitation that still rings.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from gateway import clock
from gateway.calls.bodies import notice
from gateway.calls.devices import Devices, UserOf, user_of
from gateway.calls.note import NoticeNote, SignalNote, decode, encode
from gateway.calls.store import CallStore
from gateway.socketio.interface import Client
from gateway.stores.interface import StoreDown
from gateway.stores.names import joined
from gateway.stores.topics import Topics
from gateway.tasks import Tasks
from sessions.call_effects import Notice, Notify
from sessions.call_messages import SignalPassed
from sessions.call_records import Call, State
from sessions.invitations import shown_ms

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the outbox for what nobody tells this process."""
QUIET_SECONDS = 5.0
"""The same while others do tell it."""
LATELY_MS = 30_000
"""How far back the outbox is read: further than any transaction takes, for one that began first may be
written last."""
READ_MAX = 2000
SEEN_MAX = 20_000
PENDING_MAX = 10_000
ARRIVALS_SECONDS = 0.02
ARRIVALS_MAX = 200


class Switchboard:
    """The devices of this process, and what goes to them. `shared`: other processes write calls too. `lost`
    and `found` are told of a call whose caller has no connection here any more, or has one although the call
    says that there is none."""

    def __init__(self, store: CallStore, topics: Topics, name: Callable[[], str], *, shared: bool) -> None:
        self.devices = Devices()
        self.lost: Callable[[Call], None] = lambda call: None
        self.found: Callable[[Call], None] = lambda call: None
        self._store = store
        self._topics = topics
        self._name = name
        self._shared = shared
        self._tasks = Tasks()
        self._known: dict[UserOf, Call] = {}
        self._told: dict[Client, str] = {}
        """Of which call each device was told last."""
        self._seen: OrderedDict[tuple[str, int, str, str], None] = OrderedDict()
        self._pending: list[NoticeNote] = []
        self._arriving: list[Client] = []
        self._leaving: list[UserOf] = []
        self._work = asyncio.Event()
        self._overlooked = False
        topics.listen(self._heard, self._missed)

    # --- who is here ----------------------------------------------------------------------------------

    def connected(self, client: Client) -> None:
        """Take a device in; what rings for its user is looked up in a moment, with that of others."""
        if self.devices.enter(client):
            self._topics.subscribe(topic_of(user_of(client)))
        self._arriving.append(client)
        if len(self._arriving) == 1:
            self._tasks.start(self._arrive(), name="calls of who connects")

    def gone(self, client: Client) -> None:
        """Let a device go."""
        user = user_of(client)
        self._told.pop(client, None)
        if not self.devices.leave(client):
            return
        self._topics.unsubscribe(topic_of(user))
        call = self._known.pop(user, None)
        if call is None and self._shared:
            self._leaving.append(user)
            if len(self._leaving) == 1:
                self._tasks.start(self._depart(), name="calls of who leaves")
        elif call is not None and call.state is State.RINGING and call.creator == user[1]:
            self.lost(call)

    async def _arrive(self) -> None:
        await asyncio.sleep(ARRIVALS_SECONDS)
        while self._arriving:
            batch, self._arriving = self._arriving[:ARRIVALS_MAX], self._arriving[ARRIVALS_MAX:]
            try:
                found = await self._store.open_calls({user_of(client) for client in batch})
            except StoreDown as down:
                log.warning("Nobody knows yet who is called: %s", down)
                self._arriving = [client for client in batch if client.connected] + self._arriving
                await asyncio.sleep(LOOK_SECONDS)
                continue
            except Exception:
                # Broad, for one batch that fails must not be the last: nobody would be rung any more.
                log.exception("Who is called could not be looked up")
                continue
            for client in batch:
                call = found.get(user_of(client))
                if call is not None and client.connected:
                    self.note(call)
                    self._ring(client, call)
                    self.look_after(call)

    async def _depart(self) -> None:
        """Look up whether those who have left ring somebody, in a call that another process wrote."""
        await asyncio.sleep(ARRIVALS_SECONDS)
        while self._leaving:
            batch, self._leaving = self._leaving[:ARRIVALS_MAX], self._leaving[ARRIVALS_MAX:]
            try:
                found = await self._store.open_calls(set(batch))
            except StoreDown as down:
                # What they ring then ends at its time.
                log.warning("Nobody knows whether callers have left: %s", down)
                continue
            for user, call in found.items():
                if call.state is State.RINGING and call.creator == user[1] and not self.devices.has(user):
                    self.lost(call)

    def _ring(self, client: Client, call: Call) -> None:
        now_ms = clock.wall_ms()
        user = client.principal.user
        left_ms = shown_ms(call, now_ms)
        # What rang may have been told while it was looked up, and so may what has become of it since.
        if user == call.fan and left_ms is not None and self._told.get(client) != call.id:
            self._told[client] = call.id
            client.emit(*notice(Notice.INCOMING, call, user, left_ms, now_ms))

    def look_after(self, call: Call) -> None:
        """See to it that a call whose caller is here is not taken for one whose caller is lost."""
        if call.caller_lost_at_ms is not None and self.devices.has((call.tenant_id, call.creator)):
            self.found(call)

    # --- what is told ---------------------------------------------------------------------------------

    def note(self, call: Call) -> None:
        """Remember how a call stands, for as long as somebody of it is here and it is not over."""
        for user in call.parties:
            who = call.tenant_id, user
            known = self._known.get(who)
            if known is not None and known.id == call.id and known.version > call.version:
                continue
            if not call.state.over and self.devices.has(who):
                self._known[who] = call
            elif known is not None and known.id == call.id:
                del self._known[who]

    def known(self, user: UserOf, call_id: str) -> Call | None:
        """Return a call of a user who is here, as far as this process has heard of it."""
        call = self._known.get(user)
        return call if call is not None and call.id == call_id else None

    def tell(self, call: Call, notify: Notify) -> None:
        """Tell a user's devices, here and in other processes, what was written."""
        self._emit(call, call.version, notify)
        if self._shared:
            told = NoticeNote(self._name(), call.tenant_id, call.id, call.version, notify)
            self._topics.publish(topic_of((call.tenant_id, notify.user)), encode(told))

    def _emit(self, call: Call, version: int, notify: Notify) -> None:
        key = (call.id, version, notify.notice.value, notify.user)
        if key in self._seen:
            return
        self._seen[key] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        who, now_ms = (call.tenant_id, notify.user), clock.wall_ms()
        left_ms = shown_ms(call, now_ms)
        if not self.devices.has(who) or (notify.notice is Notice.INCOMING and left_ms is None):
            return
        event, payload = notice(notify.notice, call, notify.user, left_ms, now_ms)
        for client in self.devices.of(who, but=notify.except_device):
            if notify.notice is Notice.INCOMING and self._told.get(client) == call.id:
                continue  # it rang as the device connected
            self._told[client] = call.id
            client.emit(event, payload)

    def signal(self, call: Call, sender: str, passed: SignalPassed) -> None:
        """Give a signal to the device of the other side, wherever it is."""
        to = call.fan if sender == call.creator else call.creator
        device = call.fan_device if to == call.fan else call.creator_device
        who, payload = (call.tenant_id, to), passed.payload()
        passed_here = self._pass(who, device, payload)
        if self._shared and (device is None or not passed_here):
            signalled = SignalNote(self._name(), call.tenant_id, to, device, payload)
            self._topics.publish(topic_of(who), encode(signalled))

    def _pass(self, who: UserOf, device: str | None, payload: Any) -> bool:
        """Give a signal to the connections of a device that are here; return whether there was one."""
        clients = list(self.devices.only(who, device))
        for client in clients:
            client.emit(SignalPassed.event, payload)
        return bool(clients)

    # --- what is heard --------------------------------------------------------------------------------

    def _heard(self, _topic: str, said: bytes) -> None:
        told = decode(said)
        if told is None or told.sender == self._name():
            return
        if isinstance(told, SignalNote):
            self._pass((told.tenant_id, told.user), told.device, told.payload)
        elif len(self._pending) < PENDING_MAX:
            self._pending.append(told)
            self._work.set()

    def _missed(self, _topic: str) -> None:
        self._overlooked = True

    async def run(self) -> None:
        """Hear others for ever, and look at the outbox for what they do not say."""
        if not self._shared:
            return
        self._tasks.start(self._watch(), name="outbox of calls")
        while True:
            await self._work.wait()
            self._work.clear()
            notes, self._pending = self._pending, []
            try:
                await self._catch_up(notes)
            except StoreDown:
                self._overlooked = True

    async def _watch(self) -> None:
        looked_at = clock.steady()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = clock.steady()
            if self._topics.up and not self._overlooked and now - looked_at < QUIET_SECONDS:
                continue
            looked_at, self._overlooked = now, False
            try:
                await self.look()
            except StoreDown:
                self._overlooked = True
            except Exception:
                # Broad, for one look that fails must not be the last.
                log.exception("The outbox of calls could not be read")

    async def look(self) -> None:
        """Tell what the outbox has for those who are here, and nobody has told; and who is here of the
        callers that seem lost. Raises StoreDown."""
        if not len(self.devices):
            return
        name = self._name()
        await self._catch_up(
            NoticeNote(name, told.tenant_id, told.call_id, told.version, told.notify)
            for told in await self._store.told_lately(LATELY_MS, READ_MAX)
            if self.devices.has((told.tenant_id, told.notify.user))
        )
        for call in await self._store.lost_callers(READ_MAX):
            self.look_after(call)

    async def _catch_up(self, notes: Iterable[NoticeNote]) -> None:
        new = [
            told
            for told in notes
            if (told.call_id, told.version, told.notify.notice.value, told.notify.user) not in self._seen
        ]
        calls = await self._store.some({told.call_id for told in new}) if new else {}
        for told in new:
            call = calls.get(told.call_id)
            if call is not None and call.tenant_id == told.tenant_id and told.notify.user in call.parties:
                self.note(call)
                self._emit(call, told.version, told.notify)

    async def aclose(self) -> None:
        """End what goes on in the background."""
        await self._tasks.aclose()


def topic_of(user: UserOf) -> str:
    """Return the topic on which processes tell each other of a user's calls."""
    return joined("calls", *user)
