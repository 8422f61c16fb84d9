"""What users have used, as it is stored.

Invariant: the settled and the open part of a user's minutes are read in one statement, so that a slice that
closes meanwhile is counted once.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
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
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from auth.principal import Plan, user_uuid
from gateway import clock
from gateway.stores.interface import Database, StoreDown
from gateway.stores.prepared import Listed, Places
from gateway.stores.schema import live_sessions, quota_overrides, quota_slices, usage_quotas
from sessions.periods import Period, window_keys
from sessions.plans import Override, Plans
from sessions.slices import MediaKind, Quota
from sessions.usage import NOTHING, UNUSED, Tally, Usage, window_usage

READINGS_APART_SECONDS = 0.005
"""As the writer's groups: who comes alone waits for nothing, and nobody notices so much."""
READ_TOGETHER_MAX = 100
"""Users in one statement."""


def _text(word: str) -> ColumnElement[str]:
    return literal_column(f"'{word}'", String)


def _stored(tenants: Places, users: Places, subjects: Places, keys: Places) -> CompoundSelect[Any]:
    quota, held, own = usage_quotas.c, quota_slices.c, quota_overrides.c
    zero, nobody = literal_column("0", BigInteger), null().cast(Uuid(as_uuid=True))
    windows = held.hour_key, held.day_key, held.month_key
    return union_all(
        select(
            _text("settled").label("part"), quota.user_id, quota.tenant_id, quota.kind, quota.period,
            quota.period_key, _text(""), quota.used_ms, quota.held_ms, quota.extra_ms,
        ).where(quota.tenant_id.in_(tenants), quota.user_id.in_(users), quota.period_key.in_(keys)),
        select(
            _text("open"), held.user_id, held.tenant_id, held.kind, *windows,
            cast(func.sum(held.cumulative_ms), BigInteger), zero, zero,
        )
        .where(held.tenant_id.in_(tenants), held.user_id.in_(users), held.state == "open")
        .group_by(held.user_id, held.tenant_id, held.kind, *windows),
        select(
            _text("override"), nobody, own.tenant_id, own.kind, own.period, own.subject, _text(""),
            own.limit_ms, zero, zero,
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


@dataclass(frozen=True, slots=True)
class Whose:
    """A user, and a moment of the windows in question."""

    tenant_id: str
    subject: str
    at_ms: int


def stored_usage(connection: Connection, asked: Sequence[Whose]) -> list[StoredUsage]:
    """Return what is stored of each user for the windows that hold the moment: of all in one statement."""
    users = [user_uuid(one.tenant_id, one.subject) for one in asked]
    keys = [window_keys(one.at_ms) for one in asked]
    found = _STORED.rows(
        connection, tenants={one.tenant_id for one in asked}, users=set(users),
        subjects={"", *(one.subject for one in asked)}, keys={key for own in keys for key in own.values()},
    )  # fmt: skip
    minutes: dict[tuple[str, UUID], list[Any]] = {}
    overrides: dict[tuple[str, str], list[Override]] = {}
    for part, user, tenant_id, kind, *row in found:
        if part == "override":
            period, subject, _, limit_ms, *_ = row
            own = Override(subject, MediaKind(kind), Period(period), limit_ms)
            overrides.setdefault((tenant_id, subject), []).append(own)
        else:
            minutes.setdefault((tenant_id, user), []).append((part, MediaKind(kind), *row))
    return [
        StoredUsage(
            _tallies(minutes.get((one.tenant_id, user), ()), own_keys),
            tuple(overrides.get((one.tenant_id, ""), []) + overrides.get((one.tenant_id, one.subject), [])),
        )
        for one, user, own_keys in zip(asked, users, keys, strict=True)
    ]


def _tallies(rows: Iterable[Any], keys: Mapping[Period, str]) -> dict[tuple[MediaKind, Period], Tally]:
    """Return the tallies of a user's rows, those of the windows `keys`."""
    quotas: dict[tuple[MediaKind, Period], Quota] = {}
    reported_ms: dict[tuple[MediaKind, Period], int] = {}
    for part, kind, first, second, third, amount_ms, held_ms, extra_ms in rows:
        if part == "settled":
            if second == keys[Period(first)]:
                quotas[kind, Period(first)] = Quota(amount_ms, held_ms, extra_ms)
            continue
        for period, key in zip((Period.HOUR, Period.DAY, Period.MONTH), (first, second, third), strict=True):
            if key == keys[period]:
                reported_ms[kind, period] = reported_ms.get((kind, period), 0) + amount_ms
    return {
        place: Tally(quotas.get(place, NOTHING), reported_ms.get(place, 0))
        for place in quotas.keys() | reported_ms.keys()
    }


def last_plan(connection: Connection, tenant_id: str, user_id: UUID) -> str | None:
    """Return the plan of a user's latest live session; None if there was none."""
    return connection.execute(_LAST_PLAN, {"tenant_id": tenant_id, "user_id": user_id}).scalar()


class _Asked:
    """A user whose windows are to be read, what was read or came in the way, and whether it is the turn of
    who asked to read for all who wait."""

    __slots__ = ("down", "reads", "stored", "whose", "woken")

    def __init__(self, whose: Whose) -> None:
        self.whose = whose
        self.stored: StoredUsage | None = None
        self.down: StoreDown | None = None
        self.reads = False
        self.woken: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Let who waits look at what has become of it."""
        if self.woken is not None and not self.woken.done():
            self.woken.set_result(None)


class UsageBook:
    """Tells what users have used and have left. Who asks while others are read, or within `apart_seconds` of
    when that began, is read with the next, in one statement: a crowd shares a transaction, and who comes
    alone waits for nobody."""

    def __init__(
        self, database: Database, plans: Plans, apart_seconds: float = READINGS_APART_SECONDS
    ) -> None:
        self._apart_seconds = apart_seconds
        self._began = -apart_seconds
        self._database = database
        self._plans = plans
        self._asked: dict[_Asked, None] = {}

    async def of(
        self,
        tenant_id: str,
        subject: str,
        plan: str,
        at_ms: int,
        kinds: Iterable[MediaKind] = tuple(MediaKind),
    ) -> Usage:
        """Return a user's windows of `kinds` that hold the moment `at_ms`, by the limits of `plan`. Raises
        StoreDown."""
        asked = _Asked(Whose(tenant_id, subject, at_ms))
        asked.reads = not self._asked
        self._asked[asked] = None
        try:
            if not asked.reads:
                asked.woken = asyncio.get_running_loop().create_future()
                await asked.woken
            if asked.reads:
                await self._read()
        finally:
            self._asked.pop(asked, None)
            if asked.reads:
                self._hand_over()
        if asked.stored is None:
            raise StoreDown(str(asked.down))
        return self._usage(asked.stored, subject, plan, at_ms, kinds)

    def _hand_over(self) -> None:
        """Let the one who has waited longest read for all who wait."""
        following = next(iter(self._asked), None)
        if following is not None:
            following.reads = True
            following.wake()

    async def _read(self) -> None:
        """Read for those who asked first. If who does it is cancelled, the next does it again."""
        wait_seconds = self._began + self._apart_seconds - clock.steady()
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
        self._began = clock.steady()
        together = list(islice(self._asked, READ_TOGETHER_MAX))

        whose = [one.whose for one in together]
        try:
            found = await self._database.read(lambda connection: stored_usage(connection, whose))
        except StoreDown as down:
            for one in together:
                one.down = down
        else:
            for one, stored in zip(together, found, strict=True):
                one.stored = stored
        for one in together[1:]:
            self._asked.pop(one, None)
            one.wake()

    async def of_somebody(self, tenant_id: str, subject: str, at_ms: int) -> Usage:
        """Return a user's windows by the plan of the latest live session; by `free` if there was none. Raises
        StoreDown."""

        def read(connection: Connection) -> tuple[StoredUsage, str | None]:
            plan = last_plan(connection, tenant_id, user_uuid(tenant_id, subject))
            (stored,) = stored_usage(connection, [Whose(tenant_id, subject, at_ms)])
            return stored, plan

        stored, plan = await self._database.read(read)
        if plan not in self._plans.facts:  # none yet, or one that is sold no more
            plan = Plan.FREE.value
        return self._usage(stored, subject, plan, at_ms, MediaKind)

    def _usage(
        self, stored: StoredUsage, subject: str, plan: str, at_ms: int, kinds: Iterable[MediaKind]
    ) -> Usage:
        windows = {}
        for kind in kinds:
            limits_ms = self._plans.limits_ms(plan, kind, subject, stored.overrides)
            windows[kind] = {
                period: window_usage(period, stored.tallies.get((kind, period), UNUSED), limit_ms, at_ms)
                for period, limit_ms in limits_ms.items()
            }
        return Usage(plan, windows)
