"""The link to Redis: one timeout when Redis is lost, none after that, and back by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import uvloop
from redis import exceptions

from gateway.condition import Condition
from gateway.stores.redis import link as redis_link
from gateway.stores.redis.link import IN_FLIGHT_MAX, RedisLink, RedisLost, within
from gateway.tasks import Tasks
from tests.databases import Redis
from tests.databases import redis_server as run_redis


@pytest.fixture
async def link(redis_server: Redis) -> AsyncIterator[RedisLink]:
    link = RedisLink(redis_server.url, Condition(), timeout_seconds=10.0)
    assert await link.probe()
    yield link
    await link.aclose()


async def test_a_call_is_answered(link: RedisLink) -> None:
    assert await link.call("ECHO", "good evening") == b"good evening"
    assert await link.run(lambda redis: redis.exists("no such key")) == 0
    assert await link.script("return {KEYS[1], ARGV[1]}")(["a"], [7]) == [b"a", b"7"]


async def test_what_is_wrong_with_a_command_is_no_loss(link: RedisLink) -> None:
    with pytest.raises(exceptions.ResponseError):
        await link.call("DANCE")
    assert link.up


async def test_a_burst_waits_its_turn_on_few_connections(link: RedisLink) -> None:
    answers = await asyncio.gather(*(link.call("ECHO", number) for number in range(500)))
    assert answers == [str(number).encode() for number in range(500)]
    connected = [client for client in await link.client.client_list() if client["name"] == ""]
    assert len(connected) <= IN_FLIGHT_MAX + 4


async def test_a_command_whose_connection_breaks_is_not_sent_again(
    link: RedisLink, redis_server: Redis
) -> None:
    other = RedisLink(redis_server.url, Condition(), timeout_seconds=10.0)
    await other.probe()
    waiting = asyncio.gather(link.call("BLPOP", "nothing comes here", 0), return_exceptions=True)
    async with asyncio.timeout(5):
        while not (blocked := [c for c in await other.client.client_list() if c["cmd"] == "blpop"]):
            await asyncio.sleep(0.01)
        await other.call("CLIENT", "KILL", "ID", blocked[0]["id"])
        (answer,) = await waiting
    assert isinstance(answer, RedisLost)
    await other.aclose()


async def test_after_its_end_it_takes_no_calls(redis_server: Redis) -> None:
    link = RedisLink(redis_server.url, Condition())
    await link.probe()
    await link.aclose()
    with pytest.raises(RedisLost):
        await link.call("PING")


async def test_before_its_start_it_takes_none(redis_server: Redis) -> None:
    link = RedisLink(redis_server.url, Condition())
    with pytest.raises(RedisLost):
        await link.call("PING")


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6379", ""])
def test_a_url_must_be_one_of_redis(url: str) -> None:
    with pytest.raises(ValueError, match="redis://"):
        RedisLink(url, Condition())


class TestLost:
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

    @staticmethod
    async def back(link: RedisLink) -> None:
        async with asyncio.timeout(20):
            while not link.up:
                await asyncio.sleep(0.01)

    async def test_a_command_that_timed_out_was_tried_once(self, server: Redis, link: RedisLink) -> None:
        server.stall()
        with pytest.raises(RedisLost):
            await link.call("INCRBY", "minutes", 60)
        server.resume()
        await self.back(link)
        assert int(await link.call("GET", "minutes")) == 60

    async def test_its_loss_shows_without_a_call(
        self, server: Redis, link: RedisLink, condition: Condition
    ) -> None:
        server.kill()
        async with asyncio.timeout(20):
            while link.up:
                await asyncio.sleep(0.01)
        assert "cannot be reached" in condition.degraded["redis"]
        assert str(server.port) not in condition.degraded["redis"], "strangers read this"
        server.start()
        await self.back(link)
        assert condition.degraded == {}

    async def test_a_wrong_password_is_told(
        self, server: Redis, link: RedisLink, condition: Condition
    ) -> None:
        await link.client.config_set("requirepass", "secret")
        wrong = RedisLink(server.url.replace("//", "//:guess@"), condition)
        assert not await wrong.probe()
        assert "refuses the credentials" in condition.degraded["redis"]
        assert "guess" not in condition.degraded["redis"]
        await wrong.aclose()

    async def test_no_connection_is_lost_with_it(self, server: Redis, link: RedisLink) -> None:
        for _ in range(3):
            server.stall()
            calls = [link.call("PING") for _ in range(3 * IN_FLIGHT_MAX)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(answer, RedisLost) for answer in answers)
            server.resume()
            await self.back(link)
        assert set(await asyncio.gather(*(link.call("PING") for _ in range(3 * IN_FLIGHT_MAX)))) == {True}


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_our_own_stall_is_not_that_of_redis(
    redis_server: Redis, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def busy() -> None:
        link = RedisLink(redis_server.url, Condition(), timeout_seconds=0.2)
        assert await link.probe()
        loop = asyncio.get_running_loop()

        async def hold() -> None:
            until = loop.time() + 0.5  # more than two timeouts, in which nobody reads what Redis has answered
            while time.monotonic() < until:
                pass

        answers = await asyncio.gather(link.call("PING"), link.call("PING"), hold(), return_exceptions=True)
        assert list(answers) == [True, True, None]
        assert link.up
        await link.aclose()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(busy())


async def test_time_in_which_our_loop_is_held_up_is_not_counted() -> None:
    async def slow() -> str:
        until = time.monotonic() + 0.95
        while time.monotonic() < until:
            pass
        await asyncio.sleep(0.4)
        return "done"

    assert await within(1.0, slow()) == "done"
    with pytest.raises(TimeoutError):
        await within(0.02, asyncio.Event().wait())
