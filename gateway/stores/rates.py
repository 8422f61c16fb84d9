"""Rates: how often each key was let in lately, in this process or in Redis for all of them.

Invariant: a key is always counted somewhere. While Redis is lost this process counts by itself, and begins
with what it let in through Redis before.
"""

from collections.abc import Sequence
from typing import Protocol

from auth.rate_limits import Admitted, Rate
from gateway.stores.memory.rates import MemoryRates
from gateway.stores.redis.link import RedisLink, RedisLost
from gateway.stores.redis.rates import RedisRates

Keyed = tuple[str, Rate]
"""A rate, with the key that it counts for."""


class Rates(Protocol):
    """Counts by key (a user, an address) and by the name of a rate."""

    async def admit(self, key: str, rates: Sequence[Rate]) -> Admitted:
        """Count one more for `key` with every rate, or with none. Raises RateLimited."""

    async def admit_together(self, name: str, keyed: Sequence[Keyed]) -> Admitted:
        """Count one more with every rate for its own key, or with none. `name` is that of what is counted:
        all of its counts are in one place, so it is for what is rare. Raises RateLimited."""


class SharedRates:
    """Rates of many processes together, and of this one alone while Redis is lost."""

    def __init__(self, redis: RedisRates, memory: MemoryRates) -> None:
        self._redis = redis
        self._memory = memory

    async def admit(self, key: str, rates: Sequence[Rate]) -> Admitted:
        """Count one more for `key` with every rate, or with none. Raises RateLimited."""
        try:
            admitted = await self._redis.admit(key, rates)
        except RedisLost:
            return self._memory.admit_now(key, rates)
        self._memory.note(key, rates)
        return admitted

    async def admit_together(self, name: str, keyed: Sequence[Keyed]) -> Admitted:
        """Count one more with every rate for its own key, or with none. Raises RateLimited."""
        try:
            admitted = await self._redis.admit_together(name, keyed)
        except RedisLost:
            return self._memory.admit_together_now(keyed)
        for key, rate in keyed:
            self._memory.note(key, [rate])
        return admitted


def rates_behind(link: RedisLink | None) -> Rates:
    """Return rates of this process, or through a link those of many."""
    memory = MemoryRates()
    return memory if link is None else SharedRates(RedisRates(link), memory)
