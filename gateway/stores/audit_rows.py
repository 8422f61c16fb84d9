"""The audit log: what admins changed, who, when and why.

Invariant: a row is written in the transaction of the change that it tells of, and never changed.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.stores.cursors import cursor_of, place_of
from gateway.stores.interface import Database
from gateway.stores.schema import audit_log


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change: `actor` is the admin's `sub`, `target` what was changed (`user:noa`, `session:...`)."""

    id: str
    tenant_id: str
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    occurred_at_ms: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows, the newest first, and where the next page begins (None: this was the last)."""

    rows: list[AuditRow]
    next_cursor: str | None


def write_audit(connection: Connection, row: AuditRow) -> None:
    """Write a row, in the transaction of the change."""
    connection.execute(
        insert(audit_log),
        {
            "id": row.id,
            "tenant_id": row.tenant_id,
            "actor": row.actor,
            "action": row.action,
            "target": row.target,
            "detail": row.detail,
            "occurred_at": row.occurred_at_ms,
        },
    )


def audit_page(connection: Connection, tenant_id: str, limit: int, cursor: str | None) -> AuditPage:
    """Return a page of a tenant's rows. Raises BadCursor."""
    log = audit_log.c
    query = select(audit_log).where(log.tenant_id == tenant_id)
    if cursor is not None:
        at_ms, row_id = place_of(cursor, int, str)
        earlier = (log.occurred_at < at_ms) | ((log.occurred_at == at_ms) & (log.id < row_id))
        query = query.where(log.occurred_at <= at_ms, earlier)
    query = query.order_by(log.occurred_at.desc(), log.id.desc()).limit(limit + 1)
    rows = [
        AuditRow(
            row["id"], row["tenant_id"], row["actor"], row["action"], row["target"], row["detail"],
            row["occurred_at"],
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip
    if len(rows) <= limit:
        return AuditPage(rows, None)
    last = rows[limit - 1]
    return AuditPage(rows[:limit], cursor_of(last.occurred_at_ms, last.id))


class AuditLog:
    """Reads the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant_id: str, limit: int, cursor: str | None) -> AuditPage:
        """Return a page of a tenant's rows. Raises BadCursor, StoreDown."""
        return await self._database.read(lambda connection: audit_page(connection, tenant_id, limit, cursor))
