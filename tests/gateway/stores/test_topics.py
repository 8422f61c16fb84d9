"""What processes say to each other on topics: the same in memory and over Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.metrics import TOPICS_DROPPED
from gateway.stores.memory.topics import MemoryBus, MemoryTopics
from gateway.stores.redis import topics as redis_topics
from gateway.stores.redis.topics import RedisTopics
from gateway.stores.topics import Topics
from gateway.tasks import Tasks
from tests.databases import Redis
from tests.databases import redis_server as run_redis
from tests.gateway.stores.twins import Stand, linked


class Process:
    """A process that listens."""

    def __init__(self, topics: Topics) -> None:
        self.topics = topics
        self.heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.missed: asyncio.Queue[str] = asyncio.Queue()
        topics.listen(lambda topic, said: self.heard.put_nowait((topic, said)), self.missed.put_nowait)

    async def subscribe(self, topic: str) -> None:
        """Subscribe, and wait until it holds."""
        self.topics.subscribe(topic)
        async with asyncio.timeout(20):
            while await self.missed.get() != topic:
                pass

    async def next(self) -> tuple[str, bytes]:
        async with asyncio.timeout(20):
            return await self.heard.get()


@pytest.fixture
async def process(stand: Stand) -> AsyncIterator[Callable[[], Process]]:
    """Make one more process on the same Redis, or the same bus."""
    bus, tasks = MemoryBus(), Tasks()

    def make() -> Process:
        if stand.link is None:
            return Process(MemoryTopics(bus))
        topics = RedisTopics(stand.link)
        tasks.start(topics.run(), name="topics")
        return Process(topics)

    yield make
    await tasks.aclose()


async def test_others_hear_what_is_said_in_order(process: Callable[[], Process], stand: Stand) -> None:
    one, other = process(), process()
    topic = f"{stand.tenant}/a"
    await other.subscribe(topic)
    for number in range(500):
        one.topics.publish(topic, b"%d" % number)

    assert [await other.next() for _ in range(500)] == [(topic, b"%d" % number) for number in range(500)]


async def test_nobody_hears_what_they_did_not_ask_for(process: Callable[[], Process], stand: Stand) -> None:
    one, other = process(), process()
    here, there = f"{stand.tenant}/a", f"{stand.tenant}/b"
    await other.subscribe(here)
    await other.subscribe(there)
    other.topics.unsubscribe(there)
    await other.subscribe(f"{stand.tenant}/c")  # After this what was unsubscribed before is.
    one.topics.publish(there, b"no")
    one.topics.publish(f"{stand.tenant}/d", b"no")
    one.topics.publish(here, b"yes")

    assert await other.next() == (here, b"yes")
    assert other.heard.empty()


async def test_it_says_whether_others_are_heard(process: Callable[[], Process], stand: Stand) -> None:
    one = process()
    await one.subscribe(f"{stand.tenant}/a")

    assert one.topics.up


async def test_a_redis_that_comes_back_is_listened_to_again_and_what_was_missed_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_topics, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(redis_topics, "LOOK_SECONDS", 0.02)
    tasks = Tasks()
    with run_redis() as server:
        async with linked(server.url) as link:
            one, other = Process(RedisTopics(link)), Process(RedisTopics(link))
            for each in (one, other):
                assert isinstance(each.topics, RedisTopics)
                tasks.start(each.topics.run(), name="topics")
            await other.subscribe("a")
            server.kill()
            assert not await link.probe()
            one.topics.publish("a", b"lost")
            server.start()
            assert not other.topics.up
            assert await link.probe()
            async with asyncio.timeout(20):
                while await other.missed.get() != "a":
                    pass
            one.topics.publish("a", b"heard")

            assert await other.next() == ("a", b"heard")
            await tasks.aclose()


async def test_what_cannot_be_said_does_not_grow(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_topics, "WAITING_MAX", 10)
    before = TOPICS_DROPPED._value.get()
    async with linked(redis_server.url) as link:
        topics = RedisTopics(link)  # Nobody speaks: it does not run.
        for _ in range(25):
            topics.publish("a", b"x")

    assert TOPICS_DROPPED._value.get() - before == 15
