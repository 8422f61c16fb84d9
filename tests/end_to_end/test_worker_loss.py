"""Workers die and sleep; captions go on, and every word is there once."""

import asyncio
import os
import random
import signal
import time

import pytest

from gateway.wire.frames import BINARY
from tests.end_to_end.peers import Crowd, Peer, frame
from tests.end_to_end.relayed import Final, busiest, heard_offline, published, words
from tests.house import House
from tests.speech import SENTENCES, noise, speech

pytestmark = pytest.mark.speech

CHUNK_BYTES = 3200
CHUNK_SECONDS = 0.1
GO_ON_SECONDS_MAX = 3.0


def chunks(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + CHUNK_BYTES] for start in range(0, len(pcm), CHUNK_BYTES)]


async def speaks(publisher: Peer, pcm: bytes) -> None:
    """Send audio as fast as it is spoken."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, chunk in enumerate(chunks(pcm)):
        await asyncio.sleep(max(0.0, began + number * CHUNK_SECONDS - loop.time()))
        publisher.send(frame(BINARY, chunk))


async def ended(viewer: Peer) -> list[Final]:
    """Return the finals of a channel until it ends."""
    finals: list[Final] = []
    while True:
        message = await viewer.take("subtitle", "channel", within_seconds=60)
        if message["type"] == "subtitle" and message["is_final"]:
            assert message["offset"] == len(finals) + 1
            finals.append((message["text"], message["start"], message["end"]))
        elif message["type"] == "channel" and message["state"] == "ended":
            return finals


async def test_captions_go_on_within_three_seconds_of_a_kill_and_voices_too(
    house: House, crowd: Crowd
) -> None:
    pcm = speech(SENTENCES[:1], 0.8)
    reader = await crowd.joins("kill/subtitles?target_lang=en")
    listener = await crowd.joins("kill/dubbing?target_lang=en")
    publisher = await crowd.joins("kill/publish?source_lang=en")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(speaks(publisher, pcm))
        while (await reader.take("subtitle"))["end"] < 1.5:
            pass
        killed_at = time.perf_counter()
        os.kill(busiest(house), signal.SIGKILL)
        await reader.take("subtitle", within_seconds=GO_ON_SECONDS_MAX)
        went_on_after = time.perf_counter() - killed_at
    publisher.say(type="end")
    await publisher.take("ended", within_seconds=30)
    finals = await ended(reader)
    assert words(finals) == SENTENCES[0].split()
    assert went_on_after < GO_ON_SECONDS_MAX

    heard = [message for _, message in listener.came]
    spoken = [m["segment_id"] for m in heard if isinstance(m, dict) and m["type"] == "dub_audio"]
    read = [m["segment_id"] for m in heard if isinstance(m, dict) and m.get("is_final")]
    assert spoken == read
    assert len(read) == len(finals)
    assert sum(isinstance(m, bytes) for m in heard) == len(spoken)


async def test_while_all_workers_sleep_lag_is_told_and_memory_is_bounded(house: House, crowd: Crowd) -> None:
    pcm = speech(SENTENCES[:1], 0.8) + noise(5.0) * 50 + speech(SENTENCES[1:2], 0.8)
    viewer = await crowd.joins("sleep/subtitles?target_lang=en")
    publisher = await crowd.joins("sleep/publish?source_lang=en")
    publisher.send(frame(BINARY, pcm[:CHUNK_BYTES]))
    await publisher.take("audio_ack")
    sleeping, memory = house.workers, house.memory_bytes
    taken = house.metric("stagedoor_audio_seconds_total")
    for pid in sleeping:
        os.kill(pid, signal.SIGSTOP)
    try:
        await speaks(publisher, pcm[CHUNK_BYTES : 30 * CHUNK_BYTES])
        lag = await publisher.take("lag")
        assert lag["received_seconds"] - lag["processed_seconds"] > 1.5
        publisher.send(*(frame(BINARY, chunk) for chunk in chunks(pcm)[30:]))
        while (ahead := house.metric("stagedoor_audio_seconds_total") - taken) < 29.0:
            pass
        assert ahead < 40.0
        assert house.memory_bytes - memory < 3_000_000
    finally:
        for pid in sleeping:
            os.kill(pid, signal.SIGCONT)
    publisher.say(type="end")
    await publisher.take("ended", within_seconds=60)
    assert words(await ended(viewer)) == " ".join(SENTENCES[:2]).split()
    assert set(sleeping) <= set(house.workers)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(4))
async def test_kills_at_random_moments_change_no_word(house: House, seed: int) -> None:
    chance = random.Random(seed)
    pcm = speech(SENTENCES * 2, 0.6)
    payloads = chunks(pcm)
    moments = set(chance.sample(range(5, len(payloads)), 8))

    def kill(number: int) -> None:
        if number in moments:
            os.kill(busiest(house), signal.SIGKILL)

    finals = await published(house, f"chaos-{seed}", payloads, after=kill, pace_seconds=CHUNK_SECONDS)
    assert finals == await heard_offline(pcm)


@pytest.mark.chaos
async def test_killing_every_worker_again_and_again_loses_no_word(house: House, crowd: Crowd) -> None:
    pcm = speech(SENTENCES, 0.6)
    viewer = await crowd.joins("massacre/subtitles?target_lang=en")
    publisher = await crowd.joins("massacre/publish?source_lang=en")
    async with asyncio.TaskGroup() as tasks:
        speaking = tasks.create_task(speaks(publisher, pcm))
        for _ in range(3):
            await publisher.take("audio_ack")
            await viewer.take("subtitle")
            for pid in house.workers:
                os.kill(pid, signal.SIGKILL)
        await speaking
    publisher.say(type="end")
    await publisher.take("ended", within_seconds=60)
    assert words(await ended(viewer)) == " ".join(SENTENCES).split()
