"""What a client of a live socket is told of its minutes: left, nearly used, spent."""

from typing import Any

from gateway import clock
from sessions import messages
from sessions.periods import Period
from sessions.slices import MediaKind, QuotaSpent
from sessions.usage import Usage, WindowUsage, tightest

UNTIL = {Period.HOUR: "this hour", Period.DAY: "today (UTC)", Period.MONTH: "this month"}


def left(usage: Usage, kind: MediaKind) -> dict[str, Any]:
    """Return the fields that say what a user may still use: of the window that ends a session first."""
    windows = usage.windows[kind].values()
    window = tightest(windows)
    if window is not None:
        return window_fields(usage.plan, kind, window)
    return {
        "plan": usage.plan,
        "kind": kind.value,
        "used_seconds": max(one.used_ms for one in windows) / 1000,
        "limit_seconds": -1.0,
        "remaining_seconds": -1.0,
    }


def window_fields(plan: str, kind: MediaKind, window: WindowUsage) -> dict[str, Any]:
    """Return the same of one window."""
    return {
        "plan": plan,
        "kind": kind.value,
        "used_seconds": window.used_ms / 1000,
        "limit_seconds": window.limit_ms / 1000,
        "remaining_seconds": window.remaining_ms / 1000,
        "window": window.period.value,
        "resets_at": clock.rfc3339(window.resets_at_ms / 1000),
    }


def spent_now(usage: Usage, kind: MediaKind) -> QuotaSpent | None:
    """Return why no session of a kind can begin now; None if one can."""
    window = tightest(usage.windows[kind].values())
    if window is None or window.free_ms is None or window.free_ms > 0:
        return None
    return QuotaSpent(kind, window.period, window.resets_at_ms, held=window.remaining_ms > 0)


def spent_fields(spent: QuotaSpent) -> dict[str, Any]:
    """Return what the error QUOTA_EXCEEDED says besides its sentence."""
    return {
        "kind": spent.kind.value,
        "window": spent.period.value,
        "resets_at": clock.rfc3339(spent.resets_at_ms / 1000),
        "held": spent.held,
    }


def nearly_spent(usage: Usage, kind: MediaKind, period: Period) -> list[messages.ServerMessage]:
    """Return what tells a client that most of a window is used."""
    window = usage.windows[kind][period]
    fields = window_fields(usage.plan, kind, window)
    share = 100 * window.used_ms // max(window.limit_ms, 1)
    warning = messages.Warning(
        code="quota_80",
        message=f"{share} % of your {kind.value} time for {UNTIL[period]} is used; "
        f"it resets at {fields['resets_at']}",
    )
    return [warning, messages.QuotaLeft(**fields)]


def voice_spent(usage: Usage, spent: QuotaSpent) -> list[messages.ServerMessage]:
    """Return what tells a client that its dubbing goes on as subtitles."""
    fields = window_fields(usage.plan, spent.kind, usage.windows[spent.kind][spent.period])
    sentence = f"{spent}; it goes on with subtitles. It resets at {fields['resets_at']}"
    return [messages.QuotaLeft(**fields), messages.Warning(code="dubbing_spent", message=sentence)]
