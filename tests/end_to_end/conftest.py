"""A server that tests of one module share, and peers that are gone after each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.end_to_end.peers import Crowd, crowd_of
from tests.house import NO_LIMITS, House, Opened


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Settings of the module's server; a module may have its own."""
    return {}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[House]:
    with Opened(tmp_path_factory.mktemp("house"), **(NO_LIMITS | settings)) as running:
        yield running


@pytest.fixture
async def crowd(house: House) -> AsyncIterator[Crowd]:
    async with crowd_of(house) as crowd:
        yield crowd
