"""Rooms of one server, and of another beside it, on a real database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.stores.database import open_database
from gateway.stores.interface import Database
from tests.gateway.stores.rooms.lobby import Lobby


@pytest.fixture
async def lobby(database: Database) -> AsyncIterator[Lobby]:
    opened = Lobby(database)
    yield opened
    await opened.aclose()


@pytest.fixture
async def other(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Lobby]:
    """Another writer: on PostgreSQL with connections of its own, as in another process."""
    own = await open_database(database_url, tmp_path) if database_url else database
    opened = Lobby(own, "boot_2")
    yield opened
    await opened.aclose()
    if own is not database:
        await own.aclose()
