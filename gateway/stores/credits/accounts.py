"""The accounts that one transaction touches: locked in the order of their keys, saved once.

Invariant: each change of an account is a transaction of `sessions.credits` with its entries in the ledger,
written together; whoever has an account here keeps every other writer from it until the end.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, insert, select, update

from gateway.stores.credits.schema import credit_transactions, user_credits
from gateway.stores.prepared import ForEach, Listed, Places
from gateway.stores.schema import ledger_entries
from gateway.stores.statements import insert_new
from sessions.credits import Account, Step

AccountKey = tuple[str, UUID]
"""Tenant and user: the primary key of `user_credits`."""

_OWN = user_credits.c
_TERMS = ("available_micro", "held_micro", "cap_micro", "month", "spent_micro")


def _locked(tenants: Places, users: Places) -> Select[Any]:
    # Each part of the key has its list, so an account of another tenant may come that nobody asked for.
    return (
        select(_OWN.tenant_id, _OWN.user_id, _OWN.subject, *(_OWN[name] for name in _TERMS))
        .where(_OWN.tenant_id.in_(tenants), _OWN.user_id.in_(users))
        .order_by(_OWN.tenant_id, _OWN.user_id)
        .with_for_update()
    )


_LOCK = Listed(_locked, tenants=_OWN.tenant_id.type, users=_OWN.user_id.type)
_SAVE = ForEach(
    update(user_credits)
    .where(_OWN.tenant_id == bindparam("of_tenant"), _OWN.user_id == bindparam("of_user"))
    .values({name: bindparam(f"new_{name}") for name in (*_TERMS, "changed_at")})
)
_INSERT_TRANSACTIONS = ForEach(
    insert(credit_transactions).inline(), "id", "tenant_id", "user_id", "subject", "kind", "amount_micro",
    "available_micro", "call_id", "actor", "detail", "occurred_at",
)  # fmt: skip
_INSERT_ENTRIES = ForEach(
    insert(ledger_entries).inline(), "event_id", "account", "tenant_id", "amount_micro", "occurred_at"
)


class Accounts:
    """The accounts of one group. One that nobody has made yet is empty, and is made by `make` alone."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._rows: dict[AccountKey, Account] = {}
        self._changed: set[AccountKey] = set()
        self._transactions: list[dict[str, Any]] = []
        self._entries: list[dict[str, Any]] = []

    def lock(self, keys: Collection[AccountKey]) -> None:
        """Load accounts, and keep other writers from them until the end of the transaction."""
        tenants, users = map(set, zip(*keys, strict=True)) if keys else (set(), set())
        self._take(_LOCK.rows(self._connection, tenants=tenants, users=users))

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for tenant_id, user_id, subject, *terms in rows:
            self._rows[tenant_id, user_id] = Account(tenant_id, subject, *terms)

    def make(self, subjects: Mapping[AccountKey, str]) -> None:
        """Make the accounts, by key with their user's subject, that are not there yet."""
        missing = sorted(key for key in subjects if key not in self._rows)
        if not missing:
            return
        rows = [
            {"tenant_id": key[0], "user_id": key[1], "subject": subjects[key], "changed_at": self._now_ms}
            for key in missing
        ]
        self._connection.execute(insert_new(self._connection, user_credits), rows)
        # Another process may have made one meanwhile, and used it: what it says now counts.
        self.lock(missing)

    def account(self, key: AccountKey, subject: str) -> Account:
        """Return an account as it stands in this transaction."""
        return self._rows.get(key) or Account(key[0], subject)

    def carry_out(
        self, key: AccountKey, step: Step, actor: str, detail: Mapping[str, Any], call_id: str | None = None
    ) -> None:
        """Note what a rule has done to an account, who did it, and for which call."""
        account, transaction = step
        if transaction.entries:
            assert key in self._rows, f"{key} has an amount to move, and no account"
            self._rows[key] = account
            self._changed.add(key)
        self._transactions.append(
            {
                "id": transaction.id,
                "tenant_id": key[0],
                "user_id": key[1],
                "subject": account.user,
                "kind": transaction.kind.value,
                "amount_micro": transaction.change_micro,
                "available_micro": account.available_micro,
                "call_id": call_id,
                "actor": actor,
                "detail": dict(detail),
                "occurred_at": self._now_ms,
            }
        )
        self._entries += [
            {
                "event_id": transaction.id,
                "account": entry.account,
                "tenant_id": key[0],
                "amount_micro": entry.amount_micro,
                "occurred_at": self._now_ms,
            }
            for entry in transaction.entries
        ]

    def save(self) -> None:
        """Write what changed."""
        if self._changed:
            _SAVE.run(self._connection, [self._parameters(key) for key in sorted(self._changed)])
        if self._transactions:
            _INSERT_TRANSACTIONS.run(self._connection, self._transactions)
        if self._entries:
            _INSERT_ENTRIES.run(self._connection, self._entries)

    def _parameters(self, key: AccountKey) -> dict[str, Any]:
        account = self._rows[key]
        return {
            "of_tenant": key[0], "of_user": key[1], "new_available_micro": account.available_micro,
            "new_held_micro": account.held_micro, "new_cap_micro": account.cap_micro,
            "new_month": account.month, "new_spent_micro": account.spent_micro,
            "new_changed_at": self._now_ms,
        }  # fmt: skip
