"""The group-commit writer: what many sessions submit is written in few transactions, one after the other.

Invariant: an operation that was taken is written, whatever becomes of the one who waits for it, unless its
patience or the server's deadline ends while the database is down; one that the database refuses fails alone.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from gateway.metrics import STORE_FAULTS, STORE_GROUP_SECONDS, STORE_GROUP_SIZE, STORE_WAITING
from gateway.stores.groups import GROUP_MAX, WAITING_MAX, Entry, Queue
from gateway.stores.interface import Database, Journal, StoreDown
from gateway.tasks import Tasks

log = logging.getLogger(__name__)

Operation = TypeVar("Operation")
Result = TypeVar("Result")
GROUPS_APART_SECONDS = 0.005
"""Between the starts of two groups, unless the next is full. An idle writer starts at once, so that a lone
operation waits for nothing but its commit, and so does the next of one who asks for one thing after the
other; a busy writer lets a crowd share a commit."""
STALLED_SECONDS = 2.0
"""A transaction that takes longer counts as a database that is down until it ends."""
AT_ONCE_SECONDS = 1.0
"""A first failure that came sooner may be a lost connection only: it is tried again before all else."""
PROBE_SECONDS_MIN = 0.1
PROBE_SECONDS_MAX = 2.0
LOGGED_CHARACTERS_MAX = 500
_PROBE = text("UPDATE alembic_version SET version_num = version_num")
"""Writes a page and changes nothing: a database that is read-only or full is not back."""


class GroupWriter:
    """Writes groups of operations, in the order in which each journal's came. Made within an event loop.

    `on_down(reason, disk_full)` is called when there is no database to write to, and `on_up()` when something
    was written again.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_down: Callable[[str, bool], None] = lambda reason, disk_full: None,
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._on_down, self._on_up = on_down, on_up
        self._loop = asyncio.get_running_loop()
        self._queue = Queue(GROUP_MAX[database.dialect])
        self._flying: list[Entry] = []
        self._numbers = itertools.count()
        self._work, self._hurry, self._empty = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._empty.set()
        self._down: StoreDown | None = None
        self._probe_seconds = PROBE_SECONDS_MIN
        self._began = self._loop.time() - GROUPS_APART_SECONDS
        self._asked_again = False
        self._closing = asyncio.Event()
        self._tasks = Tasks()
        self._tasks.start(self._run(), name="group-commit writer")

    @property
    def waiting(self) -> int:
        """Operations that are not written yet."""
        return len(self._queue) + len(self._flying)

    @property
    def down(self) -> bool:
        """Whether the last group could not be written, or has not been for STALLED_SECONDS."""
        return self._down is not None

    def submit(
        self, journal: Journal[Operation, Result], operation: Operation, *, patience_seconds: float
    ) -> asyncio.Future[Result]:
        """Have `operation` written with the next group; its future has the result, or raises the Refusal.

        While the database is down it is tried again until `patience_seconds` (infinity: for ever) after it
        was submitted; then its future raises StoreDown, and it may have been written all the same, by a
        commit whose answer was lost. StoreDown is raised at once with a patience of 0 while the database is
        known to be down, if WAITING_MAX operations wait, and after `aclose`. What else the database raises
        for this operation alone is raised as it is. Cancelling the future ends the waiting, not the writing.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        until = self._loop.time() + patience_seconds
        weight = getattr(operation, "weight", 1)
        entry = Entry(next(self._numbers), journal, operation, future, until, weight)
        if self._closing.is_set():
            entry.fail(StoreDown("The server is shutting down"))
        elif self._queue.is_full:
            entry.fail(StoreDown(f"The database is too slow: {WAITING_MAX} operations wait already"))
        elif self._down is not None and patience_seconds <= 0:
            entry.fail(self._copy(self._down))
        else:
            self._enter(entry, patience_seconds)
        return future

    def _enter(self, entry: Entry, patience_seconds: float) -> None:
        if 0 < patience_seconds < float("inf"):
            entry.timer = self._loop.call_at(entry.until, self._run_out, entry)
        self._queue.add(entry)
        self._empty.clear()
        self._work.set()
        if self._queue.has_group:
            self._hurry.set()

    def _run_out(self, entry: Entry) -> None:
        if self._down is not None:
            entry.give_up(self._copy(self._down))

    @staticmethod
    def _copy(down: StoreDown) -> StoreDown:
        # An exception that several raise would collect all their tracebacks.
        return StoreDown(str(down), disk_full=down.disk_full)

    async def _run(self) -> None:
        while True:
            if not self._queue and self._down is None:
                self._work.clear()
                await self._work.wait()
            await (self._gather() if self._down is None else self._back_off())
            self._began = self._loop.time()
            self._flying = self._queue.take()
            if self._flying:
                lone = len(self._flying) == 1
                await self._write_group()
                self._asked_again = lone and await self._is_asked_again()
            elif self._down is not None:
                await self._probe()
            STORE_WAITING.set(self.waiting)
            if not self.waiting:
                self._empty.set()

    async def _gather(self) -> None:
        due = self._began + GROUPS_APART_SECONDS
        if self._asked_again or due <= self._loop.time():
            return
        if self._queue.has_group or self._closing.is_set():
            return
        self._hurry.clear()
        timer = self._loop.call_at(due, self._hurry.set)
        await self._hurry.wait()
        timer.cancel()

    async def _is_asked_again(self) -> bool:
        """Whether whoever was just answered asks for the next thing, and nobody has asked for another."""
        if self._queue:
            return False
        await asyncio.sleep(0)
        return len(self._queue) == 1

    async def _back_off(self) -> None:
        if self._closing.is_set():
            await asyncio.sleep(PROBE_SECONDS_MIN)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._probe_seconds):
                await self._closing.wait()
        self._probe_seconds = min(PROBE_SECONDS_MAX, self._probe_seconds * 2)

    async def _write_group(self) -> None:
        """Write what flies; what the database refuses is looked for by halves, in order."""
        chunks = [self._flying]
        while chunks:
            chunk = chunks.pop()
            try:
                results = await self._transaction(chunk)
            except StoreDown as down:
                self._queue.put_back([*chunk, *itertools.chain.from_iterable(reversed(chunks))])
                self._flying = []
                self._lost(down)
                return
            except Exception as error:  # noqa: BLE001 - whatever one operation raised, the others are written
                STORE_FAULTS.labels("refused").inc()
                if len(chunk) > 1:
                    half = len(chunk) // 2
                    chunks += [chunk[half:], chunk[:half]]
                    continue
                self._refuse(chunk[0], error)
            else:
                self._found()
                for entry, result in zip(chunk, results, strict=True):
                    entry.answer(result)
        self._flying = []

    async def _transaction(self, chunk: list[Entry]) -> Sequence[Any]:
        """Write operations of one journal in one transaction, again if only the connection was lost."""
        try:
            return await self._attempt(chunk)
        except StoreDown as down:
            late = self._loop.time() - self._began > AT_ONCE_SECONDS
            if self._down is not None or down.disk_full or late:
                raise
            STORE_FAULTS.labels("down").inc()
            return await self._attempt(chunk)

    async def _attempt(self, chunk: list[Entry]) -> Sequence[Any]:
        journal, operations = chunk[0].journal, [entry.operation for entry in chunk]

        def apply(connection: Connection) -> Sequence[Any]:
            results = journal.apply(connection, operations)
            if len(results) != len(operations):
                raise ValueError(f"{journal.name} answered {len(results)} of {len(operations)} operations")
            return results

        began = self._loop.time()
        stalled = self._loop.call_later(STALLED_SECONDS, self._stalled)
        try:
            results = await self._database.write(apply)
        finally:
            stalled.cancel()
        STORE_GROUP_SECONDS.labels(journal.name).observe(self._loop.time() - began)
        STORE_GROUP_SIZE.observe(len(chunk))
        return results

    def _refuse(self, entry: Entry, error: Exception) -> None:
        log.error(
            "Operation not written", exc_info=error,
            extra={"journal": entry.journal.name, "operation": repr(entry.operation)[:LOGGED_CHARACTERS_MAX]},
        )  # fmt: skip
        entry.fail(error)

    async def _probe(self) -> None:
        try:
            await self._database.write(lambda connection: connection.execute(_PROBE).close())
        except StoreDown as down:
            self._lost(down)
        else:
            self._found()

    def _stalled(self) -> None:
        self._lost(StoreDown(f"The database has not answered for {STALLED_SECONDS:g} seconds"))

    def _lost(self, down: StoreDown) -> None:
        STORE_FAULTS.labels("disk_full" if down.disk_full else "down").inc()
        before, self._down = self._down, down
        if before is not None and before.disk_full == down.disk_full:
            return
        log.error("Database down", extra={"reason": str(down), "waiting": self.waiting})
        self._on_down(str(down), down.disk_full)
        now = self._loop.time()
        for entry in (*self._flying, *self._queue):
            if entry.until <= now:
                entry.give_up(self._copy(down))

    def _found(self) -> None:
        self._probe_seconds = PROBE_SECONDS_MIN
        if self._down is not None:
            self._down = None
            log.info("Database back", extra={"waiting": self.waiting})
            self._on_up()

    async def aclose(self, deadline_seconds: float) -> None:
        """Write what was submitted, and stop; what is not written by the deadline raises StoreDown."""
        self._closing.set()
        self._hurry.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                await self._empty.wait()
        await self._tasks.aclose()
        left = [entry for entry in (*self._flying, *self._queue) if not entry.given_up]
        if left:
            log.error("Shut down with operations not written", extra={"operations": len(left)})
        for entry in left:
            entry.fail(StoreDown("The server shut down before the database took it"))
        self._queue, self._flying = Queue(self._queue.group_max), []
        self._empty.set()
