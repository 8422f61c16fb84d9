"""From a first message to a session: who it is, whether they may, and which session goes on.

Invariant: the checks come in a fixed order, cheap ones first, and one that fails has no effect but on the
rates it counts towards.
"""

import logging
from dataclasses import dataclass

from auth.crowd import TooManyAtOnce
from auth.principal import Principal
from auth.rate_limits import RateLimited
from auth.tokens import TokenRefused, verify
from gateway import clock
from gateway.fanout.channel import Channel, Key
from gateway.fanout.topic import Topic
from gateway.ids import new_id
from gateway.metrics import AUTHENTICATIONS, RESUMES
from gateway.sockets.hub import Hub, Session
from gateway.sockets.limits import user_key
from gateway.sockets.stage import Stage
from sessions import endings, live, messages
from sessions.endings import Ending
from sessions.history import CannotResume
from sessions.live import Kind
from sessions.publishing import ChannelBusy

log = logging.getLogger(__name__)

_ACCEPTED = AUTHENTICATIONS.labels("accepted")
_REFUSED = AUTHENTICATIONS.labels("refused")


class NotAdmitted(Exception):
    """A first message that leads nowhere: error `code`, how the socket ends, more fields of the error."""

    def __init__(self, code: str, message: str, ending: Ending, **fields: object) -> None:
        super().__init__(message)
        self.code = code
        self.ending = ending
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Admitted:
    """A session that has begun or goes on. Its user is counted until `DoorLimits.end_session`."""

    principal: Principal
    session: Session
    source_lang: str
    target_lang: str


def admit(stage: Stage, request: live.Request, first: live.Authenticate, address: str) -> Admitted:
    """Return the session that `first` begins or resumes. Raises NotAdmitted."""
    principal = _principal(stage, first.token, address)
    if request.kind is Kind.PUBLISH and not principal.may_publish:
        raise NotAdmitted("NOT_ALLOWED", "Publishing needs the role creator or admin", endings.NOT_ALLOWED)
    _count_connection(stage, principal)
    hub, key = stage.hub, Key(principal.tenant, request.channel_id)
    session = _resumed(hub, request, principal, first.resume, key)
    if session is None:
        channel = hub.channel(key)
        session = Session(
            new_id("live"), principal.user, principal.tenant, request.kind, channel, stage.now()
        )
    source_lang = source_lang_of(request, session.channel, hub.default_source_lang)
    if request.kind is Kind.PUBLISH:
        _count_session(stage, principal, hub.publisher_of(key, principal.user))
        _publish(stage, principal, session, source_lang)
        return Admitted(principal, session, source_lang, source_lang)
    _check_languages(stage, request, source_lang)
    _count_session(stage, principal, session)
    return Admitted(principal, session, source_lang, request.target_lang)


def source_lang_of(request: live.Request, channel: Channel, default: str) -> str:
    """Return the language that is spoken: the stream's if one is or was on, else the one asked for."""
    if request.kind is not Kind.PUBLISH and channel.publishing.state != "waiting":
        return channel.source_lang
    return request.source_lang or default


def missed_by(topic: Topic, resume: messages.Resume) -> tuple[bytes, messages.Resync | None]:
    """Return the frames that a client at `resume` has missed, or the message that they cannot be had."""
    try:
        missed = topic.missed(resume.epoch, resume.offset)
    except CannotResume as refusal:
        RESUMES.labels(refusal.reason).inc()
        return b"", messages.Resync(reason=refusal.reason, epoch=topic.epoch, offset=topic.offset)
    RESUMES.labels("recovered").inc()
    return missed, None


def _principal(stage: Stage, token: str, address: str) -> Principal:
    try:
        principal = verify(stage.keys, token, now=clock.wall())
    except TokenRefused as refusal:
        _REFUSED.inc()
        details = {"reason": refusal.reason, "status_code": 401, "address": address}
        log.info("Authentication failed", extra=details)
        raise NotAdmitted("INVALID_TOKEN", "Invalid or expired token", endings.NOT_AUTHENTICATED) from refusal
    _ACCEPTED.inc()
    return principal


def _count_connection(stage: Stage, principal: Principal) -> None:
    try:
        stage.door.connections.admit(user_key(principal), stage.now())
    except RateLimited as refusal:
        wait_seconds = refusal.retry_after_seconds
        log.info("Rate limited", extra={"user": user_key(principal), "status_code": 429})
        raise NotAdmitted(
            "RATE_LIMITED", str(refusal), endings.TOO_MANY, status=429, retry_after_seconds=wait_seconds
        ) from refusal


def _count_session(stage: Stage, principal: Principal, before: Session | None) -> None:
    """Count one more session of the user, in the place of `before` if that still has a connection: one that
    broke without a word must not keep its user out."""
    if before is not None and before.socket is not None:
        before.socket.supersede()
    try:
        stage.door.begin_session(principal)
    except TooManyAtOnce as refusal:
        raise NotAdmitted(
            "TOO_MANY_SESSIONS", str(refusal), endings.TOO_MANY, status=429, retry_after_seconds=5
        ) from refusal


def _resumed(
    hub: Hub, request: live.Request, principal: Principal, resume: messages.Resume | None, key: Key
) -> Session | None:
    if resume is None:
        return None
    return hub.session_of(resume.session_id, principal.user, principal.tenant, request.kind, key)


def _publish(stage: Stage, principal: Principal, session: Session, source_lang: str) -> None:
    try:
        stage.hub.publish(session, source_lang)
    except ChannelBusy as refusal:
        stage.door.end_session(principal)
        raise NotAdmitted("CHANNEL_BUSY", str(refusal), endings.NOT_ALLOWED) from refusal


def _check_languages(stage: Stage, request: live.Request, source_lang: str) -> None:
    if not stage.catalogue.serves(source_lang, request.target_lang):
        raise NotAdmitted(
            "LANGUAGE_NOT_SERVED",
            stage.unserved(source_lang, request.target_lang),
            endings.POLICY,
            param="target_lang",
            served=stage.served(),
        )
    if request.kind is Kind.DUBBING and not stage.catalogue.speaks(request.target_lang):
        raise NotAdmitted(
            "VOICE_NOT_SERVED",
            f"No voice here speaks {request.target_lang}; subtitles in it are served",
            endings.POLICY,
            param="target_lang",
        )
