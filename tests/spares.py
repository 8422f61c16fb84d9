"""Migrated PostgreSQL databases that tests have one after the other: to make one takes ten times as long as
to empty it.

Invariant: who takes one finds no row, no counter that has moved, and nobody else connected. One whose tables,
rights or settings are no longer those that the migrations made is dropped, never lent again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import asyncpg

T = TypeVar("T")
SMALL_BYTES = 128 * 1024
"""A table beyond this gets new files, with its indexes; below, to delete its rows is quicker."""
DISCONNECT_MS = 10_000
CATALOGUES = (
    "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_namespace", "pg_policy", "pg_proc",
    "pg_trigger", "pg_type",
)  # fmt: skip
"""A change of any kind leaves fewer rows there, more, or one of a later transaction."""
_OF_EACH = ", ".join(f"(SELECT (count(*), max(xmin::text::bigint))::text FROM {name})" for name in CATALOGUES)
STATE = f"""
SELECT
  (SELECT string_agg(version_num, ',') FROM alembic_version),
  (SELECT string_agg(setting::text, ',')
    FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) AS setting
    WHERE d.datname = current_database()),
  (SELECT string_agg(concat_ws(' ', relname, relkind, relowner, relacl, relrowsecurity), ',' ORDER BY oid)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid
    WHERE c.relnamespace = 'public'::regnamespace),
  {_OF_EACH}
"""
"""Of tables, their rights, what the planner knows of them, and settings."""
FILLED = """
SELECT quote_ident(relname) AS name, pg_relation_size(oid) AS bytes FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
  AND pg_relation_size(oid) > 0
"""
ALONE = f"""
SELECT pg_terminate_backend(pid, {DISCONNECT_MS}) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
REWIND = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""


class Maker(Protocol):
    """The server that has them."""

    async def migrated_database(self) -> str:
        """Make one; return its URL."""
        raise NotImplementedError

    async def drop(self, url: str) -> None:
        """Remove one, whoever is still connected."""
        raise NotImplementedError


class Spare:
    """One database, and the connection by which it is emptied."""

    def __init__(self, url: str, connection: asyncpg.Connection, state: list[Any]) -> None:
        self.url = url
        self._connection = connection
        self._state = state

    @classmethod
    async def of(cls, url: str) -> "Spare":
        """Connect to a database that nobody has used."""
        # As a replica, it lets rows go in any order: no foreign key is looked at.
        connection = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})
        return cls(url, connection, await state_of(connection))

    async def empty(self) -> bool:
        """Remove what a test left, and return whether it is as new then."""
        try:
            await self._connection.fetch(ALONE)
            if await state_of(self._connection) != self._state:
                return False
            tables = await self._connection.fetch(FILLED)
            statements = [f"DELETE FROM {name}" for name, size in tables if size <= SMALL_BYTES]
            if large := [name for name, size in tables if size > SMALL_BYTES]:
                statements.append(f"TRUNCATE {', '.join(large)} CASCADE")
            await self._connection.execute(";".join([*statements, REWIND]))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False  # a test has ended this connection with all others
        return True

    async def aclose(self) -> None:
        """Disconnect."""
        self._connection.terminate()


async def state_of(connection: asyncpg.Connection) -> list[Any]:
    """Return what stays the same however a database is used, unless somebody changes what it is."""
    return list(await connection.fetchrow(STATE))


class Spares:
    """Those of one server. Its connections belong to a loop of their own, as every test has another."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spares")
        self._runner = asyncio.Runner()
        self._free: list[Spare] = []
        self._lent: dict[str, Spare] = {}

    def take(self) -> Future[str]:
        """Lend a database; return its URL."""
        return self._run(self._take)

    def give_back(self, url: str) -> Future[None]:
        """Take a database back, whoever is still connected."""
        return self._run(lambda: self._give_back(url))

    def close(self) -> None:
        """Disconnect from all of them."""
        self._run(self._close).result()
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        return self._thread.submit(lambda: self._runner.run(work()))

    async def _take(self) -> str:
        spare = self._free.pop() if self._free else await Spare.of(await self._maker.migrated_database())
        self._lent[spare.url] = spare
        return spare.url

    async def _give_back(self, url: str) -> None:
        spare = self._lent.pop(url)
        if await spare.empty():
            self._free.append(spare)
            return
        await spare.aclose()
        await self._maker.drop(url)

    async def _close(self) -> None:
        for spare in (*self._free, *self._lent.values()):
            await spare.aclose()
