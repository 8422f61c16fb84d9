"""What one connection brings to its session's stream: audio and captions, and the end of them.

Invariant: nothing passes that no minutes are held for, where minutes count; while something waits, or the
stream has more than it can pass on, the connection is read no further.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.fanout.broadcast import Broadcast, Source
from gateway.sockets.feed import Feed
from gateway.sockets.hub import Session
from gateway.sockets.stage import Stage
from gateway.wire.interface import Wire
from media.intake import NotAudio
from sessions import endings, live, messages
from sessions.live import LiveSession


class Following(Protocol):
    """The socket's place among the followers of topics."""

    def move_home(self) -> None:
        """Follow the session's own channel from now on."""

    def flush_topic(self) -> None:
        """Write what waits for the end of this turn."""


class Contribution:
    """The bringing half of a live socket."""

    __slots__ = (
        "_ends",
        "_feed",
        "_following",
        "_paused",
        "_reported_bytes",
        "_rules",
        "_session",
        "_source",
        "_stage",
        "_wire",
    )

    def __init__(self, stage: Stage, rules: LiveSession, session: Session, wire: Wire,
                 following: Following, source: Source) -> None:  # fmt: skip
        self._stage = stage
        self._rules = rules
        self._session = session
        self._wire = wire
        self._following = following
        self._source = source
        self._reported_bytes = session.payload_bytes
        self._feed: Feed | None = None
        self._paused = False
        self._ends = False

    # --- what comes -----------------------------------------------------------------------------------

    def take_audio(self, payloads: live.Payloads) -> None:
        """Take the binary messages of one read."""
        try:
            if self._feed is None and not self._begin():
                return
            assert self._feed is not None
            self._feed.take(payloads, self._stage.now())
        except NotAudio as refusal:
            self._rules.refuse("NOT_AUDIO", str(refusal), endings.POLICY)
            return
        self._taken()

    def take_caption(self, caption: messages.Caption) -> None:
        """Publish a caption that came as text."""
        own = self._own()
        self._pay(own)
        own.take_caption(caption, self._stage.now())
        self._hold_back()

    def finalize(self) -> None:
        """Have everything heard so far made final."""
        if self._session.own is None:
            self._rules.stream_finalized(0.0)
        else:
            self._flush()
            self._after(self._own().finalize)
            self._hold_back()

    def end(self) -> None:
        """Finish the stream; without one the session is over once what it was sent is charged."""
        if self._session.own is None:
            self._following.flush_topic()
            purse = self._session.purse
            self._ends = purse is not None and purse.leave_off() > 0
            if not self._ends:
                self._rules.stream_ended(*self._session.seconds())
        else:
            self._flush()
            self._after(self._own().end)

    # --- what may pass --------------------------------------------------------------------------------

    def allowed(self) -> None:
        """There are minutes again."""
        if self._ends:
            self._ends = False
            self._rules.stream_ended(*self._session.seconds())
        if self._feed is not None:
            self._feed.go_on(self._stage.now())
            self._taken()

    def stop(self) -> None:
        """Nothing more may pass: forget what waits."""
        if self._feed is not None:
            self._feed.drop()
        self.writable()

    def writable(self) -> None:
        """The stream has room again: read on, unless something waits for minutes."""
        if self._paused and not (self._feed is not None and self._feed.holds_back):
            self._paused = False
            self._wire.resume_reading()

    # --- inside ---------------------------------------------------------------------------------------

    def _begin(self) -> bool:
        """Make ready for audio, of a personal stream if need be; False if nothing here hears its language."""
        request, session = self._rules.request, self._session
        asked = request.source_lang or self._stage.hub.default_source_lang
        lang = session.own.source_lang if session.own is not None else asked
        if not self._stage.catalogue.hears(lang):
            self._rules.refuse("LANGUAGE_NOT_SERVED", self._stage.unheard(lang), endings.POLICY,
                               param="source_lang", served=self._stage.served())  # fmt: skip
            return False
        started = session.own is not None and session.own.started
        if not started and self._stage.hub.pool.room <= 0:
            self._rules.refuse("NO_WORKER_FREE", "Every media worker has as many streams as it takes; "
                               "try again shortly", endings.TRY_LATER, retry_after_seconds=5)  # fmt: skip
            return False
        self._feed = Feed(session, request)
        if session.own is None:
            self._stage.hub.start_personal(session, lang).source = self._source
            self._following.move_home()
        self._pay(self._own())
        return True

    def _pay(self, own: Broadcast) -> None:
        """Let the session pay for its own stream, if it is the one to pay."""
        if self._stage.pays_for_own(self._session):
            self._stage.purse(self._session).attach(own.clock)

    def _own(self) -> Broadcast:
        assert self._session.own is not None
        return self._session.own

    def _flush(self) -> None:
        if self._feed is not None:
            self._feed.flush(self._stage.now())

    def _after(self, action: Callable[[], None]) -> None:
        if self._feed is not None:
            self._feed.then(action)
        else:
            action()

    def _taken(self) -> None:
        """Report totals, and see whether more may come."""
        session, now = self._session, self._stage.now()
        assert self._feed is not None
        own = self._own()
        if session.payload_bytes > self._reported_bytes:
            self._reported_bytes = session.payload_bytes
            self._rules.audio_taken(session.payload_bytes, own.received_seconds, own.processed_seconds, now)
            self._rules.audio_ahead(self._feed.seconds, now)
        self._hold_back()

    def _hold_back(self) -> None:
        own = self._session.own
        if own is None:
            return
        if not own.full and not (self._feed is not None and self._feed.holds_back):
            if self._paused:
                self.writable()
        elif not self._paused:
            self._paused = True
            self._wire.pause_reading()
