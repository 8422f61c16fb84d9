"""A gateway's HTTP side without a server: requests go straight to the application."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.stores.database import open_database
from gateway.stores.interface import Database
from tests.databases import migrated_sqlite
from tests.gateway.http.desk import Desk
from tests.gateway.http.office import Office, opened


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path).open() as desk:
        yield desk


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    """The routes about minutes, in turn on SQLite and PostgreSQL."""
    async with opened(database) as office:
        yield office


@pytest.fixture
async def small_office(tmp_path: Path) -> AsyncIterator[Office]:
    """The routes about minutes on SQLite only, for what no database has a part in."""
    database = await open_database("", migrated_sqlite(tmp_path))
    try:
        async with opened(database) as office:
            yield office
    finally:
        await database.aclose()
