"""The stand of a contract test: in turn memory, and the run's Redis."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.stores.twins import Stand, linked


@pytest.fixture(params=["memory", "redis"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    if request.param == "memory":
        yield Stand()
        return
    async with linked(request.getfixturevalue("redis_server").url) as link:
        yield Stand(link)
