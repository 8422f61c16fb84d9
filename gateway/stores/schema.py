"""The tables, as SQLAlchemy Core knows them; `migrations/` makes them, and a test holds the two together.

Those of rooms and polls, of people, calls and credits are in the `schema` of their packages. Invariant:
durations are whole milliseconds (`_ms`), money whole micro-credits (`_micro`); every row of a user carries
the tenant, the user's UUID (what other tables and operators' queries join on) and `subject`, the `sub` of the
user's tokens.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
)

from gateway.stores.calls import schema as _calls  # noqa: F401 - these tables are of the same database
from gateway.stores.columns import Moment, metadata, user_columns
from gateway.stores.credits import schema as _credits  # noqa: F401 - as above
from gateway.stores.people import schema as _people  # noqa: F401 - as above
from gateway.stores.rooms import schema as _rooms  # noqa: F401 - as above

__all__ = [
    "audit_log", "boots", "idempotency_keys", "ledger_entries", "live_sessions", "metadata", "outbox",
    "quota_adjustments", "quota_overrides", "quota_slices", "usage_events", "usage_quotas",
]  # fmt: skip


def _amount(name: str, **options: object) -> Column[object]:
    return Column(name, BigInteger, nullable=False, server_default="0", **options)  # type: ignore[arg-type]


boots = Table(
    "boots", metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("lease_until", Moment, nullable=False),
    Column("fenced_at", Moment),
    Column("ended_at", Moment),
    Index("idx_boots_lease_until", "lease_until"),
)  # fmt: skip
"""One row for each life of a server process. What a boot holds is its own while its lease runs, by the
database's clock; `fenced_at` says that another took it over, `ended_at` that it left in order."""

live_sessions = Table(
    "live_sessions", metadata,
    Column("id", String(64), primary_key=True),
    *user_columns(),
    Column("channel_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("plan", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("active_at", Moment, nullable=False),
    Column("deadline_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("end_reason", String(64)),
    Column("end_requested_by", String(128)),
    _amount("media_ms"),
    Index("idx_live_sessions_deadline_at", "state", "deadline_at"),
    Index("idx_live_sessions_user", "tenant_id", "user_id", "state"),
    Index("idx_live_sessions_boot", "boot_id", "state"),
    Index("idx_live_sessions_started_at", "tenant_id", "started_at"),
)  # fmt: skip

usage_quotas = Table(
    "usage_quotas", metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("user_id", Uuid(as_uuid=True), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("period_key", String(16), primary_key=True),
    Column("period", String(8), nullable=False),
    Column("subject", String(128), nullable=False),
    _amount("used_ms"),
    _amount("held_ms"),
    _amount("extra_ms"),
    CheckConstraint("used_ms >= 0", name="used"),
    CheckConstraint("held_ms >= 0", name="held"),
    Index("idx_usage_quotas_period_key", "period_key", "kind"),
)  # fmt: skip
"""What a user has used, holds and was given besides, in one window: `2026-11-20T14`, `2026-11-20` or
`2026-11`. A window is a key and is never reset by a job."""

quota_slices = Table(
    "quota_slices", metadata,
    Column("id", String(64), primary_key=True),
    *user_columns(),
    Column("kind", String(16), nullable=False),
    Column("session_id", String(64), nullable=False),
    Column("channel_id", String(64), nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("hour_key", String(16), nullable=False),
    Column("day_key", String(16), nullable=False),
    Column("month_key", String(16), nullable=False),
    _amount("granted_ms"),
    _amount("cumulative_ms"),
    Column("state", String(8), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("closed_by", String(16)),
    _amount("settled_ms"),
    CheckConstraint("granted_ms >= 0 AND cumulative_ms >= 0 AND settled_ms >= 0", name="amounts"),
    Index("idx_quota_slices_open", "state", "boot_id"),
    Index("idx_quota_slices_user", "tenant_id", "user_id", "state"),
    Index("idx_quota_slices_session", "session_id"),
)  # fmt: skip
"""Minutes held for one session; `state` is open or closed, and it closes exactly once."""

usage_events = Table(
    "usage_events", metadata,
    Column("id", String(80), primary_key=True),
    *user_columns(),
    Column("kind", String(16), nullable=False),
    Column("session_id", String(64), nullable=False),
    Column("channel_id", String(64), nullable=False),
    Column("slice_id", String(64), nullable=False),
    Column("hour_key", String(16), nullable=False),
    Column("day_key", String(16), nullable=False),
    Column("month_key", String(16), nullable=False),
    _amount("quantity_ms"),
    Column("late", Boolean, nullable=False, server_default="0"),
    _amount("rate_micro_per_minute"),
    _amount("cost_micro"),
    Column("occurred_at", Moment, nullable=False),
    CheckConstraint("quantity_ms >= 0 AND cost_micro >= 0", name="amounts"),
    Index("idx_usage_events_user", "tenant_id", "user_id", "occurred_at"),
    Index("idx_usage_events_occurred_at", "tenant_id", "occurred_at"),
)  # fmt: skip
"""What was used, once: `id` is the slice's, with `:late:` and where the slice stands then for what a process
that was taken for gone reported afterwards."""

ledger_entries = Table(
    "ledger_entries", metadata,
    Column("event_id", String(80), primary_key=True),
    Column("account", String(255), primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    _amount("amount_micro"),
    Column("occurred_at", Moment, nullable=False),
    Index("idx_ledger_entries_account", "account", "occurred_at"),
)  # fmt: skip
"""Double entry: the entries of one event add to zero. A negative amount is a debit."""

outbox = Table(
    "outbox", metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", String(80), nullable=False, unique=True),
    Column("tenant_id", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("logged_at", Moment),
    Column("sent_at", Moment),
    Index("idx_outbox_logged_at", "logged_at", "sequence"),
    Index("idx_outbox_sent_at", "sent_at", "sequence"),
)  # fmt: skip
"""What is to be told outside: the usage log (`logged_at`) and CloudEvents (`sent_at`)."""

quota_adjustments = Table(
    "quota_adjustments", metadata,
    Column("id", String(64), primary_key=True),
    *user_columns(),
    Column("kind", String(16), nullable=False),
    Column("period", String(8), nullable=False),
    Column("period_key", String(16), nullable=False),
    Column("extra_ms", BigInteger, nullable=False, server_default="0"),
    Column("used_ms", BigInteger, nullable=False, server_default="0"),
    Column("actor", String(128), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("occurred_at", Moment, nullable=False),
    Index("idx_quota_adjustments_user", "tenant_id", "user_id", "period_key"),
)  # fmt: skip
"""Minutes granted (`extra_ms`) or a window set back (negative `used_ms`) by an admin."""

quota_overrides = Table(
    "quota_overrides", metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("period", String(8), primary_key=True),
    Column("limit_ms", BigInteger, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("changed_at", Moment, nullable=False),
)  # fmt: skip
"""Limits that stand in the place of the plan's: for a user, or with an empty `subject` for everybody in
the tenant. A `limit_ms` of -1 is no limit."""

audit_log = Table(
    "audit_log", metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(255), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Index("idx_audit_log_occurred_at", "tenant_id", "occurred_at"),
)  # fmt: skip

idempotency_keys = Table(
    "idempotency_keys", metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer),
    Column("body", Text),
    Column("started_at", Moment, nullable=False),
    Index("idx_idempotency_keys_started_at", "started_at"),
)  # fmt: skip
"""Answers of requests that must not happen twice; `status` is null while the first is at work."""
