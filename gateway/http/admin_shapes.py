"""What admins ask about minutes, change, and are told; costs are in credits.

Durations are seconds to the millisecond, -1 where there is no limit; moments are RFC 3339 in UTC.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from auth.principal import USER_CHARACTERS_MAX
from gateway.http.shapes import MyUsage, Number
from gateway.stores.cursors import CURSOR_CHARACTERS_MAX
from sessions.periods import Period
from sessions.slices import UNLIMITED, MediaKind

MINUTES_MAX = 10_000_000
PAGE_MAX = 200
HOURS_MAX = 31 * 24
REASON_CHARACTERS_MAX = 500

# PostgreSQL has no texts with the character NUL.
UserName = Annotated[
    str, StringConstraints(min_length=1, max_length=USER_CHARACTERS_MAX, pattern=r"^[^\x00]*$")
]
Reason = Annotated[str, StringConstraints(max_length=REASON_CHARACTERS_MAX, pattern=r"^[^\x00]*$")]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=CURSOR_CHARACTERS_MAX)]
SessionState = Literal["ACTIVE", "COMPLETED", "INTERRUPTED", "EXPIRED", "ENDED_BY_ADMIN"]
PageLimit = Annotated[int, Field(ge=1, le=PAGE_MAX)]


class Body(BaseModel):
    """What is sent; an unknown name is an error, so that a slip is not a silent default."""

    model_config = ConfigDict(extra="forbid")


class PerWindow(BaseModel):
    """A figure for this hour, today and this month (UTC)."""

    hour: Number
    day: Number
    month: Number


class Minutes(BaseModel):
    """Minutes by what they are of, to a thousandth."""

    subtitles: PerWindow
    dubbing: PerWindow


class TopUserRow(BaseModel):
    """One of those who cost the most this month."""

    user: str
    subtitles_seconds: Number
    dubbing_seconds: Number
    cost: Number


class SystemStatsBody(BaseModel):
    """How the tenant is doing at `timestamp`: `sessions` counts today's by state, `total_cost` is this
    month's in credits, `degraded` names parts of the server that are lost, with the reason."""

    timestamp: str
    active_sessions: int
    sessions: dict[SessionState, int]
    minutes: Minutes
    total_cost: Number
    cost: PerWindow
    top_users: list[TopUserRow]
    degraded: dict[str, str]


class TimelineQuery(BaseModel):
    """How many hours back, this one included."""

    hours: Annotated[int, Field(ge=1, le=HOURS_MAX)] = 24


class TimelinePoint(BaseModel):
    """One hour, by its beginning."""

    hour: str
    subtitles_seconds: Number
    dubbing_seconds: Number
    cost: Number
    sessions: int


class Timeline(BaseModel):
    """Every hour, the oldest first."""

    points: list[TimelinePoint]


class UserQuery(BaseModel):
    """Whose."""

    user: UserName


class UserUsage(MyUsage):
    """A user's usage with what it cost, in credits. The plan is that of the latest session."""

    user: str
    cost: PerWindow


class PageQuery(BaseModel):
    """Which page of a list."""

    limit: PageLimit = 50
    cursor: Cursor | None = None


class AuditEntry(BaseModel):
    """What an admin changed."""

    id: str
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    occurred_at: str


class Audit(BaseModel):
    """A page of the audit log, the newest first."""

    audit: list[AuditEntry]
    next_cursor: str | None


class SessionQuery(PageQuery):
    """Which sessions: of one state, of one user."""

    state: SessionState | None = None
    user: UserName | None = None


class SessionRow(BaseModel):
    """A live session, or one that was."""

    session_id: str
    user: str
    channel_id: str
    kind: str
    plan: str
    state: SessionState
    started_at: str
    active_at: str
    ended_at: str | None
    end_reason: str | None
    media_seconds: Number


class Sessions(BaseModel):
    """A page of sessions, the newest first."""

    sessions: list[SessionRow]
    next_cursor: str | None


# --- what an admin changes --------------------------------------------------------------------------------


class EndSession(Body):
    """Why a session is ended; it is told to nobody but the audit log."""

    reason: Reason = ""


class SessionEnded(BaseModel):
    """The session, which ends within seconds."""

    ok: Literal[True] = True
    session: SessionRow


class GrantBody(Body):
    """Minutes for a user, besides the limit, until their window ends; without `window` in this hour, today
    and this month."""

    user: UserName
    kind: MediaKind
    minutes: Annotated[int, Field(ge=1, le=MINUTES_MAX, strict=True)]
    window: Period | None = None
    reason: Reason = ""


class Granted(BaseModel):
    """Minutes were given; `usage` is what the user has now."""

    ok: Literal[True] = True
    grant_id: str
    usage: MyUsage


class ResetBody(Body):
    """Count a user's window from zero again; what live sessions use goes on counting."""

    user: UserName
    kind: MediaKind
    window: Period
    reason: Reason = ""


class WasReset(BaseModel):
    """The window was set back; `usage` is what the user has now."""

    ok: Literal[True] = True
    reset_id: str
    usage: MyUsage


class OverridePlace(Body):
    """Whose limit: without `user` everybody's in the tenant."""

    user: UserName | None = None
    kind: MediaKind
    window: Period


class OverrideBody(OverridePlace):
    """A limit in the place of the plan's; -1 is no limit, 0 nothing at all."""

    minutes: Annotated[int, Field(ge=UNLIMITED, le=MINUTES_MAX, strict=True)]


class OverrideQuery(PageQuery):
    """Whose overrides; without `user` all of the tenant."""

    user: UserName | None = None


class OverrideRow(BaseModel):
    """A limit that stands in the place of the plan's; `user` is null for everybody in the tenant."""

    user: str | None
    kind: MediaKind
    window: Period
    minutes: Number
    actor: str
    changed_at: str


class Overrides(BaseModel):
    """A page of overrides."""

    overrides: list[OverrideRow]
    next_cursor: str | None


class OverrideSet(BaseModel):
    """The limit that counts from the next slice on."""

    ok: Literal[True] = True
    override: OverrideRow


class Done(BaseModel):
    """It is done."""

    ok: Literal[True] = True
