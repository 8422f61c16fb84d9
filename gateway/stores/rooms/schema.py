"""The tables of rooms and polls; `migrations/` makes them, as it does those of gateway/stores/schema.py.

Invariant: whoever changes a row of a room, but for its polls and ballots, has locked the room's; whoever
changes a ballot has locked its poll. So no two of them insert the same row.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    text,
)

from gateway.stores.columns import Moment, UuidText, metadata, user_columns

rooms = Table(
    "rooms", metadata,
    Column("id", UuidText, primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("room_code", String(6), nullable=False),
    Column("name", String(80), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("host", String(128), nullable=False),
    Column("host_user_id", Uuid(as_uuid=True), nullable=False),
    Column("max_participants", Integer, nullable=False),
    Column("is_private", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("active_at", Moment, nullable=False),
    Column("deadline_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("closed_by", String(8)),
    Column("last_offset", BigInteger, nullable=False, server_default="0"),
    Column("places", BigInteger, nullable=False, server_default="0"),
    Column("participants", Integer, nullable=False, server_default="0"),
    Column("version", BigInteger, nullable=False, server_default="1"),
    CheckConstraint("participants >= 0 AND participants <= max_participants", name="participants"),
    Index(
        "idx_rooms_open_code", "tenant_id", "room_code",
        unique=True, postgresql_where=text("is_active"), sqlite_where=text("is_active"),
    ),
    Index("idx_rooms_deadline_at", "is_active", "deadline_at"),
    Index("idx_rooms_owner", "tenant_id", "owner", "is_active"),
    Index("idx_rooms_created_at", "tenant_id", "is_active", "created_at"),
)  # fmt: skip
"""`owner` and `host` are subjects of users. `deadline_at` is not later than when an open room has idled for
too long, or when what was said in a closed one is forgotten."""

room_participants = Table(
    "room_participants", metadata,
    Column("room_id", UuidText, primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("user_id", Uuid(as_uuid=True), nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("joined_at", Moment, nullable=False),
    Column("lost_at", Moment),
    Index("idx_room_participants_user", "tenant_id", "subject"),
    Index(
        "idx_room_participants_lost_at", "lost_at",
        postgresql_where=text("lost_at IS NOT NULL"), sqlite_where=text("lost_at IS NOT NULL"),
    ),
    Index(
        "idx_room_participants_lost", "room_id", "lost_at",
        postgresql_where=text("lost_at IS NOT NULL"), sqlite_where=text("lost_at IS NOT NULL"),
    ),
)  # fmt: skip
"""Who is in; `lost_at`: without a connection since then."""

room_seats = Table(
    "room_seats", metadata,
    Column("room_id", UuidText, primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("boot_id", String(64), primary_key=True),
    Index("idx_room_seats_boot", "boot_id"),
)  # fmt: skip
"""In which lives of processes a participant has connections."""

room_kicked = Table(
    "room_kicked", metadata,
    Column("room_id", UuidText, primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("kicked_by", String(128), nullable=False),
    Column("kicked_at", Moment, nullable=False),
)  # fmt: skip

room_events = Table(
    "room_events", metadata,
    Column("room_id", UuidText, primary_key=True),
    Column("event_offset", BigInteger, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("subject", String(128)),
    Column("why", String(8)),
    Column("occurred_at", Moment, nullable=False),
)  # fmt: skip
"""What happened in a room but for messages, which are events too and have their offsets among these."""

room_messages = Table(
    "room_messages", metadata,
    Column("room_id", UuidText, primary_key=True),
    Column("event_offset", BigInteger, primary_key=True),
    Column("id", UuidText, nullable=False),
    *user_columns(),
    Column("client_id", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("idx_room_messages_client_id", "room_id", "subject", "client_id", unique=True),
)  # fmt: skip
"""Text as it was typed; `client_id` is the sender's name for it, by which a retry is known."""

polls = Table(
    "polls", metadata,
    Column("id", UuidText, primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("room_id", UuidText, nullable=False),
    Column("author", String(128), nullable=False),
    Column("author_user_id", Uuid(as_uuid=True), nullable=False),
    Column("question", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("multiple", Boolean, nullable=False),
    Column("allow_change", Boolean, nullable=False),
    Column("visibility", String(16), nullable=False),
    Column("results", String(16), nullable=False),
    Column("open_ms", BigInteger),
    Column("state", String(8), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("opened_at", Moment),
    Column("closes_at", Moment),
    Column("closed_at", Moment),
    Column("closed_by", String(8)),
    Column("deadline_at", Moment, nullable=False),
    Column("votes", JSON, nullable=False),
    Column("voters", Integer, nullable=False, server_default="0"),
    Column("shown_version", BigInteger, nullable=False, server_default="1"),
    Column("shown_votes", JSON, nullable=False),
    Column("shown_voters", Integer, nullable=False, server_default="0"),
    Column("unshown", JSON, nullable=False),
    Column("ballot_key", LargeBinary, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Index("idx_polls_room", "room_id", "created_at"),
    Index("idx_polls_deadline_at", "deadline_at"),
)  # fmt: skip
"""`votes` counts the ballots, one number for each option. `ballot_key` makes the names on the ballots of an
anonymous poll, and is empty from its end on."""

poll_votes = Table(
    "poll_votes", metadata,
    Column("poll_id", UuidText, primary_key=True),
    Column("voter", String(128), primary_key=True),
    Column("user_id", Uuid(as_uuid=True)),
    Column("option_ids", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("voted_at", Moment),
)  # fmt: skip
"""Ballots: `option_ids` are separated by commas, none where a vote was taken back. In an anonymous poll
`voter` names nobody, and neither user nor time is kept."""
