"""The composition root: builds everything that one server is made of, from its settings.

Invariant: nothing is started by importing; `Gateway.start` starts it all and `stop` ends it all.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from auth.tokens import KeyRing
from gateway.alarms import Alarms
from gateway.chosen import engine_settings
from gateway.foyer import page_context
from gateway.http import development, documents, errors, health, live
from gateway.http.bodies import BodyLimit
from gateway.http.guard import Guard
from gateway.http.timing import RequestTiming
from gateway.metrics import QUEUE_DEPTH, STREAMS, WORKER_LOSSES, WORKERS
from gateway.pages import page_routes
from gateway.settings import Settings
from gateway.sockets import endpoint
from gateway.sockets.hub import SWEEP_SECONDS, Hub
from gateway.sockets.limits import DoorLimits
from gateway.sockets.stage import Stage
from gateway.tasks import Tasks
from gateway.workers.pool import PoolSettings, WorkerPool
from media.engines.catalogue import Catalogue
from sessions import live as live_rules

log = logging.getLogger(__name__)


def worker_command(settings: Settings) -> Sequence[str]:
    """Return the command that starts one media worker for this server."""
    return [sys.executable, "-m", "gateway.cli", "worker", "--data-dir", str(settings.data_dir), "--child"]


class Gateway:
    """One server: the application, and what lives behind it. Made inside a running event loop."""

    def __init__(self, settings: Settings, keys: KeyRing, command: Sequence[str] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.settings = settings
        self.draining = False
        self._losses_counted = 0
        self.door = DoorLimits(settings)
        self.catalogue = Catalogue.load(engine_settings(settings))
        self.pool = WorkerPool(
            PoolSettings(
                data_dir=settings.data_dir,
                workers_max=settings.processes_max,
                streams_max=settings.worker_streams_max,
            ),
            command or worker_command(settings),
        )
        self.hub = Hub(settings, self.pool, loop)
        self._tasks = Tasks()
        self._started = False
        self.stage = Stage(
            hub=self.hub,
            keys=keys,
            door=self.door,
            limits=live_rules.Limits(
                authenticate_seconds=settings.authenticate_seconds,
                session_seconds_max=settings.session_minutes_max * 60,
            ),
            alarms=Alarms(loop),
            catalogue=self.catalogue,
        )
        self.app = Starlette(
            routes=self._routes(Guard(keys, self.door), keys),
            middleware=[Middleware(RequestTiming), Middleware(BodyLimit)],
            exception_handlers=errors.ANSWERS,
            lifespan=self._lifespan,
        )
        self.app.router.default = endpoint.nowhere

    def _routes(self, guard: Guard, keys: KeyRing) -> list[BaseRoute]:
        routes: list[BaseRoute] = [
            *endpoint.routes(self.stage, self.settings),
            *health.routes(lambda: self.ready, self._update_gauges),
            *live.routes(self.hub, guard),
            *development.routes(self.settings, keys),
            *page_routes(page_context(self.settings, self.hub, self.catalogue)),
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
        """Start the worker pool and the sweep, once. Raises OSError with a sentence."""
        if self._started:
            return
        await self.pool.start()
        self._started = True
        self._tasks.start(self._sweep(), name="sweep")
        log.info("Rate limiter started successfully")
        log.info("Session monitor started successfully")

    async def drain(self) -> None:
        """Take nothing new; what is open is closed by the server."""
        self.draining = True

    async def stop(self) -> None:
        """End the workers and whatever runs in the background."""
        await self._tasks.aclose()
        await self.pool.aclose(deadline_seconds=min(3.0, self.settings.shutdown_seconds / 2))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.hub.sweep()

    def _update_gauges(self) -> None:
        WORKERS.set(self.pool.workers)
        STREAMS.set(self.pool.streams)
        QUEUE_DEPTH.set(self.pool.waiting)
        WORKER_LOSSES.inc(self.pool.losses - self._losses_counted)
        self._losses_counted = self.pool.losses
