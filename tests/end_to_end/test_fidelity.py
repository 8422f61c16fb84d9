"""The relay adds no error: what viewers read is word for word what the same engine hears offline."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from media import link
from media.engines.catalogue import Catalogue, EngineSettings
from media.pipeline import EngineSet, Pipeline
from tests.house import Client, House
from tests.media.audio import recorded
from tests.speech import said, speech

pytestmark = pytest.mark.speech

SENTENCES = [
    "please open the window and turn on the light",
    "the meeting will start at nine o'clock tomorrow morning",
    "can you tell me what time the next train leaves",
]
GAP_SECONDS = 0.8

Final = tuple[str, float, float]
"""Text, start and end of a final subtitle."""


@pytest.fixture(scope="module")
def pcm() -> bytes:
    return speech(SENTENCES, GAP_SECONDS)


@pytest.fixture(scope="module")
def offline(pcm: bytes) -> dict[str, list[Final]]:
    """What the default engines make of the speech in this process, by language."""
    return asyncio.run(heard_offline(pcm))


async def heard_offline(pcm: bytes) -> dict[str, list[Final]]:
    finals: dict[str, list[Final]] = {"en": [], "es": []}

    def emit(message: link.FromWorker) -> None:
        if isinstance(message, link.Final):
            finals[message.lang] += [(c.text, round(c.start, 3), round(c.end, 3)) for c in message.captions]

    engines = EngineSet(Catalogue.load(EngineSettings()))
    try:
        pipeline = Pipeline(link.Open(1, "en", {"en": (), "es": ()}), engines, emit)
        for offset in range(0, len(pcm), 64_000):
            pipeline.receive(link.Audio(1, offset, pcm[offset : offset + 64_000]))
        pipeline.receive(link.Close(1))
        await pipeline.run()
    finally:
        await engines.aclose()
    return finals


async def followed(client: Client) -> list[Final]:
    """Return the finals of a channel until it ends; their offsets have no hole and no double."""
    finals: list[dict[str, Any]] = []
    while True:
        message = await client.take("subtitle", "channel", within_seconds=60)
        if message["type"] == "subtitle":
            finals += [message] if message["is_final"] else []
        elif message["state"] == "ended":
            break
    assert [final["offset"] for final in finals] == list(range(1, len(finals) + 1))
    return [(final["text"], final["start"], final["end"]) for final in finals]


async def published(
    house: House,
    channel: str,
    payloads: list[bytes],
    *,
    query: str = "",
    after: Callable[[int], None] = lambda _: None,
    pace_seconds: float = 0.0,
) -> dict[str, list[Final]]:
    """Publish audio, calling `after` with how many payloads went out; return the finals by language."""
    async with (
        house.joined(f"{channel}/subtitles?target_lang=en") as english,
        house.joined(f"{channel}/subtitles?target_lang=es") as spanish,
        house.joined(f"{channel}/publish?source_lang=en{query}") as publisher,
        asyncio.TaskGroup() as tasks,
    ):
        en, es = tasks.create_task(followed(english)), tasks.create_task(followed(spanish))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, payload in enumerate(payloads, 1):
            await publisher.socket.send(payload)
            after(number)
            if (ahead := began + number * pace_seconds - loop.time()) > 0:
                await asyncio.sleep(ahead)  # in real time, as a microphone would
        await publisher.send(type="end")
        await publisher.take("ended", within_seconds=60)
    return {"en": en.result(), "es": es.result()}


def words(finals: list[Final]) -> list[str]:
    return " ".join(text for text, _, _ in finals).split()


async def test_both_languages_read_what_is_heard_offline(
    house: House, pcm: bytes, offline: dict[str, list[Final]]
) -> None:
    frames = [pcm[start : start + 640] for start in range(0, len(pcm), 640)]

    assert await published(house, "frames", frames) == offline
    assert words(offline["en"]) == " ".join(SENTENCES).split()


def test_times_match_the_audio(offline: dict[str, list[Final]]) -> None:
    place = GAP_SECONDS
    for sentence, (_, start, end) in zip(SENTENCES, offline["en"], strict=True):
        spoken_until = place + len(said(sentence)) / link.BYTES_PER_SECOND
        assert start == pytest.approx(place, abs=0.35)  # flite begins with a breath of silence
        assert end == pytest.approx(spoken_until, abs=0.35)
        place = spoken_until + GAP_SECONDS


@pytest.mark.parametrize("container", ["webm", "ogg"])
async def test_opus_is_heard_as_well_as_samples(house: House, pcm: bytes, container: str) -> None:
    recording = recorded(pcm, container)
    chunks = [recording[start : start + 700] for start in range(0, len(recording), 700)]
    finals = await published(house, container, chunks, query=f"&encoding={container}_opus")

    assert words(finals["en"]) == " ".join(SENTENCES).split()


async def test_a_worker_killed_in_mid_sentence_changes_no_word(
    house: House, pcm: bytes, offline: dict[str, list[Final]]
) -> None:
    lost = house.metric("stagedoor_worker_losses_total")

    def kill(number: int) -> None:
        if number in (25, 75):  # 2.5 s: in the first sentence; 7.5 s: in the second
            os.kill(busiest(house), signal.SIGKILL)

    frames = [pcm[start : start + 3200] for start in range(0, len(pcm), 3200)]
    finals = await published(house, "killed", frames, after=kill, pace_seconds=0.1)

    assert finals == offline
    assert house.metric("stagedoor_worker_losses_total") - lost == 2


def busiest(house: House) -> int:
    """Return the worker that has used the most CPU lately: the one that hears the only stream."""

    def ticks(pid: int) -> int:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))

    return max(house.workers, key=ticks)
