"""Slices closed, with everything that a settlement leaves behind.

Invariant: a settlement closes its slice, moves the windows, and records event, ledger and outbox in one
transaction, once. Quotas are locked before slices.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select, update

from gateway.stores.interface import Refusal
from gateway.stores.minutes.operations import Settle, UnknownSlice
from gateway.stores.minutes.quotas import SAVE, QuotaKey, Quotas
from gateway.stores.prepared import ForEach, Listed, Places, Together
from gateway.stores.schema import ledger_entries, outbox, quota_slices, usage_events
from sessions import slices
from sessions.plans import Plans
from sessions.slices import MediaKind, Settled, Slice

_HELD = quota_slices.c


def _locked(ids: Places) -> Select[Any]:
    return select(quota_slices).where(_HELD.id.in_(ids)).order_by(_HELD.id).with_for_update()


_LOCK_SLICES = Listed(_locked, ids=_HELD.id.type)
_NAMES = [column.name for column in _HELD]
_CLOSE = ForEach(
    update(quota_slices)
    .where(quota_slices.c.id == bindparam("of_slice"))
    .values(
        state="closed",
        cumulative_ms=bindparam("used"),
        settled_ms=bindparam("settled"),
        closed_at=bindparam("at"),
        closed_by=bindparam("by"),
    )
)
_COPIED = (
    "tenant_id", "user_id", "subject", "kind", "session_id", "channel_id", "hour_key", "day_key", "month_key",
)  # fmt: skip
_INSERT_EVENTS = ForEach(
    insert(usage_events).inline(), *_COPIED, "id", "slice_id", "quantity_ms", "late", "rate_micro_per_minute",
    "cost_micro", "occurred_at",
)  # fmt: skip
_INSERT_ENTRIES = ForEach(
    insert(ledger_entries).inline(), "event_id", "account", "tenant_id", "amount_micro", "occurred_at"
)
_INSERT_OUTBOX = ForEach(insert(outbox).inline(), "event_id", "tenant_id", "payload", "occurred_at")
_WRITE = Together(SAVE, _CLOSE, _INSERT_EVENTS, _INSERT_ENTRIES, _INSERT_OUTBOX)


class Settlements:
    """Closes slices, each once, and records what was used."""

    name = "settle"

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def apply(self, connection: Connection, operations: Sequence[Settle]) -> list[Settled | Refusal]:
        """Settle each, in order."""
        ids = sorted({operation.slice_id for operation in operations})
        quotas = Quotas(connection)
        quotas.lock_of_slices(ids)
        found = _LOCK_SLICES.rows(connection, ids=ids)
        rows = {row["id"]: row for row in (dict(zip(_NAMES, values, strict=True)) for values in found)}
        record = Record(self._plans)
        held = {slice_id: stored(row) for slice_id, row in rows.items()}
        answers: list[Settled | Refusal] = []
        for operation in operations:
            slice_id = operation.slice_id
            if slice_id not in held:
                answers.append(UnknownSlice(slice_id))
                continue
            settled = slices.settle(held[slice_id], operation.cumulative_ms)
            if settled.slice != held[slice_id]:
                held[slice_id] = settled.slice
                for key in quota_keys(rows[slice_id]):
                    quotas.change(key, used_ms=settled.used_ms, held_ms=-settled.released_ms)
                record.add(rows[slice_id], settled, operation)
            answers.append(settled)
        record.save(connection, quotas)
        return answers


class Record:
    """What one group of settlements leaves behind: closed slices, events, ledger entries, outbox rows."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans
        self._closed: dict[str, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any], settled: Settled, operation: Settle) -> None:
        """Note a settlement."""
        before = self._closed.get(operation.slice_id)
        self._closed[operation.slice_id] = {
            "of_slice": operation.slice_id,
            "used": settled.slice.cumulative_ms,
            "settled": settled.slice.settled_ms,
            "at": row["closed_at"] or (before["at"] if before else operation.now_ms),
            "by": row["closed_by"] or (before["by"] if before else operation.closed_by),
        }
        if settled.quantity_ms:
            self._events.append(self._event(row, settled, operation.now_ms))

    def save(self, connection: Connection, quotas: Quotas) -> None:
        """Write it, with the windows that it moved."""
        _WRITE.run(
            connection,
            quotas.changes(),
            [self._closed[slice_id] for slice_id in sorted(self._closed)],
            self._events,
            [entry for event in self._events for entry in entries(event)],
            [told(event) for event in self._events],
        )

    def _event(self, row: Mapping[str, Any], settled: Settled, now_ms: int) -> dict[str, Any]:
        rate_micro = self._plans.tariff.rate_micro(MediaKind(row["kind"]))
        return {
            **{name: row[name] for name in _COPIED},
            "id": f"{row['id']}:late:{settled.slice.settled_ms}" if settled.late else row["id"],
            "slice_id": row["id"],
            "quantity_ms": settled.used_ms,
            "late": settled.late,
            "rate_micro_per_minute": rate_micro,
            "cost_micro": slices.cost_micro(settled.used_ms, rate_micro),
            "occurred_at": now_ms,
        }


def quota_keys(row: Mapping[str, Any]) -> list[QuotaKey]:
    """Return the windows that a slice draws on."""
    return [
        (row["tenant_id"], row["user_id"], row["kind"], row[name])
        for name in ("hour_key", "day_key", "month_key")
    ]


def stored(row: Mapping[str, Any]) -> Slice:
    """Return a slice as the rules see it."""
    return Slice(row["granted_ms"], row["cumulative_ms"], row["settled_ms"], closed=row["state"] == "closed")


def entries(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ledger entries of an event; they add to zero."""
    accounts = (
        (f"user:{event['tenant_id']}/{event['subject']}", -event["cost_micro"]),
        (f"revenue:{event['tenant_id']}:{event['kind']}", event["cost_micro"]),
    )
    return [
        {
            "event_id": event["id"],
            "account": account,
            "tenant_id": event["tenant_id"],
            "amount_micro": amount_micro,
            "occurred_at": event["occurred_at"],
        }
        for account, amount_micro in accounts
    ]


def told(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outbox row of an event."""
    payload = {
        "event_id": event["id"],
        "user": event["subject"],
        "user_id": str(event["user_id"]),
        "session_id": event["session_id"],
        "channel_id": event["channel_id"],
        "kind": event["kind"],
        "quantity_ms": event["quantity_ms"],
        "cost_micro": event["cost_micro"],
        "rate_micro_per_minute": event["rate_micro_per_minute"],
        "late": event["late"],
        "occurred_at_ms": event["occurred_at"],
    }
    return {
        "event_id": event["id"],
        "tenant_id": event["tenant_id"],
        "payload": payload,
        "occurred_at": event["occurred_at"],
    }
