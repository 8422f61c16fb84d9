"""Fans and creators, relationships and blocks, calls, and credits."""

import sqlalchemy as sa
from alembic import op

from gateway.stores.columns import Moment, UuidText

revision = "0003"
down_revision = "0002"

_OPEN = sa.text("ended_at IS NULL")
_HAS_RELATIONSHIP = """
CREATE FUNCTION creator_has_relationship(creator uuid, fan uuid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT EXISTS (SELECT FROM creator_fan_relationships WHERE creator_id = creator AND fan_id = fan) $$
"""


def upgrade() -> None:
    """Make the tables, and on PostgreSQL the function that operators ask."""
    _people()
    _calls()
    _rings()
    _credits()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_HAS_RELATIONSHIP)


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("username", sa.String(length=32), nullable=True),
        sa.Column("display_name", sa.String(length=80), server_default="", nullable=False),
        sa.Column("avatar_url", sa.String(length=500), server_default="", nullable=False),
        sa.Column("fan_privacy_visibility", sa.String(length=16), server_default="private", nullable=False),
        sa.Column("fan_allow_dm", sa.String(length=16), server_default="interacted", nullable=False),
        sa.Column("fan_allow_calls", sa.String(length=16), server_default="interacted", nullable=False),
        sa.Column("voice_rate_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("video_rate_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.CheckConstraint(
            "fan_allow_calls IN ('nobody', 'interacted', 'subscribed', 'anyone')",
            name=op.f("ck_users_allow_calls"),
        ),
        sa.CheckConstraint(
            "fan_allow_dm IN ('nobody', 'interacted', 'subscribed', 'anyone')", name=op.f("ck_users_allow_dm")
        ),
        sa.CheckConstraint(
            "fan_privacy_visibility IN ('private', 'creators', 'public')", name=op.f("ck_users_visibility")
        ),
        sa.CheckConstraint("voice_rate_micro >= 0 AND video_rate_micro >= 0", name=op.f("ck_users_rates")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_users")),
        sa.UniqueConstraint("tenant_id", "username", name=op.f("uq_users_tenant_id_username")),
    )
    op.create_table(
        "media_uids",
        sa.Column(
            "uid", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("uid BETWEEN 1 AND 4294967295", name=op.f("ck_media_uids_uint32")),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_media_uids")),
        sa.UniqueConstraint("tenant_id", "user_id", name=op.f("uq_media_uids_tenant_id_user_id")),
    )
    op.create_table(
        "creator_fan_relationships",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("fan_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("first_at", Moment(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('follow', 'subscribe', 'message', 'tip', 'call')",
            name=op.f("ck_creator_fan_relationships_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "creator_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_creator_fan_relationships_tenant_id_creator_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "fan_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_creator_fan_relationships_tenant_id_fan_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "creator_id", "fan_id", "kind", name=op.f("pk_creator_fan_relationships")
        ),
    )
    op.create_index("idx_creator_fan_relationships_fan", "creator_fan_relationships", ["tenant_id", "fan_id"])
    # ### end Alembic commands ###
    op.create_table(
        "creator_blocked_users",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("blocked_user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "blocked_user_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_creator_blocked_users_tenant_id_blocked_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "creator_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_creator_blocked_users_tenant_id_creator_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "creator_id", "blocked_user_id", name=op.f("pk_creator_blocked_users")
        ),
    )
    op.create_index(
        "idx_creator_blocked_users_blocked", "creator_blocked_users", ["tenant_id", "blocked_user_id"]
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", UuidText(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("creator", sa.String(length=128), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("fan", sa.String(length=128), nullable=False),
        sa.Column("fan_id", sa.Uuid(), nullable=False),
        sa.Column("call_type", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("rate_micro_per_minute", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("increment_ms", sa.Integer(), nullable=False),
        sa.Column("free_ms", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("deadline_at", Moment(), nullable=False),
        sa.Column("creator_device", sa.String(length=128), nullable=True),
        sa.Column("fan_device", sa.String(length=128), nullable=True),
        sa.Column("accepted_by", sa.String(length=64), nullable=True),
        sa.Column("caller_lost_at", Moment(), nullable=True),
        sa.Column("accepted_at", Moment(), nullable=True),
        sa.Column("creator_joined_at", Moment(), nullable=True),
        sa.Column("creator_heard_at", Moment(), nullable=True),
        sa.Column("creator_left_at", Moment(), nullable=True),
        sa.Column("fan_joined_at", Moment(), nullable=True),
        sa.Column("fan_heard_at", Moment(), nullable=True),
        sa.Column("fan_left_at", Moment(), nullable=True),
        sa.Column("connected_at", Moment(), nullable=True),
        sa.Column("minutes_held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("warned", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.Column("ended_by", sa.String(length=128), nullable=True),
        sa.Column("billed_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (state IN ('RINGING', 'ACCEPTED', 'CONNECTED'))",
            name=op.f("ck_calls_ended_when_over"),
        ),
        sa.CheckConstraint("call_type IN ('voice', 'video')", name=op.f("ck_calls_call_type")),
        sa.CheckConstraint(
            "state IN ('RINGING', 'ACCEPTED', 'CONNECTED', 'ENDED', 'DECLINED', 'MISSED', 'CANCELLED', "
            "'FAILED')",
            name=op.f("ck_calls_state"),
        ),
        sa.CheckConstraint(
            "billed_ms >= 0 AND cost_micro >= 0 AND minutes_held >= 0", name=op.f("ck_calls_amounts")
        ),
        sa.CheckConstraint("creator_id <> fan_id", name=op.f("ck_calls_two_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index("idx_calls_creator", "calls", ["tenant_id", "creator_id", "created_at"])
    op.create_index(
        "idx_calls_deadline_at", "calls", ["deadline_at"], postgresql_where=_OPEN, sqlite_where=_OPEN
    )
    op.create_index("idx_calls_fan", "calls", ["tenant_id", "fan_id", "created_at"])
    op.create_index(
        "idx_calls_open_creator",
        "calls",
        ["tenant_id", "creator_id"],
        unique=True,
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    op.create_index(
        "idx_calls_open_fan",
        "calls",
        ["tenant_id", "fan_id"],
        unique=True,
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    op.create_index("idx_calls_pair", "calls", ["tenant_id", "creator_id", "fan_id", "created_at"])
    op.create_index("idx_calls_state", "calls", ["state"])


def _rings() -> None:
    op.create_table(
        "call_invitations",
        sa.Column("call_id", UuidText(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("fan_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("answered_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'accepted', 'declined', 'expired', 'cancelled')",
            name=op.f("ck_call_invitations_state"),
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_call_invitations_call_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_call_invitations")),
    )
    op.create_index("idx_call_invitations_fan", "call_invitations", ["tenant_id", "fan_id", "created_at"])
    op.create_index("idx_call_invitations_state", "call_invitations", ["state", "expires_at"])
    op.create_table(
        "call_events",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("call_id", UuidText(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("notice", sa.String(length=24), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("except_device", sa.String(length=128), nullable=True),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_call_events_call_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_call_events")),
    )
    op.create_index("idx_call_events_call", "call_events", ["call_id", "version"])
    op.create_index("idx_call_events_occurred_at", "call_events", ["occurred_at"])


def _credits() -> None:
    op.create_table(
        "user_credits",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("available_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cap_micro", sa.BigInteger(), nullable=True),
        sa.Column("month", sa.String(length=7), server_default="", nullable=False),
        sa.Column("spent_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.CheckConstraint("available_micro >= 0", name=op.f("ck_user_credits_available")),
        sa.CheckConstraint("held_micro >= 0", name=op.f("ck_user_credits_held")),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_user_credits")),
    )
    op.create_index("idx_user_credits_subject", "user_credits", ["tenant_id", "subject"])
    op.create_table(
        "credit_transactions",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("available_micro", sa.BigInteger(), nullable=False),
        sa.Column("call_id", UuidText(), nullable=True),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('allocation', 'deduction', 'hold', 'settlement')",
            name=op.f("ck_credit_transactions_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_transactions")),
    )
    op.create_index("idx_credit_transactions_call", "credit_transactions", ["call_id"])
    op.create_index(
        "idx_credit_transactions_occurred_at", "credit_transactions", ["tenant_id", "occurred_at"]
    )
    op.create_index(
        "idx_credit_transactions_user", "credit_transactions", ["tenant_id", "user_id", "occurred_at"]
    )
