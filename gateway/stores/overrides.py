"""Limits that admins set in the place of a plan's, for a user or for everybody in their tenant.

Invariant: every change has its row in the audit log, in the same transaction; a change that changes nothing
has none.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select, tuple_

from gateway.stores.audit_rows import AuditRow, write_audit
from gateway.stores.cursors import cursor_of, place_of
from gateway.stores.interface import Database
from gateway.stores.schema import quota_overrides
from gateway.stores.statements import insert_or_update
from sessions.periods import Period
from sessions.slices import MediaKind


@dataclass(frozen=True, slots=True)
class Place:
    """What an override is of; an empty `subject`: of everybody in the tenant."""

    tenant_id: str
    subject: str
    kind: MediaKind
    period: Period


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """One override, who set it and when; a `limit_ms` of -1 is no limit."""

    place: Place
    limit_ms: int
    actor: str
    changed_at_ms: int


@dataclass(frozen=True, slots=True)
class OverridePage:
    """Overrides in order, and where the next page begins (None: this was the last)."""

    rows: list[OverrideRow]
    next_cursor: str | None


_own = quota_overrides.c


def override_page(
    connection: Connection, tenant_id: str, subject: str | None, limit: int, cursor: str | None
) -> OverridePage:
    """Return a page of a tenant's overrides, or of one subject's. Raises BadCursor."""
    query = select(quota_overrides).where(_own.tenant_id == tenant_id)
    if subject is not None:
        query = query.where(_own.subject == subject)
    if cursor is not None:
        query = query.where(tuple_(_own.subject, _own.kind, _own.period) > place_of(cursor, str, str, str))
    query = query.order_by(_own.subject, _own.kind, _own.period).limit(limit + 1)
    rows = [
        OverrideRow(
            Place(tenant_id, row["subject"], MediaKind(row["kind"]), Period(row["period"])),
            row["limit_ms"], row["actor"], row["changed_at"],
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip
    if len(rows) <= limit:
        return OverridePage(rows, None)
    last = rows[limit - 1].place
    return OverridePage(rows[:limit], cursor_of(last.subject, last.kind.value, last.period.value))


def set_override(connection: Connection, row: OverrideRow, audit_id: str) -> None:
    """Set an override, in the place of the one that is there."""
    before_ms = _limit_ms(connection, row.place)
    if before_ms == row.limit_ms:
        return
    place = row.place
    connection.execute(
        insert_or_update(connection, quota_overrides, ["limit_ms", "actor", "changed_at"]),
        {
            "tenant_id": place.tenant_id,
            "subject": place.subject,
            "kind": place.kind.value,
            "period": place.period.value,
            "limit_ms": row.limit_ms,
            "actor": row.actor,
            "changed_at": row.changed_at_ms,
        },
    )
    write_audit(connection, _audit(row, audit_id, "set_override", before_ms, row.limit_ms))


def remove_override(connection: Connection, place: Place, actor: str, audit_id: str, now_ms: int) -> bool:
    """Remove an override; return whether there was one."""
    before_ms = _limit_ms(connection, place)
    if before_ms is None:
        return False
    connection.execute(delete(quota_overrides).where(*_at(place)))
    row = OverrideRow(place, before_ms, actor, now_ms)
    write_audit(connection, _audit(row, audit_id, "remove_override", before_ms, None))
    return True


def _at(place: Place) -> list[ColumnElement[bool]]:
    return [
        _own.tenant_id == place.tenant_id, _own.subject == place.subject,
        _own.kind == place.kind.value, _own.period == place.period.value,
    ]  # fmt: skip


def _limit_ms(connection: Connection, place: Place) -> int | None:
    query = select(_own.limit_ms).where(*_at(place)).with_for_update()
    return connection.execute(query).scalar()


def _audit(
    row: OverrideRow, audit_id: str, action: str, before_ms: int | None, after_ms: int | None
) -> AuditRow:
    place = row.place
    return AuditRow(
        id=audit_id,
        tenant_id=place.tenant_id,
        actor=row.actor,
        action=action,
        target=f"user:{place.subject}" if place.subject else "tenant",
        detail={
            "kind": place.kind.value, "window": place.period.value,
            "before_ms": before_ms, "after_ms": after_ms,
        },
        occurred_at_ms=row.changed_at_ms,
    )  # fmt: skip


class OverrideBook:
    """Overrides of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant_id: str, subject: str | None, limit: int, cursor: str | None) -> OverridePage:
        """Return a page of a tenant's overrides, or of one subject's. Raises BadCursor, StoreDown."""
        return await self._database.read(lambda c: override_page(c, tenant_id, subject, limit, cursor))

    async def set(self, row: OverrideRow, audit_id: str) -> None:
        """Set an override. Raises StoreDown."""
        await self._database.write(lambda connection: set_override(connection, row, audit_id))

    async def remove(self, place: Place, actor: str, audit_id: str, now_ms: int) -> bool:
        """Remove an override; return whether there was one. Raises StoreDown."""
        return await self._database.write(lambda c: remove_override(c, place, actor, audit_id, now_ms))
