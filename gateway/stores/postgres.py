"""The shared database: PostgreSQL, by SQLAlchemy's asyncio engine with asyncpg.

Invariant: a transaction ends within TRANSACTION_SECONDS, one way or the other, also when the server stalls.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from asyncpg.transaction import Transaction
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.stores.faults import CannotOpen, postgres_fault, unusable, wants_again
from gateway.stores.interface import StoreDown
from gateway.stores.migrations import upgrade

T = TypeVar("T")
CONNECTIONS = 5
CONNECTIONS_MORE = 5
"""Opened above CONNECTIONS when all are in use, and closed afterwards."""
CONNECT_SECONDS = 5.0
LOCK_SECONDS = 5.0
TRANSACTION_SECONDS = 15.0
ATTEMPTS_MAX = 8
"""Of one transaction that deadlocks, or that PostgreSQL cannot serialize."""
ATTEMPT_APART_SECONDS = 0.005
MIGRATION_LOCK = 7_310_575_179
"""Of pg_advisory_xact_lock: any number that nothing else in the database uses."""
_SESSION = {
    "application_name": "stagedoor",
    "lock_timeout": f"{int(LOCK_SECONDS * 1000)}",
    "statement_timeout": f"{int(TRANSACTION_SECONDS * 1000)}",
    "idle_in_transaction_session_timeout": f"{int(2 * TRANSACTION_SECONDS * 1000)}",
    "stagedoor.server": "on",
}
"""A server of ours that stalls within a transaction must not hold its locks against the others for ever. And
it sees every tenant's rows, also where its role does not own the tables (row level security)."""
_ERRORS = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class PostgresDatabase:
    """A PostgreSQL database and this process's connections to it."""

    dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._engine = _engine(
            url, _SESSION, pool_size=CONNECTIONS, max_overflow=CONNECTIONS_MORE, pool_timeout=LOCK_SECONDS,
            # The driver begins and commits, see _begun: by way of SQLAlchemy that costs as much as all else.
            isolation_level="AUTOCOMMIT",
        )  # fmt: skip
        self._kept: AsyncConnection | None = None
        self._closing = False

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what `query` reads. Raises StoreDown."""
        return await self._transaction(query)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in a transaction, and again after a deadlock. Raises StoreDown."""
        return await self._transaction(change)

    async def _transaction(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(attempt * ATTEMPT_APART_SECONDS)
            try:
                async with asyncio.timeout(TRANSACTION_SECONDS), self._begun() as connection:
                    return await connection.run_sync(work)
            except _ERRORS as error:
                if wants_again(error):
                    continue
                if (down := postgres_fault(error)) is None:
                    raise
                raise down from error
        raise StoreDown(f"PostgreSQL is busy: {ATTEMPTS_MAX} attempts met other transactions' locks")

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction: committed at the end, rolled back after an error. Only one of
        which it is known that the transaction ended is used again."""
        connection, driver, transaction = await self._begin()
        ended = False
        try:
            try:
                yield connection
            except Exception:
                if not driver.is_closed():
                    await transaction.rollback()
                    ended = True
                raise
            await transaction.commit()
            ended = True
        finally:
            await self._put_away(connection, again=ended)

    async def _begin(self) -> tuple[AsyncConnection, asyncpg.Connection, Transaction]:
        """Return a connection, its driver's, and the transaction that it is in.

        What the server has closed meanwhile is left for another, so that a restarted server is not noticed by
        what comes later.
        """
        for _ in range(CONNECTIONS + CONNECTIONS_MORE):
            kept, self._kept = self._kept, None
            connection = kept or await self._engine.connect()
            begun = False
            try:
                driver = _driver(connection)
                transaction = driver.transaction()
                await transaction.start()
                begun = True
            except _ERRORS as error:
                if postgres_fault(error) is None:
                    raise
            finally:
                if not begun:
                    await self._put_away(connection, again=False)
            if begun:
                return connection, driver, transaction
        raise StoreDown("PostgreSQL cannot be used (it closes every connection)")

    async def _put_away(self, connection: AsyncConnection, *, again: bool) -> None:
        if again and self._kept is None and not self._closing:
            # To give one back to the pool, and to get one from there, costs a fifth of a settlement.
            self._kept = connection
            return
        if not again:
            await connection.invalidate()
        await connection.close()

    async def aclose(self) -> None:
        """Close every connection."""
        self._closing = True
        if self._kept is not None:
            await self._kept.close()
        await self._engine.dispose()


def _driver(connection: AsyncConnection) -> asyncpg.Connection:
    own = connection.sync_connection
    assert own is not None, "it was connected"
    return own.connection.driver_connection


async def migrate_postgres(url: str) -> tuple[str, ...]:
    """Take the steps that the database has not seen; return their names. Raises CannotOpen and StoreDown."""
    engine = _engine(url, {"application_name": "stagedoor migrate"}, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            return await connection.run_sync(upgrade)
    except _ERRORS as error:
        if (down := postgres_fault(error)) is None:
            raise
        raise down from error
    finally:
        await engine.dispose()


def _engine(url: str, session: dict[str, str], **options: Any) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        # asyncpg reads the URL itself, as libpq does: sslmode, several hosts, sockets, a password file.
        try:
            return await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=session)
        except ValueError as error:
            raise CannotOpen(f"DATABASE_URL is not right: {error}") from error
        except asyncpg.PostgresError as error:
            raise unusable(error) from error

    # What people said, and who they are, is in no log of an error.
    hidden = {"hide_parameters": True} | options
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, **hidden)
