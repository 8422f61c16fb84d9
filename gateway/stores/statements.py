"""Statements that the two databases spell differently; everything else is plain SQLAlchemy Core.

Invariant: a caller need not know which database a connection has.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Insert,
    String,
    Table,
    cast,
    func,
    text,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from gateway import clock

_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_POSTGRESQL_NOW = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


def insert_new(connection: Connection, table: Table, *, key: Sequence[str] = ()) -> Insert:
    """Return an insert that leaves a row alone which is there already, by `key` (default: any constraint).

    Give the rows when it is executed. A row that breaks a CHECK or NOT NULL still raises IntegrityError.
    """
    statement: Any = _INSERTS[connection.dialect.name](table)
    inserted: Insert = statement.on_conflict_do_nothing(index_elements=list(key) or None)
    return inserted


def insert_or_update(
    connection: Connection, table: Table, columns: Sequence[str], *, key: Sequence[str] = ()
) -> Insert:
    """Return an insert that sets `columns` to the new values where a row with this `key` (default: the
    primary key) is there. Give the rows when it is executed; each key once for each execution's row."""
    statement: Any = _INSERTS[connection.dialect.name](table)
    by = list(key) or [column.name for column in table.primary_key.columns]
    updated: Insert = statement.on_conflict_do_update(
        index_elements=by, set_={name: statement.excluded[name] for name in columns}
    )
    return updated


class joined(FunctionElement[str]):  # noqa: N801 - it stands in a statement like any other function
    """The texts of a group, one behind the other with commas between; null for no text."""

    inherit_cache = True
    type = String()


@compiles(joined, "sqlite")
def _group_concat(element: joined, compiler: SQLCompiler, **options: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **options)}, ',')"


@compiles(joined, "postgresql")
def _string_agg(element: joined, compiler: SQLCompiler, **options: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **options)}, ',')"


def now_ms(connection: Connection) -> int:
    """Return ms since the epoch by the clock that every process of this database shares.

    On PostgreSQL that is the database's, which goes on within a transaction; SQLite has one process, and its
    clock is ours.
    """
    if connection.dialect.name == "postgresql":
        return int(connection.execute(_POSTGRESQL_NOW).scalar_one())
    return int(clock.wall() * 1000)


def at_one_moment(connection: Connection) -> None:
    """Have every query of this transaction see what was there at the first; to be called before it.

    SQLite does so by itself. Nothing can be written then.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def hour_number(connection: Connection, moment: ColumnElement[Any]) -> ColumnElement[int]:
    """Return how many hours since the epoch a `Moment` is, rounded down."""
    if connection.dialect.name == "postgresql":
        return cast(func.floor(func.extract("epoch", moment) / 3600), BigInteger)
    return type_coerce(moment, BigInteger) // 3_600_000


def between_ms(
    connection: Connection, earlier: ColumnElement[Any], later: ColumnElement[Any]
) -> ColumnElement[int]:
    """Return how many milliseconds are between two `Moment`s; null if one of them is."""
    if connection.dialect.name == "postgresql":
        return cast(func.round(func.extract("epoch", later - earlier) * 1000), BigInteger)
    return type_coerce(later, BigInteger) - type_coerce(earlier, BigInteger)
