"""The till: slices for every session of this process, asked for and settled through the group-commit writer.

Invariant: a slice that was granted is settled once, whoever has gone meanwhile; what is settled is written
even if the store is down for now.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.alarms import Alarms
from gateway.metering.consumption import Consumption, Facts
from gateway.metrics import BILLED_SECONDS, SLICES
from gateway.stores.interface import StoreDown, Writer
from gateway.stores.minutes import (
    Acquire,
    Acquisitions,
    Checkpoint,
    Checkpoints,
    Settle,
    Settlements,
    Spent,
)
from sessions.plans import Plans
from sessions.slices import Grant, Settled

ACQUIRE_SECONDS_MAX = 2.0
"""A session waits this long for a slice while the store is down; then it is refused, or used to its end."""
SETTLE_SECONDS_MAX = 1.0
"""A new session waits this long for what those before it gave back."""
CHECKPOINT_SECONDS = 1.0
MARKS_MAX = 250
"""Of one operation, so that neither the loop nor the database is held for long."""


_GRANTED, _SPENT, _UNAVAILABLE = map(SLICES.labels, ("granted", "spent", "unavailable"))


Wait = Callable[[list["asyncio.Future[Settled]"]], Awaitable[object]]


async def wait_briefly(settling: list["asyncio.Future[Settled]"]) -> None:
    """Wait until all are settled, or SETTLE_SECONDS_MAX are over."""
    await asyncio.wait(settling, timeout=SETTLE_SECONDS_MAX)


class Clocks(Protocol):
    """The wall clock in milliseconds, and the event loop's clock that alarms go by."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""

    def steady(self) -> float:
        """Return seconds of the event loop's clock."""


class Till:
    """Holds and settles minutes for the consumptions of one process."""

    def __init__(
        self, writer: Writer, plans: Plans, boot_id: str, alarms: Alarms, clocks: Clocks,
        new_id: Callable[[str], str], wait: Wait = wait_briefly,
    ) -> None:  # fmt: skip
        self.plans = plans
        self.boot_id = boot_id
        self._writer = writer
        self._alarms = alarms
        self._clocks = clocks
        self._new_id = new_id
        self._acquisitions = Acquisitions(plans)
        self._settlements = Settlements(plans)
        self._checkpoints = Checkpoints()
        self._open: dict[Consumption, Deadline] = {}
        self._noting: list[asyncio.Future[None]] = []
        self._missed = False
        self._settling: dict[tuple[str, str], set[asyncio.Future[Settled]]] = {}
        self._wait = wait

    def __len__(self) -> int:
        return len(self._open)

    @property
    def down(self) -> bool:
        """Whether nothing can be held or settled just now."""
        return self._writer.down

    def now_ms(self) -> int:
        """Return the time of the wall clock."""
        return self._clocks.now_ms()

    def acquire(self, consumption: Consumption, owed_ms: int) -> None:
        """Ask for a slice, and tell the consumption."""
        facts = consumption.facts
        slice_id = self._new_id("slice")
        operation = Acquire(
            slice_id, facts.tenant_id, facts.subject, facts.kind, facts.session_id, facts.channel_id,
            self.boot_id, facts.plan, owed_ms, self.now_ms(),
        )  # fmt: skip
        self._open.setdefault(consumption, Deadline(consumption))
        answer = self._writer.submit(self._acquisitions, operation, patience_seconds=ACQUIRE_SECONDS_MAX)
        answer.add_done_callback(lambda done: self._answered(consumption, slice_id, done))

    def settle(self, slice_id: str, used_ms: int, facts: Facts) -> None:
        """Close a slice."""
        if used_ms:
            BILLED_SECONDS.labels(facts.kind.value).inc(used_ms / 1000)
        operation = Settle(slice_id, used_ms, "owner", self.now_ms())
        settled = self._writer.submit(self._settlements, operation, patience_seconds=math.inf)
        user = facts.tenant_id, facts.subject
        self._settling.setdefault(user, set()).add(settled)
        settled.add_done_callback(lambda done: self._settled(user, done))

    async def settled(self, tenant_id: str, subject: str) -> None:
        """Wait a moment for what a user's sessions have given back to be written: who ended one is not to be
        kept out by it."""
        settling = [future for future in self._settling.get((tenant_id, subject), ()) if not future.done()]
        if settling:
            await self._wait(settling)

    def _settled(self, user: tuple[str, str], done: "asyncio.Future[Settled]") -> None:
        _retrieved(done)
        settling = self._settling[user]
        settling.discard(done)
        if not settling:
            del self._settling[user]

    def expect(self, consumption: Consumption, deadline_ms: float) -> None:
        """Have the consumption look at the clock then."""
        deadline = self._open.get(consumption)
        if deadline is None:
            return
        if deadline_ms == math.inf:
            self._alarms.clear(deadline)
        else:
            ahead_seconds = max(0.0, (deadline_ms - self.now_ms()) / 1000)
            self._alarms.set(deadline, self._clocks.steady() + ahead_seconds)

    def closed(self, consumption: Consumption) -> None:
        """Forget a consumption."""
        deadline = self._open.pop(consumption, None)
        if deadline is not None:
            self._alarms.clear(deadline)

    def checkpoint(self) -> None:
        """Write how much of each slice was used, unless the last time is not written yet."""
        self._noting = [note for note in self._noting if not note.done()]
        if self._noting:
            return
        again, self._missed = self._missed, False
        marks: list[tuple[str, int]] = []
        now_ms = self.now_ms()
        for consumption in list(self._open):
            marks += consumption.checkpoints(now_ms, again=again)
        for first in range(0, len(marks), MARKS_MAX):
            self._noting.append(self._note(marks[first : first + MARKS_MAX]))

    async def noted(self, consumption: Consumption) -> None:
        """Write how much one has used, so that what is read next knows it. Raises StoreDown."""
        marks = consumption.checkpoints(self.now_ms())
        if marks:
            await self._note(marks)

    def _note(self, marks: list[tuple[str, int]]) -> "asyncio.Future[None]":
        operation = Checkpoint(tuple(marks))
        noted = self._writer.submit(self._checkpoints, operation, patience_seconds=CHECKPOINT_SECONDS)
        noted.add_done_callback(self._noted)
        return noted

    def _noted(self, done: "asyncio.Future[None]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._missed = True

    def _answered(self, consumption: Consumption, slice_id: str, done: "asyncio.Future[Grant]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            _GRANTED.inc()
            consumption.granted(slice_id, done.result())
        elif isinstance(error, Spent):
            _SPENT.inc()
            consumption.refused(error.spent)
        elif isinstance(error, StoreDown):
            # It may have been written all the same, after a connection was lost in its commit.
            _UNAVAILABLE.inc()
            self.settle(slice_id, 0, consumption.facts)
            consumption.unavailable(error)
        else:
            _UNAVAILABLE.inc()
            self.settle(slice_id, 0, consumption.facts)
            consumption.unavailable(StoreDown(str(error)))
            raise error


class Deadline:
    """The alarm of one consumption."""

    __slots__ = ("__weakref__", "_consumption")

    def __init__(self, consumption: Consumption) -> None:
        self._consumption = consumption

    def alarm(self, _now: float) -> None:
        """Look at the clock."""
        self._consumption.handle_deadline()


def _retrieved(done: "asyncio.Future[Any]") -> None:
    """Mark an outcome as seen: a checkpoint that was not written is followed by the next, a settlement of a
    slice that never was has nothing to do."""
    if not done.cancelled():
        done.exception()
