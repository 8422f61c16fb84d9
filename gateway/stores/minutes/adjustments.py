"""What admins change: minutes granted and windows set back, each with its row in the audit log."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from auth.principal import user_uuid
from gateway.stores.minutes.operations import Adjust
from gateway.stores.minutes.quotas import QuotaKey, Quotas
from gateway.stores.schema import audit_log, quota_adjustments
from sessions.periods import Period

_ADJUSTED = select(quota_adjustments.c.id).where(quota_adjustments.c.id.in_(bindparam("ids", expanding=True)))


class Adjustments:
    """Grants minutes and sets windows back, with the row in the audit log; done before is not done again."""

    name = "adjust"

    def apply(self, connection: Connection, operations: Sequence[Adjust]) -> list[bool]:
        """Adjust; say for each whether it was new."""
        ids = [adjusted_id(op.id, period) for op in operations for period, _ in op.windows]
        subjects = {key: op.subject for op in operations for key in _adjusted_keys(op).values()}
        quotas = Quotas(connection)
        quotas.lock(subjects)
        quotas.make(subjects)
        # Only now: another process may have been making the same one until its locks came free.
        done = set(connection.execute(_ADJUSTED, {"ids": ids}).scalars())
        answers, rows, audits = [], [], []
        for operation in operations:
            new = [
                self._change(quotas, operation, period, key)
                for period, key in _adjusted_keys(operation).items()
                if adjusted_id(operation.id, period) not in done
            ]
            done |= {row["id"] for row in new}
            rows += new
            if new:
                audits.append(_audit(operation))
            answers.append(bool(new))
        quotas.save()
        if rows:
            connection.execute(insert(quota_adjustments), rows)
            connection.execute(insert(audit_log), audits)
        return answers

    @staticmethod
    def _change(quotas: Quotas, operation: Adjust, period: Period, key: QuotaKey) -> dict[str, Any]:
        used_ms = max(operation.used_ms, -quotas[key].used_ms)
        quotas.change(key, extra_ms=operation.extra_ms, used_ms=used_ms)
        return {
            "id": adjusted_id(operation.id, period),
            "tenant_id": operation.tenant_id,
            "user_id": key[1],
            "subject": operation.subject,
            "kind": operation.kind.value,
            "period": period.value,
            "period_key": key[3],
            "extra_ms": operation.extra_ms,
            "used_ms": used_ms,
            "actor": operation.actor,
            "reason": operation.reason,
            "occurred_at": operation.now_ms,
        }


def adjusted_id(operation_id: str, period: Period) -> str:
    """Return the id of the row of one window."""
    return f"{operation_id}:{period.value}"


def _adjusted_keys(operation: Adjust) -> dict[Period, QuotaKey]:
    user_id = user_uuid(operation.tenant_id, operation.subject)
    return {
        period: (operation.tenant_id, user_id, operation.kind.value, key) for period, key in operation.windows
    }


def _audit(operation: Adjust) -> dict[str, Any]:
    return {
        "id": operation.id,
        "tenant_id": operation.tenant_id,
        "actor": operation.actor,
        "action": "reset_window" if operation.used_ms < 0 else "grant_minutes",
        "target": f"user:{operation.subject}",
        "detail": {
            "kind": operation.kind.value,
            "windows": [key for _, key in operation.windows],
            "extra_ms": operation.extra_ms,
            "reason": operation.reason,
        },
        "occurred_at": operation.now_ms,
    }
