"""The archive: a new process goes on where another was killed, and nobody is told less than was said.

A test that only drops a `Process` plays a SIGKILL: nothing more is written. Lost stores and garbage are in
test_archive_trouble.py.
"""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.fanout import archive as archives
from gateway.fanout.archive import Archive
from gateway.fanout.channel import Key
from gateway.metrics import ARCHIVED
from gateway.stores.captions import Captions, ChannelName, TopicName
from gateway.stores.memory.captions import MemoryCaptions
from gateway.wire.frames import binary_frame, text_frame
from tests.gateway.fanout.restarts import LIMITS, TTL, Position, Process
from tests.gateway.rehearsal import Rehearsal
from tests.gateway.stores.twins import Stand


def outcomes(name: str) -> float:
    value = ARCHIVED.labels(name)._value.get()
    assert isinstance(value, float)
    return value


async def test_who_comes_back_after_a_restart_gets_what_it_missed(captions: Captions, stand: Stand) -> None:
    first = Process(captions, stand.tenant)
    await first.joined()
    seen = first.says("one", "two")
    first.says("three", "four")
    await first.archive.flush()

    second = Process(captions, stand.tenant)
    epoch, offset = await second.joined()
    assert (epoch != seen[0], offset) == (True, 4)
    assert second.replays(seen) == ["three", "four"]
    assert second.says("five") == (epoch, 5)
    assert second.replays(seen) == ["three", "four", "five"]
    assert second.replays((epoch, 4)) == ["five"]


async def test_who_had_joined_before_anything_was_said_misses_nothing(
    captions: Captions, stand: Stand
) -> None:
    seen = await Process(captions, stand.tenant).joined()
    second = Process(captions, stand.tenant)
    await second.joined()
    second.says("one")
    assert second.replays(seen) == ["one"]


async def test_what_was_sent_but_not_kept_is_a_resync_and_never_something_else(
    captions: Captions, stand: Stand
) -> None:
    first = Process(captions, stand.tenant)
    await first.joined()
    first.says("one")
    await first.archive.flush()
    seen = first.says("two")  # and killed before it was archived

    second = Process(captions, stand.tenant)
    await second.joined()
    assert second.replays(seen) == "unknown_offset"
    second.says("another two", "three")
    assert second.replays(seen) == "unknown_offset"


async def test_it_goes_on_over_many_restarts(captions: Captions, stand: Stand) -> None:
    seen: list[tuple[Position, int]] = []
    for number in range(12):
        process = Process(captions, stand.tenant)
        seen.append((await process.joined(), number))
        process.says(f"of {number}")
        await process.archive.flush()
    last = Process(captions, stand.tenant)
    await last.joined()
    for position, number in seen:
        assert last.replays(position) == [f"of {n}" for n in range(number, 12)]


async def test_every_topic_goes_on_whoever_comes_first(captions: Captions, stand: Stand) -> None:
    first = Process(captions, stand.tenant)
    await first.joined("en")
    spanish, voiced = await first.joined("es"), await first.joined("es", "ogg_opus")
    first.says("uno", lang="es")
    first.says("uno", lang="es", track="ogg_opus", spoken=text_frame(b"{}") + binary_frame(bytes(5000)))
    await first.archive.flush()

    second = Process(captions, stand.tenant)
    await second.joined("en")
    second.says("dos", lang="es")  # made, because who follows may come back any moment
    assert set(second.channel.topics) == {("en", None), ("es", None), ("es", "ogg_opus")}
    assert second.channel.wanted(second.clock.now + 1, 30.0).keys() == {"en", "es"}
    assert second.replays(spanish, "es") == ["uno", "dos"]
    assert second.replays(voiced, "es", "ogg_opus") == ["uno"]


async def test_what_no_engine_makes_any_more_is_left(captions: Captions, stand: Stand) -> None:
    first = Process(captions, stand.tenant)
    await first.joined("fr")
    second = Process(captions, stand.tenant, served="en")
    await second.joined("en")
    assert set(second.channel.topics) == {("en", None)}


async def test_only_the_newest_are_kept_and_older_places_are_too_old(
    captions: Captions, stand: Stand
) -> None:
    first = Process(captions, stand.tenant)
    begin = await first.joined()
    for number in range(50):
        first.says(str(number))
        if number % 7 == 0:
            await first.archive.flush()
    await first.archive.flush()
    second = Process(captions, stand.tenant)
    await second.joined()
    assert second.replays(begin) == "too_old"
    assert second.replays((begin[0], 30)) == [str(number) for number in range(30, 50)]
    assert second.replays((begin[0], 29)) == "too_old"


async def test_tenants_and_strangers_epochs_get_nothing(captions: Captions, stand: Stand) -> None:
    first = Process(captions, stand.tenant)
    await first.joined()
    seen = first.says("secret")
    await first.archive.flush()
    other = Process(captions, f"{stand.tenant}:main")
    await other.joined()
    assert other.channel.topic("en", None).offset == 0
    assert other.replays((seen[0], 0)) == "epoch_changed"


async def test_a_personal_stream_is_not_kept(captions: Captions, stand: Stand) -> None:
    mine = Process(captions, stand.tenant, personal=True)
    await mine.joined()
    mine.says("dear diary")
    await mine.archive.flush()
    assert mine.archive.waiting == 0
    assert await captions.topics(ChannelName(stand.tenant, "main")) == []


async def test_a_fallen_behind_history_is_written_anew_and_is_whole(captions: Captions, stand: Stand) -> None:
    first = Process(captions, stand.tenant)
    begin = await first.joined()
    first.says("kept")
    await first.archive.flush()
    dropped, anew = outcomes("dropped"), outcomes("anew")
    for number in range(2, 41):
        first.says(str(number))
    await first.archive.flush()
    assert (outcomes("dropped") - dropped, outcomes("anew") - anew) == (19, 1)
    second = Process(captions, stand.tenant)
    await second.joined()
    assert second.replays((begin[0], 1)) == "too_old"
    assert second.replays((begin[0], 20)) == [str(number) for number in range(21, 41)]


async def test_what_ran_out_is_there_again_after_tending(captions: Captions, stand: Stand) -> None:
    first = Process(captions, stand.tenant)
    begin = await first.joined()
    first.says("one")
    await first.archive.flush()
    await stand.passes(TTL * 1.1)
    first.archive.tend()
    await first.archive.flush()
    await stand.passes(TTL * 0.7)
    first.archive.tend()
    await first.archive.flush()
    await stand.passes(TTL * 0.7)
    second = Process(captions, stand.tenant)
    await second.joined()
    assert second.replays(begin) == ["one"]


async def test_a_topic_that_nobody_holds_any_more_is_not_tended(captions: Captions, stand: Stand) -> None:
    first = Process(captions, stand.tenant)
    await first.joined()
    first.channel.topics.clear()
    first.archive.tend()
    assert first.archive.waiting == 0


class TestOverSockets:
    """The same as clients see it."""

    async def opened(self, captions: Captions, tenant: str) -> Rehearsal:
        """Return a server that is ready for the channel's first comer."""
        rehearsal = Rehearsal()
        channel = rehearsal.hub.channel(Key(tenant, "main"))
        archive = channel.archive = Archive(captions, lambda _lang, _track: True)
        await archive.prepare(channel)
        return rehearsal

    def publishes(self, rehearsal: Rehearsal, tenant: str, *texts: str) -> None:
        publisher = rehearsal.joins("publish", user="noa", tenant=tenant)
        for text in texts:
            publisher.says(type="caption", text=text, start=0, end=1, is_final=True)

    async def test_a_viewer_resumes_over_a_restart(self, captions: Captions) -> None:
        tenant = f"house-{id(captions)}"
        before = await self.opened(captions, tenant)
        viewer = before.joins(tenant=tenant)
        self.publishes(before, tenant, "one", "two", "three")
        assert viewer.finals() == [(1, "one"), (2, "two"), (3, "three")]
        archive = before.channel("main", tenant).archive
        assert isinstance(archive, Archive)
        await archive.flush()

        after = await self.opened(captions, tenant)
        back = after.joins(tenant=tenant, resume=viewer.position | {"offset": 1})
        assert back.connected["resumed"] is True
        assert back.connected["offset"] == 3
        assert back.connected["epoch"] != viewer.connected["epoch"]
        assert back.finals() == [(2, "two"), (3, "three")]
        self.publishes(after, tenant, "four")
        assert back.finals() == [(4, "four")]
        again = after.joins(tenant=tenant, resume=back.position)
        assert again.connected["resumed"] is True
        assert again.finals() == [(4, "four")]

    async def test_a_place_that_was_never_kept_is_a_resync(self, captions: Captions) -> None:
        tenant = f"house-{id(captions)}"
        before = await self.opened(captions, tenant)
        viewer = before.joins(tenant=tenant)
        self.publishes(before, tenant, "one")

        after = await self.opened(captions, tenant)
        back = after.joins(tenant=tenant, resume=viewer.position | {"offset": 1})
        assert back.connected["resumed"] is False
        assert [message["reason"] for message in back.hears("resync")] == ["epoch_changed"]


class TestTwoProcessesThatLive:
    async def test_each_replays_its_own_and_never_the_others(self, captions: Captions, stand: Stand) -> None:
        one = Process(captions, stand.tenant)
        await one.joined()
        common = one.says("common")
        await one.archive.flush()
        other = Process(captions, stand.tenant)
        await other.joined()
        ones, others = one.says("of one"), other.says("of the other")
        for process in (one, other, one):
            await process.archive.flush()
        third = Process(captions, stand.tenant)
        await third.joined()
        assert one.replays(common) == ["of one"]
        assert other.replays(common) == ["of the other"]
        answers = [third.replays(ones), third.replays(others)]
        assert [] in answers
        answers.remove([])
        assert answers[0] in ("unknown_offset", "epoch_changed")

    async def test_they_do_not_take_it_from_each_other_in_turns(
        self, captions: Captions, stand: Stand
    ) -> None:
        one, other = Process(captions, stand.tenant), Process(captions, stand.tenant)
        await one.joined()
        await other.joined()
        taken = outcomes("taken")
        for number in range(50):
            for process in (one, other):
                process.says(str(number))
                await process.archive.flush()
                process.archive.tend()
                await process.archive.flush()
        assert outcomes("taken") - taken == 2

    async def test_who_goes_on_alone_has_it_in_the_end(
        self, captions: Captions, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "CONTEST_SECONDS", 0.0)
        one, other = Process(captions, stand.tenant), Process(captions, stand.tenant)
        await one.joined()
        await other.joined()
        other.says("x")
        await other.archive.flush()
        seen = one.says("mine")
        one.says("too")
        await one.archive.flush()
        third = Process(captions, stand.tenant)
        await third.joined()
        assert third.replays(seen) == ["too"]


class TestPreparing:
    async def test_many_at_once_read_the_past_once(self, captions: Captions, stand: Stand) -> None:
        first = Process(captions, stand.tenant)
        await first.joined()
        seen = first.says("one")
        await first.archive.flush()
        second = Process(captions, stand.tenant)
        positions = await asyncio.gather(*(second.joined() for _ in range(20)))
        assert len(set(positions)) == 1
        assert second.replays((seen[0], 0)) == ["one"]

    async def test_one_that_gave_up_holds_up_nobody(self, captions: Captions, stand: Stand) -> None:
        process = Process(captions, stand.tenant)
        async with asyncio.TaskGroup() as tasks:
            gone = tasks.create_task(process.joined())
            others = [tasks.create_task(process.joined()) for _ in range(3)]
            await asyncio.sleep(0)
            gone.cancel()
        assert len({task.result() for task in others}) == 1

    async def test_a_store_that_hangs_holds_up_nobody_for_long(
        self, stand: Stand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "PREPARE_SECONDS", 0.01)
        process = Process(Hanging(LIMITS, TTL, stand.clock), stand.tenant)
        await process.archive.prepare(process.channel)
        assert process.channel.prepared
        assert process.says("one")[1] == 1


class Hanging(MemoryCaptions):
    """A store that never answers what it has."""

    async def topics(self, channel: ChannelName) -> Sequence[TopicName]:
        await asyncio.Event().wait()
        raise AssertionError
