"""What a tenant's minutes come to: sums over users, sessions and hours, with what they cost.

Invariant: every sum is of the same charges, settled ones at the cost they were settled at and open slices at
today's rate, so that a total is the sum of its parts.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Subquery,
    and_,
    case,
    cast,
    func,
    select,
    union_all,
)

from auth.principal import user_uuid
from gateway import clock
from gateway.stores.interface import Database
from gateway.stores.schema import live_sessions, quota_slices, usage_events
from gateway.stores.sessions import counts
from gateway.stores.statements import hour_number
from sessions.lifetimes import State
from sessions.periods import Period, window_key, window_keys
from sessions.plans import Plans
from sessions.slices import SMALLEST_MS, MediaKind

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
TOP_USERS = 10
TENANTS_MAX = 1000
"""Whose figures are kept."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Milliseconds of media, and micro-credits."""

    quantity_ms: int = 0
    cost_micro: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.quantity_ms + other.quantity_ms, self.cost_micro + other.cost_micro)


Amounts = Mapping[MediaKind, Mapping[Period, Amount]]
"""By kind and window, every one of them."""


@dataclass(frozen=True, slots=True)
class TopUser:
    """One of those who cost the most this month."""

    subject: str
    quantities_ms: Mapping[MediaKind, int]
    cost_micro: int


@dataclass(frozen=True, slots=True)
class SystemStats:
    """A tenant at a moment: sessions that are live, the day's by state, amounts by window."""

    at_ms: int
    active_sessions: int
    sessions: Mapping[State, int]
    amounts: Amounts
    top_users: list[TopUser]


@dataclass(frozen=True, slots=True)
class HourPoint:
    """One hour: `start_ms` is when it began; `sessions` counts those that started in it."""

    start_ms: int
    amounts: Mapping[MediaKind, Amount]
    sessions: int


def _charges(tenant_id: str, rates_micro: Mapping[MediaKind, int], since_ms: int) -> Subquery:
    """Return every charge of a tenant since a moment: settled, and open so far."""
    event, held = usage_events.c, quota_slices.c
    rate = case(
        *((held.kind == kind.value, rates_micro[kind]) for kind in MediaKind), else_=0
    )  # fmt: skip
    cost = (held.cumulative_ms * cast(rate, BigInteger) + MINUTE_MS // 2) // MINUTE_MS
    settled = select(
        event.user_id, event.subject, event.kind, event.hour_key, event.day_key, event.month_key,
        event.quantity_ms, event.cost_micro,
    ).where(event.tenant_id == tenant_id, event.occurred_at >= since_ms)  # fmt: skip
    running = select(
        held.user_id, held.subject, held.kind, held.hour_key, held.day_key, held.month_key,
        held.cumulative_ms, cost,
    ).where(held.tenant_id == tenant_id, held.state == "open", held.cumulative_ms > 0)  # fmt: skip
    return union_all(settled, running).subquery("charges")


def _sum(amount: ColumnElement[Any], where: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    # PostgreSQL adds bigints to a numeric, which would come as a Decimal.
    counted = amount if where is None else case((where, amount), else_=0)
    return cast(func.coalesce(func.sum(counted), 0), BigInteger)


def _since_ms(start_ms: int) -> int:
    # A slice granted in the last moment of a window is charged to the next one, and may settle before it.
    return max(0, start_ms - SMALLEST_MS)


def _month_start_ms(now_ms: int) -> int:
    day_ms = 24 * HOUR_MS
    first_ms = now_ms // day_ms * day_ms
    while window_key(Period.MONTH, first_ms - 1) == window_key(Period.MONTH, now_ms):
        first_ms -= day_ms
    return first_ms


def amounts(
    connection: Connection, tenant_id: str, rates_micro: Mapping[MediaKind, int], now_ms: int,
    subject: str | None = None,
) -> Amounts:  # fmt: skip
    """Return what a tenant, or one user of it, used in the windows of now."""
    charges = _charges(tenant_id, rates_micro, _since_ms(_month_start_ms(now_ms))).c
    keys = window_keys(now_ms)
    sums = []
    for period in Period:
        inside = charges[f"{period.value}_key"] == keys[period]
        sums += [_sum(charges.quantity_ms, inside), _sum(charges.cost_micro, inside)]
    query = select(charges.kind, *sums).where(charges.month_key == keys[Period.MONTH])
    if subject is not None:
        query = query.where(charges.user_id == user_uuid(tenant_id, subject))
    found = {kind: dict.fromkeys(Period, Amount()) for kind in MediaKind}
    for kind_name, *figures in connection.execute(query.group_by(charges.kind)):
        for period, quantity_ms, cost_micro in zip(Period, figures[::2], figures[1::2], strict=True):
            found[MediaKind(kind_name)][period] = Amount(quantity_ms, cost_micro)
    return found


def top_users(
    connection: Connection, tenant_id: str, rates_micro: Mapping[MediaKind, int], now_ms: int
) -> list[TopUser]:
    """Return those who cost the most this month, the dearest first."""
    charges = _charges(tenant_id, rates_micro, _since_ms(_month_start_ms(now_ms))).c
    subject, cost = func.min(charges.subject), _sum(charges.cost_micro)
    query = (
        select(subject, cost, *(_sum(charges.quantity_ms, charges.kind == kind.value) for kind in MediaKind))
        .where(charges.month_key == window_key(Period.MONTH, now_ms))
        .group_by(charges.user_id)
        .order_by(cost.desc(), _sum(charges.quantity_ms).desc(), subject)
        .limit(TOP_USERS)
    )
    return [
        TopUser(name, dict(zip(MediaKind, quantities_ms, strict=True)), cost_micro)
        for name, cost_micro, *quantities_ms in connection.execute(query)
    ]


def active_sessions(connection: Connection, tenant_id: str) -> int:
    """Return how many sessions are live."""
    session = live_sessions.c
    query = select(func.count()).where(session.tenant_id == tenant_id, session.state == State.ACTIVE.value)
    return connection.execute(query).scalar_one()


def hour_points(
    connection: Connection, tenant_id: str, rates_micro: Mapping[MediaKind, int], hours: int, now_ms: int
) -> list[HourPoint]:
    """Return the last `hours` hours, this one included and every one of them, the oldest first."""
    last = now_ms // HOUR_MS
    starts_ms = [hour * HOUR_MS for hour in range(last - hours + 1, last + 1)]
    charges = _charges(tenant_id, rates_micro, _since_ms(starts_ms[0])).c
    first_key, last_key = (window_key(Period.HOUR, at_ms) for at_ms in (starts_ms[0], starts_ms[-1]))
    query = (
        select(charges.hour_key, charges.kind, _sum(charges.quantity_ms), _sum(charges.cost_micro))
        .where(and_(charges.hour_key >= first_key, charges.hour_key <= last_key))
        .group_by(charges.hour_key, charges.kind)
    )
    found: dict[tuple[str, MediaKind], Amount] = {}
    for key, kind_name, quantity_ms, cost_micro in connection.execute(query):
        found[key, MediaKind(kind_name)] = Amount(quantity_ms, cost_micro)
    started = _started_by_hour(connection, tenant_id, starts_ms[0])
    return [
        HourPoint(
            start_ms,
            {kind: found.get((window_key(Period.HOUR, start_ms), kind), Amount()) for kind in MediaKind},
            started.get(start_ms // HOUR_MS, 0),
        )
        for start_ms in starts_ms
    ]


def _started_by_hour(connection: Connection, tenant_id: str, since_ms: int) -> dict[int, int]:
    session = live_sessions.c
    hour = hour_number(connection, session.started_at).label("hour")
    query = (
        select(hour, func.count())
        .where(session.tenant_id == tenant_id, session.started_at >= since_ms)
        .group_by(hour)
    )
    return {int(hour): count for hour, count in connection.execute(query)}


@dataclass(slots=True)
class _Kept:
    """A tenant's last figures, until when they are good enough, and who is at work on new ones."""

    turn: asyncio.Lock
    stats: SystemStats | None = None
    until: float = 0.0


class Statistics:
    """Sums of a tenant's minutes.

    A month of many events takes time to add up, so figures are asked for once at a time, and kept for
    `keep_factor` times as long as it took: whoever asks every second costs a tenth of a reader at most.
    """

    def __init__(self, database: Database, plans: Plans, keep_factor: float = 10.0) -> None:
        self._database = database
        self._plans = plans
        self._keep_factor = keep_factor
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    @property
    def _rates_micro(self) -> dict[MediaKind, int]:
        return {kind: self._plans.tariff.rate_micro(kind) for kind in MediaKind}

    async def system(self, tenant_id: str, now_ms: int) -> SystemStats:
        """Return how a tenant is doing. Raises StoreDown."""
        kept = self._kept.setdefault(tenant_id, _Kept(asyncio.Lock()))
        self._kept.move_to_end(tenant_id)
        if len(self._kept) > TENANTS_MAX:
            self._kept.popitem(last=False)
        async with kept.turn:
            began = clock.steady()
            if kept.stats is None or began >= kept.until:
                kept.stats = await self._system(tenant_id, now_ms)
                now = clock.steady()
                kept.until = now + self._keep_factor * (now - began)
            return kept.stats

    async def _system(self, tenant_id: str, now_ms: int) -> SystemStats:
        rates_micro, today_ms = self._rates_micro, now_ms // (24 * HOUR_MS) * 24 * HOUR_MS

        def read(connection: Connection) -> SystemStats:
            return SystemStats(
                now_ms,
                active_sessions(connection, tenant_id),
                counts(connection, tenant_id, today_ms),
                amounts(connection, tenant_id, rates_micro, now_ms),
                top_users(connection, tenant_id, rates_micro, now_ms),
            )

        return await self._database.read(read)

    async def of_user(self, tenant_id: str, subject: str, now_ms: int) -> Amounts:
        """Return what one user used in the windows of now. Raises StoreDown."""
        rates_micro = self._rates_micro
        return await self._database.read(lambda c: amounts(c, tenant_id, rates_micro, now_ms, subject))

    async def timeline(self, tenant_id: str, hours: int, now_ms: int) -> list[HourPoint]:
        """Return the last `hours` hours, the oldest first. Raises StoreDown."""
        rates_micro = self._rates_micro
        return await self._database.read(lambda c: hour_points(c, tenant_id, rates_micro, hours, now_ms))
