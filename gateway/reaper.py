"""The reaper: ends what is past its deadline, of every kind that registers with it, in one process of many.

Invariant: it never waits for one kind to do another, holds neither the event loop nor the database longer
than a batch, and what a pass leaves undone the next one does, here or in another process.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gateway import clock
from gateway.metrics import REAPED, REAPER_LEADER, REAPER_PASS_SECONDS
from gateway.stores import idempotency, sessions
from gateway.stores.interface import Database, StoreDown
from gateway.stores.leases import Leases
from sessions.lifetimes import Bounds

log = logging.getLogger(__name__)

BATCH_MAX = 200
LEASE = "reaper"
LEASE_SECONDS = 30.0
"""Longer than any batch takes; renewed before each."""
RETRY_SECONDS = 5.0
"""Between passes of one that does not lead, or whose store is down: its turn comes soon after."""


class Due(Protocol):
    """What is due of one kind."""

    async def __call__(self, now_ms: int, most: int, /) -> int:
        """End at most `most` of what is due at `now_ms` (by this machine's clock), oldest first; return how
        many. Fewer than `most` says that nothing is left.

        It has to find them by an index on their deadline, to end each by compare-and-set, so that a second
        reaper does no harm, and to raise StoreDown when the store is lost.
        """


@dataclass(slots=True)
class _Kind:
    name: str
    due: Due
    interval_seconds: float
    next_at: float = 0.0


class Reaper:
    """Passes over every kind that is registered, each in its own interval, while this process leads."""

    def __init__(self, leases: Leases, holder: str, interval_seconds: float) -> None:
        self._leases = leases
        self._holder = holder
        self._interval_seconds = interval_seconds
        self._kinds: dict[str, _Kind] = {}
        self._leads = False

    @property
    def leads(self) -> bool:
        """Whether this process did the last pass."""
        return self._leads

    def register(self, name: str, due: Due, *, interval_seconds: float | None = None) -> None:
        """Have `due` called in every pass; `name` is its label in metrics. Some kinds need a shorter interval
        than REAPER_INTERVAL_SECONDS, none gets a longer one."""
        assert name not in self._kinds, f"{name} is registered"
        own_seconds = min(interval_seconds or self._interval_seconds, self._interval_seconds)
        self._kinds[name] = _Kind(name, due, own_seconds)

    async def run(self) -> None:
        """Make passes until cancelled."""
        pause_seconds = await self._turn()
        while True:
            await asyncio.sleep(pause_seconds)
            pause_seconds = await self._turn()

    async def _turn(self) -> float:
        """Pass over the kinds whose time has come, if this process leads; return how long to wait then."""
        if not await self._still_leads():
            return min(RETRY_SECONDS, self._interval_seconds)
        kinds = [kind for kind in self._kinds.values() if kind.next_at <= clock.steady()]
        if kinds and not await self._pass(kinds):
            return min(RETRY_SECONDS, self._interval_seconds)
        now = clock.steady()
        for kind in kinds:
            kind.next_at = now + kind.interval_seconds
        # Not longer than keeps the lead, or every process would make passes in turn.
        renewal_at = now + LEASE_SECONDS / 3
        return max(0.0, min([renewal_at, *(kind.next_at for kind in self._kinds.values())]) - now)

    async def run_once(self) -> dict[str, int]:
        """Make a pass over every kind now, whoever leads: two at once do no harm. Return how many of each
        kind were ended. Raises StoreDown."""
        return {kind.name: await self._reap(kind, leading=False) for kind in list(self._kinds.values())}

    async def aclose(self) -> None:
        """Let another process lead."""
        if self._leads:
            self._lead(leads=False)
            await self._leases.release(LEASE, self._holder)

    async def _pass(self, kinds: list[_Kind]) -> bool:
        """Return whether it came to its end: not if another leads meanwhile, or the store is lost."""
        with REAPER_PASS_SECONDS.time():
            for kind in kinds:
                try:
                    await self._reap(kind, leading=True)
                except StoreDown as down:
                    log.warning("Reaper waits for the store", extra={"kind": kind.name, "reason": str(down)})
                    return False
                except Exception:
                    # Broad, for what is registered is not ours: one kind that fails must not keep the others.
                    log.exception("Reaper could not end what is due", extra={"kind": kind.name})
        return self._leads

    async def _reap(self, kind: _Kind, *, leading: bool) -> int:
        total = 0
        while True:
            if leading and total and not await self._still_leads():
                return total
            count = await kind.due(int(clock.wall() * 1000), BATCH_MAX)
            total += count
            if count:
                REAPED.labels(kind.name).inc(count)
            if count < BATCH_MAX:
                if total:
                    log.info("Reaped", extra={"kind": kind.name, "count": total})
                return total
            await asyncio.sleep(0)

    async def _still_leads(self) -> bool:
        fence = await self._leases.acquire(LEASE, self._holder, LEASE_SECONDS)
        self._lead(leads=fence is not None)
        return self._leads

    def _lead(self, *, leads: bool) -> None:
        self._leads = leads
        REAPER_LEADER.set(leads)


def sessions_due(database: Database, bounds: Bounds) -> Due:
    """Return what ends live sessions at their deadline."""

    async def due(now_ms: int, most: int) -> int:
        return await database.write(partial(sessions.reap, now_ms=now_ms, most=most, bounds=bounds))

    return due


def idempotency_keys_due(database: Database) -> Due:
    """Return what forgets answers that are kept no longer."""

    async def due(_now_ms: int, _most: int) -> int:
        return await database.write(idempotency.purge)

    return due
