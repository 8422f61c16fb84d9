"""The projection of the outbox: one process of many tells each sink what was settled, at its own pace.

Invariant: nothing waits for a sink. A row is marked only when its sink has it for good; in the usage log it
is once, also when a process is killed between writing and marking.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from gateway import clock
from gateway.condition import Condition
from gateway.metrics import PROJECTED, PROJECTION_LAG
from gateway.projection.cloudevents import EventPost, NotTaken
from gateway.projection.usage_log import LogBusy, UsageLog
from gateway.stores.interface import Database, StoreDown
from gateway.stores.leases import Leases
from gateway.stores.outbox import Sink, Usage, mark_told, untold

log = logging.getLogger(__name__)

LOG_BATCH_MAX = 500
POST_BATCH_MAX = 100
POLL_SECONDS = 1.0
BACK_OFF_SECONDS_MIN = 1.0
BACK_OFF_SECONDS_MAX = 60.0
LEASE_SECONDS = 30.0
"""Longer than a batch takes, its time-out included."""


class Telling(Protocol):
    """One sink: how it is told."""

    sink: Sink

    async def step(self, fence: int) -> int:
        """Tell one batch; return how many rows it had. Raises Waits and StoreDown."""

    @property
    def batch_max(self) -> int:
        """Rows of a full batch."""

    async def aclose(self) -> None:
        """Let go of what it holds."""


class Waits(Exception):
    """The sink cannot be told now; the message says why."""


class Projection:
    """Tells one sink while this process leads."""

    def __init__(self, telling: Telling, leases: Leases, holder: str) -> None:
        self._telling = telling
        self._leases = leases
        self._holder = holder
        self._lease = f"projection:{telling.sink.value}"
        self._failures = 0

    async def run(self) -> None:
        """Tell what there is until cancelled."""
        pause_seconds = await self.turn()
        while True:
            await asyncio.sleep(pause_seconds)
            pause_seconds = await self.turn()

    async def turn(self) -> float:
        """Tell one batch, if this process leads; return after how many seconds to come again."""
        name = self._telling.sink.value
        try:
            fence = await self._leases.acquire(self._lease, self._holder, LEASE_SECONDS)
            if fence is None:
                PROJECTION_LAG.labels(name).set(0)
                return LEASE_SECONDS / 3
            told = await self._telling.step(fence)
        except (Waits, StoreDown) as reason:
            if not self._failures:
                log.warning("Usage waits to be told", extra={"sink": name, "reason": str(reason)})
            self._failures += 1
            return back_off_seconds(self._failures)
        if self._failures:
            log.info("Usage is told again", extra={"sink": name})
            self._failures = 0
        PROJECTED.labels(name).inc(told)
        return 0.0 if told == self._telling.batch_max else POLL_SECONDS

    async def aclose(self) -> None:
        """Tell what was settled last, and let another process lead. Comes after `run` was cancelled."""
        await self.turn()
        await self._leases.release(self._lease, self._holder)
        await self._telling.aclose()


def back_off_seconds(failures: int) -> float:
    """Return how long to wait after so many failures in a row: 1, 2, 4 ... 60 seconds."""
    return min(BACK_OFF_SECONDS_MAX, BACK_OFF_SECONDS_MIN * 2.0 ** min(failures - 1, 10))


class LogTelling:
    """Appends to the usage log."""

    sink = Sink.USAGE_LOG
    batch_max = LOG_BATCH_MAX

    def __init__(
        self, database: Database, usage_log: UsageLog, condition: Condition,
        now: Callable[[], float] = clock.wall,
    ) -> None:  # fmt: skip
        self._database = database
        self._log = usage_log
        self._condition = condition
        self._now = now
        self._agrees_since: int | None = None
        self._disk_failed = False

    async def step(self, fence: int) -> int:
        """Append one batch, then mark it. Raises Waits and StoreDown."""
        try:
            # Held over writing and marking: a former leader that is slow must not write in between.
            with self._log.locked():
                told = await self._locked_step(fence)
        except LogBusy as busy:
            raise Waits(str(busy)) from busy
        except OSError as error:
            self._disk_failed = True
            why = error.strerror or type(error).__name__
            # A stranger may read this: no path.
            sentence = f"The usage log cannot be written: {why}; it is written later"
            self._condition.degrade("disk", sentence, self.sink.value)
            raise Waits(f"The usage log in {self._log.folder} cannot be written: {why}") from error
        if self._disk_failed:
            self._disk_failed = False
            self._condition.recover("disk", self.sink.value)
        return told

    async def _locked_step(self, fence: int) -> int:
        if self._agrees_since != fence:
            # Somebody may have written lines, this process too, that were not marked: no more than a batch.
            written = await asyncio.to_thread(self._log.mend, LOG_BATCH_MAX)
            await self._mark(written)
        rows = await self._database.read(partial(untold, sink=self.sink, most=LOG_BATCH_MAX))
        show_lag(self.sink, rows, self._now())
        self._agrees_since = None
        if rows:
            await asyncio.to_thread(self._log.append, rows)
            await self._mark([row.event_id for row in rows])
        self._agrees_since = fence
        return len(rows)

    async def _mark(self, event_ids: list[str]) -> None:
        if event_ids:
            at_ms = int(self._now() * 1000)
            await self._database.write(partial(mark_told, sink=self.sink, event_ids=event_ids, at_ms=at_ms))

    async def aclose(self) -> None:
        """Nothing is held between steps."""


class PostTelling:
    """Posts CloudEvents; after a crash some come twice."""

    sink = Sink.CLOUDEVENTS
    batch_max = POST_BATCH_MAX

    def __init__(self, database: Database, post: EventPost, now: Callable[[], float] = clock.wall) -> None:
        self._database = database
        self._post = post
        self._now = now

    async def step(self, fence: int) -> int:
        """Post one batch, then mark it. A second leader would only send some events twice. Raises Waits and
        StoreDown."""
        rows = await self._database.read(partial(untold, sink=self.sink, most=POST_BATCH_MAX))
        show_lag(self.sink, rows, self._now())
        if not rows:
            return 0
        try:
            await self._post.send(rows)
        except NotTaken as error:
            raise Waits(f"{self._post.url} does not take CloudEvents: {error}") from error
        event_ids, at_ms = [row.event_id for row in rows], int(self._now() * 1000)
        await self._database.write(partial(mark_told, sink=self.sink, event_ids=event_ids, at_ms=at_ms))
        return len(rows)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._post.aclose()


def show_lag(sink: Sink, rows: list[Usage], now: float) -> None:
    """Set the gauge of how old the oldest row is that waits."""
    age_seconds = max(0.0, now - rows[0].occurred_at_ms / 1000) if rows else 0.0
    PROJECTION_LAG.labels(sink.value).set(age_seconds)
