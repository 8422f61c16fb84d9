"""What users have used, as it is stored.

Invariant: the settled and the open part of a user's minutes are read in one statement, so that a slice that
closes meanwhile is counted once.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    String,
    bindparam,
    cast,
    func,
    literal,
    select,
    union_all,
)

from auth.principal import Plan, user_uuid
from gateway.stores.interface import Database
from gateway.stores.schema import live_sessions, quota_overrides, quota_slices, usage_quotas
from sessions.periods import Period, window_keys
from sessions.plans import Override, Plans
from sessions.slices import MediaKind, Quota
from sessions.usage import NOTHING, Tally, Usage, window_usage

_ZERO = literal(0, BigInteger)


def _settled() -> Select[Any]:
    quota = usage_quotas.c
    return select(
        literal("settled", String).label("part"), quota.kind, quota.period,
        quota.used_ms, quota.held_ms, quota.extra_ms,
    ).where(
        quota.tenant_id == bindparam("tenant_id"), quota.user_id == bindparam("user_id"),
        quota.period_key.in_([bindparam(period.value) for period in Period]),
    )  # fmt: skip


def _open(period: Period) -> Select[Any]:
    held = quota_slices.c
    return (
        select(
            literal("open", String), held.kind, literal(period.value, String),
            cast(func.sum(held.cumulative_ms), BigInteger), _ZERO, _ZERO,
        )
        .where(
            held.tenant_id == bindparam("tenant_id"), held.user_id == bindparam("user_id"),
            held.state == "open", held[f"{period.value}_key"] == bindparam(period.value),
        )
        .group_by(held.kind)
    )  # fmt: skip


def _overridden(part: str, subject: Any) -> Select[Any]:
    own = quota_overrides.c
    return select(literal(part, String), own.kind, own.period, own.limit_ms, _ZERO, _ZERO).where(
        own.tenant_id == bindparam("tenant_id"), own.subject == subject
    )


_STORED = union_all(
    _settled(),
    *(_open(period) for period in Period),
    _overridden("tenant", literal("", String)),
    _overridden("user", bindparam("subject")),
)
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
    keys = {period.value: key for period, key in window_keys(at_ms).items()}
    user = {"tenant_id": tenant_id, "user_id": user_uuid(tenant_id, subject), "subject": subject}
    quotas: dict[tuple[MediaKind, Period], Quota] = {}
    reported_ms: dict[tuple[MediaKind, Period], int] = {}
    overrides = []
    for part, kind_name, period_name, first_ms, held_ms, extra_ms in connection.execute(_STORED, user | keys):
        kind, period = MediaKind(kind_name), Period(period_name)
        if part == "settled":
            quotas[kind, period] = Quota(first_ms, held_ms, extra_ms)
        elif part == "open":
            reported_ms[kind, period] = first_ms
        else:
            overrides.append(Override("" if part == "tenant" else subject, kind, period, first_ms))
    tallies = {
        place: Tally(quotas.get(place, NOTHING), reported_ms.get(place, 0))
        for place in quotas.keys() | reported_ms.keys()
    }
    return StoredUsage(tallies, tuple(overrides))


def last_plan(connection: Connection, tenant_id: str, user_id: UUID) -> str | None:
    """Return the plan of a user's latest live session; None if there was none."""
    return connection.execute(_LAST_PLAN, {"tenant_id": tenant_id, "user_id": user_id}).scalar()


class UsageBook:
    """Tells what users have used and have left."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    async def of(self, tenant_id: str, subject: str, plan: str, at_ms: int) -> Usage:
        """Return a user's windows that hold the moment `at_ms`, by the limits of `plan`. Raises StoreDown."""
        stored = await self._database.read(lambda c: stored_usage(c, tenant_id, subject, at_ms))
        return self._usage(stored, subject, plan, at_ms)

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
