"""One live socket: hands what arrives to its rules, and carries out what they decide.

Invariant: a connection is counted from its first byte to its last, in exactly one place at a time: among
those without a token, then among its user's sessions.
"""

import logging
import math
from typing import assert_never

from auth.principal import Principal
from gateway import clock
from gateway.fanout.topic import Topic
from gateway.metrics import CLOSES, CONNECTIONS, Between
from gateway.sockets.admission import Admitted, NotAdmitted, Vouched, admit, missed_by, vouch
from gateway.sockets.contribution import Contribution
from gateway.sockets.following import Following
from gateway.sockets.hub import Session
from gateway.sockets.paying import Paying
from gateway.sockets.seats import Seat
from gateway.sockets.stage import Stage
from gateway.sockets.telling import tell
from gateway.wire.interface import Wire
from sessions import endings, live, messages
from sessions.lifetimes import BY_ADMIN, SESSION_TOO_LONG, State
from sessions.live import Kind, LiveSession

log = logging.getLogger(__name__)

ORDINARY_CODES = frozenset({1000, 1001, 1005})
"""Clients that went as they should: counted, and in the log at `debug` only."""

_CLOSED = {ending.code: Between(CLOSES.labels(ending.label)) for ending in endings.ENDINGS.values()}
_CLOSED[1006] = Between(CLOSES.labels("lost"))
_CLOSED_OTHERWISE = Between(CLOSES.labels("other"))
_OPEN = {kind: Between(CONNECTIONS.labels(kind.value)) for kind in Kind}

_OUTCOMES = {
    endings.DONE: (State.COMPLETED, "done"),
    endings.SESSION_TOO_LONG: (State.EXPIRED, SESSION_TOO_LONG),
    endings.SPENT: (State.COMPLETED, "minutes_spent"),
    endings.ENDED_BY_ADMIN: (State.ENDED_BY_ADMIN, BY_ADMIN),
}
"""What a session comes to that this server closes for good; anything else is interrupted, by its label."""


class LiveSocket:
    """A connection to `/publish`, `/subtitles` or `/dubbing`: the receiver of its wire, the source of its
    session's broadcast, the owner of its alarm. `following` and `contribution` are its two halves, `spender`
    is what its user's minutes talk to; each from when it is needed."""

    __slots__ = (
        "__weakref__",
        "_alarm_at",
        "_principal",
        "_rules",
        "_seat",
        "_session",
        "_spender",
        "_stage",
        "_waiting",
        "_wire",
        "contribution",
        "following",
    )  # fmt: skip

    def __init__(self, stage: Stage, request: live.Request, wire: Wire) -> None:
        self._stage = stage
        self._wire = wire
        self._rules = LiveSession(request, stage.limits, stage.now())
        self._principal: Principal | None = None
        self._seat: Seat | None = None
        self._session: Session | None = None
        self.following: Following | None = None
        self.contribution: Contribution | None = None
        self._spender: Paying | None = None
        self._waiting = True
        self._alarm_at = math.inf
        self._arm()

    @property
    def spender(self) -> Paying | None:
        """What its user's minutes talk to, made at its first use: most viewers who wait use none."""
        if self._spender is None and self._session is not None and self._principal is not None:
            self._spender = Paying(self._stage, self._rules, self._session, self._principal, self._wire, self)
        return self._spender

    @property
    def active_at(self) -> float:
        """When something was last sent or received."""
        heard_at = self._heard_at()
        if heard_at is not None:
            self._rules.active(heard_at)
        return self._rules.active_at

    # --- what the wire brings -------------------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """Take a text message."""
        self._hold_back()
        self._rules.receive_text(text, self._stage.now())
        self.perform()

    def receive_binary(self, payloads: list[bytes]) -> None:
        """Take the binary messages of one read."""
        self._hold_back()
        self._rules.receive_audio(payloads, self._stage.now())
        self.perform()

    def _hold_back(self) -> None:
        """Read no further once something came while the token is checked: one read may wait, not a stream."""
        if self._rules.state is live.State.CHECKING:
            self._wire.pause_reading()

    def writable(self) -> None:
        """The wire has kept what a slow reader missed, and sent it: nothing to do."""

    def closed(self, code: int) -> None:
        """Let go of everything but the session, which waits for its return unless its minutes are spent."""
        spent = self._rules.ending is endings.SPENT
        self._rules.disconnected()
        self._stage.alarms.clear(self)
        self._leave_topic()
        self._depart()
        _CLOSED.get(code, _CLOSED_OTHERWISE).inc()
        session, self._session = self._session, None
        if session is None:
            return
        self._leave_place()
        _OPEN[session.kind].dec()
        level = logging.DEBUG if code in ORDINARY_CODES else logging.INFO
        log.log(level, "WebSocket closed", extra={"sessionId": session.session_id, "code": code})
        if session.socket is self:
            gone = (State.COMPLETED, "left") if code in ORDINARY_CODES else (State.INTERRUPTED, "lost")
            session.outcome = gone
            if spent:
                self._stage.hub.end(session, *_OUTCOMES[endings.SPENT])
            else:
                self._stage.hub.lost(session)

    def alarm(self, now: float) -> None:
        """Do what is due."""
        self._alarm_at = math.inf
        if (heard_at := self._heard_at()) is not None:
            self._rules.active(heard_at)
        self._rules.handle_deadline(now)
        self.perform()

    def _heard_at(self) -> float | None:
        """When media of the stream that is followed, or brought, last moved."""
        if self._session is None:
            return None
        broadcast = self._session.own or self._stage.hub.broadcasts.get(self._session.channel.key)
        return broadcast.clock.heard_at if broadcast is not None else None

    # --- what the hub decides -------------------------------------------------------------------------

    def supersede(self) -> None:
        """Give way to the next connection of this session, or of this publisher."""
        self._leave_place()
        if self._session is not None:
            self._session.socket = None
        self._rules.superseded()
        self.perform()

    def stream_started(self, source_lang: str) -> None:
        """The channel's stream has started in `source_lang`: refuse if nothing translates from it."""
        assert self.following is not None
        if self._stage.catalogue.serves(source_lang, self.following.lang):
            self.following.pay()
            return
        sentence = self._stage.unserved(source_lang, self.following.lang)
        self._rules.refuse("LANGUAGE_NOT_SERVED", sentence, endings.POLICY,
                           param="target_lang", served=self._stage.served())  # fmt: skip
        self.perform()

    def end_by_admin(self) -> None:
        """Close: an admin has ended the session."""
        self._rules.refuse("ENDED_BY_ADMIN", "An admin has ended this session", endings.ENDED_BY_ADMIN)
        self.perform()

    def end_as_idle(self) -> None:
        """Close: the session was taken for idle."""
        self._rules.refuse("SESSION_IDLE", "This session was taken for idle; reconnect", endings.TRY_LATER)
        self.perform()

    # --- what the broadcast reports -------------------------------------------------------------------

    def stream_finalized(self) -> None:
        """Answer the client's `finalize`."""
        if self._session is not None and self._session.own is not None:
            self._flush_topic()
            self._rules.stream_finalized(self._session.own.received_seconds)
            self.perform()

    def stream_ended(self) -> None:
        """Everything of this session's stream is out."""
        if self._session is not None and self._session.own is not None:
            self._flush_topic()
            if self._session.purse is not None:
                self._session.purse.catch_up()
            self._rules.stream_ended(*self._session.seconds())
            self.perform()

    def stream_notice(self, message: messages.Gap | messages.Warning) -> None:
        """Pass on what the client should know."""
        tell(self._wire, message)

    def stream_writable(self) -> None:
        """Read on."""
        if self.contribution is not None:
            self.contribution.writable()

    def stream_failed(self, reason: str) -> None:
        """No worker can go on with this stream."""
        self._rules.refuse("STREAM_FAILED", f"Recognition failed and could not be restarted: {reason}",
                           endings.OUR_FAULT)  # fmt: skip
        self.perform()

    # --- effects --------------------------------------------------------------------------------------

    def perform(self) -> None:
        """Carry out what the rules have decided."""
        while effects := self._rules.effects():
            for effect in effects:
                self._perform_one(effect)
        self._arm()

    def _perform_one(self, effect: live.Effect) -> None:
        match effect:
            case live.TakeAudio():
                self._bringing().take_audio(effect.payloads)
            case live.Send():
                tell(self._wire, effect.message)
            case live.AnswerPing():
                self._answer_ping(effect.ping_id)
            case live.Authenticate():
                self._stage.tasks.start(self._authenticate(effect), name="admission")
            case live.TakeCaption():
                self._bringing().take_caption(effect.caption)
            case live.FinalizeStream():
                self._bringing().finalize()
            case live.EndStream():
                self._bringing().end()
            case live.Retarget():
                assert self.following is not None
                self.following.retarget(effect.target_lang)
            case live.CloseSocket():
                self._close(effect.ending)
            case _:
                assert_never(effect)

    def _arm(self) -> None:
        deadline = self._rules.deadline()
        if deadline < self._alarm_at:
            self._alarm_at = deadline
            self._stage.alarms.set(self, deadline)

    def _bringing(self) -> Contribution:
        if self.contribution is None:
            assert self._session is not None
            assert self.following is not None
            self.contribution = Contribution(
                self._stage, self._rules, self._session, self._wire, self.following, self
            )
        return self.contribution

    def _close(self, ending: endings.Ending) -> None:
        session = self._session
        if session is not None and session.socket is self and not ending.retry:
            outcome = _OUTCOMES.get(ending, (State.INTERRUPTED, ending.label))
            self._stage.hub.end(session, *outcome)
        self._leave_topic()
        self._wire.close(ending.code, ending.reason)

    def _answer_ping(self, ping_id: int | str | None) -> None:
        assert self._session is not None
        broadcast = self._session.own or self._stage.hub.broadcasts.get(self._session.channel.key)
        pong = messages.Pong(id=ping_id)
        if broadcast is not None and broadcast.received_seconds:
            seconds = round(broadcast.received_seconds, 3), round(broadcast.processed_seconds, 3)
            pong = messages.Pong(id=ping_id, received_seconds=seconds[0], processed_seconds=seconds[1])
        tell(self._wire, pong)

    # --- beginning ------------------------------------------------------------------------------------

    async def _authenticate(self, effect: live.Authenticate) -> None:
        """Find out who it is, then let them in; what they send meanwhile waits."""
        request = self._rules.request
        try:
            vouched = await vouch(self._stage, request, effect, self._wire.address)
            self._seat = vouched.seat
            if self._rules.state is not live.State.CHECKING:
                self._leave_seat()
                return
            admitted = admit(self._stage, request, effect, vouched)
        except NotAdmitted as refusal:
            self._leave_seat()
            self._rules.refuse(refusal.code, str(refusal), refusal.ending, **refusal.fields)
        else:
            self._welcome(admitted, vouched, effect.resume)
            self._rules.go_on(self._stage.now())
        self._wire.resume_reading()
        self.perform()

    def _welcome(self, admitted: Admitted, vouched: Vouched, resume: messages.Resume | None) -> None:
        self._depart()
        session = admitted.session
        self._principal, self._session = admitted.principal, session
        known = session.session_id in self._stage.hub.sessions
        self._stage.hub.enter(session, self)
        self.following = Following(self._stage, self._rules, session, self._wire, admitted.target_lang)
        _OPEN[session.kind].inc()
        log.info("WebSocket connected", extra={"sessionId": session.session_id, "kind": session.kind.value,
                                               "channelId": session.channel.key.channel_id})  # fmt: skip
        if session.own is not None:
            session.own.source = self
        self._enter(admitted, vouched.quota, resume, known=known)

    def _enter(self, admitted: Admitted, quota: messages.Quota | None, resume: messages.Resume | None, *,
               known: bool) -> None:  # fmt: skip
        """Tell the client that it is connected, then what it missed, then let it follow its topic."""
        session, request, following = admitted.session, self._rules.request, self.following
        assert following is not None
        topic = following.topic
        follows = request.kind is not Kind.PUBLISH or request.captions
        missed, resync = missed_by(topic, resume) if resume is not None and follows else (b"", None)
        if follows:
            resumed = resume is not None and resync is None
        else:
            resumed = resume is not None and resume.session_id == session.session_id
        self._rules.admitted(
            connected_message(admitted, following.lang, topic, quota, resumed=resumed), session.started_at
        )
        for effect in self._rules.effects():
            self._perform_one(effect)
        if missed:
            self._wire.write(missed)
        if resync is not None:
            tell(self._wire, resync)
        if follows:
            following.follow(topic)
        if request.kind is not Kind.PUBLISH:
            following.pay(known=known, replayed_after=resume.offset if resume and resync is None else None)

    # --- going ----------------------------------------------------------------------------------------

    def _flush_topic(self) -> None:
        if self.following is not None:
            self.following.flush_topic()

    def _leave_topic(self) -> None:
        if self.following is not None:
            self.following.leave()

    def _leave_place(self) -> None:
        """Be counted no more among the user's sessions."""
        if self._principal is not None:
            self._stage.door.end_session(self._principal)
            self._principal = None
        self._leave_seat()

    def _leave_seat(self) -> None:
        if self._seat is not None:
            self._seat.leave()
            self._seat = None

    def _depart(self) -> None:
        if self._waiting:
            self._waiting = False
            self._stage.door.depart(self._wire.address)


def connected_message(admitted: Admitted, lang: str, topic: Topic, quota: messages.Quota | None, *,
                      resumed: bool) -> messages.Connected:  # fmt: skip
    """Return what a client is told first."""
    session, audio = admitted.session, None
    if session.own is not None:
        audio = messages.AudioTaken(
            bytes=session.payload_bytes, seconds=round(session.own.received_seconds, 3)
        )
    return messages.Connected(
        session_id=session.session_id,
        channel_id=session.channel.key.channel_id,
        source_lang=admitted.source_lang,
        target_lang=lang,
        expires_at=clock.rfc3339(admitted.principal.expires_at),
        quota=quota,
        epoch=topic.epoch,
        offset=topic.offset,
        state=session.channel.publishing.state,
        resumed=resumed,
        audio=audio,
    )
