"""The routes about minutes, for the interface's documents."""

from gateway.http.admin_shapes import (
    PAGE_MAX,
    Audit,
    Done,
    EndSession,
    GrantBody,
    Granted,
    OverrideBody,
    Overrides,
    OverrideSet,
    ResetBody,
    SessionEnded,
    SessionRow,
    Sessions,
    SystemStatsBody,
    Timeline,
    UserUsage,
    WasReset,
)
from gateway.http.operation import Operation
from gateway.http.shapes import Check, MyUsage

LIVE = "/api/v1/live/quota"
ADMIN = "/api/v1/admin/live-quotas"
READ_ERRORS = (401, 429, 503, 507)
ADMIN_ERRORS = (401, 403, 429, 503, 507)
BODY_ERRORS = (*ADMIN_ERRORS, 408, 413, 415, 422)
ONCE = {"Idempotency-Key": "Makes a request that is sent again count once; its answer is kept for 24 hours"}
PAGE = {
    "limit": f"How many at most, 1 to {PAGE_MAX}; 50 if not given",
    "cursor": "`next_cursor` of the page before",
}
PLACE = {
    "kind": "subtitles or dubbing",
    "window": "hour, day or month",
}

QUOTA_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET", f"{LIVE}/my-usage", "What you have used and have left, in each window", {200: MyUsage},
        authenticated=True, errors=READ_ERRORS,
    ),
    Operation(
        "GET", f"{LIVE}/check", "Whether you could start a session now, and for how long", {200: Check},
        authenticated=True, query={"kind": "subtitles (default) or dubbing"}, errors=(*READ_ERRORS, 422),
    ),
    Operation(
        "GET", f"{ADMIN}/system-stats", "Live sessions, minutes, their cost, and who uses the most",
        {200: SystemStatsBody}, authenticated=True, errors=ADMIN_ERRORS,
    ),
    Operation(
        "GET", f"{ADMIN}/timeline", "Minutes, cost and sessions hour by hour", {200: Timeline},
        authenticated=True, query={"hours": "How many, this one included: 1 to 744; 24 if not given"},
        errors=(*ADMIN_ERRORS, 422),
    ),
    Operation(
        "GET", f"{ADMIN}/usage", "What a user has used and has left, with its cost", {200: UserUsage},
        authenticated=True, query={"user": "The user's `sub`"}, errors=(*ADMIN_ERRORS, 422),
    ),
    Operation(
        "GET", f"{ADMIN}/sessions", "Sessions, the newest first", {200: Sessions}, authenticated=True,
        query={"state": "ACTIVE, COMPLETED, INTERRUPTED, EXPIRED or ENDED_BY_ADMIN", "user": "Of this user"}
        | PAGE,
        errors=(*ADMIN_ERRORS, 422),
    ),
    Operation(
        "GET", f"{ADMIN}/sessions/{{session_id}}", "One session", {200: SessionRow}, authenticated=True,
        errors=(*ADMIN_ERRORS, 404),
    ),
    Operation(
        "POST", f"{ADMIN}/sessions/{{session_id}}/end", "End a live session", {200: SessionEnded},
        authenticated=True, body=EndSession, body_optional=True, errors=(*BODY_ERRORS, 404, 409),
    ),
    Operation(
        "POST", f"{ADMIN}/grants", "Give a user minutes besides the limit", {200: Granted},
        authenticated=True, body=GrantBody, headers=ONCE, errors=(*BODY_ERRORS, 409),
    ),
    Operation(
        "POST", f"{ADMIN}/reset", "Count a user's window from zero again", {200: WasReset},
        authenticated=True, body=ResetBody, headers=ONCE, errors=(*BODY_ERRORS, 409),
    ),
    Operation(
        "GET", f"{ADMIN}/overrides", "Limits that stand in the place of a plan's", {200: Overrides},
        authenticated=True, query={"user": "Of this user"} | PAGE, errors=(*ADMIN_ERRORS, 422),
    ),
    Operation(
        "PUT", f"{ADMIN}/overrides", "Set a limit for a user, or for everybody in the tenant",
        {200: OverrideSet}, authenticated=True, body=OverrideBody, errors=BODY_ERRORS,
    ),
    Operation(
        "DELETE", f"{ADMIN}/overrides", "Let the plan's limit count again", {200: Done}, authenticated=True,
        query={"user": "Whose; without it everybody's"} | PLACE, errors=(*BODY_ERRORS, 404),
    ),
    Operation(
        "GET", f"{ADMIN}/audit", "What admins changed, the newest first", {200: Audit}, authenticated=True,
        query=PAGE, errors=(*ADMIN_ERRORS, 422),
    ),
)  # fmt: skip
