"""A company on SQLite; `anywhere` it is on each database in turn, for what each may do differently."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.stores.database import open_database
from gateway.stores.interface import Database
from tests.databases import migrated_sqlite
from tests.gateway.rooms.company import Company, Process, company_on


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    opened = await open_database("", migrated_sqlite(tmp_path))
    try:
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture
async def company(books: Database) -> AsyncIterator[Company]:
    async with company_on(books) as company:
        yield company


@pytest.fixture
async def anywhere(database: Database) -> AsyncIterator[Company]:
    async with company_on(database) as company:
        yield company


@pytest.fixture
async def process(company: Company) -> Process:
    return company.process()
