"""Rates in Redis: one count for many processes, in one round trip, and none at all while Redis is lost.

What they count is in tests/gateway/stores/test_rates.py.
"""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from auth.rate_limits import MICRO, Rate, RateLimited
from gateway.condition import Condition
from gateway.stores.memory.rates import MemoryRates
from gateway.stores.rates import SharedRates, rates_behind
from gateway.stores.redis import link as redis_link
from gateway.stores.redis.link import RedisLink, RedisLost
from gateway.stores.redis.rates import RedisRates, key_of
from gateway.tasks import Tasks
from tests.databases import Redis
from tests.databases import redis_server as run_redis

ROOT = Path(__file__).parents[4]
RATE = Rate("shared", "tries", 50)
_NAMES = itertools.count()


@pytest.fixture
def key() -> str:
    return f"default/rates {next(_NAMES)}"


@pytest.fixture
async def link(redis_server: Redis) -> AsyncIterator[RedisLink]:
    link = RedisLink(redis_server.url, Condition(), timeout_seconds=10.0)
    assert await link.probe()
    yield link
    await link.aclose()


async def let_in(rates: SharedRates | RedisRates, key: str, *asked: Rate) -> bool:
    try:
        await rates.admit(key, asked or [RATE])
    except RateLimited:
        return False
    return True


@pytest.fixture
async def other(redis_server: Redis) -> AsyncIterator[RedisLink]:
    link = RedisLink(redis_server.url, Condition(), timeout_seconds=10.0)
    assert await link.probe()
    yield link
    await link.aclose()


async def test_a_decision_is_one_command(link: RedisLink, other: RedisLink, key: str) -> None:
    rates, both = RedisRates(link), [Rate("api", "requests", 2), Rate("check", "quota checks", 2)]
    await rates.admit(f"{key} before", both)
    commands = []
    async with other.client.monitor() as monitor:
        outcomes = [await let_in(rates, key, *both) for _ in range(3)]
        await link.call("ECHO", key)
        while not (command := await monitor.next_command())["command"].startswith("ECHO"):
            if command["client_type"] != "lua":
                commands.append(command["command"].split()[0])
    assert outcomes == [True, True, False]
    assert commands == ["EVALSHA"] * 3


async def test_a_redis_that_forgot_the_script_is_given_it_again(link: RedisLink, key: str) -> None:
    rates = RedisRates(link)
    assert (await rates.admit(key, [RATE])).remaining == 49
    await link.call("SCRIPT", "FLUSH")
    assert (await rates.admit(key, [RATE])).remaining == 48
    assert (await rates.admit(key, [RATE])).remaining == 47


async def test_without_a_limit_redis_is_not_asked() -> None:
    rates = RedisRates(RedisLink("redis://127.0.0.1:1/0", Condition()))
    assert (await rates.admit("dana", [Rate("none", "tries", 0)])).remaining == -1


async def test_what_is_kept_goes_by_itself(link: RedisLink, key: str) -> None:
    rates, brief = RedisRates(link), Rate("brief", "tries", 5, 0.2)
    await rates.admit(key, [RATE, brief])
    assert 59_000 < await link.call("PTTL", key_of(key, RATE)) <= 60_001
    assert 0 < await link.call("PTTL", key_of(key, brief)) <= 201


async def test_what_is_kept_is_bounded_by_the_rate(link: RedisLink, key: str) -> None:
    rates = RedisRates(link)
    for _ in range(80):
        await let_in(rates, key)
    assert await link.call("LLEN", key_of(key, RATE)) == 50


async def test_the_clock_is_that_of_redis(link: RedisLink, key: str) -> None:
    await RedisRates(link).admit(key, [RATE])
    (kept,) = await link.call("LRANGE", key_of(key, RATE), 0, -1)
    seconds, micro = await link.call("TIME")
    assert 0 <= int(seconds) * MICRO + int(micro) - int(kept) < 10 * MICRO


async def test_two_links_share_a_limit_exactly(link: RedisLink, other: RedisLink, key: str) -> None:
    both = itertools.cycle([RedisRates(link), RedisRates(other)])
    outcomes = await asyncio.gather(*(let_in(next(both), key) for _ in range(150)))
    assert sum(outcomes) == 50


def test_two_processes_share_a_limit_exactly(redis_server: Redis, key: str) -> None:
    command = [sys.executable, "-m", "tests.gateway.stores.redis.caller", redis_server.url, key, "100", "150"]
    callers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for caller in callers:
            assert caller.stdout is not None
            assert caller.stdout.readline() == "ready\n"
        for caller in callers:
            assert caller.stdin is not None
            caller.stdin.write("go\n")
            caller.stdin.flush()
        let_in = [int(caller.communicate(timeout=30)[0]) for caller in callers]
    finally:
        for caller in callers:
            caller.kill()
            caller.wait()
    assert sum(let_in) == 100
    assert all(let_in), "both came at once"


class TestLost:
    """Redis goes away under load, and comes back."""

    @pytest.fixture
    def server(self) -> Iterator[Redis]:
        with run_redis() as server:
            yield server

    @pytest.fixture
    def condition(self) -> Condition:
        return Condition()

    @pytest.fixture
    async def link(
        self, server: Redis, condition: Condition, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[RedisLink]:
        monkeypatch.setattr(redis_link, "PROBE_SECONDS", 0.02)
        tasks = Tasks()
        link = await RedisLink.open(server.url, condition, tasks, timeout_seconds=0.2)
        yield link
        await tasks.aclose()
        await link.aclose()

    @pytest.mark.parametrize("fault", ["killed", "stalled"])
    async def test_limits_hold_within_this_process_and_it_recovers_by_itself(
        self, server: Redis, link: RedisLink, condition: Condition, key: str, fault: str
    ) -> None:
        rates, loop = rates_behind(link), asyncio.get_running_loop()
        assert isinstance(rates, SharedRates)
        assert sum([await let_in(rates, key) for _ in range(30)]) == 30
        if fault == "killed":
            server.kill()
        else:
            server.stall()

        began = loop.time()
        outcomes = await asyncio.gather(*(let_in(rates, key) for _ in range(500)))
        assert loop.time() - began < 2.0, "one timeout, not one for each"
        assert sum(outcomes) == 20, "what was let in through Redis counts"
        assert not link.up
        assert "each process" in condition.degraded["redis"]
        began = loop.time()
        for _ in range(1000):
            await let_in(rates, key)
        assert loop.time() - began < 1.0, "nobody waits for a Redis that is known to be lost"

        if fault == "killed":
            server.start()
        else:
            server.resume()
        async with asyncio.timeout(20):
            while condition.degraded:
                await asyncio.sleep(0.01)
        assert link.up
        await rates.admit(f"{key} after", [RATE])
        assert await link.call("LLEN", key_of(f"{key} after", RATE)) == 1

    async def test_one_that_takes_no_writes_is_as_good_as_lost(
        self, link: RedisLink, condition: Condition, key: str
    ) -> None:
        rates = rates_behind(link)
        await rates.admit(key, [RATE])
        await link.call("CONFIG", "SET", "maxmemory", "1")
        assert (await rates.admit(key, [RATE])).remaining == 48
        assert "does not take writes" in condition.degraded["redis"]
        await link.client.config_set("maxmemory", "0")
        async with asyncio.timeout(20):
            while not link.up:
                await asyncio.sleep(0.01)

    async def test_a_server_starts_without_it(self, server: Redis, condition: Condition, key: str) -> None:
        server.kill()
        tasks = Tasks()
        link = await RedisLink.open(server.url, condition, tasks)
        assert "cannot be reached" in condition.degraded["redis"]
        assert (await SharedRates(RedisRates(link), MemoryRates()).admit(key, [RATE])).remaining == 49
        with pytest.raises(RedisLost):
            await link.call("PING")
        await tasks.aclose()
        await link.aclose()
