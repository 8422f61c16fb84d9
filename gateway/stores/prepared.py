"""Statements written once for each database, for what is done at every slice of every session.

Invariant: a prepared statement does what SQLAlchemy would have done with it; only the writing is not done
anew at each execution, which cost several times what SQLite then did. What is asked rarely has no need of it.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    Update,
    bindparam,
    column,
    values,
)
from sqlalchemy.sql import CompoundSelect
from sqlalchemy.types import TypeEngine

Places = list[BindParameter[Any]]
"""What stands in a statement for the values of one list: `column.in_(places)`."""
Query = Select[Any] | CompoundSelect[Any]
Convert = Callable[[Any], Any]
Change = Insert | Update | Delete


def side_by_side(name: str, **lists: Places) -> CTE:
    """Return a table of what stands beside each other in lists of one length, a column for each, to join with
    in the query of a `Listed`. What that fills up with comes several times."""
    columns = [column(own, places[0].type) for own, places in lists.items()]
    return values(*columns, name=name).data(list(zip(*lists.values(), strict=True))).cte(name)


class _Written:
    """The text of a statement for one database, and how its values go there and come back."""

    def __init__(self, statement: Query | Change, dialect: Dialect, keys: list[str] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        self.text = str(compiled)
        names = compiled.positiontup
        assert names is not None, f"{dialect.name} takes parameters by their place"
        own = {name: convert_to(compiled.binds[name].type, dialect) for name in names}
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._places = [(name, own[name]) for name in names]
        self._answers: list[tuple[int, Convert]] = []
        if not isinstance(statement, Change):
            converts = (convert_from(column.type, dialect) for column in statement.selected_columns)
            self._answers = [(n, convert) for n, convert in enumerate(converts) if convert is not None]

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        known = {**self._constants, **values}
        return tuple(
            [known[name] if convert is None else convert(known[name]) for name, convert in self._places]
        )

    def answer(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, convert in self._answers:
            values[place] = convert(values[place])
        return tuple(values)


class Listed:
    """A query with lists in its conditions. `build` gets `Places` for each list, by the names in `types`."""

    def __init__(self, build: Callable[..., Query], **types: TypeEngine[Any]) -> None:
        self._build = build
        self._types = types
        self._written: dict[tuple[str, ...], tuple[_Written, list[tuple[str, list[str]]]]] = {}

    def rows(self, connection: Connection, **lists: Collection[Any]) -> list[tuple[Any, ...]]:
        """Return what it finds with these lists: nothing if one of them is empty.

        A list has sizes that are powers of two, so that there are few texts of it, and is filled up with a
        value that is among the others already.
        """
        if not all(lists.values()):
            return []
        widths = [1 << (len(lists[name]) - 1).bit_length() for name in self._types]
        key = (connection.dialect.name, *map(str, widths))
        written, names = self._written.get(key) or self._write(key, connection.dialect, widths)
        values: dict[str, Any] = {}
        for name, places in names:
            own = list(lists[name])
            own += own[:1] * (len(places) - len(own))
            values.update(zip(places, own, strict=True))
        return [written.answer(row) for row in _run(connection, written.text, written.parameters(values))]

    def _write(
        self, key: tuple[str, ...], dialect: Dialect, widths: list[int]
    ) -> tuple[_Written, list[tuple[str, list[str]]]]:
        names = [
            (name, [f"{name}_{number}" for number in range(width)])
            for name, width in zip(self._types, widths, strict=True)
        ]
        places = {name: [bindparam(place, type_=self._types[name]) for place in own] for name, own in names}
        made = self._written[key] = _Written(self._build(**places), dialect, None), names
        return made


class ForEach:
    """An insert, update or delete for each of many rows; `names` are an insert's columns."""

    def __init__(self, statement: Change, *names: str) -> None:
        self._statement = statement
        self._keys = list(names) if isinstance(statement, Insert) else None
        self._written: dict[str, _Written] = {}

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows; there must be one."""
        dialect = connection.dialect
        written = self._written.get(dialect.name)
        if written is None:
            written = self._written[dialect.name] = _Written(self._statement, dialect, self._keys)
        _run_each(connection, written.text, [written.parameters(row) for row in rows])


# On SQLite past SQLAlchemy to the driver: there what goes between costs more than the statement. Elsewhere it
# has to see what is done, to tell a lost connection.


def _run(connection: Connection, text: str, parameters: tuple[Any, ...]) -> Iterable[Sequence[Any]]:
    if (driver := _sqlite(connection)) is not None:
        return driver.execute(text, parameters)
    return connection.exec_driver_sql(text, parameters)


def _run_each(connection: Connection, text: str, parameters: list[tuple[Any, ...]]) -> None:
    if (driver := _sqlite(connection)) is not None:
        driver.executemany(text, parameters)
    else:
        connection.exec_driver_sql(text, parameters)


def _sqlite(connection: Connection) -> sqlite3.Connection | None:
    own: Any = connection.connection.dbapi_connection
    return own if isinstance(own, sqlite3.Connection) else None


def convert_to(of: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """Return what turns a value of ours into what the database's driver takes; None: it is that already."""
    convert: Convert | None = of.dialect_impl(dialect).bind_processor(dialect)
    return convert


def convert_from(of: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """Return what turns a value of the database's driver into ours; None: it is that already."""
    convert: Convert | None = of.dialect_impl(dialect).result_processor(dialect, None)
    return convert
