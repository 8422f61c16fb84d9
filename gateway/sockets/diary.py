"""The hub's word to the session book: what begins, goes on and ends, by the wall clock."""

from collections.abc import Callable, Iterable

from gateway.session_book import SessionBook
from gateway.sockets.hub import Session
from sessions.lifetimes import LiveSession, State

NOTE_SECONDS = 15.0
"""Between two notes of a session's activity, which the reaper and the list of sessions go by."""


class BookedDiary:
    """Writes into the session book. `steady` is the clock that sockets go by, `now_ms` the wall clock."""

    def __init__(
        self,
        book: SessionBook,
        boot_id: Callable[[], str],
        now_ms: Callable[[], int],
        steady: Callable[[], float],
    ) -> None:
        self._book = book
        self._boot_id = boot_id
        self._now_ms = now_ms
        self._steady = steady
        self._noted: dict[str, float] = {}

    def began(self, session: Session) -> None:
        """A session has begun."""
        now_ms = self._now_ms()
        if session.socket is not None:
            self._noted[session.session_id] = session.socket.active_at
        self._book.opened(
            LiveSession(
                id=session.session_id,
                tenant_id=session.tenant,
                subject=session.user,
                channel_id=session.channel.key.channel_id,
                kind=session.kind.value,
                plan=session.plan,
                boot_id=self._boot_id(),
                started_at_ms=now_ms,
                active_at_ms=now_ms,
            )
        )

    def spends(self, _session: Session) -> None:
        """A session is about to ask for minutes: those who share them are to be known by then."""
        self._book.hand_over()

    def resumed(self, session: Session) -> None:
        """A session goes on in another connection."""
        self._book.touched(session.session_id, self._now_ms(), session.media_ms)

    def ended(self, session: Session, state: State, reason: str) -> None:
        """A session is over."""
        self._noted.pop(session.session_id, None)
        self._book.ended(session.session_id, state, reason, self._now_ms(), session.media_ms)

    def note(self, sessions: Iterable[Session]) -> None:
        """Note the activity of live sessions since the last note."""
        behind_ms = self._now_ms() - round(self._steady() * 1000)
        for session in sessions:
            active_at = session.socket.active_at if session.socket is not None else -1.0
            if active_at > self._noted.get(session.session_id, -1.0):
                self._noted[session.session_id] = active_at
                at_ms = round(active_at * 1000) + behind_ms
                self._book.touched(session.session_id, at_ms, session.media_ms)
