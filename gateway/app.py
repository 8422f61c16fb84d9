"""The composition root: builds everything that one server is made of, from its settings.

Invariant: nothing is started by importing; `Gateway.start` starts it all and `stop` ends it all.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from auth.tokens import KeyRing
from gateway import clock
from gateway.alarms import Alarms
from gateway.backing import Backing
from gateway.calls import composition as calls
from gateway.chosen import engine_settings
from gateway.fanout.channel import Track
from gateway.foyer import page_context
from gateway.http import (
    admin,
    development,
    documents,
    errors,
    grants,
    health,
    housekeeping,
    live,
    poll_results,
    rooms,
    usage,
)
from gateway.http.bodies import BODY_BYTES_MAX, BodyLimit
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.http.limited import RateLimitHeaders
from gateway.http.timing import RequestTiming
from gateway.ids import new_id
from gateway.limits import DoorLimits
from gateway.metering.till import CHECKPOINT_SECONDS, Till
from gateway.metrics import QUEUE_DEPTH, STREAMS, WORKER_LOSSES, WORKERS
from gateway.pages import page_routes
from gateway.plans import load_plans
from gateway.rooms.composition import Ground, compose
from gateway.settings import Settings
from gateway.socketio import endpoint as socketio
from gateway.socketio.hall import Hall, limits_of
from gateway.sockets import endpoint
from gateway.sockets.diary import NOTE_SECONDS, BookedDiary
from gateway.sockets.hub import SWEEP_SECONDS, Hub
from gateway.sockets.reception import LiveReception
from gateway.sockets.seats import Seats
from gateway.sockets.stage import Stage
from gateway.stores.audit_rows import AuditLog
from gateway.stores.idempotency import IdempotencyBook
from gateway.stores.minutes import Adjustments
from gateway.stores.overrides import OverrideBook
from gateway.stores.statistics import Statistics
from gateway.stores.usage import UsageBook
from gateway.tasks import Tasks
from gateway.workers.pool import PoolSettings, WorkerPool
from media.engines.catalogue import Catalogue
from sessions import live as live_rules
from sessions.lifetimes import LiveSession, State

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
"""Between two writes of what was noted of sessions."""
HEED_SECONDS = 1.0
"""Between two looks for sessions that an admin wants to end."""
WRITE_SHARE = 0.4
"""Of the shutdown time: for what was submitted to be written."""


def worker_command(settings: Settings) -> Sequence[str]:
    """Return the command that starts one media worker for this server."""
    return [sys.executable, "-m", "gateway.cli", "worker", "--data-dir", str(settings.data_dir), "--child"]


class Gateway:
    """One server: the application, and what lives behind it. Made inside a running event loop.

    Raises ValueError for settings that name what is not there.
    """

    def __init__(self, settings: Settings, keys: KeyRing, command: Sequence[str] | None = None) -> None:
        self.settings = settings
        self.draining = False
        self._losses_counted = 0
        self._tasks = Tasks()
        self._started = False
        self._ends = Tasks()
        self._stopping: asyncio.Task[None] | None = None
        self.catalogue = Catalogue.load(engine_settings(settings))
        self.plans = load_plans(settings)
        self.backing = Backing(settings, self.plans, self._serves, self._ended_elsewhere, self._fenced)
        self.door = DoorLimits(settings, self.backing.rates)
        self.usage = UsageBook(self.backing.database, self.plans)
        self.pool = WorkerPool(
            PoolSettings(
                data_dir=settings.data_dir,
                workers_max=settings.processes_max,
                streams_max=settings.worker_streams_max,
            ),
            command or worker_command(settings),
        )
        self._compose_sockets(keys)
        body_bytes_max = max(BODY_BYTES_MAX, settings.message_bytes_max)
        self.app = Starlette(
            routes=self._routes(Guard(keys, self.door), keys),
            middleware=[
                Middleware(RequestTiming),
                Middleware(RateLimitHeaders),
                Middleware(BodyLimit, body_bytes_max),
            ],
            exception_handlers=errors.ANSWERS,
            lifespan=self._lifespan,
        )
        self.app.router.default = endpoint.nowhere
        self.reception = LiveReception(endpoint.endpoints(self.app.routes))

    def _compose_sockets(self, keys: KeyRing) -> None:
        settings, backing, loop = self.settings, self.backing, asyncio.get_running_loop()
        alarms = Alarms(loop)
        self.diary = BookedDiary(backing.book, lambda: backing.boot.id, clock.wall_ms, loop.time)
        self.hub = Hub(settings, self.pool, loop, self.diary, backing.archive)
        self.till = Till(backing.writer, self.plans, backing.boot.id, alarms, clock.Clocks(loop), new_id)
        self.stage = Stage(
            hub=self.hub,
            keys=keys,
            door=self.door,
            limits=live_rules.Limits(
                authenticate_seconds=settings.authenticate_seconds,
                session_seconds_max=settings.session_minutes_max * 60,
                idle_seconds_max=settings.session_idle_minutes * 60,
            ),
            alarms=alarms,
            catalogue=self.catalogue,
            till=self.till,
            usage=self.usage,
            tasks=self._tasks,
            metering=settings.channel_metering,
            seats=Seats(backing.presence, self._tasks) if backing.presence is not None else None,
        )
        self.hall = Hall(limits_of(settings), keys, self.door, alarms, self._tasks, loop)
        self.socketio = socketio.SocketIO(self.hall, settings)
        self.idempotency = Idempotency(IdempotencyBook(backing.database))
        ground = Ground(
            backing.database, backing.writer, backing.topics, backing.room_bounds, lambda: backing.boot.id
        )
        self.rooms = compose(settings, ground, self.hall, self.door, self.plans, self.idempotency)
        backing.tell_rooms(self.rooms.rooms.told)
        self.calls = calls.compose(
            settings,
            calls.Ground(
                backing.database, backing.writer, backing.call_topics, lambda: backing.boot.id,
                shared=backing.shared,
            ),
            alarms, self.door, self.idempotency,
        )  # fmt: skip
        self.calls.register(backing.reaper)
        self.hall.register(self.calls.receiver, calls.BEGINNING)

    def _routes(self, guard: Guard, keys: KeyRing) -> list[BaseRoute]:
        backing = self.backing
        records = admin.Records(
            database=backing.database,
            usage=self.usage,
            statistics=Statistics(backing.database, self.plans),
            audit=AuditLog(backing.database),
            bounds=backing.bounds,
            degraded=lambda: backing.condition.degraded,
        )
        changes = grants.Changes(
            writer=backing.writer,
            adjustments=Adjustments(),
            overrides=OverrideBook(backing.database),
            usage=self.usage,
            idempotency=self.idempotency,
        )
        routes: list[BaseRoute] = [
            *endpoint.routes(self.stage, self.settings),
            *health.routes(lambda: self.ready, self._update_gauges, lambda: backing.condition.degraded),
            *usage.routes(guard, self.usage),
            *admin.routes(guard, records),
            *grants.routes(guard, changes),
            *live.routes(self.hub, guard),
            *socketio.routes(self.socketio),
            *rooms.routes(guard, self.rooms.desk),
            *poll_results.routes(guard, self.rooms.desk),
            *housekeeping.routes(guard, backing.room_deadlines),
            *self.calls.routes(guard),
            *development.routes(self.settings, keys),
            *page_routes(page_context(self.settings, self.hub, self.catalogue, self.plans, backing.database)),
        ]
        return [*documents.routes(routes), *routes]

    @property
    def ready(self) -> bool:
        """Whether new sessions are welcome."""
        return not self.draining and self.pool.ready

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Open the stores, start the worker pool and what goes on in the background, once. Raises OSError,
        CannotOpen and StoreDown with a sentence."""
        if self._started:
            return
        self._started = True
        try:
            await self.backing.start()
            await self.pool.start()
        except BaseException:
            await self.stop()
            raise
        self._tasks.start(self._every(SWEEP_SECONDS, self.hub.sweep), name="sweep")
        self._tasks.start(self._every(CHECKPOINT_SECONDS, self.till.checkpoint), name="checkpoints")
        self._tasks.start(self._every(NOTE_SECONDS, self._note), name="session notes")
        self._tasks.start(self._every(FLUSH_SECONDS, self.backing.book.flush), name="session book")
        self._tasks.start(self._heed_admins(), name="sessions to end")
        self._tasks.start(self.rooms.run(), name="rooms")
        self._tasks.start(self.calls.run(), name="calls")
        # Said once all of it has begun: a start that fails says its one sentence and nothing else.
        log.info("Rate limiter started successfully")
        log.info("Session monitor started successfully")
        log.info("Call invitation expiration job started")

    async def drain(self) -> None:
        """Take nothing new; what is open is closed by the server."""
        self.draining = True
        self.socketio.drain()

    async def stop(self) -> None:
        """End the workers and whatever runs in the background; what was used is settled and written. Whoever
        calls it waits for the one end; a caller that is cancelled stops only waiting."""
        if not self._started:
            return
        if self._stopping is None:
            self._stopping = self._ends.start(self._stop(), name="stop")
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        await self._tasks.aclose()
        await self.rooms.rooms.aclose()
        await self.calls.calls.aclose()
        for session in list(self.hub.sessions.values()):
            self.hub.end(session, State.INTERRUPTED, "restart")
        await self.pool.aclose(deadline_seconds=min(3.0, self.settings.shutdown_seconds / 2))
        await self.backing.aclose(self.settings.shutdown_seconds * WRITE_SHARE)
        self._started = False

    # --- in the background ----------------------------------------------------------------------------

    @staticmethod
    async def _every(seconds: float, work: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                work()
            except Exception:
                # Broad, for one session that fails must not end the work for all the others.
                log.exception("Work in the background failed")

    def _note(self) -> None:
        self.diary.note(self.hub.sessions.values())

    async def _heed_admins(self) -> None:
        while True:
            await asyncio.sleep(HEED_SECONDS)
            for session_id, _actor in await self.backing.asked_to_end():
                self.hub.end_by_admin(session_id)

    def _update_gauges(self) -> None:
        WORKERS.set(self.pool.workers)
        STREAMS.set(self.pool.streams)
        QUEUE_DEPTH.set(self.pool.waiting)
        WORKER_LOSSES.inc(self.pool.losses - self._losses_counted)
        self._losses_counted = self.pool.losses
        self.backing.update_gauges()
        self.rooms.update_gauges()

    # --- what the stores say --------------------------------------------------------------------------

    def _serves(self, lang: str, track: Track) -> bool:
        made = any(lang in pair for pair in self.catalogue.pairs())
        return made and (track is None or self.catalogue.speaks(lang))

    def _ended_elsewhere(self, session: LiveSession) -> None:
        """The store says that a session of ours is over: by the reaper, or by an admin of another process."""
        if session.state is State.ENDED_BY_ADMIN:
            self.hub.end_by_admin(session.id)
        else:
            self.hub.end_as_idle(session.id)

    def _fenced(self, boot_id: str) -> None:
        self.till.boot_id = boot_id
        self.rooms.rebooted(self._tasks)
