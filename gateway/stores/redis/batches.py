"""Many runs of one script in one round trip.

Invariant: each run has its own answer, whatever becomes of its neighbours. Runs may be repeated, so a batch
asks of its script that repeating does no harm.
"""

from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from redis import exceptions
from redis.asyncio import Redis

from gateway.stores.redis.link import RedisLink, Script, Word

Run = tuple[Sequence[str], Sequence[Word]]
"""Keys and arguments of one run."""


class Batch:
    """A Lua script that may be run twice with the same keys and arguments."""

    def __init__(self, link: RedisLink, source: str) -> None:
        self._link = link
        self._script: Script = link.script(source)
        self._source = source
        self._digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, runs: Sequence[Run]) -> list[Any]:
        """Return what each run answers; one that failed by itself answers a `ResponseError`.

        Raises RedisLost.
        """
        if not runs:
            return []
        try:
            try:
                return await self._link.run(lambda redis: self._send(redis, runs))
            except exceptions.NoScriptError:
                await self._link.call("SCRIPT", "LOAD", self._source)
                return await self._link.run(lambda redis: self._send(redis, runs))
        except exceptions.ResponseError:
            return [await self._alone(run) for run in runs]

    async def _send(self, redis: Redis, runs: Sequence[Run]) -> list[Any]:
        async with redis.pipeline(transaction=False) as pipe:
            for keys, arguments in runs:
                pipe.execute_command("EVALSHA", self._digest, len(keys), *keys, *arguments)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, exceptions.RedisError):
                raise answer  # the link judges it
        return answers

    async def _alone(self, run: Run) -> Any:
        try:
            return await self._script(*run)
        except exceptions.ResponseError as error:
            return error
