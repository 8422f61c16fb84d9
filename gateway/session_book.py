"""The session book of one process: what its live sessions do, on its way into the store.

Invariant: a session waits with at most one note of activity, its newest, whatever the store does; its
beginning and its end are written in order, however long that takes.

A crowd that comes at once shares a transaction: what is to be written is gathered for a moment first.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice

from gateway.stores.interface import Refusal, Writer
from gateway.stores.sessions import Change, Open, Over, SessionChanges
from sessions.lifetimes import Bounds, Ended, LiveSession, State, Touched

log = logging.getLogger(__name__)

TOUCHES_PER_FLUSH = 50
"""3 ms of work for the database's driver, which on PostgreSQL is done on the event loop."""

GATHER_SECONDS = 0.1
"""From the first beginning or end that waits to when all of them are submitted. Nobody waits for the row: a
session that was lost before it was written is one that its client begins anew."""

NOTHING_NEW = Touched("", 0, 0)
"""Neither time nor media go back (sessions/lifetimes.py)."""

EndedElsewhere = Callable[[LiveSession], None]
"""Told of a session that this process has and that the store says is over; its socket is to be closed."""


class SessionBook:
    """Beginnings, activity and ends of this process's sessions. None of its methods waits. `loop` calls
    `hand_over` when the moment of gathering is over."""

    def __init__(
        self, writer: Writer, boot_id: str, bounds: Bounds, ended_elsewhere: EndedElsewhere,
        loop: asyncio.AbstractEventLoop,
    ) -> None:  # fmt: skip
        self.bounds = bounds
        self._writer = writer
        self._boot_id = boot_id
        self._ended_elsewhere = ended_elsewhere
        self._loop = loop
        self._changes = SessionChanges(bounds)
        self._live: set[str] = set()
        self._touched: dict[str, Touched] = {}
        self._in_flight: set[str] = set()
        self._gathered: list[Open | Change] = []
        self._due: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._live)

    def opened(self, session: LiveSession) -> None:
        """A session began, or was resumed from the store."""
        self._live.add(session.id)
        self._gather(Open(session))

    def touched(self, session_id: str, at_ms: int, media_ms: int) -> None:
        """There was activity; written with the next `flush`."""
        if session_id in self._live:
            self._touched[session_id] = Touched(self._boot_id, at_ms, media_ms)

    def ended(self, session_id: str, state: State, reason: str, at_ms: int, media_ms: int) -> None:
        """A session is over; more than once does no harm."""
        if self._forget(session_id):
            self._gather(Change(session_id, Ended(state, reason, at_ms, media_ms)))

    def hand_over(self) -> None:
        """Have beginnings and ends written now: before anything that is submitted from here on."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        gathered, self._gathered = self._gathered, []
        for operation in gathered:
            self._submit(operation)

    def flush(self) -> None:
        """Have what was gathered written, and activity: of a few sessions at a time, those that waited
        longest first, none of which a note still waits in the writer. To be called once a second, and at the
        end.
        """
        self.hand_over()
        ready = (session_id for session_id in self._touched if session_id not in self._in_flight)
        for session_id in list(islice(ready, TOUCHES_PER_FLUSH)):
            self._in_flight.add(session_id)
            written = self._submit(Change(session_id, self._touched.pop(session_id)))
            written.add_done_callback(partial(self._landed, session_id))

    def _landed(self, session_id: str, _written: object) -> None:
        self._in_flight.discard(session_id)

    def rebooted(self, boot_id: str) -> None:
        """This process was taken for gone, and has a new boot id: say that its sessions are live."""
        self._boot_id = boot_id
        for session_id in self._live:
            known = self._touched.get(session_id, NOTHING_NEW)
            self._touched[session_id] = replace(known, boot_id=boot_id)
        self.flush()

    def _gather(self, operation: Open | Change) -> None:
        self._gathered.append(operation)
        if self._due is None:
            self._due = self._loop.call_later(GATHER_SECONDS, self.hand_over)

    def _submit(self, operation: Open | Change) -> "asyncio.Future[LiveSession]":
        written = self._writer.submit(self._changes, operation, patience_seconds=math.inf)
        written.add_done_callback(lambda done: self._written(operation.session_id, done))
        return written

    def _written(self, session_id: str, done: "asyncio.Future[LiveSession]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, Over):
            self._tell_over(session_id, error.session)
        elif isinstance(error, Refusal):
            log.error("Session %s is not in the store", session_id)
        elif error is not None:
            log.error("Session %s was not written", session_id, exc_info=error)
        elif done.result().state is not State.ACTIVE:
            self._tell_over(session_id, done.result())

    def _tell_over(self, session_id: str, session: LiveSession) -> None:
        """Drop a session that the store says is over, and tell whoever has its socket."""
        if self._forget(session_id):
            self._ended_elsewhere(session)

    def _forget(self, session_id: str) -> bool:
        """Return whether it was live; it is no more."""
        self._touched.pop(session_id, None)
        known = session_id in self._live
        self._live.discard(session_id)
        return known
