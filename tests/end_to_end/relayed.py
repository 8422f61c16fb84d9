"""Speech through a whole gateway, and the same speech through the engines alone, to be compared."""

import asyncio
from collections.abc import Callable
from typing import Any

from media import link
from media.engines.catalogue import Catalogue, EngineSettings
from media.pipeline import EngineSet, Pipeline
from tests.house import Client, House

Final = tuple[str, float, float]
"""Text, start and end of a final subtitle."""


async def heard_offline(pcm: bytes) -> dict[str, list[Final]]:
    """Return what the default engines make of speech in this process, by language."""
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
        tasks.create_task(publisher.take("ended", within_seconds=len(payloads) * pace_seconds + 60))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, payload in enumerate(payloads, 1):
            await publisher.socket.send(payload)
            after(number)
            if (ahead := began + number * pace_seconds - loop.time()) > 0:
                await asyncio.sleep(ahead)  # in real time, as a microphone would
        await publisher.send(type="end")
    return {"en": en.result(), "es": es.result()}


def words(finals: list[Final]) -> list[str]:
    """Return the words of finals, whatever their lines."""
    return " ".join(text for text, _, _ in finals).split()


def busiest(house: House) -> int:
    """Return the worker that has used the most CPU lately: the one that hears the only stream."""

    def ticks(pid: int) -> int:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))

    return max(house.workers, key=ticks)
