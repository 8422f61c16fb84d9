"""One leader at a time, and a later one is known by its number: the same in memory and in Redis."""

import asyncio

import pytest

from gateway.condition import Condition
from gateway.stores.leases import Leases
from gateway.stores.memory.leases import MemoryLeases
from gateway.stores.redis.leases import RedisLeases, keys_of
from gateway.stores.redis.link import RedisLink
from tests.databases import Redis
from tests.databases import redis_server as run_redis
from tests.gateway.stores.twins import Stand, linked

TTL = 10.0


@pytest.fixture
def leases(stand: Stand) -> Leases:
    return MemoryLeases(stand.clock) if stand.link is None else RedisLeases(stand.link)


async def held(leases: Leases, name: str, holder: str) -> int:
    """Acquire, and assert that it is given."""
    fence = await leases.acquire(name, holder, TTL)
    assert fence is not None
    return fence


async def test_the_first_has_it_and_nobody_else(leases: Leases, stand: Stand) -> None:
    await held(leases, stand.tenant, "a")
    assert await leases.acquire(stand.tenant, "b", TTL) is None


async def test_its_holder_renews_it_with_the_same_number(leases: Leases, stand: Stand) -> None:
    first = await held(leases, stand.tenant, "a")
    for _ in range(4):
        await stand.passes(TTL * 0.6)
        assert await held(leases, stand.tenant, "a") == first
        assert await leases.acquire(stand.tenant, "b", TTL) is None


async def test_each_change_of_holder_gives_a_higher_number(leases: Leases, stand: Stand) -> None:
    fences = []
    for holder in "abacb":
        fences.append(await held(leases, stand.tenant, holder))
        await stand.passes(TTL * 1.01)
    assert fences == sorted(set(fences))


async def test_who_let_its_time_run_out_is_a_new_holder(leases: Leases, stand: Stand) -> None:
    first = await held(leases, stand.tenant, "a")
    await stand.passes(TTL * 1.01)
    assert await held(leases, stand.tenant, "a") > first


async def test_released_it_is_free_at_once(leases: Leases, stand: Stand) -> None:
    first = await held(leases, stand.tenant, "a")
    await leases.release(stand.tenant, "a")
    assert await held(leases, stand.tenant, "b") > first


async def test_nobody_releases_what_another_has(leases: Leases, stand: Stand) -> None:
    await held(leases, stand.tenant, "a")
    await leases.release(stand.tenant, "b")
    await leases.release(f"{stand.tenant} never held", "b")
    assert await leases.acquire(stand.tenant, "b", TTL) is None


async def test_names_do_not_meet(leases: Leases, stand: Stand) -> None:
    for part in ("", "{}", "}:fence", ":fence", "a:fence", "\ud800", "ünïcode"):
        await held(leases, f"{stand.tenant}{part}", part)
    assert await leases.acquire(f"{stand.tenant}:fence", "b", TTL) is None


async def test_in_a_rush_one_gets_it(leases: Leases, stand: Stand) -> None:
    answers = await asyncio.gather(*(leases.acquire(stand.tenant, f"h{n}", TTL) for n in range(40)))
    assert len([fence for fence in answers if fence is not None]) == 1


async def test_the_number_grows_over_a_redis_that_forgot_everything(redis_server: Redis) -> None:
    async with linked(redis_server.url) as link:
        leases = RedisLeases(link)
        first = await held(leases, "forgotten", "a")
        await link.call("DEL", *keys_of("forgotten"))
        assert await held(leases, "forgotten", "b") > first


@pytest.mark.parametrize("garbage", [("SET", "no number"), ("RPUSH", "x"), ("SET", "nan"), ("SET", "1e400")])
@pytest.mark.parametrize("place", [0, 1])
async def test_garbage_is_no_lease(redis_server: Redis, garbage: tuple[str, str], place: int) -> None:
    async with linked(redis_server.url) as link:
        keys = keys_of("garbage")
        await link.call("DEL", *keys)
        await link.call(garbage[0], keys[place], garbage[1])
        leases = RedisLeases(link)
        if (garbage[0], place) == ("SET", 0):  # somebody seems to have it, and not for ever
            await link.call("DEL", keys[0])
        fence = await held(leases, "garbage", "a")
        assert 0 < fence < 1 << 53
        assert await leases.acquire("garbage", "b", TTL) is None


async def test_without_redis_nobody_leads_and_afterwards_one_does() -> None:
    with run_redis() as server:
        link = RedisLink(server.url, Condition())
        await link.probe()
        leases = RedisLeases(link)
        first = await held(leases, "reaper", "a")
        server.kill()
        assert await leases.acquire("reaper", "a", TTL) is None
        await leases.release("reaper", "a")
        server.start()
        assert await link.probe()
        assert await held(leases, "reaper", "b") > first
        await link.aclose()
