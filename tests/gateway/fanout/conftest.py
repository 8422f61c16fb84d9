"""A store of captions for each test: in turn memory, and the run's Redis."""

from collections.abc import AsyncIterator

import pytest

from gateway.stores.captions import Captions
from gateway.stores.memory.captions import MemoryCaptions
from gateway.stores.redis.captions import RedisCaptions
from tests.gateway.fanout.restarts import LIMITS, TTL
from tests.gateway.stores.twins import Stand, linked


@pytest.fixture
def captions(stand: Stand) -> Captions:
    if stand.link is None:
        return MemoryCaptions(LIMITS, TTL, stand.clock)
    return RedisCaptions(stand.link, LIMITS, TTL)


@pytest.fixture(params=["memory", "redis"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    if request.param == "memory":
        yield Stand()
        return
    async with linked(request.getfixturevalue("redis_server").url) as link:
        yield Stand(link)
