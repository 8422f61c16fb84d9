"""The tables of calls: how each stands, how it was answered, and what its users are told of it.

Invariant: a row changes only under its lock, as sessions/calls.py says, and with it whatever follows: the
invitation, the notices, the credits. Of a user one call at most is not over.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Uuid,
    text,
)

from gateway.stores.columns import Moment, UuidText, metadata

_OPEN = text("ended_at IS NULL")

calls = Table(
    "calls", metadata,
    Column("id", UuidText, primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("creator", String(128), nullable=False),
    Column("creator_id", Uuid(as_uuid=True), nullable=False),
    Column("fan", String(128), nullable=False),
    Column("fan_id", Uuid(as_uuid=True), nullable=False),
    Column("call_type", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("rate_micro_per_minute", BigInteger, nullable=False, server_default="0"),
    Column("increment_ms", Integer, nullable=False),
    Column("free_ms", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("deadline_at", Moment, nullable=False),
    Column("creator_device", String(128)),
    Column("fan_device", String(128)),
    Column("accepted_by", String(64)),
    Column("caller_lost_at", Moment),
    Column("accepted_at", Moment),
    Column("creator_joined_at", Moment),
    Column("creator_heard_at", Moment),
    Column("creator_left_at", Moment),
    Column("fan_joined_at", Moment),
    Column("fan_heard_at", Moment),
    Column("fan_left_at", Moment),
    Column("connected_at", Moment),
    Column("minutes_held", Integer, nullable=False, server_default="0"),
    Column("warned", Boolean, nullable=False, server_default="0"),
    Column("ended_at", Moment),
    Column("end_reason", String(32)),
    Column("ended_by", String(128)),
    Column("billed_ms", BigInteger, nullable=False, server_default="0"),
    Column("cost_micro", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("creator_id <> fan_id", name="two_users"),
    CheckConstraint("call_type IN ('voice', 'video')", name="call_type"),
    CheckConstraint(
        "state IN ('RINGING', 'ACCEPTED', 'CONNECTED', 'ENDED', 'DECLINED', 'MISSED', 'CANCELLED', 'FAILED')",
        name="state",
    ),
    CheckConstraint(
        "(ended_at IS NULL) = (state IN ('RINGING', 'ACCEPTED', 'CONNECTED'))", name="ended_when_over"
    ),
    CheckConstraint("billed_ms >= 0 AND cost_micro >= 0 AND minutes_held >= 0", name="amounts"),
    Index("idx_calls_state", "state"),
    Index("idx_calls_deadline_at", "deadline_at", postgresql_where=_OPEN, sqlite_where=_OPEN),
    Index(
        "idx_calls_open_creator", "tenant_id", "creator_id", unique=True, postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    ),
    Index(
        "idx_calls_open_fan", "tenant_id", "fan_id", unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN
    ),
    Index("idx_calls_pair", "tenant_id", "creator_id", "fan_id", "created_at"),
    Index("idx_calls_creator", "tenant_id", "creator_id", "created_at"),
    Index("idx_calls_fan", "tenant_id", "fan_id", "created_at"),
)  # fmt: skip
"""`creator` and `fan` are subjects. `..._joined_at`, `..._heard_at` and `..._left_at` are the two legs into
the media; `deadline_at` is when something has to happen to a call that is open; `accepted_by` is the id of
the operation that accepted it."""

call_invitations = Table(
    "call_invitations", metadata,
    Column("call_id", UuidText, primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("creator_id", Uuid(as_uuid=True), nullable=False),
    Column("fan_id", Uuid(as_uuid=True), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("answered_at", Moment),
    CheckConstraint(
        "state IN ('pending', 'accepted', 'declined', 'expired', 'cancelled')", name="state"
    ),
    ForeignKeyConstraint(["call_id"], ["calls.id"], ondelete="CASCADE"),
    Index("idx_call_invitations_state", "state", "expires_at"),
    Index("idx_call_invitations_fan", "tenant_id", "fan_id", "created_at"),
)  # fmt: skip
"""How the ring of a call went. It is told of the call and decides nothing: what an operator changes here
changes no call, and a call that nobody may accept any more is past its own `expires_at`."""

call_events = Table(
    "call_events", metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("call_id", UuidText, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("notice", String(24), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("except_device", String(128)),
    Column("occurred_at", Moment, nullable=False),
    ForeignKeyConstraint(["call_id"], ["calls.id"], ondelete="CASCADE"),
    Index("idx_call_events_occurred_at", "occurred_at"),
    Index("idx_call_events_call", "call_id", "version"),
)  # fmt: skip
"""The outbox of calls: what a user is told, written with the change. A process that hears of none by itself,
because the one that wrote it is gone, reads the newest of these."""
