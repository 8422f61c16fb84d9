"""Both twins of a store for one contract: memory with a clock turned by hand, and a real Redis whose entries
are made older instead.
"""

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gateway.condition import Condition
from gateway.stores.redis.link import RedisLink

_NUMBERS = itertools.count(1)


@dataclass
class Stand:
    """What a contract test needs of either twin; `link` is None with memory. `tenant` is this test's own."""

    link: RedisLink | None = None
    now: float = 1000.0
    tenant: str = field(default_factory=lambda: f"tenant {next(_NUMBERS)}")

    def clock(self) -> float:
        return self.now

    async def passes(self, seconds: float) -> None:
        """Let time pass for everything of this Redis, or for this clock."""
        self.now += seconds
        if self.link is not None:
            for key in await self.link.call("KEYS", "stagedoor:*"):
                await self._age(key, int(seconds * 1000))

    async def _age(self, key: bytes, milliseconds: int) -> None:
        assert self.link is not None
        if await self.link.call("TYPE", key) == b"zset":
            for member in await self.link.call("ZRANGE", key, 0, -1):
                await self.link.call("ZINCRBY", key, -milliseconds, member)
        left = int(await self.link.call("PTTL", key))
        if left >= 0:
            await self.link.call("PEXPIRE", key, max(0, left - milliseconds))


@contextlib.asynccontextmanager
async def linked(url: str, timeout_seconds: float = 10.0) -> AsyncIterator[RedisLink]:
    """Yield a link to a Redis that is there."""
    link = RedisLink(url, Condition(), timeout_seconds=timeout_seconds)
    assert await link.probe()
    try:
        yield link
    finally:
        await link.aclose()
