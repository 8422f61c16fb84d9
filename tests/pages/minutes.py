"""The minutes of the stage: answers the API of minutes in its shapes, from figures that a test sets."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway import clock
from tests.pages.channel import Message, claims_of

KINDS = ("subtitles", "dubbing")
WINDOWS = ("hour", "day", "month")
LIMITS = {
    "subtitles": {"hour": 60, "day": 240, "month": 3000},
    "dubbing": {"hour": 20, "day": 60, "month": 600},
}
ADMIN = "/api/v1/admin/live-quotas"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.fromtimestamp(clock.wall(), UTC)


@dataclass(frozen=True)
class Call:
    """One request that came."""

    method: str
    path: str
    query: dict[str, str]
    body: Message
    key: str
    user: str


@dataclass
class Minutes:
    """Seconds by (kind, window), sessions and deeds; `failing` answers before anything else does."""

    plan: str = "pro"
    used: dict[tuple[str, str], float] = field(default_factory=dict)
    limits: dict[tuple[str, str], float] = field(default_factory=dict)
    resets: dict[str, timedelta] = field(
        default_factory=lambda: {
            "hour": timedelta(minutes=23),
            "day": timedelta(hours=9, minutes=23),
            "month": timedelta(days=9, hours=9),
        }
    )
    sessions: list[Message] = field(default_factory=list)
    points: list[Message] = field(default_factory=list)
    overrides: list[Message] = field(default_factory=list)
    audit: list[Message] = field(default_factory=list)
    degraded: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    granted: dict[str, Message] = field(default_factory=dict)
    failing: list[tuple[int, Message]] = field(default_factory=list)
    down: bool = False
    lose_answers: int = 0
    page: int = 50
    begun: datetime = field(default_factory=now)

    def routes(self) -> list[Route]:
        """What is mounted on the stage."""
        paths = {
            "/api/v1/live/quota/my-usage": (["GET"], self._my_usage),
            f"{ADMIN}/system-stats": (["GET"], self._stats),
            f"{ADMIN}/timeline": (["GET"], self._timeline),
            f"{ADMIN}/sessions": (["GET"], self._sessions),
            f"{ADMIN}/sessions/{{id}}/end": (["POST"], self._end),
            f"{ADMIN}/grants": (["POST"], self._grant),
            f"{ADMIN}/reset": (["POST"], self._reset),
            f"{ADMIN}/overrides": (["GET", "PUT", "DELETE"], self._overrides),
            f"{ADMIN}/usage": (["GET"], self._usage_of),
            f"{ADMIN}/audit": (["GET"], self._audit),
        }
        return [
            Route(path, self._guarded(path, answer), methods=methods)
            for path, (methods, answer) in paths.items()
        ]

    def asked(self, end: str, method: str = "GET") -> list[Call]:
        """The requests whose path ends so."""
        return [call for call in self.calls if call.path.endswith(end) and call.method == method]

    def spend(self, kind: str, seconds: float, *windows: str) -> None:
        """Use so much in the windows (default: in all three)."""
        for window in windows or WINDOWS:
            self.used[kind, window] = self.used.get((kind, window), 0.0) + seconds

    def usage(self) -> Message:
        """What `my-usage` answers."""
        return {"plan": self.plan} | {
            kind: {window: self._figure(kind, window) for window in WINDOWS} for kind in KINDS
        }

    def _figure(self, kind: str, window: str) -> Message:
        used = self.used.get((kind, window), 0.0)
        limit = self.limits.get((kind, window), LIMITS[kind][window] * 60.0)
        at = self.begun + self.resets[window]
        return {
            "used_seconds": round(used, 3),
            "limit_seconds": limit,
            "remaining_seconds": -1 if limit < 0 else max(0.0, round(limit - used, 3)),
            "resets_at": at.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        }

    def _guarded(self, path: str, answer: Any) -> Any:
        async def guarded(request: Request) -> Response:
            claims = claims_of(request.headers.get("authorization", "").removeprefix("Bearer "))
            text = await request.body()
            body = json.loads(text) if text else {}
            who = claims["sub"] if claims else ""
            key = request.headers.get("idempotency-key", "")
            call = Call(request.method, request.url.path, dict(request.query_params), body, key, who)
            self.calls.append(call)
            if self.down:
                await asyncio.sleep(3600)
            if claims is None:
                return refusal(401, "NOT_AUTHENTICATED", "Send an access token: Authorization: Bearer ...")
            if self.failing:
                status, fields = self.failing.pop(0)
                return refusal(status, **fields)
            if path.startswith(ADMIN) and "admin" not in claims["roles"]:
                return refusal(403, "NOT_ALLOWED", "This needs the role admin.")
            return JSONResponse(*answer(call, request.path_params))

        return guarded

    def _my_usage(self, _call: Call, _path: Message) -> tuple[Message]:
        return (self.usage(),)

    def _usage_of(self, call: Call, _path: Message) -> tuple[Message]:
        return (
            self.usage() | {"user": call.query["user"], "cost": {"hour": 0.3, "day": 1.1, "month": 12.75}},
        )

    def _stats(self, _call: Call, _path: Message) -> tuple[Message]:
        live = [row for row in self.sessions if row["state"] == "ACTIVE"]
        states = [row["state"] for row in self.sessions]
        return (
            {
                "timestamp": now().isoformat(),
                "active_sessions": len(live),
                "sessions": {state: states.count(state) for state in sorted(set(states))},
                "minutes": {
                    "subtitles": {"hour": 184.25, "day": 1210.5, "month": 22184.0},
                    "dubbing": {"hour": 21.0, "day": 203.75, "month": 3120.2},
                },
                "total_cost": 318.42,
                "cost": {"hour": 2.81, "day": 18.2, "month": 318.42},
                "top_users": [
                    {"user": "dana", "subtitles_seconds": 50400.5, "dubbing_seconds": 7260.0, "cost": 11.37},
                    {"user": "=2+5", "subtitles_seconds": 9000.0, "dubbing_seconds": 0.0, "cost": 1.5},
                ],
                "degraded": self.degraded,
            },
        )

    def _timeline(self, call: Call, _path: Message) -> tuple[Message]:
        return ({"points": self.points[-int(call.query["hours"]) :]},)

    def _sessions(self, call: Call, _path: Message) -> tuple[Message]:
        wanted = [
            row
            for row in self.sessions
            if call.query.get("state", row["state"]) == row["state"]
            and call.query.get("user", row["user"]) == row["user"]
        ]
        start = int(call.query.get("cursor", 0))
        end = start + min(self.page, int(call.query["limit"]))
        return ({"sessions": wanted[start:end], "next_cursor": str(end) if end < len(wanted) else None},)

    def _end(self, call: Call, path: Message) -> tuple[Message, int]:
        (row,) = [row for row in self.sessions if row["session_id"] == path["id"]]
        if row["state"] != "ACTIVE":
            return error_body("ALREADY_ENDED", "This session has ended."), 409
        row |= {"state": "ENDED_BY_ADMIN", "ended_at": row["active_at"], "end_reason": "admin"}
        self._deed(call, "session.end")
        return {"ok": True, "session": row}, 200

    def _grant(self, call: Call, _path: Message) -> tuple[Message, int]:
        if call.body["user"] == "nobody":
            return error_body("INVALID", "user: nobody is known by this name", param="user"), 422
        if call.key not in self.granted:
            windows = [call.body["window"]] if "window" in call.body else list(WINDOWS)
            for window in windows:
                kind = call.body["kind"]
                limit = self.limits.get((kind, window), LIMITS[kind][window] * 60.0)
                self.limits[kind, window] = limit + call.body["minutes"] * 60
            self.granted[call.key] = call.body
            self._deed(call, "minutes.grant")
        if self.lose_answers:
            self.lose_answers -= 1
            return error_body("UNAVAILABLE", "The database is away."), 503
        return {"ok": True, "grant_id": f"grant_{len(self.granted)}", "usage": self.usage()}, 200

    def _reset(self, call: Call, _path: Message) -> tuple[Message]:
        self.used[call.body["kind"], call.body["window"]] = 0.0
        self._deed(call, "window.reset")
        return ({"ok": True, "reset_id": "reset_1", "usage": self.usage()},)

    def _overrides(self, call: Call, _path: Message) -> tuple[Message]:
        if call.method == "GET":
            return ({"overrides": self.overrides, "next_cursor": None},)
        named = call.body or call.query
        same = {"user": named.get("user"), "kind": named["kind"], "window": named["window"]}
        self.overrides = [row for row in self.overrides if not same.items() <= row.items()]
        if call.method == "PUT":
            at = now().isoformat()
            more = {"minutes": call.body["minutes"], "actor": call.user, "changed_at": at}
            self.overrides.append(same | more)
        self._deed(call, "override.set" if call.method == "PUT" else "override.remove")
        return ({"ok": True},)

    def _audit(self, call: Call, _path: Message) -> tuple[Message]:
        start = int(call.query.get("cursor", 0))
        end = start + min(self.page, int(call.query["limit"]))
        rows = self.audit[start:end]
        return ({"audit": rows, "next_cursor": str(end) if end < len(self.audit) else None},)

    def _deed(self, call: Call, action: str) -> None:
        row = {
            "id": f"audit_{len(self.audit)}", "actor": call.user, "action": action,
            "target": call.body.get("user") or call.query.get("user") or "default", "detail": call.body,
            "occurred_at": now().isoformat(),
        }  # fmt: skip
        self.audit.insert(0, row)


def session(number: int, user: str = "", state: str = "ACTIVE", **more: Any) -> Message:
    """One row of the list of sessions."""
    begun = now() - timedelta(minutes=7 * number + 3)
    row: Message = {
        "session_id": f"live_{number}", "user": user or f"user{number}", "channel_id": "hall",
        "kind": "dubbing" if number % 3 == 2 else "subtitles", "plan": "pro", "state": state,
        "started_at": begun.isoformat(), "active_at": now().isoformat(),
        "ended_at": None, "end_reason": None, "media_seconds": 61.5 * number + 12.345,
    }  # fmt: skip
    return row | more


def hours(count: int) -> list[Message]:
    """A day and a half of use that rises and falls; the last hour is the present one."""
    this = now().replace(minute=0, second=0, microsecond=0)
    return [
        {
            "hour": (this - timedelta(hours=count - 1 - n)).strftime("%Y-%m-%dT%H:00:00Z"),
            "subtitles_seconds": 60.0 * ((n * 37) % 190) if n % 24 > 6 else 0.0,
            "dubbing_seconds": 60.0 * ((n * 23) % 40) if n % 24 > 8 else 0.0,
            "cost": round(((n * 37) % 190) * 0.012, 4) if n % 24 > 6 else 0.0,
            "sessions": (n * 7) % 19,
        }
        for n in range(count)
    ]


def error_body(code: str, error: str, **more: Any) -> Message:
    """The house's shape of an error."""
    return {"ok": False, "code": code, "error": error, "timestamp": "2026-11-21T04:00:00Z", **more}


def refusal(status: int, code: str, error: str, **more: Any) -> Response:
    """An error as it is answered."""
    headers = {"Retry-After": str(more["retry_after_seconds"])} if "retry_after_seconds" in more else {}
    return JSONResponse(error_body(code, error, **more), status, headers)
