"""What the rest of the gateway knows of the SQL store: transactions of its own, and writes in groups.

Invariant: what was submitted to a writer will be written, whatever becomes of the one who waits for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Operation = TypeVar("Operation")
Result = TypeVar("Result")
Operation_contra = TypeVar("Operation_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class StoreDown(Exception):
    """The database cannot be reached, or cannot write (a full disk); the message says which."""

    def __init__(self, message: str, *, disk_full: bool = False) -> None:
        super().__init__(message)
        self.disk_full = disk_full


class Refusal(Exception):
    """Base of what a journal answers instead of a result: a rule said no, and nothing was changed."""


class Journal(Protocol, Generic[Operation_contra, Result_co]):
    """How operations of one kind are written, many in one transaction.

    `apply` loads what they touch, applies them in order by their rule, and saves; it returns a result or a
    Refusal for each. It may run again with the same operations, after a lost connection, whether or not the
    first run was committed: operations carry their own ids, and one that is written already answers as it
    did before. One with a `weight` is as much work as so many others, and shares its transaction with fewer.
    """

    name: str

    def apply(
        self, connection: Connection, operations: Sequence[Operation_contra]
    ) -> Sequence[Result_co | Refusal]:
        """Apply the operations within the transaction that `connection` is in."""


class Database(Protocol):
    """An open database. The functions passed in get a connection within a transaction; they run off the
    event loop (SQLite) or on it in a greenlet (PostgreSQL), and may run again if the database asks for it."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what `query` reads. Raises StoreDown."""

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in one transaction of its own (BEGIN IMMEDIATE on SQLite). Raises StoreDown, and
        whatever `change` raises after rolling back."""

    async def aclose(self) -> None:
        """Close every connection."""


class Writer(Protocol):
    """The group-commit writer of one process."""

    def submit(
        self, journal: Journal[Operation, Result], operation: Operation, *, patience_seconds: float
    ) -> asyncio.Future[Result]:
        """Have `operation` written with the next group; its future has the result, or raises the Refusal.

        While the database is down it is tried again for `patience_seconds` (infinity: until it is written),
        then its future raises StoreDown.
        """

    @property
    def waiting(self) -> int:
        """Operations that are not written yet."""

    @property
    def down(self) -> bool:
        """Whether the last group could not be written."""

    async def aclose(self, deadline_seconds: float) -> None:
        """Write what was submitted, and stop."""
