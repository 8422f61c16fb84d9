"""A process that asks as often as it is told, and prints how often it was let in: URL KEY COUNT_MAX TRIES."""

import asyncio
import sys

from auth.rate_limits import Rate, RateLimited
from gateway.condition import Condition
from gateway.stores.redis.link import RedisLink
from gateway.stores.redis.rates import RedisRates


async def main(url: str, key: str, count_max: int, tries: int) -> None:
    link = RedisLink(url, Condition(), timeout_seconds=10.0)
    await link.probe()
    rates, rate = RedisRates(link), Rate("shared", "tries", count_max)

    async def let_in() -> bool:
        try:
            await rates.admit(key, [rate])
        except RateLimited:
            return False
        return True

    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    print(sum(await asyncio.gather(*(let_in() for _ in range(tries)))), flush=True)  # noqa: T201 - the answer
    await link.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
