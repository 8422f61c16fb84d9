"""Sessions, minutes, the ledger, and what admins did."""

import sqlalchemy as sa
from alembic import op

from gateway.stores.columns import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _sessions()
    _minutes()
    _ledger()
    _limits()
    _records()


def _sessions() -> None:
    op.create_table(
        "boots",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("lease_until", Moment(), nullable=False),
        sa.Column("fenced_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_boots"),
    )
    op.create_index("idx_boots_lease_until", "boots", ["lease_until"])
    op.create_table(
        "live_sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("plan", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("active_at", Moment(), nullable=False),
        sa.Column("deadline_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("end_reason", sa.String(length=64), nullable=True),
        sa.Column("end_requested_by", sa.String(length=128), nullable=True),
        sa.Column("media_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_live_sessions"),
    )
    op.create_index("idx_live_sessions_boot", "live_sessions", ["boot_id", "state"])
    op.create_index("idx_live_sessions_deadline_at", "live_sessions", ["state", "deadline_at"])
    op.create_index("idx_live_sessions_started_at", "live_sessions", ["tenant_id", "started_at"])
    op.create_index("idx_live_sessions_user", "live_sessions", ["tenant_id", "user_id", "state"])


def _minutes() -> None:
    op.create_table(
        "usage_quotas",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("period_key", sa.String(length=16), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("extra_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("held_ms >= 0", name=op.f("ck_usage_quotas_held")),
        sa.CheckConstraint("used_ms >= 0", name=op.f("ck_usage_quotas_used")),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "kind", "period_key", name="pk_usage_quotas"),
    )
    op.create_index("idx_usage_quotas_period_key", "usage_quotas", ["period_key", "kind"])
    op.create_table(
        "quota_slices",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.Column("hour_key", sa.String(length=16), nullable=False),
        sa.Column("day_key", sa.String(length=16), nullable=False),
        sa.Column("month_key", sa.String(length=16), nullable=False),
        sa.Column("granted_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cumulative_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("closed_at", Moment(), nullable=True),
        sa.Column("closed_by", sa.String(length=16), nullable=True),
        sa.Column("settled_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "granted_ms >= 0 AND cumulative_ms >= 0 AND settled_ms >= 0", name=op.f("ck_quota_slices_amounts")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_quota_slices"),
    )
    op.create_index("idx_quota_slices_open", "quota_slices", ["state", "boot_id"])
    op.create_index("idx_quota_slices_session", "quota_slices", ["session_id"])
    op.create_index("idx_quota_slices_user", "quota_slices", ["tenant_id", "user_id", "state"])


def _ledger() -> None:
    op.create_table(
        "usage_events",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("slice_id", sa.String(length=64), nullable=False),
        sa.Column("hour_key", sa.String(length=16), nullable=False),
        sa.Column("day_key", sa.String(length=16), nullable=False),
        sa.Column("month_key", sa.String(length=16), nullable=False),
        sa.Column("quantity_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("late", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("rate_micro_per_minute", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.CheckConstraint("quantity_ms >= 0 AND cost_micro >= 0", name=op.f("ck_usage_events_amounts")),
        sa.PrimaryKeyConstraint("id", name="pk_usage_events"),
    )
    op.create_index("idx_usage_events_occurred_at", "usage_events", ["tenant_id", "occurred_at"])
    op.create_index("idx_usage_events_user", "usage_events", ["tenant_id", "user_id", "occurred_at"])
    op.create_table(
        "ledger_entries",
        sa.Column("event_id", sa.String(length=80), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "account", name="pk_ledger_entries"),
    )
    op.create_index("idx_ledger_entries_account", "ledger_entries", ["account", "occurred_at"])
    op.create_table(
        "outbox",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_id", sa.String(length=80), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.Column("logged_at", Moment(), nullable=True),
        sa.Column("sent_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_outbox"),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
    )
    op.create_index("idx_outbox_logged_at", "outbox", ["logged_at", "sequence"])
    op.create_index("idx_outbox_sent_at", "outbox", ["sent_at", "sequence"])


def _limits() -> None:
    op.create_table(
        "quota_adjustments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("period_key", sa.String(length=16), nullable=False),
        sa.Column("extra_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quota_adjustments"),
    )
    op.create_index("idx_quota_adjustments_user", "quota_adjustments", ["tenant_id", "user_id", "period_key"])
    op.create_table(
        "quota_overrides",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("limit_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "kind", "period", name="pk_quota_overrides"),
    )


def _records() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("idx_audit_log_occurred_at", "audit_log", ["tenant_id", "occurred_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("started_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "key", name="pk_idempotency_keys"),
    )
    op.create_index("idx_idempotency_keys_started_at", "idempotency_keys", ["started_at"])
