"""The rooms of this process: an event comes in, its rule decides, it is written, and what follows is done.

Invariant: nobody is told of anything, and nobody is answered, before it is written. What is told follows the
offsets that were written, in this process and in others.

The rules run in the store (`gateway.stores.rooms`), within the transaction that writes what they decide; this
is load, step and save. Here are the effects, and the timers.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import assert_never

from gateway import clock
from gateway.rooms.errands import Errands
from gateway.rooms.local import LocalRoom
from gateway.rooms.note import Note, PollNews, decode, encode
from gateway.rooms.seats import Seats
from gateway.rooms.store import RoomSource, RoomStore
from gateway.socketio.interface import Audiences, Client
from gateway.stores.interface import StoreDown
from gateway.stores.rooms.operations import ActInPoll, ActInRoom, CreatePoll, PollDone, RoomDone, UnknownRoom
from gateway.stores.topics import Topics
from gateway.tasks import Tasks
from sessions.room_effects import Acknowledge, EndPolls, Expel, Publish, ShowTyping
from sessions.room_events import DeadlinePassed, Event, JoinRequested
from sessions.room_records import Bounds, Room
from sessions.rooms import KickedOut, NotInRoom, RoomFull, RoomOver

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the database for what nobody tells this process."""
QUIET_SECONDS = 5.0
"""The same while others do tell it."""
RETRY_SECONDS = 1.0
LINGER_TURNS = 50
LINGER_SECONDS = 0.1
"""For a room that is closed to tell how its polls ended: so often it is asked, so far apart."""


class Rooms:
    """Every room that has somebody in this process, by its id. Made within an event loop."""

    def __init__(
        self, store: RoomStore, audiences: Audiences, topics: Topics, boot_id: Callable[[], str],
        bounds: Bounds,
    ) -> None:  # fmt: skip
        self.store = store
        self.tasks = Tasks()
        self._audiences = audiences
        self._topics = topics
        self._boot_id = boot_id
        self._bounds = bounds
        self._here: dict[str, LocalRoom] = {}
        self._codes: dict[tuple[str, str], LocalRoom] = {}
        self._where: dict[Client, LocalRoom] = {}
        self._lingering: set[LocalRoom] = set()
        self._overlooked: set[str] = set()
        self.seats = Seats(store, boot_id, self.tasks, self)
        topics.listen(self._heard, self._missed)

    # --- what is here -------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Rooms with somebody here."""
        return len(self._here)

    @property
    def connections(self) -> int:
        """Connections that are in a room."""
        return len(self._where)

    def here(self, room_id: str) -> LocalRoom | None:
        """Return a room if somebody of it is here."""
        return self._here.get(room_id)

    def known(self, tenant: str, code: str) -> LocalRoom | None:
        """Return the open room with a code if somebody of it is here."""
        return self._codes.get((tenant, code))

    def of(self, client: Client) -> LocalRoom | None:
        """Return the room that a client is in."""
        return self._where.get(client)

    def open(self, room: Room) -> LocalRoom:
        """Return a room as this process has it, from now on listening to what others say of it."""
        local = self._here.get(room.id)
        if local is None:
            errands = Errands(self)
            source = RoomSource(self.store, room.tenant_id, room.id)
            local = LocalRoom(room, self._audiences, source, self, errands, self.tasks, self._bounds.grace_ms)
            errands.room = local
            self._here[room.id] = self._codes[(room.tenant_id, room.code)] = local
            self._topics.subscribe(room.id)
        return local

    def admit(self, client: Client, local: LocalRoom) -> None:
        """Have a client in a room, from now on told of everything."""
        for former in self._lingering:
            former.drop(client)
        self._where[client] = local
        local.admit(client)

    def gone(self, client: Client) -> None:
        """Learn that a connection is no longer there."""
        local = self._where.pop(client, None)
        if local is not None:
            local.drop(client)
            self.left(local, client.principal.user)

    def left(self, local: LocalRoom, user: str) -> None:
        """Give a user's seat back, unless there is another connection of theirs, and close an empty room."""
        if not local.has(user):
            self.seats.lose(local.tenant, local.id, user)
        if local.empty:
            self._forget(local)

    # --- acting -------------------------------------------------------------------------------------

    async def act(self, tenant: str, room_id: str, event: Event) -> RoomDone:
        """Have something happen in a room, and do what follows. Raises what its rule refuses, UnknownRoom,
        StoreDown."""
        self.seats.flush()
        operation = ActInRoom(tenant, room_id, event, self._boot_id(), clock.wall_ms())
        done = await self.store.room(operation)
        self._perform(done)
        return done

    async def act_in_poll(
        self, operation: CreatePoll | ActInPoll, user: str | None = None, by: Client | None = None
    ) -> PollDone:
        """Have something happen to a poll, by a user on the connection `by`, and do what follows. Raises what
        its rule refuses, UnknownPoll, UnknownRoom, StoreDown."""
        done = await self.store.poll(operation)
        self._perform_poll(done, user, by)
        return done

    def told(self, done: Iterable[RoomDone | PollDone]) -> None:
        """Do what follows from what the reaper has written."""
        for each in done:
            if isinstance(each, RoomDone):
                self._perform(each)
            else:
                self._perform_poll(each, None, None)

    def _perform(self, done: RoomDone) -> None:
        room, published, expelled = done.room, list[Publish](), list[str]()
        for effect in done.effects:
            match effect:
                case Publish():
                    published.append(effect)
                case Expel():
                    expelled.append(effect.user)
                case Acknowledge() | ShowTyping():
                    pass  # For whoever asked; see the receiver.
                case EndPolls():
                    for ended in done.polls:
                        self._perform_poll(ended, None, None)
                case _:
                    assert_never(effect)
        local = self._here.get(room.id)
        if local is not None:
            local.stream.offer(published, room.offset)
            for user in expelled:
                local.expel(user)
        if published:
            self.tell_others(room.id, room.offset, published)

    def _perform_poll(self, done: PollDone, user: str | None, by: Client | None) -> None:
        local = self._here.get(done.poll.room_id)
        if local is not None:
            local.polls.done(done, user, by)
        elif done.effects:
            self.tell_others(done.poll.room_id, polls=(PollNews(done.poll.id, done.poll.version),))

    # --- between processes --------------------------------------------------------------------------

    def tell_others(
        self, room_id: str, offset: int = 0, events: Iterable[Publish] = (),
        polls: tuple[PollNews, ...] = (), typing: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Tell other processes what is new in a room."""
        note = Note(self._boot_id(), offset, tuple(events), polls, typing)
        self._topics.publish(room_id, encode(note))

    def _heard(self, room_id: str, said: bytes) -> None:
        local, note = self._here.get(room_id), decode(said)
        if local is None or note is None or note.sender == self._boot_id():
            return
        local.stream.offer(note.events, note.offset)
        for news in note.polls:
            local.polls.heard(news)
        for user in note.typing:
            if local.inside(user):
                local.typing(user)

    def _missed(self, room_id: str) -> None:
        self._overlooked.add(room_id)

    async def watch(self) -> None:
        """Look at the database for ever: each second for what nobody tells this process, else less often."""
        looked_at, told = clock.steady(), False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            wanted: Collection[str] = self._overlooked & self._here.keys()
            self._overlooked = set()
            now, was_told, told = clock.steady(), told, self._topics.up
            if not (told and was_told) or now - looked_at >= QUIET_SECONDS:
                looked_at, wanted = now, list(self._here)
            try:
                await self.look(wanted)
            except StoreDown:
                self._overlooked.update(wanted)
            except Exception:
                # Broad, for a room that fails must not end this for all others.
                log.exception("Rooms could not be looked at")

    async def look(self, room_ids: Collection[str]) -> None:
        """Catch up with what happened in rooms. Raises StoreDown."""
        if not room_ids:
            return
        for room_id, head in (await self.store.heads(room_ids)).items():
            local = self._here.get(room_id)
            if local is None or local.stream.seen is None:
                continue
            local.stream.offer((), head.offset)
            if head.polls != local.polls_version:
                found = await self.store.polls_of(room_id, None)
                local.polls_version = head.polls
                local.polls.reloaded(found)
            if head.lost_at_ms is not None:
                local.lost("", head.lost_at_ms)

    # --- what rooms ask for -------------------------------------------------------------------------

    def out(self, local: LocalRoom, client: Client) -> None:
        """Forget that a client is in a room: it left, or was put out."""
        self._where.pop(client, None)
        if local.empty:
            self._forget(local)

    def ended(self, local: LocalRoom) -> None:
        """Forget a room that is closed, once it was told how its polls ended."""
        self._unlist(local)
        self._lingering.add(local)
        self.tasks.start(self._wind_up(local), name="room's end")

    def deadline(self, local: LocalRoom) -> None:
        """Have those out of a room who did not come back in time."""
        self.tasks.start(self._evict(local), name="lost participants")

    def lost(self, room_id: str, tenant: str, users: tuple[str, ...], done: RoomDone) -> None:
        """Learn that users have no connection in this process any more."""
        self._perform(done)
        local = self._here.get(room_id)
        for user in users:
            participant = done.room.participants.get(user)
            if local is not None and participant is not None and participant.lost_at_ms is not None:
                local.lost(user, participant.lost_at_ms)

    def is_here(self, room_id: str, user: str) -> bool:
        """Whether a user has a connection in a room."""
        local = self._here.get(room_id)
        return local is not None and local.has(user)

    async def _evict(self, local: LocalRoom) -> None:
        while local.id in self._here:
            try:
                await self.act(local.tenant, local.id, DeadlinePassed())
                await self.look([local.id])
            except StoreDown:
                await asyncio.sleep(RETRY_SECONDS)
            except UnknownRoom:
                return
            else:
                return

    async def _wind_up(self, local: LocalRoom) -> None:
        try:
            for _ in range(LINGER_TURNS):
                if local.polls.idle:
                    break
                await asyncio.sleep(LINGER_SECONDS)
        finally:
            self._lingering.discard(local)
            self._forget(local)

    def _forget(self, local: LocalRoom) -> None:
        self._unlist(local)
        if local not in self._lingering:
            self._topics.unsubscribe(local.id)
            local.close()

    def _unlist(self, local: LocalRoom) -> None:
        if self._here.get(local.id) is local:
            del self._here[local.id]
            del self._codes[(local.tenant, local.code)]

    # --- this process among others ------------------------------------------------------------------

    async def reseat(self) -> None:
        """Take everybody's seat again: this process was taken for gone, and goes on under another id."""
        for local in list(self._here.values()):
            for user in list(local.users):
                if not local.has(user):
                    continue  # Gone while others were seated.
                try:
                    await self.act(local.tenant, local.id, JoinRequested(user))
                except (RoomOver, RoomFull, KickedOut, NotInRoom, UnknownRoom) as refusal:
                    log.info("Somebody has lost their place", extra={"roomId": local.id,
                                                                     "reason": str(refusal)})  # fmt: skip
                    local.expel(user)
                else:
                    if not local.has(user):
                        self.seats.lose(local.tenant, local.id, user)

    async def aclose(self) -> None:
        """Give back every seat that is still here, and end what goes on in the background."""
        for local in list(self._here.values()):
            for user in list(local.users):
                self.seats.lose(local.tenant, local.id, user)
            local.close()
        self.seats.flush()
        self._here.clear()
        self._codes.clear()
        self._where.clear()
        await self.tasks.aclose()
