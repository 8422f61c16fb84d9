"""Leases for all processes on one Redis, by its clock.

Invariant: asking twice, as after an answer that was lost, changes nothing: the holder renews what it has.
"""

import logging
from importlib.resources import files

from redis.exceptions import ResponseError

from gateway.stores.names import joined
from gateway.stores.redis.link import RedisLink, RedisLost, Word

log = logging.getLogger(__name__)

SOURCE = files("gateway.stores.redis").joinpath("leases.lua").read_text("utf-8")


class RedisLeases:
    """Leases by name."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._script = link.script(SOURCE)

    async def acquire(self, name: str, holder: str, ttl_seconds: float) -> int | None:
        """Return the fencing number, or None: another has it, or Redis is lost."""
        try:
            return await self._ask("acquire", name, holder, ttl_seconds) or None
        except RedisLost:
            return None

    async def release(self, name: str, holder: str) -> None:
        """Let the next one have it, if `holder` has it."""
        try:
            await self._ask("release", name, holder, 0)
        except RedisLost:
            log.info("A lease runs out by itself: Redis is lost", extra={"lease": name})

    async def _ask(self, verb: str, name: str, holder: str, ttl_seconds: float) -> int:
        keys = keys_of(name)
        words: list[Word] = [verb, joined(holder), max(1, int(ttl_seconds * 1000))]
        try:
            return int(await self._script(keys, words))
        except ResponseError as error:
            log.warning("What Redis has of a lease is not ours and goes: %s", error, extra={"lease": name})
            await self._link.call("DEL", *keys)
            return int(await self._script(keys, words))


def keys_of(name: str) -> list[str]:
    """Return where Redis has a lease and its last fencing number."""
    tag = f"stagedoor:lease:{{{joined(name)}}}"
    return [tag, f"{tag}:fence"]
