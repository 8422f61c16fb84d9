"""The routes about minutes on a database, asked without a server, at an hour of the test's choosing."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, func, select
from starlette.applications import Starlette

from auth.principal import Plan, Principal, Role
from auth.tokens import issue
from gateway import clock
from gateway.http import admin, errors, grants, usage
from gateway.http.bodies import BodyLimit
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.limits import DoorLimits
from gateway.plans import load_plans
from gateway.stores.audit_rows import AuditLog
from gateway.stores.idempotency import IdempotencyBook
from gateway.stores.interface import Database, Journal
from gateway.stores.minutes import (
    Acquire,
    Acquisitions,
    Adjustments,
    Checkpoint,
    Checkpoints,
    Settle,
    Settlements,
)
from gateway.stores.overrides import OverrideBook
from gateway.stores.sessions import Change, Open, SessionChanges
from gateway.stores.statistics import Statistics
from gateway.stores.usage import UsageBook
from gateway.stores.writer import GroupWriter
from sessions.lifetimes import Bounds, Ended, LiveSession, State
from sessions.slices import MediaKind
from tests.gateway.rehearsal import settings
from tests.house import KEYS

NOW_MS = 1_795_185_000_250
"""2026-11-20T14:30:00.250Z, a Friday."""
HOUR_MS = 3_600_000
LIVE = "/api/v1/live/quota"
ADMIN = "/api/v1/admin/live-quotas"
BOUNDS = Bounds()


class Office:
    """The application and a client of it, with the clock in its hands."""

    def __init__(
        self, database: Database, writer: GroupWriter, patch: pytest.MonkeyPatch, **limits: Any
    ) -> None:
        self.database = database
        self.writer = writer
        self.now_ms = NOW_MS
        self.degraded: dict[str, str] = {}
        self._numbers = itertools.count()
        patch.setattr(clock, "wall", lambda: self.now_ms / 1000)
        no_limits = {"live_quota_api_rate_limit": 0, "live_quota_check_rate_limit": 0, "user_rate_limit": 0}
        given = settings(data_dir=Path("nowhere"), **(no_limits | limits))
        self.plans = load_plans(given)
        guard = Guard(KEYS, DoorLimits(given))
        self.usage = UsageBook(database, self.plans)
        records = admin.Records(
            database, self.usage, Statistics(database, self.plans, keep_factor=0), AuditLog(database), BOUNDS,
            lambda: self.degraded,
        )  # fmt: skip
        changes = grants.Changes(
            writer, Adjustments(), OverrideBook(database), self.usage, Idempotency(IdempotencyBook(database))
        )
        self.app = Starlette(
            routes=[
                *usage.routes(guard, self.usage), *admin.routes(guard, records),
                *grants.routes(guard, changes),
            ],
            exception_handlers=errors.ANSWERS,
        )  # fmt: skip
        transport = httpx.ASGITransport(BodyLimit(self.app), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")

    def bearer(
        self, user: str, *, tenant: str = "default", role: Role = Role.FAN, plan: Plan = Plan.FREE
    ) -> dict[str, str]:
        now = self.now_ms / 1000
        principal = Principal(user, tenant, frozenset({role}), plan, now + 3600, f"jti_{next(self._numbers)}")
        return {"Authorization": f"Bearer {issue(KEYS, principal, now=now)}"}

    async def ask(
        self, method: str, path: str, user: str = "noa", *, headers: Any = (), json: Any = None,
        content: Any = None, params: Any = None, **who: Any,
    ) -> httpx.Response:  # fmt: skip
        given = [
            *self.bearer(user, **who).items(),
            *(headers.items() if isinstance(headers, dict) else headers),
        ]
        if content is not None:
            given.append(("Content-Type", "application/json"))
        return await self.client.request(
            method, path, headers=given, json=json, content=content, params=params
        )

    async def get(self, path: str, user: str = "noa", **options: Any) -> httpx.Response:
        return await self.ask("GET", path, user, **options)

    async def admin(self, method: str, path: str, user: str = "ada", **options: Any) -> httpx.Response:
        return await self.ask(method, f"{ADMIN}/{path}", user, role=Role.ADMIN, **options)

    async def apply(self, journal: Journal[Any, Any], operation: Any) -> Any:
        (result,) = await self.database.write(lambda connection: list(journal.apply(connection, [operation])))
        return result

    async def use(
        self, user: str, used_ms: int, kind: MediaKind = MediaKind.SUBTITLES, *, tenant: str = "default",
        closed: bool = True, plan: str = "free",
    ) -> str:  # fmt: skip
        """Let a user use up to a minute: settled, or of a slice that stays open. Return the slice."""
        slice_id = f"slice_{next(self._numbers)}"
        await self.apply(Acquisitions(self.plans), Acquire(
            slice_id, tenant, user, kind, f"session_of_{slice_id}", "main", "boot_1", plan, 0, self.now_ms
        ))  # fmt: skip
        await self.apply(Checkpoints(), Checkpoint(((slice_id, used_ms),)))
        if closed:
            await self.settle(slice_id)
        return slice_id

    async def settle(self, slice_id: str) -> None:
        await self.apply(Settlements(self.plans), Settle(slice_id, None, "owner", self.now_ms))

    async def session(
        self, session_id: str, user: str = "noa", *, tenant: str = "default", plan: str = "free",
        over: State | None = None,
    ) -> None:  # fmt: skip
        journal = SessionChanges(BOUNDS)
        await self.apply(journal, Open(LiveSession(
            session_id, tenant, user, "main", "subtitles", plan, "boot_1", self.now_ms, self.now_ms
        )))  # fmt: skip
        if over is not None:
            await self.apply(journal, Change(session_id, Ended(over, "done", self.now_ms + 1500, 1234)))

    async def count(self, table: Any) -> int:
        def counted(connection: Connection) -> int:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

        return await self.database.read(counted)


@asynccontextmanager
async def opened(database: Database, **changes: Any) -> AsyncIterator[Office]:
    """Open an office on a database, with settings changed."""
    writer = GroupWriter(database)
    with pytest.MonkeyPatch.context() as patch:
        office = Office(database, writer, patch, **changes)
        try:
            async with office.client:
                yield office
        finally:
            await asyncio.wait_for(writer.aclose(5), 10)
