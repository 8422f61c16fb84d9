"""Opens the database that the settings name, and sees to it that its tables are those of this code.

Invariant: nobody gets a database whose tables are older or newer than the code, and no two servers get the
same SQLite file.
"""

from pathlib import Path

from gateway.stores.faults import CannotOpen
from gateway.stores.interface import Database
from gateway.stores.migrations import check, revision
from gateway.stores.postgres import PostgresDatabase, migrate_postgres
from gateway.stores.sqlite import SqliteDatabase
from gateway.stores.statements import now_ms

__all__ = ["SQLITE_FILE", "CannotOpen", "migrate_database", "now_ms", "open_database"]

SQLITE_FILE = "stagedoor.db"
"""Within DATA_DIR."""


async def open_database(url: str, data_dir: Path, *, alone: bool = True) -> Database:
    """Open the database at `url`: `postgresql://...`, or empty for SQLite in `data_dir`.

    `alone` is for servers: a SQLite file is locked against a second one and migrated first. Commands open
    with `alone=False`, beside a server, and find it as it is. Raises CannotOpen with what to do about it, and
    StoreDown if the database does not answer.
    """
    if not url:
        return await _open_sqlite(data_dir, alone=alone)
    database = PostgresDatabase(_postgresql(url))
    try:
        check(await database.read(revision))
    except BaseException:
        await database.aclose()
        raise
    return database


async def _open_sqlite(data_dir: Path, *, alone: bool) -> Database:
    path = data_dir / SQLITE_FILE
    if not alone and not path.exists():
        raise CannotOpen(f"There is no database in {data_dir} yet: a server makes it when it starts")
    database = SqliteDatabase(path, alone=alone)
    try:
        await database.open()
        if alone:
            await database.migrate()
        check(await database.read(revision))
    except BaseException:
        await database.aclose()
        raise
    return database


async def migrate_database(url: str, data_dir: Path) -> tuple[str, ...]:
    """Take the steps of `migrations/` that the database has not seen; return their names, oldest first.

    Several processes may do so at once: one takes the steps, the others wait for it. Raises as
    `open_database` does.
    """
    if url:
        return await migrate_postgres(_postgresql(url))
    database = SqliteDatabase(data_dir / SQLITE_FILE, alone=True)
    try:
        await database.open()
        return await database.migrate()
    finally:
        await database.aclose()


def _postgresql(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+asyncpg"):
        raise CannotOpen("DATABASE_URL must be like postgresql://user:password@host:5432/name, or empty for "
                         "SQLite in the data directory")  # fmt: skip
    return f"postgresql://{rest}"
