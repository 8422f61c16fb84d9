"""What the one who asks has used and has left. No answer here has a cost."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import clock
from gateway.http.exchange import answer, query_of
from gateway.http.guard import Guard
from gateway.http.shapes import Check, CheckQuery, MyUsage, WindowLeft, Windows
from gateway.stores.usage import UsageBook
from sessions.periods import Period
from sessions.slices import UNLIMITED, MediaKind, charged_at_ms
from sessions.usage import Usage, WindowUsage, tightest


def routes(guard: Guard, usage: UsageBook) -> list[Route]:
    """Return the routes under `/api/v1/live/quota`."""

    async def my_usage(request: Request) -> Response:
        principal = await guard.limited(request)
        found = await usage.of(principal.tenant, principal.user, principal.plan.value, now_ms())
        return answer(usage_body(found))

    async def check(request: Request) -> Response:
        principal = await guard.quota_check(request)
        kind = query_of(request, CheckQuery).kind
        # In the windows that a session which starts now is charged to.
        at_ms = charged_at_ms(now_ms())
        found = await usage.of(principal.tenant, principal.user, principal.plan.value, at_ms)
        return answer(check_body(found, kind))

    return [
        Route("/api/v1/live/quota/my-usage", my_usage, name="my_usage"),
        Route("/api/v1/live/quota/check", check, name="quota_check"),
    ]


def now_ms() -> int:
    """Return ms since the epoch."""
    return int(clock.wall() * 1000)


def moment(at_ms: int) -> str:
    """Return a moment in RFC 3339."""
    return clock.rfc3339(at_ms // 1000)


def seconds(amount_ms: int) -> int | float:
    """Return milliseconds as seconds for JSON; -1, which is no limit, stays -1.

    Exact: up to 10^15 ms the nearest double is written back with the same three decimals.
    """
    if amount_ms == UNLIMITED:
        return UNLIMITED
    whole, rest = divmod(amount_ms, 1000)
    return amount_ms / 1000 if rest else whole


def usage_body(usage: Usage) -> MyUsage:
    """Return what a user is told of the windows."""
    return MyUsage(
        plan=usage.plan,
        subtitles=_windows(usage.windows[MediaKind.SUBTITLES]),
        dubbing=_windows(usage.windows[MediaKind.DUBBING]),
    )


def _windows(windows: Mapping[Period, WindowUsage]) -> Windows:
    return Windows(**{period.value: _left(window) for period, window in windows.items()})


def _left(window: WindowUsage) -> WindowLeft:
    return WindowLeft(
        used_seconds=seconds(window.used_ms),
        limit_seconds=seconds(window.limit_ms),
        remaining_seconds=seconds(window.remaining_ms),
        resets_at=moment(window.resets_at_ms),
    )


def check_body(usage: Usage, kind: MediaKind) -> Check:
    """Return whether a session of a kind could start now."""
    first = tightest(usage.windows[kind].values())
    if first is None or first.free_ms is None:
        return Check(
            allowed=True, kind=kind, plan=usage.plan, remaining_seconds=UNLIMITED, window=None, resets_at=None
        )
    return Check(
        allowed=first.free_ms > 0,
        kind=kind,
        plan=usage.plan,
        remaining_seconds=seconds(first.free_ms),
        window=first.period,
        resets_at=moment(first.resets_at_ms),
    )
