"""What users have used, as it is stored.

Invariant: the settled and the open part of a user's minutes are read in one statement, so that a slice that
closes meanwhile is counted once.
"""

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    String,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from auth.principal import Plan, user_uuid
from gateway.stores.interface import Database, StoreDown
from gateway.stores.prepared import Listed, Places
from gateway.stores.schema import live_sessions, quota_overrides, quota_slices, usage_quotas
from sessions.periods import Period, window_keys
from sessions.plans import Override, Plans
from sessions.slices import MediaKind, Quota
from sessions.usage import NOTHING, Tally, Usage, window_usage

READ_TOGETHER_MAX = 100
"""Users in one transaction: about 10 ms of a reading thread."""


def _text(word: str) -> ColumnElement[str]:
    return literal_column(f"'{word}'", String)


def _stored(tenants: Places, users: Places, subjects: Places, keys: Places) -> CompoundSelect[Any]:
    quota, held, own = usage_quotas.c, quota_slices.c, quota_overrides.c
    zero = literal_column("0", BigInteger)
    return union_all(
        select(
            _text("settled").label("part"), quota.kind, quota.period, _text(""), _text(""),
            quota.used_ms, quota.held_ms, quota.extra_ms,
        ).where(quota.tenant_id.in_(tenants), quota.user_id.in_(users), quota.period_key.in_(keys)),
        select(
            _text("open"), held.kind, held.hour_key, held.day_key, held.month_key,
            cast(func.sum(held.cumulative_ms), BigInteger), zero, zero,
        )
        .where(held.tenant_id.in_(tenants), held.user_id.in_(users), held.state == "open")
        .group_by(held.kind, held.hour_key, held.day_key, held.month_key),
        select(
            _text("override"), own.kind, own.period, own.subject, _text(""), own.limit_ms, zero, zero
        ).where(own.tenant_id.in_(tenants), own.subject.in_(subjects)),
    )  # fmt: skip


_STORED = Listed(
    _stored, tenants=usage_quotas.c.tenant_id.type, users=usage_quotas.c.user_id.type,
    subjects=usage_quotas.c.subject.type, keys=usage_quotas.c.period_key.type,
)  # fmt: skip
_LAST_PLAN = (
    select(live_sessions.c.plan)
    .where(
        live_sessions.c.tenant_id == bindparam("tenant_id"), live_sessions.c.user_id == bindparam("user_id")
    )
    .order_by(live_sessions.c.started_at.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class StoredUsage:
    """A user's windows that have rows, and the overrides that count for this user."""

    tallies: dict[tuple[MediaKind, Period], Tally]
    overrides: tuple[Override, ...]


def stored_usage(connection: Connection, tenant_id: str, subject: str, at_ms: int) -> StoredUsage:
    """Return what is stored of a user for the windows that hold the moment `at_ms`."""
    keys = window_keys(at_ms)
    quotas: dict[tuple[MediaKind, Period], Quota] = {}
    reported_ms: dict[tuple[MediaKind, Period], int] = {}
    overrides = []
    found = _STORED.rows(
        connection, tenants=[tenant_id], users=[user_uuid(tenant_id, subject)], subjects=["", subject],
        keys=keys.values(),
    )  # fmt: skip
    for part, kind_name, first, second, third, amount_ms, held_ms, extra_ms in found:
        kind = MediaKind(kind_name)
        if part == "settled":
            quotas[kind, Period(first)] = Quota(amount_ms, held_ms, extra_ms)
        elif part == "override":
            overrides.append(Override(second, kind, Period(first), amount_ms))
        else:
            for period, key in zip(
                (Period.HOUR, Period.DAY, Period.MONTH), (first, second, third), strict=True
            ):
                if key == keys[period]:
                    reported_ms[kind, period] = reported_ms.get((kind, period), 0) + amount_ms
    tallies = {
        place: Tally(quotas.get(place, NOTHING), reported_ms.get(place, 0))
        for place in quotas.keys() | reported_ms.keys()
    }
    return StoredUsage(tallies, tuple(overrides))


def last_plan(connection: Connection, tenant_id: str, user_id: UUID) -> str | None:
    """Return the plan of a user's latest live session; None if there was none."""
    return connection.execute(_LAST_PLAN, {"tenant_id": tenant_id, "user_id": user_id}).scalar()


class _Asked:
    """A user whose windows are to be read, and what was read or came in the way."""

    __slots__ = ("at_ms", "down", "stored", "subject", "tenant_id")

    def __init__(self, tenant_id: str, subject: str, at_ms: int) -> None:
        self.tenant_id = tenant_id
        self.subject = subject
        self.at_ms = at_ms
        self.stored: StoredUsage | None = None
        self.down: StoreDown | None = None


class UsageBook:
    """Tells what users have used and have left. Those who ask while others are read are read together: most
    of a reading's cost is its transaction."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._asked: dict[_Asked, None] = {}
        self._turn = asyncio.Lock()

    async def of(self, tenant_id: str, subject: str, plan: str, at_ms: int) -> Usage:
        """Return a user's windows that hold the moment `at_ms`, by the limits of `plan`. Raises StoreDown."""
        asked = _Asked(tenant_id, subject, at_ms)
        self._asked[asked] = None
        try:
            async with self._turn:
                if asked.stored is None and asked.down is None:
                    await self._read()
        finally:
            self._asked.pop(asked, None)
        if asked.stored is None:
            raise StoreDown(str(asked.down))
        return self._usage(asked.stored, subject, plan, at_ms)

    async def _read(self) -> None:
        """Read for those who asked first. If who does it is cancelled, the next does it again."""
        together = list(islice(self._asked, READ_TOGETHER_MAX))

        def read(connection: Connection) -> list[StoredUsage]:
            return [stored_usage(connection, one.tenant_id, one.subject, one.at_ms) for one in together]

        try:
            found = await self._database.read(read)
        except StoreDown as down:
            for one in together:
                one.down = down
        else:
            for one, stored in zip(together, found, strict=True):
                one.stored = stored
        for one in together:
            self._asked.pop(one, None)

    async def of_somebody(self, tenant_id: str, subject: str, at_ms: int) -> Usage:
        """Return a user's windows by the plan of the latest live session; by `free` if there was none. Raises
        StoreDown."""

        def read(connection: Connection) -> tuple[StoredUsage, str | None]:
            plan = last_plan(connection, tenant_id, user_uuid(tenant_id, subject))
            return stored_usage(connection, tenant_id, subject, at_ms), plan

        stored, plan = await self._database.read(read)
        if plan not in self._plans.facts:  # none yet, or one that is sold no more
            plan = Plan.FREE.value
        return self._usage(stored, subject, plan, at_ms)

    def _usage(self, stored: StoredUsage, subject: str, plan: str, at_ms: int) -> Usage:
        windows = {}
        for kind in MediaKind:
            limits_ms = self._plans.limits_ms(plan, kind, subject, stored.overrides)
            windows[kind] = {
                period: window_usage(period, stored.tallies.get((kind, period), Tally()), limit_ms, at_ms)
                for period, limit_ms in limits_ms.items()
            }
        return Usage(plan, windows)
