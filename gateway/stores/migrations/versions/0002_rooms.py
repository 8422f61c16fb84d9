"""Rooms, who is in them and what is said there, polls and ballots."""

import sqlalchemy as sa
from alembic import op

from gateway.stores.columns import Moment, UuidText

revision = "0002"
down_revision = "0001"

SECURED = ("rooms", "polls")


def upgrade() -> None:
    """Make the tables."""
    _rooms()
    _people()
    _history()
    _polls()
    if op.get_bind().dialect.name == "postgresql":
        for table in SECURED:
            _secure(table)


def _rooms() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", UuidText(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("room_code", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("host_user_id", sa.Uuid(), nullable=False),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("active_at", Moment(), nullable=False),
        sa.Column("deadline_at", Moment(), nullable=False),
        sa.Column("closed_at", Moment(), nullable=True),
        sa.Column("closed_by", sa.String(length=8), nullable=True),
        sa.Column("last_offset", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("places", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("participants", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "participants >= 0 AND participants <= max_participants", name=op.f("ck_rooms_participants")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_rooms"),
    )
    op.create_index(
        "idx_rooms_open_code", "rooms", ["tenant_id", "room_code"],
        unique=True, postgresql_where=sa.text("is_active"), sqlite_where=sa.text("is_active"),
    )  # fmt: skip
    op.create_index("idx_rooms_created_at", "rooms", ["tenant_id", "is_active", "created_at"])
    op.create_index("idx_rooms_deadline_at", "rooms", ["is_active", "deadline_at"])
    op.create_index("idx_rooms_owner", "rooms", ["tenant_id", "owner", "is_active"])


def _people() -> None:
    op.create_table(
        "room_participants",
        sa.Column("room_id", UuidText(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", Moment(), nullable=False),
        sa.Column("lost_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("room_id", "subject", name="pk_room_participants"),
    )
    op.create_index("idx_room_participants_user", "room_participants", ["tenant_id", "subject"])
    for name, columns in (
        ("idx_room_participants_lost", ["room_id", "lost_at"]),
        ("idx_room_participants_lost_at", ["lost_at"]),
    ):
        op.create_index(
            name, "room_participants", columns,
            postgresql_where=sa.text("lost_at IS NOT NULL"), sqlite_where=sa.text("lost_at IS NOT NULL"),
        )  # fmt: skip
    op.create_table(
        "room_seats",
        sa.Column("room_id", UuidText(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "subject", "boot_id", name="pk_room_seats"),
    )
    op.create_index("idx_room_seats_boot", "room_seats", ["boot_id"])
    op.create_table(
        "room_kicked",
        sa.Column("room_id", UuidText(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kicked_by", sa.String(length=128), nullable=False),
        sa.Column("kicked_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "subject", name="pk_room_kicked"),
    )


def _history() -> None:
    op.create_table(
        "room_events",
        sa.Column("room_id", UuidText(), nullable=False),
        sa.Column("event_offset", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=True),
        sa.Column("why", sa.String(length=8), nullable=True),
        sa.Column("occurred_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "event_offset", name="pk_room_events"),
    )
    op.create_table(
        "room_messages",
        sa.Column("room_id", UuidText(), nullable=False),
        sa.Column("event_offset", sa.BigInteger(), nullable=False),
        sa.Column("id", UuidText(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "event_offset", name="pk_room_messages"),
    )
    op.create_index(
        "idx_room_messages_client_id", "room_messages", ["room_id", "subject", "client_id"], unique=True
    )


def _polls() -> None:
    op.create_table(
        "polls",
        sa.Column("id", UuidText(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("room_id", UuidText(), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("author_user_id", sa.Uuid(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("multiple", sa.Boolean(), nullable=False),
        sa.Column("allow_change", sa.Boolean(), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("results", sa.String(length=16), nullable=False),
        sa.Column("open_ms", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("opened_at", Moment(), nullable=True),
        sa.Column("closes_at", Moment(), nullable=True),
        sa.Column("closed_at", Moment(), nullable=True),
        sa.Column("closed_by", sa.String(length=8), nullable=True),
        sa.Column("deadline_at", Moment(), nullable=False),
        sa.Column("votes", sa.JSON(), nullable=False),
        sa.Column("voters", sa.Integer(), server_default="0", nullable=False),
        sa.Column("shown_version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("shown_votes", sa.JSON(), nullable=False),
        sa.Column("shown_voters", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unshown", sa.JSON(), nullable=False),
        sa.Column("ballot_key", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_polls"),
    )
    op.create_index("idx_polls_deadline_at", "polls", ["deadline_at"])
    op.create_index("idx_polls_room", "polls", ["room_id", "created_at"])
    op.create_table(
        "poll_votes",
        sa.Column("poll_id", UuidText(), nullable=False),
        sa.Column("voter", sa.String(length=128), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("option_ids", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("voted_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("poll_id", "voter", name="pk_poll_votes"),
    )


def _secure(table: str) -> None:
    """Show a role of the database, other than the tables' owner, the rows of the tenant that it names, and
    everything to a server of ours, which says so for each connection (gateway/stores/postgres.py)."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_of_tenant ON {table} USING ("
        "tenant_id = current_setting('stagedoor.tenant', true) "
        "OR current_setting('stagedoor.server', true) = 'on')"
    )
