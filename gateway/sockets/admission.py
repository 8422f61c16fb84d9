"""From a first message to a session: who it is, whether they may, and which session goes on.

Invariant: the checks come in a fixed order, cheap ones first, and one that fails has no effect but on the
rates it counts towards.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from auth.crowd import TooManyAtOnce
from auth.principal import Principal
from auth.rate_limits import RateLimited
from auth.tokens import TokenRefused, verify
from gateway import clock
from gateway.fanout.channel import Channel, Key
from gateway.fanout.topic import Topic
from gateway.ids import new_id
from gateway.limits import user_key
from gateway.metrics import AUTHENTICATIONS, RESUMES, Between
from gateway.sockets import quotas
from gateway.sockets.hub import Hub, Session
from gateway.sockets.seats import Seat
from gateway.sockets.stage import Stage, media_kind
from gateway.stores.interface import StoreDown
from sessions import endings, live, messages
from sessions.endings import Ending
from sessions.history import CannotResume
from sessions.live import Kind
from sessions.publishing import ChannelBusy
from sessions.slices import MediaKind, QuotaSpent
from sessions.usage import Usage

log = logging.getLogger(__name__)

_ACCEPTED = Between(AUTHENTICATIONS.labels("accepted"))
_REFUSED = Between(AUTHENTICATIONS.labels("refused"))


class NotAdmitted(Exception):
    """A first message that leads nowhere: error `code`, how the socket ends, more fields of the error."""

    def __init__(self, code: str, message: str, ending: Ending, **fields: object) -> None:
        super().__init__(message)
        self.code = code
        self.ending = ending
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who has come, and may: with what is left of their minutes, where those count, and their seat, where
    several processes count them. The seat is theirs to give back."""

    principal: Principal
    quota: messages.Quota | None
    session_id: str
    seat: Seat | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A session that has begun or goes on. Its user is counted until `DoorLimits.end_session`."""

    principal: Principal
    session: Session
    source_lang: str
    target_lang: str


async def vouch(stage: Stage, request: live.Request, first: live.Authenticate, address: str) -> Vouched:
    """Return who `first` speaks for. Nothing has begun yet. Raises NotAdmitted."""
    principal = _principal(stage, first.token, address)
    if request.kind is Kind.PUBLISH and not principal.may_publish:
        raise NotAdmitted("NOT_ALLOWED", "Publishing needs the role creator or admin", endings.NOT_ALLOWED)
    await _count_connection(stage, principal)
    if stage.hub.archive is not None:
        await stage.hub.archive.prepare(stage.hub.channel(Key(principal.tenant, request.channel_id)))
    quota = None
    if request.kind is not Kind.PUBLISH or stage.metering == "publisher":
        quota = await _quota(stage, request, principal, first.resume)
    session_id = _session_id(stage.hub, request, principal, first.resume)
    return Vouched(principal, quota, session_id, await _seat(stage, principal, session_id))


def admit(stage: Stage, request: live.Request, first: live.Authenticate, vouched: Vouched) -> Admitted:
    """Return the session that `first` begins or resumes. Raises NotAdmitted."""
    principal = vouched.principal
    hub, key = stage.hub, Key(principal.tenant, request.channel_id)
    session = _resumed(hub, request, principal, first.resume)
    if session is None:
        channel = hub.channel(key)
        session = Session(
            _fresh(hub, vouched.session_id), principal.user, principal.tenant, principal.plan.value,
            request.kind, channel, stage.now(),
        )  # fmt: skip
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


async def _count_connection(stage: Stage, principal: Principal) -> None:
    try:
        await stage.door.count_connection(principal)
    except RateLimited as refusal:
        wait_seconds = refusal.retry_after_seconds
        log.info("Rate limited", extra={"user": user_key(principal), "status_code": 429})
        raise NotAdmitted(
            "RATE_LIMITED", str(refusal), endings.TOO_MANY, status=429, retry_after_seconds=wait_seconds
        ) from refusal


def _session_id(hub: Hub, request: live.Request, principal: Principal, resume: messages.Resume | None) -> str:
    """Return the id of the session that this connection will have: its own from before, the one that it takes
    the channel over from, or a new one. Never one that a client made up."""
    before = _resumed(hub, request, principal, resume)
    if before is None and request.kind is Kind.PUBLISH:
        before = hub.publisher_of(Key(principal.tenant, request.channel_id), principal.user)
    return before.session_id if before is not None else new_id("live")


def _fresh(hub: Hub, session_id: str) -> str:
    """Return the id for a session that begins, which may not be that of one that was before it."""
    return new_id("live") if session_id in hub.sessions else session_id


async def _seat(stage: Stage, principal: Principal, session_id: str) -> Seat | None:
    count_max = stage.sessions_max(principal)
    if stage.seats is None or not count_max:
        return None
    seat = await stage.seats.take(principal.tenant, principal.user, session_id, count_max)
    if seat is None:
        raise too_many_sessions(TooManyAtOnce("live sessions", count_max))
    return seat


def too_many_sessions(refusal: TooManyAtOnce) -> NotAdmitted:
    """Return the refusal of one session more than a user may have."""
    return NotAdmitted("TOO_MANY_SESSIONS", str(refusal), endings.TOO_MANY, status=429, retry_after_seconds=5)


async def _quota(
    stage: Stage, request: live.Request, principal: Principal, resume: messages.Resume | None
) -> messages.Quota:
    """Return what is left; refuse one who has nothing left, unless a channel is free to follow."""
    of = media_kind(request.kind)
    try:
        usage = await stage.usage_of(principal, (of,) if of is MediaKind.SUBTITLES else MediaKind)
    except StoreDown as down:
        log.warning("No minutes can be held", extra={"reason": str(down), "status_code": 503})
        raise NotAdmitted(
            "STORE_UNAVAILABLE", "Minutes cannot be counted just now; try again shortly", endings.TRY_LATER,
            status=503, retry_after_seconds=5,
        ) from down  # fmt: skip
    goes_on = partial(_goes_on, stage.hub, request, principal, resume)
    spent = _spent(usage, of, goes_on)
    if spent is not None and of is MediaKind.DUBBING and stage.turns_to_subtitles(principal.plan.value):
        spent = _spent(usage, MediaKind.SUBTITLES, goes_on)
    if spent is not None and (stage.metering == "viewer" or request.kind is Kind.PUBLISH):
        raise NotAdmitted("QUOTA_EXCEEDED", str(spent), endings.SPENT, **quotas.spent_fields(spent))
    return messages.Quota(**quotas.left(usage, of))


def _spent(usage: Usage, kind: MediaKind, goes_on: Callable[[], bool]) -> QuotaSpent | None:
    """Return why none of a kind can be had. Who goes on is not kept out by what its own session holds."""
    spent = quotas.spent_now(usage, kind)
    return None if spent is not None and spent.held and goes_on() else spent


def _goes_on(hub: Hub, request: live.Request, principal: Principal, resume: messages.Resume | None) -> bool:
    key = Key(principal.tenant, request.channel_id)
    if request.kind is Kind.PUBLISH and hub.publisher_of(key, principal.user) is not None:
        return True
    return _resumed(hub, request, principal, resume) is not None


def _count_session(stage: Stage, principal: Principal, before: Session | None) -> None:
    """Count one more session of the user, in the place of `before` if that still has a connection: one that
    broke without a word must not keep its user out."""
    if before is not None and before.socket is not None:
        before.socket.supersede()
    try:
        stage.door.begin_session(principal, stage.sessions_max(principal))
    except TooManyAtOnce as refusal:
        raise too_many_sessions(refusal) from refusal


def _resumed(
    hub: Hub, request: live.Request, principal: Principal, resume: messages.Resume | None
) -> Session | None:
    if resume is None:
        return None
    key = Key(principal.tenant, request.channel_id)
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
