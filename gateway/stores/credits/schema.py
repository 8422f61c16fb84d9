"""The tables of credits: what each user has, and every transaction that made it so.

Invariant: the entries of a transaction are in `ledger_entries` under its id; whoever changes a row of
`user_credits` has locked it, and nothing there is ever below zero.
"""

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Index, String, Table, Uuid

from gateway.stores.columns import Moment, UuidText, metadata, user_columns

user_credits = Table(
    "user_credits", metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("user_id", Uuid(as_uuid=True), primary_key=True),
    Column("subject", String(128), nullable=False),
    Column("available_micro", BigInteger, nullable=False, server_default="0"),
    Column("held_micro", BigInteger, nullable=False, server_default="0"),
    Column("cap_micro", BigInteger),
    Column("month", String(7), nullable=False, server_default=""),
    Column("spent_micro", BigInteger, nullable=False, server_default="0"),
    Column("changed_at", Moment, nullable=False),
    CheckConstraint("available_micro >= 0", name="available"),
    CheckConstraint("held_micro >= 0", name="held"),
    Index("idx_user_credits_subject", "tenant_id", "subject"),
)  # fmt: skip
"""What a user has and what is held of it; `spent_micro` was spent in `month`."""

credit_transactions = Table(
    "credit_transactions", metadata,
    Column("id", String(80), primary_key=True),
    *user_columns(),
    Column("kind", String(16), nullable=False),
    Column("amount_micro", BigInteger, nullable=False),
    Column("available_micro", BigInteger, nullable=False),
    Column("call_id", UuidText),
    Column("actor", String(128), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    CheckConstraint("kind IN ('allocation', 'deduction', 'hold', 'settlement')", name="kind"),
    Index("idx_credit_transactions_user", "tenant_id", "user_id", "occurred_at"),
    Index("idx_credit_transactions_occurred_at", "tenant_id", "occurred_at"),
    Index("idx_credit_transactions_call", "call_id"),
)  # fmt: skip
"""`amount_micro` is what a transaction did to what its user has available, `available_micro` what that was
then; `actor` is who did it, and `call_id` the call that it was done for."""
