"""What holds for every test: the long forms of fault tests run only when somebody asks for them with -m.

And the servers that tests share: one PostgreSQL and one Redis for the run, a database for each test.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.stores.database import open_database
from gateway.stores.interface import Database
from tests.databases import Postgres, Redis, apart
from tests.databases import postgres_server as run_postgres
from tests.databases import redis_server as run_redis


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("markexpr"):
        return
    long_forms = [item for item in items if item.get_closest_marker("chaos")]
    if long_forms:
        config.hook.pytest_deselected(items=long_forms)
        items[:] = [item for item in items if not item.get_closest_marker("chaos")]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The run's PostgreSQL server. A test that stops it starts one of its own instead."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """The run's Redis server. A test that stops it starts one of its own instead."""
    with run_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A migrated database of this test alone, as DATABASE_URL has it (empty: SQLite in `tmp_path`)."""
    if request.param == "sqlite":
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with server.fresh_database() as url:
        yield url


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """An open database of this test alone, in turn SQLite and PostgreSQL."""
    opened = await open_database(database_url, tmp_path)
    try:
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database that the tests of one module share, each in a tenant of its own: a folder for
    SQLite, else a DATABASE_URL."""
    if request.param == "sqlite":
        yield str(tmp_path_factory.mktemp("shared"))
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = apart(server.migrated_database())
    yield url
    apart(server.drop(url))


@pytest.fixture
async def shared_database(shared_url: str) -> AsyncIterator[Database]:
    """An open database that other tests have written to, in turn SQLite and PostgreSQL."""
    shared = "://" in shared_url
    opened = await open_database(shared_url if shared else "", Path("." if shared else shared_url))
    try:
        yield opened
    finally:
        await opened.aclose()
