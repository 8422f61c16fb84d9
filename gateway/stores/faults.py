"""Which errors mean that the database is not there, which that it wants to be asked again, and which neither.

Invariant: an error that is not the fault of what was asked never looks like one that is.
"""

import asyncio
import shutil
import sqlite3
from pathlib import Path

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.stores.interface import StoreDown


class CannotOpen(Exception):
    """This database cannot be used as it is; the message says what to do."""


_SQLITE_GONE = {
    sqlite3.SQLITE_BUSY: "is locked by another program",
    sqlite3.SQLITE_LOCKED: "is locked by another program",
    sqlite3.SQLITE_READONLY: "cannot be written",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "is no SQLite database",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
}
_FREE_BYTES_MIN = 1024 * 1024
"""With less, an I/O error is taken for a full disk: SQLite calls it so if its shared memory cannot grow."""

_POSTGRESQL_GONE_CLASSES = ("08", "28", "3D", "53", "57", "58")
"""Connection, authorization, no such database, resources, operator intervention, system errors (PostgreSQL
manual, appendix A)."""
_POSTGRESQL_GONE = ("25006", "55P03")
"""Read-only, as a standby is; a lock that was not to be had in time."""
_AGAIN = ("40001", "40P01")
"""Serialization failure, deadlock: the same transaction may well pass when it is run again."""
_DISK_FULL = "53100"


def sqlite_fault(error: BaseException, path: Path) -> StoreDown | None:
    """Return what an error means if SQLite is not there, or None if it has another cause."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", 0) & 0xFF
        if code not in _SQLITE_GONE:
            return None
        full = code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path))
        means = _SQLITE_GONE[sqlite3.SQLITE_FULL if full else code]
        return StoreDown(f"The database {path} {means} ({original})", disk_full=full)
    if isinstance(error, PoolTimeout):
        return StoreDown(f"The database {path} is busy: no connection was free")
    return None


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _FREE_BYTES_MIN
    except OSError:
        return False


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code for an error, or an empty string."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or "")


def wants_again(error: BaseException) -> bool:
    """Whether PostgreSQL rolled back only because of what others did, or its plan is out of date."""
    original = error.orig if isinstance(error, DBAPIError) else error
    stale = any(
        isinstance(of, asyncpg.InvalidCachedStatementError)
        for of in (original, getattr(original, "__cause__", None))
    )
    return stale or sqlstate(error) in _AGAIN


def unusable(error: BaseException) -> StoreDown:
    """Return what an error means with which PostgreSQL answers a new connection, whichever it is: also one
    about an option in the URL that it does not know."""
    full = sqlstate(error) == _DISK_FULL
    reason = "cannot grow: its disk is full" if full else "cannot be used"
    return StoreDown(f"PostgreSQL {reason} ({_sentence(error)})", disk_full=full)


def postgres_fault(error: BaseException) -> StoreDown | None:
    """Return what an error means if PostgreSQL is not there, or None if it has another cause."""
    code = sqlstate(error)
    if code.startswith(_POSTGRESQL_GONE_CLASSES) or code in _POSTGRESQL_GONE:
        return unusable(error)
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error.orig, OSError):
            return StoreDown(f"PostgreSQL cannot be reached ({_sentence(error)})")
        return None
    if isinstance(error, PoolTimeout):
        return StoreDown("PostgreSQL is busy: no connection was free")
    if isinstance(error, asyncio.TimeoutError):
        return StoreDown("PostgreSQL does not answer")
    if isinstance(error, OSError | asyncpg.InterfaceError):
        return StoreDown(f"PostgreSQL cannot be reached ({_sentence(error)})")
    return None


def _sentence(error: BaseException) -> str:
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    cause = original.__cause__ or original
    return (str(cause) or type(cause).__name__).splitlines()[0].rstrip(".")
