"""The auditor's queries about credits: the sums that `sessions.credit_audit` judges.

Invariant: it changes nothing, and whatever the rules would object to is among what the queries return; what
adds up is left out by the database.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from gateway.stores.calls.rows import call_of
from gateway.stores.calls.schema import calls
from gateway.stores.credits.schema import credit_transactions, user_credits
from gateway.stores.schema import ledger_entries
from gateway.stores.statements import between_ms
from sessions.audit import Finding
from sessions.call_records import MINUTE_MS
from sessions.credit_audit import (
    AccountSums,
    CallSums,
    TransactionSums,
    audit_account,
    audit_call,
    audit_transaction,
)
from sessions.credits import BALANCE_MICRO_MAX

_ACCOUNT, _MOVED, _ENTRY, _CALL = user_credits.c, credit_transactions.c, ledger_entries.c, calls.c


def findings(connection: Connection) -> Iterator[Finding]:
    """Audit every account, transaction and call."""
    for row in connection.execute(_accounts()):
        yield from audit_account(AccountSums(*row))
    for row in connection.execute(_transactions()):
        yield from audit_transaction(TransactionSums(*row))
    for found in connection.execute(_calls(connection)).mappings():
        sums = (found[name] for name in ("holds", "held", "settlements", "earned"))
        yield from audit_call(CallSums(call_of(found), *sums))


def _sum(amount: ColumnElement[Any]) -> ColumnElement[int]:
    # PostgreSQL adds bigints to a numeric, which would come as a Decimal.
    return cast(func.coalesce(func.sum(amount), 0), BigInteger)


def _number(value: int | None) -> ColumnElement[Any]:
    return cast(null() if value is None else literal(value), BigInteger)


def _accounts() -> Select[Any]:
    """Accounts that do not come to their entries or to what calls hold; also those that are missing."""
    rate = _CALL.rate_micro_per_minute
    parts = [
        select(
            _ACCOUNT.tenant_id, _ACCOUNT.subject, _ACCOUNT.available_micro.label("available"),
            _ACCOUNT.held_micro.label("held"), _number(0).label("own"), _number(0).label("held_own"),
            _number(0).label("by_calls"),
        ),
        _entries("credits:", own=_ENTRY.amount_micro, held_own=_number(0)),
        _entries("held:", own=_number(0), held_own=_ENTRY.amount_micro),
        select(
            _CALL.tenant_id, _CALL.fan, _number(None), _number(None), _number(0), _number(0),
            _CALL.minutes_held * rate,
        ).where(_CALL.ended_at.is_(None), _CALL.minutes_held > 0, rate > 0),
    ]  # fmt: skip
    all_of = union_all(*parts).subquery("parts").c
    available, held = func.max(all_of.available), func.max(all_of.held)
    own, held_own, by_calls = (_sum(all_of[name]) for name in ("own", "held_own", "by_calls"))
    return (
        select(all_of.tenant_id, all_of.subject, available, held, own, held_own, by_calls)
        .group_by(all_of.tenant_id, all_of.subject)
        .having(
            or_(
                available.is_distinct_from(own), held.is_distinct_from(held_own),
                held.is_distinct_from(by_calls), ~available.between(0, BALANCE_MICRO_MAX),
                ~held.between(0, BALANCE_MICRO_MAX),
            )
        )
    )  # fmt: skip


def _entries(prefix: str, *, own: ColumnElement[Any], held_own: ColumnElement[Any]) -> Select[Any]:
    """Return the entries of one kind of account by the user that its name ends with."""
    subject = func.substr(_ENTRY.account, func.length(prefix) + func.length(_ENTRY.tenant_id) + 2)
    return select(
        _ENTRY.tenant_id, subject, _number(None), _number(None), own, held_own, _number(0)
    ).where(_ENTRY.account.startswith(prefix))  # fmt: skip


def _transactions() -> Select[Any]:
    """Transactions whose entries are no whole, or do not come to what they did."""
    available = "credits:" + _MOVED.tenant_id + "/" + _MOVED.subject
    own = _sum(case((_ENTRY.account == available, _ENTRY.amount_micro), else_=0))
    balance, entries = _sum(_ENTRY.amount_micro), func.count(_ENTRY.event_id)
    return (
        select(_MOVED.id, _MOVED.amount_micro, entries, balance, own)
        .join(ledger_entries, _ENTRY.event_id == _MOVED.id, isouter=True)
        .group_by(_MOVED.id, _MOVED.amount_micro)
        .having(or_(balance != 0, own != _MOVED.amount_micro, entries == 1))
    )


def _moved() -> Subquery:
    """What transactions have done for each call."""

    def total(kind: str, amount: ColumnElement[Any]) -> ColumnElement[int]:
        return _sum(case((_MOVED.kind == kind, amount), else_=0))

    return (
        select(
            _MOVED.call_id, total("hold", _number(1)).label("holds"),
            total("hold", -_MOVED.amount_micro).label("held"),
            total("settlement", _number(1)).label("settlements"),
        )
        .where(_MOVED.call_id.is_not(None))
        .group_by(_MOVED.call_id)
        .subquery("moved")
    )  # fmt: skip


def _earned() -> Subquery:
    """What settlements have given to creators, by call."""
    return (
        select(_MOVED.call_id, _sum(_ENTRY.amount_micro).label("earned"))
        .join(ledger_entries, _ENTRY.event_id == _MOVED.id)
        .where(_MOVED.kind == "settlement", _ENTRY.account.startswith("earned:"))
        .group_by(_MOVED.call_id)
        .subquery("earnings")
    )


def _calls(connection: Connection) -> Select[Any]:
    """Calls that do not come to their holds, their settlement or their own terms."""
    moved, earnings = _moved(), _earned()
    holds, held, settlements, earned = (
        func.coalesce(sums, 0).label(sums.name)
        for sums in (moved.c.holds, moved.c.held, moved.c.settlements, earnings.c.earned)
    )
    rate = _CALL.rate_micro_per_minute
    settled = _CALL.ended_at.is_not(None) & _CALL.accepted_at.is_not(None)
    connected_ms = func.coalesce(between_ms(connection, _CALL.connected_at, _CALL.ended_at), 0)
    begun = (connected_ms + _CALL.increment_ms - 1) // _CALL.increment_ms * _CALL.increment_ms
    billed_ms = case((connected_ms > _CALL.free_ms, begun), else_=0)
    cost = (billed_ms * rate + MINUTE_MS // 2) // MINUTE_MS
    return (
        select(calls, holds, held, settlements, earned)
        .join(moved, moved.c.call_id == _CALL.id, isouter=True)
        .join(earnings, earnings.c.call_id == _CALL.id, isouter=True)
        .where(
            or_(
                settlements != case((settled, 1), else_=0),
                holds != _CALL.minutes_held,
                held != _CALL.minutes_held * rate,
                _CALL.cost_micro != earned,
                _CALL.billed_ms != billed_ms,
                _CALL.cost_micro != cost,
                _CALL.cost_micro > _CALL.minutes_held * rate,
            )
        )
    )
