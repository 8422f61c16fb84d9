"""The way to Redis: short timeouts, no retries, and a breaker that opens at the first failure.

Invariant: a Redis that is dead, stalled or refuses to write costs one timeout; after that every call fails at
once, until a write that answers in time has shown that it is back. (A slow Redis is worse than a dead one.)
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway import clock
from gateway.condition import Condition
from gateway.metrics import REDIS_SECONDS
from gateway.tasks import Tasks

log = logging.getLogger(__name__)

T = TypeVar("T")
Word = str | bytes | int | float

TIMEOUT_SECONDS = 0.1
CONNECT_SECONDS = 1.0
PROBE_SECONDS = 1.0
STEPS = 4
"""Into which a timeout is cut. Time in which our own loop is held up uses one of them, however long it is:
what we are late to read is no delay of Redis."""
IN_FLIGHT_MAX = 8
"""Calls at once, each on a connection of its own that is opened before it is needed; more wait their turn
here, which is no delay of Redis either."""
PROBE_KEY = "stagedoor:probe"

_UNABLE = (
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.NoPermissionError,
    exceptions.ClusterDownError,
)
_UNABLE_WORDS = ("BUSY", "MISCONF", "NOREPLICAS")
"""Errors, and first words of those without a class, by which a Redis says that it cannot do what it is there
for (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors)."""


class RedisLost(Exception):
    """Redis did not answer in time, or cannot serve; whether it did what it was asked is not known."""


class Script:
    """A Lua script, run by its digest in one round trip; sent whole only where Redis does not know it."""

    def __init__(self, link: "RedisLink", source: str) -> None:
        self._link = link
        self._source = source
        self._digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[str], arguments: Sequence[Word]) -> Any:
        """Return what the script answers. Raises RedisLost."""
        try:
            return await self._link.call("EVALSHA", self._digest, len(keys), *keys, *arguments)
        except exceptions.NoScriptError:
            return await self._link.call("EVAL", self._source, len(keys), *keys, *arguments)


class RedisLink:
    """One per process, down until `start`. `client` decodes nothing, retries nothing and shares the link's
    connections; whoever uses it past `call` and `run` has neither the timeout nor the breaker."""

    def __init__(self, url: str, condition: Condition, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._condition = condition
        self._timeout_seconds = timeout_seconds
        self._turn = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url,
            max_connections=IN_FLIGHT_MAX + 2,
            decode_responses=False,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,
        )
        self.client: Redis = Redis(connection_pool=self._pool)
        self._up = False
        self._closed = False

    @classmethod
    async def open(
        cls, url: str, condition: Condition, tasks: Tasks, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> "RedisLink":
        """Return a link that looks after itself. A Redis that is not there now is degraded, not an error.

        Raises ValueError for a URL that is none of redis://, rediss:// and unix://.
        """
        link = cls(url, condition, timeout_seconds)
        await link.start(tasks)
        return link

    async def start(self, tasks: Tasks) -> None:
        """Look for Redis now, and every `PROBE_SECONDS` from now on."""
        await self.probe()
        tasks.start(self._look_after(), name="redis probe")

    @property
    def up(self) -> bool:
        """Whether calls go to Redis; if not they raise RedisLost at once."""
        return self._up

    def script(self, source: str) -> Script:
        """Return a callable that runs `source` on Redis."""
        return Script(self, source)

    async def call(self, *command: Word) -> Any:
        """Return the answer to one command, tried once. Raises RedisLost."""
        return await self.run(lambda redis: _execute(redis, *command))

    async def run(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """Return what `work` (one command or one pipeline) makes of the client. Raises RedisLost; an error of
        the command itself stays a `redis.exceptions.ResponseError`."""
        async with self._turn:
            if not self._up:
                raise RedisLost("Redis is lost")
            began = clock.steady()
            try:
                return await within(self._timeout_seconds, work(self.client))
            except (exceptions.RedisError, OSError) as error:  # OSError: TimeoutError is one
                if isinstance(error, exceptions.ResponseError) and not self.is_unable(error):
                    raise
                self._lost(error)
                raise RedisLost("Redis is lost") from error
            finally:
                REDIS_SECONDS.observe(clock.steady() - began)

    @staticmethod
    def is_unable(error: exceptions.RedisError) -> bool:
        """Whether an error says that this Redis serves nobody now, not that one command was wrong."""
        return isinstance(error, _UNABLE) or str(error).startswith(_UNABLE_WORDS)

    async def probe(self) -> bool:
        """Ask Redis for a small write, within the timeout of a call, and open or close the breaker by it."""
        try:
            if not self._up:
                await self._connect()
            await within(self._timeout_seconds, _execute(self.client, "SET", PROBE_KEY, 1, "PX", 10_000))
        except (exceptions.RedisError, OSError) as error:
            self._lost(error)
            return False
        self._up = True
        self._condition.recover("redis")
        return True

    async def _connect(self) -> None:
        """Open all connections anew: old ones may be half dead, and opening takes longer than a call may."""
        await self._pool.disconnect(inuse_connections=False)
        async with asyncio.timeout(CONNECT_SECONDS):
            await _execute(self.client, "PING")
            pings = [_execute(self.client, "PING") for _ in range(IN_FLIGHT_MAX)]
            for answer in await asyncio.gather(*pings, return_exceptions=True):
                if isinstance(answer, BaseException):
                    raise answer

    async def aclose(self) -> None:
        """Close every connection; calls raise RedisLost from now on."""
        self._up = False
        self._closed = True
        await self.client.aclose()
        await self._pool.disconnect()

    async def _look_after(self) -> None:
        while not self._closed:
            await asyncio.sleep(PROBE_SECONDS)
            await self.probe()

    def _lost(self, error: Exception) -> None:
        if self._up:
            log.warning("Redis is lost: %s", str(error) or type(error).__name__, extra={"part": "redis"})
        self._up = False
        self._condition.degrade("redis", _reason(error))


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Await `work` for so many seconds in which our loop turns. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def step(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(seconds / STEPS, step, left - 1)
        else:
            limit.reschedule(loop.time())

    timer = loop.call_later(seconds / STEPS, step, STEPS - 1)
    try:
        async with asyncio.timeout(None) as limit:
            return await work
    finally:
        timer.cancel()


async def _execute(redis: Redis, *command: Word) -> Any:
    return await redis.execute_command(*command)  # type: ignore[no-untyped-call]


def _reason(error: Exception) -> str:
    """Return why, without addresses and passwords: strangers read it."""
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return "Redis does not answer in time; rate limits are counted by each process"
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return "Redis refuses the credentials of REDIS_URL; rate limits are counted by each process"
    if isinstance(error, exceptions.ResponseError):
        return "Redis does not take writes; rate limits are counted by each process"
    return "Redis cannot be reached; rate limits are counted by each process"
