"""The auditor's queries: the sums that `sessions.audit` judges, in one snapshot, while servers write.

Invariant: it changes nothing, and whatever the rules would object to is among what the queries return; what
adds up is left out by the database, so that an audit of many events is sums, not rows.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    text,
    union_all,
)

from gateway.stores.calls.schema import calls
from gateway.stores.credits.auditor import findings as credit_findings
from gateway.stores.credits.schema import credit_transactions
from gateway.stores.schema import (
    ledger_entries,
    outbox,
    quota_adjustments,
    quota_slices,
    usage_events,
    usage_quotas,
)
from sessions import audit
from sessions.audit import EventSums, Finding, Sequence, SliceSums, WindowSums

FINDINGS_MAX = 1000
"""Of one audit; books that are wrong in more places are wrong for one reason."""
MINUTE_MS = 60_000
_EVENT, _SLICE, _QUOTA = usage_events.c, quota_slices.c, usage_quotas.c
_KEYS = ("hour_key", "day_key", "month_key")
_OWNER = ("tenant_id", "user_id", "subject", "kind", "session_id", "channel_id")


@dataclass(frozen=True, slots=True)
class Audited:
    """What was looked at, and what was found; `complete` is false if there is more than FINDINGS_MAX."""

    windows: int
    slices: int
    events: int
    findings: list[Finding]
    complete: bool = True
    transactions: int = 0
    calls: int = 0


def audit_books(connection: Connection) -> Audited:
    """Audit everything. `connection` is at the beginning of a read transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        # Sums over years take longer than a server's own transactions may.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    windows, slices, events, transactions, rung = (
        connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (usage_quotas, quota_slices, usage_events, credit_transactions, calls)
    )
    findings = list(itertools.islice(_findings(connection), FINDINGS_MAX + 1))
    complete = len(findings) <= FINDINGS_MAX
    return Audited(windows, slices, events, findings[:FINDINGS_MAX], complete, transactions, rung)


def _findings(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_windows()):
        yield from audit.audit_window(WindowSums(*row))
    for row in connection.execute(_slices()):
        yield from audit.audit_slice(SliceSums(*row))
    for row in connection.execute(_events()):
        yield from audit.audit_event(EventSums(*row))
    for name, table in (("ledger", ledger_entries), ("outbox", outbox)):
        for event_id in connection.execute(_orphans(table)).scalars():
            yield audit.audit_orphan(name, event_id)
    first, last, rows = connection.execute(
        select(func.min(outbox.c.sequence), func.max(outbox.c.sequence), func.count())
    ).one()
    # SQLite has one writer, and gives no number to what is rolled back.
    gapless = connection.dialect.name == "sqlite"
    yield from audit.audit_sequence(Sequence(first or 0, last or 0, rows, gapless=gapless))
    yield from credit_findings(connection)


def _sum(amount: ColumnElement[Any]) -> ColumnElement[int]:
    # PostgreSQL adds bigints to a numeric, which would come as a Decimal.
    return cast(func.coalesce(func.sum(amount), 0), BigInteger)


def _differ(left: ColumnElement[Any], right: ColumnElement[Any] | int) -> ColumnElement[bool]:
    return left.is_distinct_from(right)


def _hours() -> CTE:
    """Events summed up once, by everything that a window may be of: far fewer rows to go through thrice."""
    owner = (_EVENT.tenant_id, _EVENT.user_id, _EVENT.subject, _EVENT.kind)
    keys = [_EVENT[key] for key in _KEYS]
    summed = select(*owner, *keys, _sum(_EVENT.quantity_ms).label("quantity_ms"))
    return summed.group_by(*owner, *keys).cte("hours")


def _windows() -> Select[Any]:
    """Windows that do not come to what counts in them; one query, for a window may also be missing."""
    none: ColumnElement[Any] = cast(literal(0), BigInteger)
    unknown: ColumnElement[Any] = cast(null(), BigInteger)
    names = ("used", "held", "extra", "events", "adjusted", "open", "given")

    def part(owner: Any, key: Any, **amounts: Any) -> Select[Any]:
        stored = ("used", "held", "extra")
        values = [amounts.get(name, unknown if name in stored else none).label(name) for name in names]
        who = (owner.tenant_id, owner.user_id, owner.subject, owner.kind)
        return select(*who, cast(key, String(16)).label("key"), *values)

    adjusted = quota_adjustments.c
    hours = _hours().c
    parts = [part(_QUOTA, _QUOTA.period_key, used=_QUOTA.used_ms, held=_QUOTA.held_ms, extra=_QUOTA.extra_ms)]
    parts += [part(hours, hours[key], events=hours.quantity_ms) for key in _KEYS]
    parts += [
        part(_SLICE, _SLICE[key], open=_SLICE.granted_ms).where(_SLICE.state == "open") for key in _KEYS
    ]
    parts += [part(adjusted, adjusted.period_key, adjusted=adjusted.used_ms, given=adjusted.extra_ms)]
    all_of = union_all(*parts).subquery("parts").c
    # There is one row at most with what the window says: a maximum is that row's.
    used, held, extra = (func.max(all_of[name]) for name in ("used", "held", "extra"))
    events, changed, opened, given = (_sum(all_of[name]) for name in names[3:])
    return (
        select(
            all_of.tenant_id, func.min(all_of.subject), all_of.kind, all_of.key,
            used, held, extra, events, changed, opened, given,
        )
        .group_by(all_of.tenant_id, all_of.user_id, all_of.kind, all_of.key)
        .having(
            or_(
                _differ(used, events + changed), _differ(held, opened), _differ(extra, given),
                used < 0, held < 0,
            )
        )
    )  # fmt: skip


def _slices() -> Select[Any]:
    """Slices that do not come to their events, or pass what was granted."""
    sums = (
        select(
            _EVENT.slice_id, _sum(_EVENT.quantity_ms).label("quantity_ms"), func.count().label("events")
        )
        .group_by(_EVENT.slice_id)
        .subquery("sums")
    )  # fmt: skip
    events_ms, events = func.coalesce(sums.c.quantity_ms, 0), func.coalesce(sums.c.events, 0)
    closed = _SLICE.state == "closed"
    return (
        select(
            _SLICE.id, closed, _SLICE.granted_ms, _SLICE.cumulative_ms, _SLICE.settled_ms, events_ms, events
        )
        .join(sums, sums.c.slice_id == _SLICE.id, isouter=True)
        .where(
            or_(
                closed & (_SLICE.settled_ms != events_ms),
                ~closed & ((events != 0) | (_SLICE.settled_ms != 0)),
                _SLICE.settled_ms > _SLICE.granted_ms,
                _SLICE.cumulative_ms > _SLICE.granted_ms,
                events_ms > _SLICE.granted_ms,
                _SLICE.granted_ms < 0, _SLICE.cumulative_ms < 0, _SLICE.settled_ms < 0,
            )
        )
    )  # fmt: skip


def _events() -> Select[Any]:
    """Events without a slice, a right cost, a pair of entries in their accounts, or a row in the outbox."""
    entry = ledger_entries.c
    debit, credit = ledger_entries.alias("debit"), ledger_entries.alias("credit")
    own = entry.event_id == _EVENT.id
    entries = select(func.count()).select_from(ledger_entries).where(own).scalar_subquery()
    balance = select(_sum(entry.amount_micro)).where(own).scalar_subquery()
    user = "user:" + _EVENT.tenant_id + "/" + _EVENT.subject
    revenue = "revenue:" + _EVENT.tenant_id + ":" + _EVENT.kind
    cost = (_EVENT.quantity_ms * _EVENT.rate_micro_per_minute + MINUTE_MS // 2) // MINUTE_MS
    told_ms = outbox.c.payload["quantity_ms"].as_integer()
    has_slice = _SLICE.id.is_not(None)
    moved = has_slice & or_(*(_differ(_EVENT[name], _SLICE[name]) for name in (*_OWNER, *_KEYS)))
    return (
        select(
            _EVENT.id, has_slice, _EVENT.quantity_ms, _EVENT.rate_micro_per_minute, _EVENT.cost_micro,
            entries, balance, debit.c.amount_micro, credit.c.amount_micro, told_ms, ~moved,
        )
        .join(quota_slices, _SLICE.id == _EVENT.slice_id, isouter=True)
        .join(debit, (debit.c.event_id == _EVENT.id) & (debit.c.account == user), isouter=True)
        .join(credit, (credit.c.event_id == _EVENT.id) & (credit.c.account == revenue), isouter=True)
        .join(outbox, outbox.c.event_id == _EVENT.id, isouter=True)
        .where(
            or_(
                ~has_slice,
                moved,
                _EVENT.cost_micro != cost,
                # With both in order and no third, they add to zero.
                _differ(debit.c.amount_micro, -_EVENT.cost_micro),
                _differ(credit.c.amount_micro, _EVENT.cost_micro),
                entries != 2,
                _differ(told_ms, _EVENT.quantity_ms),
                _EVENT.quantity_ms < 0, _EVENT.cost_micro < 0,
            )
        )
    )  # fmt: skip


def _orphans(table: Any) -> Select[Any]:
    """Events that only another table knows; in the ledger a transaction of credits is an event too."""
    query = (
        select(table.c.event_id)
        .join(usage_events, _EVENT.id == table.c.event_id, isouter=True)
        .where(_EVENT.id.is_(None))
        .distinct()
    )
    if table is not ledger_entries:
        return query
    moved = credit_transactions.c.id
    return query.join(credit_transactions, moved == table.c.event_id, isouter=True).where(moved.is_(None))
