"""What the door costs: a rate looked up and counted in memory, and in one round trip on Redis."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop
from redis.asyncio import Redis

from auth.rate_limits import Rate, RateLimited
from bench.crowd import LoadFailed
from bench.figures import Figure
from bench.servers import Surroundings
from gateway.condition import Condition
from gateway.stores.memory.rates import MemoryRates
from gateway.stores.redis.link import RedisLink
from gateway.stores.redis.rates import RedisRates
from gateway.tasks import Tasks

MEMORY_US_MAX = 50.0
ROUND_TRIPS_MAX = 2.5
"""The time of an answer against that of redis-py's PING: one round trip and not two, with the script's own
work and the link's timeout and breaker in it."""
RATE = Rate("api", "API calls", 100)
KEYS = 1000


@dataclass(frozen=True, slots=True)
class Limiter:
    """`tries` for many users, `passes` times; half of them are refused."""

    tries: int = 20_000
    trips: int = 2000
    passes: int = 5
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure memory, then Redis where there is one."""
        tick("in memory")
        values = [self._in_memory(refused=refused) for refused in (False, True) for _ in range(self.passes)]
        figures = [
            Figure.of("limiter", "let in, in memory", "us", values[: self.passes], goal=MEMORY_US_MAX),
            Figure.of("limiter", "refused, in memory", "us", values[self.passes :], goal=MEMORY_US_MAX),
        ]
        tick("on Redis")
        with self.around.backends.redis() as url:
            if url:
                ours, pings, commands = uvloop.run(self._on_redis(url))
                figures += [
                    Figure.of("limiter", "on Redis, against a PING", "us", ours, pings, goal=ROUND_TRIPS_MAX),
                    Figure("limiter", "commands on Redis for each", "", commands, goal=1.0),
                ]
        return figures

    def _in_memory(self, *, refused: bool) -> float:
        rates, rate = MemoryRates(), Rate("api", "API calls", self.tries)
        if refused:
            rate = Rate("api", "API calls", 1)
            for user in range(KEYS):
                rates.admit_now(f"user_{user}", [rate])
        began, count = time.process_time(), 0
        for number in range(self.tries):
            try:
                rates.admit_now(f"user_{number % KEYS}", [rate])
            except RateLimited:
                count += 1
        cost = (time.process_time() - began) * 1e6 / self.tries
        if count != (self.tries if refused else 0):
            raise LoadFailed(f"of {self.tries} tries {count} were refused")
        return cost

    async def _on_redis(self, url: str) -> tuple[list[float], list[float], float]:
        """Return the us of an answer, those of a PING, and how many commands one took."""
        condition, tasks = Condition(), Tasks()
        link = await RedisLink.open(url, condition, tasks)
        rates = RedisRates(link)
        await rates.admit("warm", [RATE])  # the script is there from now on
        ours: list[float] = []
        pings: list[float] = []
        async with Redis.from_url(url) as plain:
            await plain.ping()
            before = await _calls(plain)
            for number in range(self.passes):
                began = time.perf_counter()
                for trip in range(self.trips):
                    await rates.admit(f"user_{number}_{trip % KEYS}", [RATE])
                ours.append((time.perf_counter() - began) * 1e6 / self.trips)
                began = time.perf_counter()
                for _ in range(self.trips):
                    await plain.ping()
                pings.append((time.perf_counter() - began) * 1e6 / self.trips)
            after = await _calls(plain)
        await tasks.aclose()
        await link.aclose()
        return ours, pings, (after - before) / self.passes / self.trips


async def _calls(plain: "Redis") -> int:
    """Return how many scripts Redis was asked to run, and how many other commands but PING, INFO and SET."""
    stats = await plain.info("commandstats")
    names = ("ping", "info", "set", "client|setinfo", "hello", "config|resetstat")
    skipped = {f"cmdstat_{name}" for name in names}
    # What a script does on the server is counted too; a round trip is what the client asked for.
    asked = {"cmdstat_evalsha", "cmdstat_eval", "cmdstat_script|load"}
    return sum(int(each["calls"]) for name, each in stats.items() if name in asked and name not in skipped)
