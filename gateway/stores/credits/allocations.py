"""Credits given by admins, each with its row in the audit log; given before is not given again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from auth.principal import user_uuid
from gateway.stores.credits.accounts import AccountKey, Accounts
from gateway.stores.credits.operations import Allocate, Allocated, CreditRefused
from gateway.stores.credits.schema import credit_transactions
from gateway.stores.interface import Refusal
from gateway.stores.schema import audit_log
from sessions.credits import BadAmount, allocate

_DONE = select(credit_transactions.c.id, credit_transactions.c.available_micro).where(
    credit_transactions.c.id.in_(bindparam("ids", expanding=True))
)


class Allocations:
    """Gives credits; a transaction that is there already is answered as it was."""

    name = "allocate"

    def apply(self, connection: Connection, operations: Sequence[Allocate]) -> list[Allocated | Refusal]:
        """Give to each, in order."""
        now_ms = max(operation.now_ms for operation in operations)
        accounts = Accounts(connection, now_ms)
        subjects = {account_key(op.tenant_id, op.subject): op.subject for op in operations}
        accounts.lock(subjects)
        accounts.make(subjects)
        # After the locks: what another run of the same operations has written is seen.
        ids = [operation.id for operation in operations]
        done = {row[0]: row[1] for row in connection.execute(_DONE, {"ids": ids})}
        answers: list[Allocated | Refusal] = []
        audits = []
        for operation in operations:
            if operation.id not in done:
                try:
                    done[operation.id] = self._give(accounts, operation)
                except BadAmount as error:
                    answers.append(CreditRefused(error))
                    continue
                audits.append(_audit(operation))
            answers.append(Allocated(operation.id, done[operation.id]))
        accounts.save()
        if audits:
            connection.execute(insert(audit_log), audits)
        return answers

    @staticmethod
    def _give(accounts: Accounts, operation: Allocate) -> int:
        key = account_key(operation.tenant_id, operation.subject)
        account = accounts.account(key, operation.subject)
        step = allocate(account, operation.amount_micro, operation.id)
        accounts.carry_out(key, step, operation.actor, {"reason": operation.reason})
        return step[0].available_micro


def account_key(tenant_id: str, subject: str) -> AccountKey:
    """Return the key of a user's account."""
    return tenant_id, user_uuid(tenant_id, subject)


def _audit(operation: Allocate) -> dict[str, Any]:
    return {
        "id": operation.id,
        "tenant_id": operation.tenant_id,
        "actor": operation.actor,
        "action": "allocate_credits",
        "target": f"user:{operation.subject}",
        "detail": {"amount_micro": operation.amount_micro, "reason": operation.reason},
        "occurred_at": operation.now_ms,
    }
