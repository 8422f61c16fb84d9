"""One live socket: hands what arrives to its rules, and carries out what they decide.

Invariant: a connection is counted from its first byte to its last, in exactly one place at a time: among
those without a token, then among its user's sessions.
"""

import logging
import math
from typing import assert_never

from auth.principal import Principal
from gateway import clock
from gateway.fanout.broadcast import Broadcast
from gateway.fanout.channel import Track
from gateway.fanout.topic import Topic
from gateway.metrics import CLOSES, CONNECTIONS, REFUSALS
from gateway.sockets.admission import Admitted, NotAdmitted, admit, missed_by, source_lang_of
from gateway.sockets.feed import Feed
from gateway.sockets.hub import Session
from gateway.sockets.stage import Stage
from gateway.wire.frames import text_frame
from gateway.wire.interface import Wire
from media.engines.base import primary
from media.intake import NotAudio
from sessions import endings, live, messages
from sessions.live import Kind, LiveSession

log = logging.getLogger(__name__)

ORDINARY_CODES = frozenset({1000, 1001, 1005})
"""Clients that went as they should: counted, and in the log at `debug` only."""

_CLOSED = {ending.code: CLOSES.labels(ending.label) for ending in endings.ENDINGS.values()}
_CLOSED[1006] = CLOSES.labels("lost")
_CLOSED_OTHERWISE = CLOSES.labels("other")
_OPEN = {kind: CONNECTIONS.labels(kind.value) for kind in Kind}


class LiveSocket:
    """A connection to `/publish`, `/subtitles` or `/dubbing`: the receiver of its wire, the source of its
    session's broadcast, the owner of its alarm."""

    __slots__ = (
        "__weakref__", "_alarm_at", "_feed", "_lang", "_paused", "_principal", "_rules",
        "_session", "_stage", "_topic", "_waiting", "_wire",
    )  # fmt: skip

    def __init__(self, stage: Stage, request: live.Request, wire: Wire) -> None:
        self._stage = stage
        self._wire = wire
        self._rules = LiveSession(request, stage.limits, stage.now())
        self._lang = request.target_lang
        self._principal: Principal | None = None
        self._session: Session | None = None
        self._topic: Topic | None = None
        self._feed: Feed | None = None
        self._paused = False
        self._waiting = True
        self._alarm_at = math.inf
        self._arm()

    # --- what the wire brings -------------------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """Take a text message."""
        self._rules.receive_text(text, self._stage.now())
        self._perform()

    def receive_binary(self, payloads: list[bytes]) -> None:
        """Take the binary messages of one read."""
        self._rules.receive_audio(payloads, self._stage.now())
        self._perform()

    def writable(self) -> None:
        """The wire has kept what a slow reader missed, and sent it: nothing to do."""

    def closed(self, code: int) -> None:
        """Let go of everything but the session, which waits for its return."""
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
            self._stage.hub.lost(session)

    def alarm(self, now: float) -> None:
        """Do what is due."""
        self._alarm_at = math.inf
        self._rules.handle_deadline(now)
        self._perform()

    # --- what the hub decides -------------------------------------------------------------------------

    def supersede(self) -> None:
        """Give way to the next connection of this session, or of this publisher."""
        self._leave_place()
        if self._session is not None:
            self._session.socket = None
        self._rules.superseded()
        self._perform()

    def source_known(self, source_lang: str) -> None:
        """The channel's stream has started in `source_lang`: refuse if nothing translates from it."""
        if not self._stage.catalogue.serves(source_lang, self._lang):
            sentence = self._stage.unserved(source_lang, self._lang)
            self._rules.refuse("LANGUAGE_NOT_SERVED", sentence, endings.POLICY,
                               param="target_lang", served=self._stage.served())  # fmt: skip
            self._perform()

    # --- what the broadcast reports -------------------------------------------------------------------

    def stream_finalized(self) -> None:
        """Answer the client's `finalize`."""
        if self._session is not None and self._session.own is not None:
            self._flush_topic()
            self._rules.stream_finalized(self._session.own.received_seconds)
            self._perform()

    def stream_ended(self) -> None:
        """Everything of this session's stream is out."""
        if self._session is not None and self._session.own is not None:
            self._flush_topic()
            seconds = self._session.own.received_seconds
            self._rules.stream_ended(seconds, seconds)
            self._perform()

    def stream_notice(self, message: messages.Gap | messages.Warning) -> None:
        """Pass on what the client should know."""
        self._send(message)

    def stream_writable(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self._wire.resume_reading()

    def stream_failed(self, reason: str) -> None:
        """No worker can go on with this stream."""
        self._rules.refuse("STREAM_FAILED", f"Recognition failed and could not be restarted: {reason}",
                           endings.OUR_FAULT)  # fmt: skip
        self._perform()

    # --- effects --------------------------------------------------------------------------------------

    def _perform(self) -> None:
        while effects := self._rules.effects():
            for effect in effects:
                self._perform_one(effect)
        self._arm()

    def _perform_one(self, effect: live.Effect) -> None:
        match effect:
            case live.TakeAudio():
                self._take_audio(effect.payloads)
            case live.Send():
                self._send(effect.message)
            case live.AnswerPing():
                self._answer_ping(effect.ping_id)
            case live.Authenticate():
                self._authenticate(effect)
            case live.TakeCaption():
                self._take_caption(effect.caption)
            case live.FinalizeStream():
                self._finalize()
            case live.EndStream():
                self._end()
            case live.Retarget():
                self._retarget(effect.target_lang)
            case live.CloseSocket():
                self._close(effect.ending)
            case _:
                assert_never(effect)

    def _arm(self) -> None:
        deadline = self._rules.deadline()
        if deadline < self._alarm_at:
            self._alarm_at = deadline
            self._stage.alarms.set(self, deadline)

    def _send(self, message: messages.ServerMessage) -> None:
        if isinstance(message, messages.Error):
            REFUSALS.labels(message.code).inc()
        self._wire.write(text_frame(message.encoded()))

    def _close(self, ending: endings.Ending) -> None:
        session = self._session
        if session is not None and session.socket is self and not ending.retry:
            self._stage.hub.end(session)
        self._leave_topic()
        self._wire.close(ending.code, ending.reason)

    # --- beginning ------------------------------------------------------------------------------------

    def _authenticate(self, effect: live.Authenticate) -> None:
        try:
            admitted = admit(self._stage, self._rules.request, effect, self._wire.address)
        except NotAdmitted as refusal:
            self._rules.refuse(refusal.code, str(refusal), refusal.ending, **refusal.fields)
            return
        self._depart()
        session = admitted.session
        self._principal, self._session, session.socket = admitted.principal, session, self
        self._lang = admitted.target_lang
        self._stage.hub.sessions[session.session_id] = session
        _OPEN[session.kind].inc()
        log.info("WebSocket connected", extra={"sessionId": session.session_id, "kind": session.kind.value,
                                               "channelId": session.channel.key.channel_id})  # fmt: skip
        if session.own is not None:
            session.own.source = self
        self._enter(admitted, effect.resume)

    def _enter(self, admitted: Admitted, resume: messages.Resume | None) -> None:
        """Tell the client that it is connected, then what it missed, then let it follow its topic."""
        session, request = admitted.session, self._rules.request
        topic = session.channel.topic(self._lang, self._track())
        follows = request.kind is not Kind.PUBLISH or request.captions
        missed, resync = missed_by(topic, resume) if resume is not None and follows else (b"", None)
        if follows:
            resumed = resume is not None and resync is None
        else:
            resumed = resume is not None and resume.session_id == session.session_id
        connected = messages.Connected(
            session_id=session.session_id,
            channel_id=request.channel_id,
            source_lang=admitted.source_lang,
            target_lang=self._lang,
            expires_at=clock.rfc3339(admitted.principal.expires_at),
            quota=messages.Quota(plan=admitted.principal.plan.value, used_seconds=0.0, limit_seconds=-1.0),
            epoch=topic.epoch,
            offset=topic.offset,
            state=session.channel.publishing.state,
            resumed=resumed,
            audio=self._audio_taken(session),
        )
        self._rules.admitted(connected, session.started_at)
        for effect in self._rules.effects():
            self._perform_one(effect)
        if missed:
            self._wire.write(missed)
        if resync is not None:
            self._send(resync)
        if follows:
            self._follow(session, topic)

    def _audio_taken(self, session: Session) -> messages.AudioTaken | None:
        if session.own is None:
            return None
        seconds = round(session.own.received_seconds, 3)
        return messages.AudioTaken(bytes=session.payload_bytes, seconds=seconds)

    def _answer_ping(self, ping_id: int | str | None) -> None:
        assert self._session is not None
        broadcast = self._session.own or self._stage.hub.broadcasts.get(self._session.channel.key)
        pong = messages.Pong(id=ping_id)
        if broadcast is not None and broadcast.received_seconds:
            seconds = round(broadcast.received_seconds, 3), round(broadcast.processed_seconds, 3)
            pong = messages.Pong(id=ping_id, received_seconds=seconds[0], processed_seconds=seconds[1])
        self._send(pong)

    # --- following ------------------------------------------------------------------------------------

    def _track(self) -> Track:
        request = self._rules.request
        if request.kind is not Kind.DUBBING:
            return None
        return "ogg_opus" if request.dub_encoding == "ogg_opus" else "pcm_s16le"

    def _follow(self, session: Session, topic: Topic) -> None:
        self._topic = topic
        topic.join(self._wire, interim=self._rules.request.interim)
        if session.channel.personal:
            assert session.own is not None
            session.own.retarget(self._stage.now())
        elif len(topic) == 1:
            self._stage.hub.retarget(session.channel)

    def _flush_topic(self) -> None:
        if self._topic is not None:
            self._topic.flush()

    def _leave_topic(self) -> None:
        if self._topic is not None:
            self._topic.leave(self._wire)
            self._topic = None

    def _retarget(self, lang: str) -> None:
        session, lang = self._session, primary(lang)
        assert session is not None
        default = self._stage.hub.default_source_lang
        source_lang = source_lang_of(self._rules.request, session.channel, default)
        if not self._stage.catalogue.serves(source_lang, lang):
            self._rules.object_to("LANGUAGE_NOT_SERVED", self._stage.unserved(source_lang, lang),
                                  param="target_lang", served=self._stage.served())  # fmt: skip
        elif self._track() is not None and not self._stage.catalogue.speaks(lang):
            self._rules.object_to("VOICE_NOT_SERVED", f"No voice here speaks {lang}", param="target_lang")
        else:
            self._move_to(session, lang)

    def _move_to(self, session: Session, lang: str) -> None:
        """Follow the topic of `lang` in the session's channel from now on."""
        self._leave_topic()
        self._lang = lang
        topic = session.channel.topic(lang, self._track())
        self._follow(session, topic)
        self._send(messages.Target(target_lang=lang, epoch=topic.epoch, offset=topic.offset))

    # --- bringing -------------------------------------------------------------------------------------

    def _take_audio(self, payloads: live.Payloads) -> None:
        session, now = self._session, self._stage.now()
        assert session is not None
        try:
            if self._feed is None and not self._begin_audio(session):
                return
            assert self._feed is not None
            self._feed.take(payloads, now)
        except NotAudio as refusal:
            self._rules.refuse("NOT_AUDIO", str(refusal), endings.POLICY)
            return
        broadcast = session.own
        assert broadcast is not None
        self._rules.audio_taken(
            session.payload_bytes, broadcast.received_seconds, broadcast.processed_seconds, now
        )
        self._rules.audio_ahead(self._feed.seconds, now)
        self._hold_back(broadcast)

    def _hold_back(self, broadcast: Broadcast) -> None:
        """Read no further while the stream has more than it can pass on."""
        if broadcast.full and not self._paused:
            self._paused = True
            self._wire.pause_reading()

    def _begin_audio(self, session: Session) -> bool:
        """Make ready for audio, of a personal stream if need be; False if nothing here hears its language."""
        request = self._rules.request
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
            self._leave_topic()
            self._stage.hub.start_personal(session, lang).source = self
            self._move_to(session, self._lang)
        return True

    def _take_caption(self, caption: messages.Caption) -> None:
        assert self._session is not None
        assert self._session.own is not None
        self._session.own.take_caption(caption, self._stage.now())
        self._hold_back(self._session.own)

    def _finalize(self) -> None:
        assert self._session is not None
        if self._session.own is None:
            self._rules.stream_finalized(0.0)
        else:
            self._flush_feed()
            self._session.own.finalize()
            self._hold_back(self._session.own)

    def _end(self) -> None:
        assert self._session is not None
        if self._session.own is None:
            self._flush_topic()
            self._rules.stream_ended(0.0, 0.0)
        else:
            self._flush_feed()
            self._session.own.end()

    def _flush_feed(self) -> None:
        if self._feed is not None:
            self._feed.flush(self._stage.now())

    def _leave_place(self) -> None:
        """Be counted no more among the user's sessions."""
        if self._principal is not None:
            self._stage.door.end_session(self._principal)
            self._principal = None

    def _depart(self) -> None:
        if self._waiting:
            self._waiting = False
            self._stage.door.depart(self._wire.address)
