"""Credits over HTTP: what one has, and what admins give.

Invariant: what is given is given once, with a row in the audit log, within the admin's own tenant.
"""

import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import clock
from gateway.calls.bodies import credits_of
from gateway.calls.calls import Calls
from gateway.http.credit_shapes import Allocate, Allocated, Balance
from gateway.http.exchange import answer, body_of
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.stores.credits import operations, reads
from gateway.stores.credits.allocations import Allocations
from gateway.stores.credits.operations import CreditRefused
from gateway.stores.interface import Database, StoreDown, Writer
from sessions.credits import to_micro

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""Of an admin, for a database that is away for a moment."""


@dataclass(frozen=True, slots=True)
class CreditDesk:
    """What the routes of credits work with."""

    database: Database
    writer: Writer
    allocations: Allocations
    idempotency: Idempotency
    calls: Calls


def routes(guard: Guard, desk: CreditDesk) -> list[Route]:
    """Return the routes of credits."""

    async def balance(request: Request) -> Response:
        principal = await guard.limited(request)
        account = await desk.database.read(lambda c: reads.account(c, principal.tenant, principal.user))
        cap = account.cap_micro
        return answer(
            Balance(
                balance=float(credits_of(account.available_micro)),
                tier=principal.plan.value,
                monthly_cap=None if cap is None else float(credits_of(cap)),
            )
        )

    async def allocate(request: Request) -> Response:
        principal = await guard.admin(request)
        body = await body_of(request, Allocate)

        async def act(made_id: str) -> Allocated:
            operation = operations.Allocate(
                made_id, principal.tenant, body.user_id, to_micro(body.amount), principal.user, body.reason,
                clock.wall_ms(),
            )  # fmt: skip
            try:
                given = await desk.writer.submit(
                    desk.allocations, operation, patience_seconds=PATIENCE_SECONDS
                )
            except CreditRefused as refused:
                raise refused.error from None
            await _let_go_on(desk.calls, principal.tenant, body.user_id)
            return Allocated(
                new_balance=float(credits_of(given.available_micro)), transaction_id=given.transaction_id
            )

        return await desk.idempotency.once(request, principal, "allocate", body, act)

    return [
        Route("/api/v1/credits/balance", balance, name="credit_balance"),
        Route("/api/v1/admin/credits/allocate", allocate, methods=["POST"], name="allocate_credits"),
    ]


async def _let_go_on(calls: Calls, tenant: str, user: str) -> None:
    """Let a call of theirs know. It is given whether or not that works: the call looks again by itself."""
    try:
        await calls.funds_changed(tenant, user)
    except StoreDown as down:
        log.warning("A call has not heard of new funds: %s", down)
