"""The archive when its store is lost, or has what no topic of ours has sent."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.condition import Condition
from gateway.fanout import frames
from gateway.stores.captions import Captions, CaptionsLost, ChannelName, Outcome, Piece, TopicName
from gateway.stores.memory.captions import MemoryCaptions
from gateway.stores.redis.captions import RedisCaptions, keys_of
from gateway.stores.redis.link import RedisLink
from gateway.tasks import Tasks
from gateway.wire.frames import binary_frame, text_frame
from sessions.history import Past
from tests.databases import Redis
from tests.databases import redis_server as run_redis
from tests.gateway.fanout.restarts import LIMITS, TTL, Process
from tests.gateway.rehearsal import caption
from tests.gateway.stores.twins import Stand, linked


class Flaky(MemoryCaptions):
    """A store that can be lost: before it writes, or after, when nobody hears of it."""

    lost = ""

    async def write(self, pieces: Sequence[Piece]) -> Sequence[Outcome]:
        if self.lost == "before":
            raise CaptionsLost
        written = await super().write(pieces)
        if self.lost == "after":
            raise CaptionsLost
        return written


class TestLostStore:
    @pytest.mark.parametrize("lost", ["before", "after"])
    async def test_topics_go_on_and_are_whole_when_it_is_back(self, lost: str) -> None:
        captions = Flaky(LIMITS, TTL, lambda: 0.0)
        first = Process(captions, "default")
        begin = await first.joined()
        first.says("one")
        captions.lost = lost
        assert await first.archive.flush() is False
        first.says("two")
        assert await first.archive.flush() is False
        assert first.replays(begin) == ["one", "two"]
        captions.lost = ""
        assert await first.archive.flush() is True
        second = Process(captions, "default")
        await second.joined()
        assert second.replays(begin) == ["one", "two"]

    async def test_a_channel_that_began_without_its_past_replaces_it(self) -> None:
        """Else a third process would replay the first's finals and leave the second's out."""
        captions = Lossy(LIMITS, TTL, lambda: 0.0)
        first = Process(captions, "default")
        await first.joined()
        first.says("of the first")
        seen = first.says("and more")
        await first.archive.flush()
        captions.unreadable = True
        second = Process(captions, "default")
        await second.joined()
        second.says("of the second")
        await second.archive.flush()
        captions.unreadable = False
        third = Process(captions, "default")
        await third.joined()
        for offset in range(seen[1] + 1):
            assert third.replays((seen[0], offset)) == "epoch_changed"

    async def test_killed_in_mid_append_and_started_empty_it_has_everything_again(self) -> None:
        with run_redis() as server:
            link = RedisLink(server.url, Condition())
            await link.probe()
            captions = RedisCaptions(link, LIMITS, TTL)
            first = Process(captions, "default")
            begin = await first.joined()
            tasks = Tasks()
            tasks.start(first.archive.run(), name="archive")
            for number in range(15):
                first.says(str(number))
                await asyncio.sleep(0)
                if number == 7:
                    server.kill()
            while link.up:
                first.archive.tend()
                await asyncio.sleep(0.01)
            assert first.replays(begin) == [str(number) for number in range(15)]
            await tasks.aclose()
            server.start()
            assert await link.probe()
            first.archive.tend()
            assert await first.archive.flush() is True
            second = Process(captions, "default")
            await second.joined()
            assert second.replays(begin) == [str(number) for number in range(15)]
            await link.aclose()


class Lossy(MemoryCaptions):
    """A store that cannot be read at times."""

    unreadable = False

    async def topics(self, channel: ChannelName) -> Sequence[TopicName]:
        if self.unreadable:
            raise CaptionsLost
        return await super().topics(channel)


def final(offset: int, **changes: Any) -> bytes:
    made = frames.subtitle("s", 1, offset, caption("x"), "en", "en", is_final=changes.pop("is_final", True))
    assert not changes
    return made


class TestGarbage:
    @pytest.mark.parametrize(
        "entry",
        [
            b"", b"x", b"\x81", b"\x81\x7f", final(1)[:-1], final(1) + b"\x81", final(2),
            b"\x88\x00" + final(1), final(1) + b"\x88\x00", final(1, is_final=False),
            text_frame(b"[]"), text_frame(b"{"),
            text_frame(b"\xff"), text_frame(b'{"type":"error"}'), binary_frame(b"{}"),
            b"GET / HTTP/1.1\r\n\r\n", b"\x01" + final(1)[1:],
        ],
    )  # fmt: skip
    async def test_what_no_topic_of_ours_has_sent_is_not_replayed(
        self, captions: Captions, stand: Stand, entry: bytes
    ) -> None:
        channel, topic = ChannelName(stand.tenant, "main"), TopicName("en", "")
        await captions.write([Piece(channel, topic, "e", 0, [entry], anew=True)])
        process = Process(captions, stand.tenant)
        await process.joined()
        assert process.replays(("e", 0)) == "epoch_changed"
        seen = process.says("sound")
        await process.archive.flush()
        assert await captions.load(channel, topic) == Past(seen[0], 1, (), (frames_of(process),))

    async def test_what_one_has_sent_is(self, captions: Captions, stand: Stand) -> None:
        channel, topic = ChannelName(stand.tenant, "main"), TopicName("en", "")
        await captions.write([Piece(channel, topic, "e", 0, [final(1)], anew=True)])
        process = Process(captions, stand.tenant)
        await process.joined()
        assert process.replays(("e", 0)) == ["x"]

    async def test_keys_of_another_kind_are_written_over(self, redis_server: Redis) -> None:
        async with linked(redis_server.url) as link:
            captions = RedisCaptions(link, LIMITS, TTL)
            for key in keys_of(ChannelName("another kind", "main"), TopicName("en", "")):
                await link.call("SET", key, "garbage")
            process = Process(captions, "another kind")
            begin = await process.joined()
            process.says("one")
            await process.archive.flush()
            second = Process(captions, "another kind")
            await second.joined()
            assert second.replays(begin) == ["one"]


def frames_of(process: Process) -> bytes:
    topic = process.channel.topic("en", None)
    return topic.missed(topic.epoch, 0)
