"""Column types that mean the same on SQLite and PostgreSQL, and what all tables have in common.

Invariant: in Python a moment is always whole milliseconds since the epoch, and a UUID the text that is usual
for it; a person at `psql` reads a timestamp with its zone, and a uuid.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, MetaData, String, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Moment(TypeDecorator[int]):
    """Milliseconds since the epoch: `timestamptz` on PostgreSQL, an integer on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that the database has."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        """Return what is sent to the database."""
        if value is None or dialect.name != "postgresql":
            return value
        return _EPOCH + value * _MILLISECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """Return milliseconds of what the database has."""
        if value is None:
            return None
        return int((value - _EPOCH) // _MILLISECOND if dialect.name == "postgresql" else value)


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID as it is stored: nothing has another for its id, and PostgreSQL takes
    none but a UUID in the place of one."""
    return _UUID.fullmatch(text) is not None


class UuidText(TypeDecorator[str]):
    """A UUID, in Python its text (RFC 9562, section 4) in small letters: `uuid` on PostgreSQL, its text on
    SQLite."""

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that the database has."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=False))
        return dialect.type_descriptor(String(36))


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "idx_%(column_0_N_label)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
"""Of every table; `schema.py` sees to it that they are all there."""


def user_columns() -> list[Column[object]]:
    """Return the columns of a row that is a user's."""
    return [
        Column("tenant_id", String(64), nullable=False),
        Column("user_id", Uuid(as_uuid=True), nullable=False),
        Column("subject", String(128), nullable=False),
    ]
