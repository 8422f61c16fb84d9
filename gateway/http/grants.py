"""What admins change about minutes: grants, windows set back, limits in the place of a plan's.

Invariant: each change is one transaction with its row in the audit log, within the admin's own tenant,
whatever the body says.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.admin_shapes import (
    Done,
    GrantBody,
    Granted,
    OverrideBody,
    OverridePlace,
    OverrideQuery,
    OverrideRow,
    Overrides,
    OverrideSet,
    ResetBody,
    WasReset,
)
from gateway.http.errors import Refused
from gateway.http.exchange import answer, body_of, checked, query_of
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.http.usage import moment, now_ms, usage_body
from gateway.ids import new_id
from gateway.stores import overrides
from gateway.stores.cursors import BadCursor
from gateway.stores.interface import Writer
from gateway.stores.minutes import Adjust, Adjustments
from gateway.stores.overrides import OverrideBook, Place
from gateway.stores.usage import UsageBook
from sessions.periods import Period, window_key
from sessions.plans import MINUTE_MS
from sessions.slices import UNLIMITED

PREFIX = "/api/v1/admin/live-quotas"
PATIENCE_SECONDS = 5.0
"""Of an admin, for a database that is away for a moment."""
ALL_MS = 1 << 60
"""More than any window can hold: taken away it leaves nothing."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What the routes change minutes with."""

    writer: Writer
    adjustments: Adjustments
    overrides: OverrideBook
    usage: UsageBook
    idempotency: Idempotency


def routes(guard: Guard, changes: Changes) -> list[Route]:
    """Return the routes that change minutes."""
    return [*_adjusting(guard, changes), *_overriding(guard, changes.overrides)]


def _adjusting(guard: Guard, changes: Changes) -> list[Route]:
    async def adjust(operation: Adjust) -> None:
        await changes.writer.submit(changes.adjustments, operation, patience_seconds=PATIENCE_SECONDS)

    async def grant(request: Request) -> Response:
        principal = await guard.admin(request)
        body = await body_of(request, GrantBody)

        async def act(grant_id: str) -> Granted:
            at_ms = now_ms()
            periods = tuple(Period) if body.window is None else (body.window,)
            windows = tuple((period, window_key(period, at_ms)) for period in periods)
            await adjust(
                Adjust(
                    grant_id, principal.tenant, body.user, body.kind, windows,
                    extra_ms=body.minutes * MINUTE_MS, used_ms=0, actor=principal.user, reason=body.reason,
                    now_ms=at_ms,
                )
            )  # fmt: skip
            usage = await changes.usage.of_somebody(principal.tenant, body.user, at_ms)
            return Granted(grant_id=grant_id, usage=usage_body(usage))

        return await changes.idempotency.once(request, principal, "grant", body, act)

    async def reset(request: Request) -> Response:
        principal = await guard.admin(request)
        body = await body_of(request, ResetBody)

        async def act(reset_id: str) -> WasReset:
            at_ms = now_ms()
            windows = ((body.window, window_key(body.window, at_ms)),)
            await adjust(
                Adjust(
                    reset_id, principal.tenant, body.user, body.kind, windows,
                    extra_ms=0, used_ms=-ALL_MS, actor=principal.user, reason=body.reason, now_ms=at_ms,
                )
            )  # fmt: skip
            usage = await changes.usage.of_somebody(principal.tenant, body.user, at_ms)
            return WasReset(reset_id=reset_id, usage=usage_body(usage))

        return await changes.idempotency.once(request, principal, "reset", body, act)

    return [
        Route(f"{PREFIX}/grants", grant, methods=["POST"], name="grant_minutes"),
        Route(f"{PREFIX}/reset", reset, methods=["POST"], name="reset_window"),
    ]


def _overriding(guard: Guard, book: OverrideBook) -> list[Route]:
    async def listed(request: Request) -> Response:
        principal = await guard.admin(request)
        query = query_of(request, OverrideQuery)
        try:
            page = await book.page(principal.tenant, query.user, query.limit, query.cursor)
        except BadCursor as error:
            raise Refused(422, "INVALID", f"cursor: {error}", param="cursor") from error
        return answer(
            Overrides(overrides=[override_row(row) for row in page.rows], next_cursor=page.next_cursor)
        )

    async def put(request: Request) -> Response:
        principal = await guard.admin(request)
        body = await body_of(request, OverrideBody)
        limit_ms = UNLIMITED if body.minutes == UNLIMITED else body.minutes * MINUTE_MS
        place = Place(principal.tenant, body.user or "", body.kind, body.window)
        row = overrides.OverrideRow(place, limit_ms, principal.user, now_ms())
        await book.set(row, new_id("override"))
        return answer(OverrideSet(override=override_row(row)))

    async def remove(request: Request) -> Response:
        principal = await guard.admin(request)
        # A body of a DELETE has no meaning of its own (RFC 9110, section 9.3.5), and some proxies drop it.
        named = request.query_params
        in_query = bool(named) or not await request.body()
        body = checked(dict(named), OverridePlace) if in_query else await body_of(request, OverridePlace)
        place = Place(principal.tenant, body.user or "", body.kind, body.window)
        if not await book.remove(place, principal.user, new_id("override"), now_ms()):
            raise Refused(404, "NOT_FOUND", "There is no such override")
        return answer(Done())

    path = f"{PREFIX}/overrides"
    return [
        Route(path, listed, methods=["GET"], name="overrides"),
        Route(path, put, methods=["PUT"], name="set_override"),
        Route(path, remove, methods=["DELETE"], name="remove_override"),
    ]


def override_row(row: overrides.OverrideRow) -> OverrideRow:
    """Return what an admin is told of an override."""
    unlimited = row.limit_ms == UNLIMITED
    return OverrideRow(
        user=row.place.subject or None,
        kind=row.place.kind,
        window=row.place.period,
        minutes=UNLIMITED if unlimited else row.limit_ms // MINUTE_MS,
        actor=row.actor,
        changed_at=moment(row.changed_at_ms),
    )
