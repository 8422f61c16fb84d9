"""The life of a stored session: from its start to the one way in which it ends, and back from a loss.

    state            what happens              then
    ---------------  ------------------------  -----------------------------------------------------------
    ACTIVE           Touched, Resumed          ACTIVE, with a later deadline
    ACTIVE           Ended                     as its process says: COMPLETED, INTERRUPTED, EXPIRED,
                                               ENDED_BY_ADMIN
    ACTIVE           OwnerGone                 INTERRUPTED, or ENDED_BY_ADMIN if an admin had asked for it
    ACTIVE           DeadlinePassed            EXPIRED at its longest length, INTERRUPTED after idling
    ACTIVE           EndRequested              ACTIVE, noted for the process that has it
    INTERRUPTED      Resumed, within grace     ACTIVE
    INTERRUPTED      Resumed, later            SessionOver
    INTERRUPTED      Touched by its process    ACTIVE if it was taken for gone (reason `process_lost`)
    INTERRUPTED      Ended                     as its process says, which was not gone after all
    INTERRUPTED      EndRequested              ENDED_BY_ADMIN
    INTERRUPTED      OwnerGone, DeadlinePassed as it was
    the other three  Resumed, EndRequested     SessionOver
    the other three  anything else             as it was, with the media that is reported late

Invariant: a session that is COMPLETED, EXPIRED or ENDED_BY_ADMIN stays so; `active_at_ms` and `media_ms`
never go back. Times are milliseconds since the epoch.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

NEVER_MS = 253_370_764_800_000
"""The deadline of a session that has none: the year 9999, which both databases can store and sort."""

PROCESS_LOST = "process_lost"
IDLE = "idle"
SESSION_TOO_LONG = "session_too_long"
BY_ADMIN = "ended_by_admin"


class State(StrEnum):
    """Where a session is in its life."""

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INTERRUPTED = "INTERRUPTED"
    EXPIRED = "EXPIRED"
    ENDED_BY_ADMIN = "ENDED_BY_ADMIN"

    @property
    def over(self) -> bool:
        """Whether nothing brings the session back."""
        return self not in (State.ACTIVE, State.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The longest length of a session, the longest time without activity, and how long a lost one may be
    resumed, in milliseconds; 0 is no bound."""

    length_ms_max: int = 120 * 60_000
    idle_ms_max: int = 30 * 60_000
    grace_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A live session as it is stored. `boot_id` is the life of the process that has it, `media_ms` how much
    media it was sent or has brought."""

    id: str
    tenant_id: str
    subject: str
    channel_id: str
    kind: str
    plan: str
    boot_id: str
    started_at_ms: int
    active_at_ms: int
    state: State = State.ACTIVE
    ended_at_ms: int | None = None
    end_reason: str | None = None
    end_requested_by: str | None = None
    media_ms: int = 0


@dataclass(frozen=True, slots=True)
class Touched:
    """Its process saw something of it: media so far, in all."""

    boot_id: str
    at_ms: int
    media_ms: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """A process has it again, after its client or its former process was lost."""

    boot_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Its process says that it is over, and how; `reason` is a label for people."""

    state: State
    reason: str
    at_ms: int
    media_ms: int

    def __post_init__(self) -> None:
        assert self.state is not State.ACTIVE


@dataclass(frozen=True, slots=True)
class OwnerGone:
    """The process that had it is gone."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Somebody found that its deadline is over, by a clock that says `at_ms`."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class EndRequested:
    """An admin wants it to end."""

    actor: str
    at_ms: int


Event = Touched | Resumed | Ended | OwnerGone | DeadlinePassed | EndRequested


class SessionOver(Exception):
    """The session is over for good, or was lost too long ago to be resumed; `session` is how it ended."""

    def __init__(self, session: LiveSession) -> None:
        super().__init__(f"The session is over ({session.state.value}): start a new one")
        self.session = session


def deadline_ms(session: LiveSession, bounds: Bounds) -> int:
    """Return when a session has to end unless it is touched: min(start + length, activity + idling)."""
    return min(
        session.started_at_ms + bounds.length_ms_max if bounds.length_ms_max else NEVER_MS,
        session.active_at_ms + bounds.idle_ms_max if bounds.idle_ms_max else NEVER_MS,
    )


def step(session: LiveSession, event: Event, bounds: Bounds) -> LiveSession:
    """Return the session after an event, as the table above has it. Raises SessionOver."""
    match event:
        case Touched():
            return _touched(session, event)
        case Resumed():
            return _resumed(session, event, bounds)
        case Ended():
            ended = _with_media(session, session.active_at_ms, event.media_ms)
            return ended if session.state.over else _over(ended, event.state, event.reason, event.at_ms)
        case OwnerGone():
            return _owner_gone(session, event)
        case DeadlinePassed():
            return _deadline_passed(session, event, bounds)
        case EndRequested():
            return _end_requested(session, event)
        case _:
            assert_never(event)


def _with_media(session: LiveSession, at_ms: int, media_ms: int) -> LiveSession:
    if at_ms <= session.active_at_ms and media_ms <= session.media_ms:
        return session
    return replace(
        session,
        active_at_ms=max(session.active_at_ms, at_ms),
        media_ms=max(session.media_ms, media_ms),
    )


def _over(session: LiveSession, state: State, reason: str, at_ms: int) -> LiveSession:
    return replace(session, state=state, end_reason=reason, ended_at_ms=max(at_ms, session.started_at_ms))


def _active(session: LiveSession, boot_id: str, at_ms: int) -> LiveSession:
    return replace(
        session,
        state=State.ACTIVE,
        boot_id=boot_id,
        active_at_ms=max(session.active_at_ms, at_ms),
        ended_at_ms=None,
        end_reason=None,
    )


def _touched(session: LiveSession, event: Touched) -> LiveSession:
    wrongly_lost = session.state is State.INTERRUPTED and session.end_reason == PROCESS_LOST
    if session.state is State.ACTIVE or wrongly_lost:
        session = _active(session, event.boot_id, event.at_ms)
        return _with_media(session, event.at_ms, event.media_ms)
    return _with_media(session, session.active_at_ms, event.media_ms)


def _resumed(session: LiveSession, event: Resumed, bounds: Bounds) -> LiveSession:
    if session.state is State.ACTIVE:
        return _active(session, event.boot_id, event.at_ms)
    if session.state is State.INTERRUPTED and session.ended_at_ms is not None:
        lost_ms = event.at_ms - session.ended_at_ms
        if not bounds.grace_ms or lost_ms <= bounds.grace_ms:
            return _active(session, event.boot_id, event.at_ms)
    raise SessionOver(session)


def _owner_gone(session: LiveSession, event: OwnerGone) -> LiveSession:
    if session.state is not State.ACTIVE:
        return session
    if session.end_requested_by is not None:
        return _over(session, State.ENDED_BY_ADMIN, BY_ADMIN, event.at_ms)
    return _over(session, State.INTERRUPTED, PROCESS_LOST, event.at_ms)


def _deadline_passed(session: LiveSession, event: DeadlinePassed, bounds: Bounds) -> LiveSession:
    if session.state is not State.ACTIVE or event.at_ms < deadline_ms(session, bounds):
        return session
    if bounds.length_ms_max and event.at_ms >= session.started_at_ms + bounds.length_ms_max:
        return _over(session, State.EXPIRED, SESSION_TOO_LONG, event.at_ms)
    return _over(session, State.INTERRUPTED, IDLE, event.at_ms)


def _end_requested(session: LiveSession, event: EndRequested) -> LiveSession:
    if session.state.over:
        raise SessionOver(session)
    asked = replace(session, end_requested_by=session.end_requested_by or event.actor)
    if session.state is State.ACTIVE:
        return asked
    return _over(asked, State.ENDED_BY_ADMIN, BY_ADMIN, event.at_ms)
