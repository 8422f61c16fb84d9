"""The tables of people: what fans and creators have chosen, who knows whom, and who has blocked whom.

Invariant: whoever changes what two users are to one another, or begins or answers a call of theirs, has
locked both rows of `users`, in the order of their keys; so a block and a call never pass one another unseen.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from gateway.stores.columns import Moment, metadata

POLICIES = "('nobody', 'interacted', 'subscribed', 'anyone')"

users = Table(
    "users", metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("id", Uuid(as_uuid=True), primary_key=True),
    Column("subject", String(128), nullable=False),
    Column("username", String(32)),
    Column("display_name", String(80), nullable=False, server_default=""),
    Column("avatar_url", String(500), nullable=False, server_default=""),
    Column("fan_privacy_visibility", String(16), nullable=False, server_default="private"),
    Column("fan_allow_dm", String(16), nullable=False, server_default="interacted"),
    Column("fan_allow_calls", String(16), nullable=False, server_default="interacted"),
    Column("voice_rate_micro", BigInteger, nullable=False, server_default="0"),
    Column("video_rate_micro", BigInteger, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("fan_privacy_visibility IN ('private', 'creators', 'public')", name="visibility"),
    CheckConstraint(f"fan_allow_dm IN {POLICIES}", name="allow_dm"),
    CheckConstraint(f"fan_allow_calls IN {POLICIES}", name="allow_calls"),
    CheckConstraint("voice_rate_micro >= 0 AND video_rate_micro >= 0", name="rates"),
    UniqueConstraint("tenant_id", "username"),
)  # fmt: skip
"""Users who were seen: `id` is what rows of other tables carry, and unique only in its tenant, for it is the
`sub` itself where that is a UUID. Rates are micro-credits a minute."""

media_uids = Table(
    "media_uids", metadata,
    Column("uid", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("tenant_id", String(64), nullable=False),
    Column("user_id", Uuid(as_uuid=True), nullable=False),
    UniqueConstraint("tenant_id", "user_id"),
    CheckConstraint("uid BETWEEN 1 AND 4294967295", name="uint32"),
)  # fmt: skip
"""The number that stands for a user in media channels: drawn once, and the same in every call."""

relationships = Table(
    "creator_fan_relationships", metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("creator_id", Uuid(as_uuid=True), primary_key=True),
    Column("fan_id", Uuid(as_uuid=True), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("ended_at", Moment),
    CheckConstraint("kind IN ('follow', 'subscribe', 'message', 'tip', 'call')", name="kind"),
    ForeignKeyConstraint(["tenant_id", "creator_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["tenant_id", "fan_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    Index("idx_creator_fan_relationships_fan", "tenant_id", "fan_id"),
)  # fmt: skip
"""One row for each kind of thing that a fan has done with a creator."""

blocks = Table(
    "creator_blocked_users", metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("creator_id", Uuid(as_uuid=True), primary_key=True),
    Column("blocked_user_id", Uuid(as_uuid=True), primary_key=True),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["tenant_id", "creator_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["tenant_id", "blocked_user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"
    ),
    Index("idx_creator_blocked_users_blocked", "tenant_id", "blocked_user_id"),
)  # fmt: skip
"""`creator_id` is whoever blocks: a creator, or a fan who blocks a creator."""
