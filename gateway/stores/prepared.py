"""Statements written once for each database, for what is done at every slice of every session.

Invariant: a prepared statement does what SQLAlchemy would have done with it; only the writing is not done
anew at each execution, which cost several times what the database then did. What is asked rarely has no need
of it.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    CTE,
    JSON,
    BindParameter,
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    String,
    Update,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    values,
)
from sqlalchemy.sql import CompoundSelect
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import TypeEngine

Places = list[BindParameter[Any]]
"""What stands in a statement for the values of one list: `column.in_(places)`."""
Query = Select[Any] | CompoundSelect[Any]
Convert = Callable[[Any], Any]
Change = Insert | Update | Delete
Rows = Sequence[Mapping[str, Any]]


def side_by_side(name: str, **lists: Places) -> CTE:
    """Return a table of what stands beside each other in lists of one length, a column for each, to join with
    in the query of a `Listed`. What that fills up with comes several times."""
    columns = [column(own, places[0].type) for own, places in lists.items()]
    return values(*columns, name=name).data(list(zip(*lists.values(), strict=True))).cte(name)


class _Written:
    """The text of a statement for one database, and how its values go there and come back."""

    def __init__(self, statement: Query | Change, dialect: Dialect, keys: list[str] | None = None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        self.text = str(compiled)
        names = compiled.positiontup
        assert names is not None, f"{dialect.name} takes parameters by their place"
        self.types = {name: compiled.binds[name].type for name in names}
        params = compiled.params
        self.constants = {name: params[name] for name in names if not compiled.binds[name].required}
        self._places = [(name, convert_to(self.types[name], dialect)) for name in names]
        self._answers: list[tuple[int, Convert]] = []
        if not isinstance(statement, Change):
            converts = (convert_from(column.type, dialect) for column in statement.selected_columns)
            self._answers = [(n, convert) for n, convert in enumerate(converts) if convert is not None]

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        known = {**self.constants, **values}
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
        return [written.answer(row) for row in run(connection, written.text, written.parameters(values))]

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

    def run(self, connection: Connection, rows: Rows) -> None:
        """Write the rows, one after the other; there may be none."""
        if rows:
            written = self.for_one(connection.dialect)
            run_each(connection, written.text, [written.parameters(row) for row in rows])

    def for_one(self, dialect: Dialect) -> _Written:
        """Return the statement for one row."""
        written = self._written.get(dialect.name)
        if written is None:
            written = self._written[dialect.name] = _Written(self._statement, dialect, self._keys)
        return written

    def for_all(self, rows_name: str, dialect: Dialect) -> "_ForAll":
        """Return the statement for all rows at once, which come in the parameter `rows_name`, as JSON.

        As one value, because PostgreSQL's driver takes longer over a list for each column than over all else.
        The server reads each value as if it were inserted: what is too long for its column is refused.
        """
        one = self.for_one(dialect)
        types = {str(name): of for name, of in one.types.items() if name not in one.constants}
        rows = (
            func.json_to_recordset(cast(bindparam(rows_name, type_=String()), JSON))
            .table_valued(*(column(name, of) for name, of in types.items()), name=f"of_{rows_name}")
            .render_derived(with_types=True)
        )

        def instead(element: Any, **_: Any) -> Any:
            of_row = isinstance(element, BindParameter) and element.key in types
            return rows.c[element.key] if of_row else None

        statement: Any
        if isinstance(self._statement, Insert):
            statement = self._statement.from_select(list(types), select(*rows.c))
        else:
            statement = replacement_traverse(self._statement, {}, instead)
        converts = {
            name: None if isinstance(of, JSON) else convert_to(of, dialect) for name, of in types.items()
        }
        return _ForAll(rows_name, statement, list(converts.items()))


class _ForAll:
    """A statement for all rows that are in its one parameter, `name`."""

    def __init__(self, name: str, statement: Change, converts: list[tuple[str, Convert | None]]) -> None:
        self.name = name
        self.statement = statement
        self._converts = converts

    def parameter(self, rows: Rows) -> str:
        made = [
            {name: row[name] if convert is None else convert(row[name]) for name, convert in self._converts}
            for row in rows
        ]
        return orjson.dumps(made, default=_other).decode()


class Together:
    """Several statements for many rows each, no row twice, of which none depends on what another writes.

    They run one after the other on SQLite. On PostgreSQL they are parts of one statement, because what costs
    there is the way to the server and back.
    """

    def __init__(self, *each: ForEach) -> None:
        self._each = each
        self._at_once: tuple[_Written, list[_ForAll]] | None = None

    def run(self, connection: Connection, *rows: Rows) -> None:
        """Write rows for each of the statements, in their order; there may be none for one."""
        if connection.dialect.name == "sqlite":
            for each, some in zip(self._each, rows, strict=True):
                each.run(connection, some)
        elif any(rows):
            written, parts = self._at_once or self._write(connection.dialect)
            texts = {part.name: part.parameter(some) for part, some in zip(parts, rows, strict=True)}
            run(connection, written.text, written.parameters(texts))

    def _write(self, dialect: Dialect) -> tuple[_Written, list[_ForAll]]:
        parts = [each.for_all(f"rows_{number}", dialect) for number, each in enumerate(self._each)]
        ctes = [part.statement.cte(f"write_{part.name}") for part in parts]
        self._at_once = _Written(select(literal_column("1")).add_cte(*ctes), dialect), parts
        return self._at_once


# Past SQLAlchemy to the driver: what goes between costs more than the statement, on both databases.


def run(connection: Connection, text: str, parameters: tuple[Any, ...]) -> Iterable[Sequence[Any]]:
    """Execute a text of the database's own, with values as its driver takes them; return the rows."""
    own: Any = connection.connection.dbapi_connection
    if isinstance(own, sqlite3.Connection):
        return own.execute(text, parameters)
    found: Iterable[Sequence[Any]] = own.run_async(lambda driver: driver.fetch(text, *parameters))
    return found


def run_each(connection: Connection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Do so for each of some rows, of which nothing comes back."""
    own: Any = connection.connection.dbapi_connection
    if isinstance(own, sqlite3.Connection):
        own.executemany(text, rows)
    elif len(rows) == 1:
        own.run_async(lambda driver: driver.fetch(text, *rows[0]))
    else:
        own.run_async(lambda driver: driver.executemany(text, rows))


def _other(value: Any) -> str:
    if isinstance(value, UUID):  # a subclass of the driver's own
        return str(value)
    raise TypeError(f"{type(value)} is not known in JSON")


def convert_to(of: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """Return what turns a value of ours into what the database's driver takes; None: it is that already."""
    convert: Convert | None = of.dialect_impl(dialect).bind_processor(dialect)
    return convert


def convert_from(of: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """Return what turns a value of the database's driver into ours; None: it is that already."""
    convert: Convert | None = of.dialect_impl(dialect).result_processor(dialect, None)
    return convert
