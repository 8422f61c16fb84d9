"""A database that is opened after everything that will use it was made."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from gateway.stores.database import open_database
from gateway.stores.interface import Database, StoreDown

T = TypeVar("T")


class LateDatabase:
    """What `open_database` opens; until then it is down. `url` empty means SQLite in `data_dir`."""

    def __init__(self, url: str, data_dir: Path) -> None:
        self._url = url
        self._data_dir = data_dir
        self._database: Database | None = None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return "postgresql" if self._url else "sqlite"

    async def open(self) -> None:
        """Open it for a server. Raises CannotOpen and StoreDown."""
        self._database = await open_database(self._url, self._data_dir)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what `query` reads. Raises StoreDown."""
        return await self._opened().read(query)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in one transaction of its own. Raises StoreDown."""
        return await self._opened().write(change)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._database is not None:
            await self._database.aclose()
            self._database = None

    def _opened(self) -> Database:
        if self._database is None:
            raise StoreDown("The database is not open")
        return self._database
