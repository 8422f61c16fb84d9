"""The session book of one process: what its live sessions do, on its way into the store.

Invariant: a session waits with at most one note of activity, its newest, whatever the store does; its
beginning and its end are written in order, however long that takes.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from itertools import islice

from gateway.stores.interface import Refusal, Writer
from gateway.stores.sessions import Change, Open, Over, SessionChanges
from sessions import lifetimes
from sessions.lifetimes import Bounds, Ended, LiveSession, State, Touched

log = logging.getLogger(__name__)

TOUCHES_PER_FLUSH = 50
"""3 ms of work for the database's driver, which on PostgreSQL is done on the event loop."""

EndedElsewhere = Callable[[LiveSession], None]
"""Told of a session that this process has and that the store says is over; its socket is to be closed."""


class SessionBook:
    """Beginnings, activity and ends of this process's sessions. None of its methods waits."""

    def __init__(self, writer: Writer, boot_id: str, bounds: Bounds, ended_elsewhere: EndedElsewhere) -> None:
        self.bounds = bounds
        self._writer = writer
        self._boot_id = boot_id
        self._ended_elsewhere = ended_elsewhere
        self._changes = SessionChanges(bounds)
        self._live: dict[str, LiveSession] = {}
        self._touched: dict[str, None] = {}
        self._in_flight: set[str] = set()

    def __len__(self) -> int:
        return len(self._live)

    def opened(self, session: LiveSession) -> None:
        """A session began, or was resumed from the store."""
        self._live[session.id] = session
        self._submit(Open(session))

    def touched(self, session_id: str, at_ms: int, media_ms: int) -> None:
        """There was activity; written with the next `flush`."""
        if (session := self._live.get(session_id)) is not None:
            event = Touched(self._boot_id, at_ms, media_ms)
            self._live[session_id] = lifetimes.step(session, event, self.bounds)
            self._touched[session_id] = None

    def ended(self, session_id: str, state: State, reason: str, at_ms: int, media_ms: int) -> None:
        """A session is over; more than once does no harm."""
        if self._live.pop(session_id, None) is not None:
            self._touched.pop(session_id, None)
            self._submit(Change(session_id, Ended(state, reason, at_ms, media_ms)))

    def flush(self) -> None:
        """Have activity written, of a few sessions at a time, those that waited longest first; none of which
        a note still waits in the writer. To be called once a second."""
        ready = (session_id for session_id in self._touched if session_id not in self._in_flight)
        for session_id in list(islice(ready, TOUCHES_PER_FLUSH)):
            del self._touched[session_id]
            self._in_flight.add(session_id)
            session = self._live[session_id]
            event = Touched(self._boot_id, session.active_at_ms, session.media_ms)
            written = self._submit(Change(session_id, event))
            written.add_done_callback(partial(self._landed, session_id))

    def _landed(self, session_id: str, _written: object) -> None:
        self._in_flight.discard(session_id)

    def rebooted(self, boot_id: str) -> None:
        """This process was taken for gone, and has a new boot id: say that its sessions are live."""
        self._boot_id = boot_id
        self._touched |= dict.fromkeys(self._live)
        self.flush()

    def _submit(self, operation: Open | Change) -> "asyncio.Future[LiveSession]":
        written = self._writer.submit(self._changes, operation, patience_seconds=math.inf)
        written.add_done_callback(lambda done: self._written(operation.session_id, done))
        return written

    def _written(self, session_id: str, done: "asyncio.Future[LiveSession]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, Over):
            self._forget(session_id, error.session)
        elif isinstance(error, Refusal):
            log.error("Session %s is not in the store", session_id)
        elif error is not None:
            log.error("Session %s was not written", session_id, exc_info=error)
        elif done.result().state is not State.ACTIVE:
            self._forget(session_id, done.result())

    def _forget(self, session_id: str, session: LiveSession) -> None:
        """Drop a session that the store says is over, and tell whoever has its socket."""
        if self._live.pop(session_id, None) is not None:
            self._touched.pop(session_id, None)
            self._ended_elsewhere(session)
