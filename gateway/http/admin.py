"""What admins see of their tenant and do to its sessions: figures with their cost, lists, the audit log.

Invariant: every query is bound to the admin's own tenant; the id of another's session answers as one that
never was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.admin_shapes import (
    Audit,
    AuditEntry,
    EndSession,
    Minutes,
    PageQuery,
    PerWindow,
    SessionEnded,
    SessionQuery,
    SessionRow,
    Sessions,
    SystemStatsBody,
    Timeline,
    TimelinePoint,
    TimelineQuery,
    TopUserRow,
    UserQuery,
    UserUsage,
)
from gateway.http.errors import Refused
from gateway.http.exchange import answer, body_of, query_of
from gateway.http.grants import PREFIX
from gateway.http.guard import Guard
from gateway.http.usage import moment, now_ms, seconds, usage_body
from gateway.ids import new_id
from gateway.stores import cursors, sessions
from gateway.stores.audit_rows import AuditLog
from gateway.stores.interface import Database
from gateway.stores.statistics import MINUTE_MS, Amount, Amounts, HourPoint, Statistics, SystemStats
from gateway.stores.usage import UsageBook
from sessions.lifetimes import Bounds, EndRequested, LiveSession, State
from sessions.periods import Period
from sessions.slices import MediaKind

MICRO = 1_000_000
SESSION_ID_CHARACTERS_MAX = 64


@dataclass(frozen=True, slots=True)
class Records:
    """What admins look at; `degraded` says which parts of the server are lost, `bounds` are those that
    sessions live by."""

    database: Database
    usage: UsageBook
    statistics: Statistics
    audit: AuditLog
    bounds: Bounds
    degraded: Callable[[], Mapping[str, str]]


def routes(guard: Guard, records: Records) -> list[Route]:
    """Return the routes under `/api/v1/admin/live-quotas` that change no minutes."""
    return [*_figures(guard, records), *_sessions(guard, records)]


def _figures(guard: Guard, records: Records) -> list[Route]:
    async def system_stats(request: Request) -> Response:
        principal = await guard.admin(request)
        stats = await records.statistics.system(principal.tenant, now_ms())
        return answer(stats_body(stats, records.degraded()))

    async def timeline(request: Request) -> Response:
        principal = await guard.admin(request)
        hours = query_of(request, TimelineQuery).hours
        points = await records.statistics.timeline(principal.tenant, hours, now_ms())
        return answer(Timeline(points=[point_body(point) for point in points]))

    async def usage(request: Request) -> Response:
        principal = await guard.admin(request)
        user, at_ms = query_of(request, UserQuery).user, now_ms()
        found = await records.usage.of_somebody(principal.tenant, user, at_ms)
        amounts = await records.statistics.of_user(principal.tenant, user, at_ms)
        shown = usage_body(found)
        return answer(
            UserUsage(
                user=user, plan=shown.plan, subtitles=shown.subtitles, dubbing=shown.dubbing,
                cost=cost_body(amounts),
            )
        )  # fmt: skip

    async def audit(request: Request) -> Response:
        principal = await guard.admin(request)
        query = query_of(request, PageQuery)
        try:
            page = await records.audit.page(principal.tenant, query.limit, query.cursor)
        except cursors.BadCursor as error:
            raise Refused(422, "INVALID", f"cursor: {error}", param="cursor") from error
        entries = [
            AuditEntry(
                id=row.id, actor=row.actor, action=row.action, target=row.target, detail=row.detail,
                occurred_at=moment(row.occurred_at_ms),
            )
            for row in page.rows
        ]  # fmt: skip
        return answer(Audit(audit=entries, next_cursor=page.next_cursor))

    return [
        Route(f"{PREFIX}/system-stats", system_stats, name="system_stats"),
        Route(f"{PREFIX}/timeline", timeline, name="timeline"),
        Route(f"{PREFIX}/usage", usage, name="user_usage"),
        Route(f"{PREFIX}/audit", audit, name="audit"),
    ]


def _sessions(guard: Guard, records: Records) -> list[Route]:
    async def listed(request: Request) -> Response:
        principal = await guard.admin(request)
        query = query_of(request, SessionQuery)
        wanted = sessions.Wanted(State(query.state) if query.state else None, query.user)
        try:
            found, next_cursor = await records.database.read(
                lambda c: sessions.page(c, principal.tenant, wanted, query.limit, query.cursor)
            )
        except cursors.BadCursor as error:
            raise Refused(422, "INVALID", f"cursor: {error}", param="cursor") from error
        return answer(Sessions(sessions=[session_row(row) for row in found], next_cursor=next_cursor))

    async def one(request: Request) -> Response:
        principal = await guard.admin(request)
        session_id = _session_id(request)
        found = await records.database.read(lambda c: sessions.one(c, principal.tenant, session_id))
        if found is None:
            raise _no_session()
        return answer(session_row(found))

    async def end(request: Request) -> Response:
        principal = await guard.admin(request)
        body = await body_of(request, EndSession, optional=True)
        session_id, asked = _session_id(request), EndRequested(principal.user, now_ms())
        audit_id = new_id("end")
        try:
            found = await records.database.write(
                lambda c: sessions.request_end(
                    c, principal.tenant, session_id, asked, reason=body.reason, audit_id=audit_id,
                    bounds=records.bounds,
                )
            )  # fmt: skip
        except sessions.UnknownSession as error:
            raise _no_session() from error
        except sessions.Over as error:
            state = error.session.state.value
            raise Refused(409, "ALREADY_ENDED", f"The session is over: {state}", state=state) from error
        return answer(SessionEnded(session=session_row(found)))

    return [
        Route(f"{PREFIX}/sessions", listed, name="sessions"),
        Route(f"{PREFIX}/sessions/{{session_id}}", one, name="session"),
        Route(f"{PREFIX}/sessions/{{session_id}}/end", end, methods=["POST"], name="end_session"),
    ]


def _session_id(request: Request) -> str:
    session_id: str = request.path_params["session_id"]
    # What no session can be called is not asked for: PostgreSQL has no texts with the character NUL.
    if len(session_id) > SESSION_ID_CHARACTERS_MAX or "\0" in session_id:
        raise _no_session()
    return session_id


def _no_session() -> Refused:
    return Refused(404, "NOT_FOUND", "There is no such session")


def in_credits(amount_micro: int) -> int | float:
    """Return micro-credits as credits for JSON; exact up to 10^15."""
    whole, rest = divmod(amount_micro, MICRO)
    return amount_micro / MICRO if rest else whole


def minutes(amount_ms: int) -> int | float:
    """Return milliseconds as minutes for JSON, to a thousandth, half up."""
    whole, rest = divmod((amount_ms + MINUTE_MS // 2000) * 1000 // MINUTE_MS, 1000)
    return whole + rest / 1000 if rest else whole


def cost_body(amounts: Amounts) -> PerWindow:
    """Return the cost of all kinds together, by window."""
    total = _total(amounts)
    return PerWindow(**{period.value: in_credits(total[period].cost_micro) for period in Period})


def _total(amounts: Amounts) -> dict[Period, Amount]:
    return {
        period: sum((windows[period] for windows in amounts.values()), Amount()) for period in Period
    }  # fmt: skip


def stats_body(stats: SystemStats, degraded: Mapping[str, str]) -> SystemStatsBody:
    """Return what an admin is told of the tenant."""
    by_kind = {
        kind.value: PerWindow(
            **{period.value: minutes(amount.quantity_ms) for period, amount in windows.items()}
        )
        for kind, windows in stats.amounts.items()
    }
    return SystemStatsBody(
        timestamp=moment(stats.at_ms),
        active_sessions=stats.active_sessions,
        sessions={state.value: count for state, count in stats.sessions.items()},
        minutes=Minutes(**by_kind),
        total_cost=in_credits(_total(stats.amounts)[Period.MONTH].cost_micro),
        cost=cost_body(stats.amounts),
        top_users=[
            TopUserRow(
                user=user.subject,
                subtitles_seconds=seconds(user.quantities_ms[MediaKind.SUBTITLES]),
                dubbing_seconds=seconds(user.quantities_ms[MediaKind.DUBBING]),
                cost=in_credits(user.cost_micro),
            )
            for user in stats.top_users
        ],
        degraded=dict(degraded),
    )


def point_body(point: HourPoint) -> TimelinePoint:
    """Return what an admin is told of an hour."""
    total = sum(point.amounts.values(), Amount())
    return TimelinePoint(
        hour=moment(point.start_ms),
        subtitles_seconds=seconds(point.amounts[MediaKind.SUBTITLES].quantity_ms),
        dubbing_seconds=seconds(point.amounts[MediaKind.DUBBING].quantity_ms),
        cost=in_credits(total.cost_micro),
        sessions=point.sessions,
    )


def session_row(session: LiveSession) -> SessionRow:
    """Return what an admin is told of a session."""
    return SessionRow(
        session_id=session.id,
        user=session.subject,
        channel_id=session.channel_id,
        kind=session.kind,
        plan=session.plan,
        state=session.state.value,
        started_at=moment(session.started_at_ms),
        active_at=moment(session.active_at_ms),
        ended_at=None if session.ended_at_ms is None else moment(session.ended_at_ms),
        end_reason=session.end_reason,
        media_seconds=seconds(session.media_ms),
    )
