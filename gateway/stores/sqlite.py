"""The embedded database: SQLite, in one file of the data directory.

Invariant: what `write` returned from is on the disk (WAL with synchronous=FULL), writers never overlap
(BEGIN IMMEDIATE, in one thread), and one server has the file.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from gateway.stores.faults import CannotOpen, sqlite_fault
from gateway.stores.interface import StoreDown
from gateway.stores.migrations import REVISIONS, revision, upgrade
from gateway.stores.threads import Threads

T = TypeVar("T")
READERS = 2
BUSY_SECONDS = 5.0
"""How long to wait for another program's write lock, such as a backup's."""
WAITING_MAX = 1000
"""Transactions of each kind that wait for a thread; past it the database counts as down."""
CACHE_KIB = 16 * 1024
LOCK_SUFFIX = ".lock"


class _Lane:
    """The connections of one kind, one for each thread, kept between transactions: to take one from the pool,
    and to give it back, costs as much as a small transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._own = threading.local()
        self._open: set[Connection] = set()

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction on this thread's connection, which is not used again if that fails."""
        connection = self._connection()
        try:
            with connection.begin():
                return work(connection)
        except BaseException:
            del self._own.connection
            self._open.discard(connection)
            connection.close()
            raise

    def _connection(self) -> Connection:
        kept: Connection | None = getattr(self._own, "connection", None)
        if kept is None:
            kept = self._own.connection = self.engine.connect()
            self._open.add(kept)
        return kept

    def close(self) -> None:
        """Close every connection, once no thread works any more."""
        while self._open:
            self._open.pop().close()
        self.engine.dispose()


class SqliteDatabase:
    """A SQLite file: one thread and connection that writes, a few that read."""

    dialect = "sqlite"

    def __init__(self, path: Path, *, alone: bool) -> None:
        self.path = path
        self._alone = alone
        self._lock: IO[str] | None = None
        self._writing = _Lane(_engine(path, connections=1, begin="BEGIN IMMEDIATE", read_only=False))
        self._reading = _Lane(_engine(path, connections=READERS, begin="BEGIN", read_only=True))
        self._writer = Threads(1, "sqlite-write")
        self._readers = Threads(READERS, "sqlite-read")

    async def open(self) -> None:
        """Take the lock, and make the file if it is not there. Raises CannotOpen and StoreDown."""
        if self._alone:
            self._lock = _locked(self.path)
            await self._run(self._writer, self._make)

    def _make(self) -> None:
        # What is in it is nobody else's business, and SQLite gives its other files the same rights.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with self._faults(), self._writing.engine.connect() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        if mode != "wal":
            raise CannotOpen(
                f"{self.path.parent} is on a file system where SQLite cannot share memory (WAL). Give a "
                "local folder with --data-dir, or use PostgreSQL"
            )

    async def migrate(self) -> tuple[str, ...]:
        """Take the steps that the file has not seen; return their names. Raises CannotOpen and StoreDown."""
        if await self.read(revision) == REVISIONS[-1]:
            return ()
        return await self.write(upgrade)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what `query` reads, in one snapshot. Raises StoreDown."""
        return await self._run(self._readers, lambda: self._transaction(self._reading, query))

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in a transaction that has the file's write lock from its start. Raises StoreDown."""
        return await self._run(self._writer, lambda: self._transaction(self._writing, change))

    async def _run(self, threads: Threads, work: Callable[[], T]) -> T:
        if threads.waiting >= WAITING_MAX:
            raise StoreDown(f"The database {self.path} is busy: {WAITING_MAX} transactions wait already")
        return await threads.run(work)

    def _transaction(self, lane: _Lane, work: Callable[[Connection], T]) -> T:
        with self._faults():
            return lane.transaction(work)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            if (down := sqlite_fault(error, self.path)) is None:
                raise
            raise down from error

    async def aclose(self) -> None:
        """Let running transactions end, close every connection, and give the lock back."""
        for threads, lane in ((self._writer, self._writing), (self._readers, self._reading)):
            await threads.aclose()
            lane.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _engine(path: Path, *, connections: int, begin: str, read_only: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # What people said, and who they are, is in no log of an error.
        # Without isolation_level the module would begin by itself, later and without IMMEDIATE.
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        pragmas = [f"cache_size=-{CACHE_KIB}", "foreign_keys=ON"]
        pragmas += ["query_only=ON"] if read_only else ["journal_mode=WAL", "synchronous=FULL"]
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Past SQLAlchemy: it takes longer over these few words than SQLite does.
        own: Any = connection.connection.dbapi_connection
        own.execute(begin)

    return engine


def _locked(path: Path) -> IO[str]:
    """Return the lock file, locked for as long as it is open. Raises CannotOpen."""
    lock_path = path.with_name(path.name + LOCK_SUFFIX)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = lock_path.open("a+", encoding="ascii")
    except OSError as error:
        raise CannotOpen(f"Cannot keep a database in {path.parent}: {error.strerror}. "
                         "Give a folder that can be written with --data-dir") from error  # fmt: skip
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise CannotOpen(
            f"Another Stagedoor (process {holder}) uses {path.parent}. Stop it, give another folder with "
            "--data-dir, or use PostgreSQL for many servers"
        ) from error
    with contextlib.suppress(OSError):  # a full disk must not keep the server from starting
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    return lock
