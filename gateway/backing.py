"""What a server stands on: its database, its Redis if it has one, and the work that goes on behind both.

Invariant: nothing is served before what former processes left open is settled, and nothing is closed before
what this one submitted is written, or its time is up.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial

from gateway import clock
from gateway.auditing import audit
from gateway.boot import Boot, Recovery
from gateway.condition import Condition
from gateway.fanout.archive import Archive
from gateway.fanout.channel import Track
from gateway.metrics import STORE_WAITING
from gateway.projection.cloudevents import EventPost
from gateway.projection.projection import LogTelling, PostTelling, Projection
from gateway.projection.usage_log import UsageLog
from gateway.reaper import Reaper, idempotency_keys_due, sessions_due
from gateway.room_deadlines import Done, RoomDeadlines, Told
from gateway.session_book import SessionBook
from gateway.settings import Settings
from gateway.stores import sessions
from gateway.stores.interface import StoreDown
from gateway.stores.late import LateDatabase
from gateway.stores.leases import LeadingAlone, Leases
from gateway.stores.memory.leases import MemoryLeases
from gateway.stores.memory.topics import MemoryTopics
from gateway.stores.minutes import Settlements
from gateway.stores.presence import HEARTBEAT_SECONDS
from gateway.stores.rates import rates_behind
from gateway.stores.redis.captions import RedisCaptions
from gateway.stores.redis.leases import RedisLeases
from gateway.stores.redis.link import RedisLink
from gateway.stores.redis.presence import RedisPresence
from gateway.stores.redis.topics import RedisTopics
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.deadlines import give_back_seats
from gateway.stores.topics import Topics
from gateway.stores.writer import GroupWriter
from gateway.tasks import Tasks
from sessions import polls, room_records
from sessions.history import HistoryLimits
from sessions.lifetimes import Bounds, LiveSession
from sessions.plans import Plans

log = logging.getLogger(__name__)

USAGE_FOLDER = "usage"


class Backing:
    """The stores of one process, and what keeps them in order. Made inside a running event loop.

    `serves` says whether anything here makes a language or a voice; `ended_elsewhere` is told of a session of
    this process that is over in the store, `fenced` of a new boot id.
    """

    def __init__(
        self,
        settings: Settings,
        plans: Plans,
        serves: Callable[[str, Track], bool],
        ended_elsewhere: Callable[[LiveSession], None],
        fenced: Callable[[str], None],
    ) -> None:
        self.condition = Condition()
        self.bounds = Bounds(
            int(settings.session_minutes_max * 60_000),
            int(settings.session_idle_minutes * 60_000),
            int(settings.resume_grace_seconds * 1000),
        )
        self.database = LateDatabase(settings.database_url.get_secret_value(), settings.data_dir)
        self.room_bounds = room_bounds(settings)
        self.writer = GroupWriter(self.database, on_down=self._store_down, on_up=self._store_up)
        self.boot = Boot(self.database, socket.gethostname(), settings.boot_lease_seconds, self._rebooted)
        self.book = SessionBook(
            self.writer, self.boot.id, self.bounds, ended_elsewhere, asyncio.get_running_loop()
        )
        self.recovery = Recovery(
            self.database, Settlements(plans), self.bounds, self.boot, alone=not self.shared,
            recovered=self._audit_later, giving_back=partial(give_back_seats, bounds=self.room_bounds),
        )  # fmt: skip
        self._fenced = fenced
        self._tasks = Tasks()
        self._link: RedisLink | None = None
        self.leases: Leases = MemoryLeases(clock.steady)
        self.archive: Archive | None = None
        self.presence: RedisPresence | None = None
        self.topics: Topics = MemoryTopics(alone=not self.shared)
        self.call_topics: Topics = MemoryTopics(alone=not self.shared)
        if settings.redis_url is not None:
            self._use_redis(settings, settings.redis_url.get_secret_value(), serves)
        self.rates = rates_behind(self._link)
        leading = self.leases
        if self._link is not None:
            leading = LeadingAlone(self.leases, lambda link=self._link: link.up)
        self.reaper = Reaper(leading, self.boot.id, settings.reaper_interval_seconds)
        self.room_deadlines = RoomDeadlines(self.database, self.room_bounds, self._tell_rooms)
        self._tell: Told = lambda done: None
        self._register(settings)
        self._projections = self._sinks(settings)
        self._opened = False

    @property
    def shared(self) -> bool:
        """Whether other processes may write to the same database."""
        return self.database.dialect != "sqlite"

    def _use_redis(self, settings: Settings, url: str, serves: Callable[[str, Track], bool]) -> None:
        self._link = link = RedisLink(url, self.condition, settings.redis_timeout_seconds)
        self.leases = RedisLeases(link)
        self.presence = RedisPresence(link)
        self.topics, self.call_topics = RedisTopics(link), RedisTopics(link)
        limits = HistoryLimits(settings.history_finals_max, settings.history_bytes_max)
        self.archive = Archive(RedisCaptions(link, limits, settings.channel_idle_seconds), serves)

    def _register(self, settings: Settings) -> None:
        self.reaper.register("session", sessions_due(self.database, self.bounds))
        self.reaper.register("idempotency_key", idempotency_keys_due(self.database))
        self.room_deadlines.register(self.reaper)
        if self.shared:
            interval_seconds = settings.boot_lease_seconds / 3
            self.reaper.register("boot", self.recovery.due, interval_seconds=interval_seconds)

    def _sinks(self, settings: Settings) -> list[Projection]:
        usage_log = UsageLog(settings.data_dir / USAGE_FOLDER)
        tellings: list[LogTelling | PostTelling] = [LogTelling(self.database, usage_log, self.condition)]
        if settings.cloudevents_url:
            post = EventPost(settings.cloudevents_url, settings.cloudevents_token.get_secret_value())
            tellings.append(PostTelling(self.database, post))
        return [Projection(telling, self.leases, self.boot.id) for telling in tellings]

    # --- from start to stop ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Open everything, settle what others left, and begin to work. Raises CannotOpen and StoreDown."""
        await self.database.open()
        self._opened = True
        await self.boot.register()
        if self._link is not None:
            await self._link.start(self._tasks)
        await self.recovery.run_once()
        self._tasks.start(self.boot.run(), name="boot lease")
        self._tasks.start(self.reaper.run(), name="reaper")
        for projection in self._projections:
            self._tasks.start(projection.run(), name="projection")
        if self.archive is not None:
            self._tasks.start(self.archive.run(), name="archive")
        if self.presence is not None:
            self._tasks.start(self._stay_present(self.presence), name="presence")
        for topics in (self.topics, self.call_topics):
            if isinstance(topics, RedisTopics):
                self._tasks.start(topics.run(), name="topics")

    async def aclose(self, deadline_seconds: float) -> None:
        """Write what was submitted, tell what was settled, and close. Sessions are over by now."""
        await self._tasks.aclose()
        self.book.flush()
        await self.writer.aclose(deadline_seconds)
        if self._opened:
            await self._take_leave()
        if self._link is not None:
            await self._link.aclose()
        await self.database.aclose()
        self._opened = False

    async def _take_leave(self) -> None:
        if self.archive is not None:
            await self.archive.flush()
        for projection in self._projections:
            await projection.aclose()
        await self.boot.aclose()
        await self.reaper.aclose()

    def tell_rooms(self, tell: Told) -> None:
        """Have `tell` called with what became of rooms and polls whose deadline was over."""
        self._tell = tell

    def _tell_rooms(self, done: Sequence[Done]) -> None:
        self._tell(done)

    def update_gauges(self) -> None:
        """Bring the gauges up to now."""
        STORE_WAITING.set(self.writer.waiting)

    async def asked_to_end(self) -> list[tuple[str, str]]:
        """Return the sessions of this process that an admin wants to end, each with who asked."""
        try:
            return await self.database.read(lambda c: sessions.asked_to_end(c, self.boot.id))
        except StoreDown:
            return []

    @staticmethod
    async def _stay_present(presence: RedisPresence) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await presence.refresh()

    def _audit_later(self, _left: object) -> None:
        """Look through the books, which takes long where they are long: nothing waits for it."""
        self._tasks.start(self._audit(), name="audit")

    async def _audit(self) -> None:
        try:
            await audit(self.database)
        except StoreDown as down:
            log.warning("The books could not be audited", extra={"reason": str(down)})

    # --- what the stores say --------------------------------------------------------------------------

    def _store_down(self, reason: str, disk_full: bool) -> None:
        self.condition.recover("database" if disk_full else "disk")
        self.condition.degrade("disk" if disk_full else "database", public_reason(disk_full=disk_full))
        log.error("Minutes wait to be written", extra={"reason": reason})

    def _store_up(self) -> None:
        self.condition.recover("database")
        self.condition.recover("disk")

    def _rebooted(self, boot_id: str) -> None:
        self.book.rebooted(boot_id)
        self._fenced(boot_id)


def room_bounds(settings: Settings) -> RoomBounds:
    """Return how long rooms, polls and what is said in them last, as the settings have it."""
    day_ms = 24 * 3_600_000
    return RoomBounds(
        room_records.Bounds(
            int(settings.room_idle_hours * 3_600_000), int(settings.room_grace_seconds * 1000)
        ),
        polls.Bounds(archive_ms=int(settings.poll_archive_days * day_ms)),
        history_ms=int(settings.room_history_days * day_ms),
    )


def public_reason(*, disk_full: bool) -> str:
    """Return what a stranger may read of a store that is down: no address, no path."""
    if disk_full:
        return "The disk of the database is full; what is on goes on to the end of what it holds"
    return "The database is away; what is on goes on to the end of what it holds, and is written later"
