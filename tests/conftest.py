"""What holds for every test: the long forms of fault tests run only when somebody asks for them with -m, and
those that are marked `alone` never beside others.

And the servers that tests share: one PostgreSQL and one Redis for the run, a database for each test.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from gateway.stores.database import open_database
from gateway.stores.interface import Database
from tests.databases import Postgres, Redis, migrated_sqlite
from tests.databases import postgres_server as run_postgres
from tests.databases import redis_server as run_redis

# How long one example takes says more of the machine than of the rule.
hypothesis.settings.register_profile("stagedoor", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("stagedoor")

LONG = ("pages", "end_to_end", "bench", "media")
"""Folders by how long one of their files takes."""


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--alone", action="store_true", help="run those tests only that are marked alone")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files without such a test unread: to import them all takes longer than to run those."""
    if config.getoption("alone") and collection_path.suffix == ".py":
        return "mark.alone" not in collection_path.read_text(encoding="utf-8") or None
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    beside_others = hasattr(config, "workerinput")

    def runs(item: pytest.Item) -> bool:
        alone = item.get_closest_marker("alone") is not None
        if (alone and beside_others) or (config.getoption("alone") and not alone):
            return False
        return bool(config.getoption("markexpr")) or not item.get_closest_marker("chaos")

    # The long files first, so that of processes side by side none has one left when the others are done.
    items.sort(key=lambda item: LONG.index(folder) if (folder := _folder(item)) in LONG else len(LONG))
    left_out = [item for item in items if not runs(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if runs(item)]


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
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A migrated database of this test alone, as DATABASE_URL has it (empty: SQLite in `tmp_path`)."""
    if request.param == "sqlite":
        migrated_sqlite(tmp_path)
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
        yield str(migrated_sqlite(tmp_path_factory.mktemp("shared")))
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.spares.take().result()
    yield url
    server.spares.give_back(url).result()


@pytest.fixture
async def shared_database(shared_url: str) -> AsyncIterator[Database]:
    """An open database that other tests have written to, in turn SQLite and PostgreSQL."""
    shared = "://" in shared_url
    opened = await open_database(shared_url if shared else "", Path("." if shared else shared_url))
    try:
        yield opened
    finally:
        await opened.aclose()
