"""The relay adds no error: what viewers read is word for word what the same engine hears offline."""

import asyncio
import os
import signal

import pytest

from media import link
from tests.end_to_end.relayed import Final, busiest, heard_offline, published, words
from tests.house import House
from tests.media.audio import recorded
from tests.speech import said, speech

pytestmark = pytest.mark.speech

SENTENCES = [
    "please open the window and turn on the light",
    "the meeting will start at nine o'clock tomorrow morning",
    "can you tell me what time the next train leaves",
]
GAP_SECONDS = 0.8


@pytest.fixture(scope="module")
def pcm() -> bytes:
    return speech(SENTENCES, GAP_SECONDS)


@pytest.fixture(scope="module")
def offline(pcm: bytes) -> dict[str, list[Final]]:
    """What the default engines make of the speech in this process, by language."""
    return asyncio.run(heard_offline(pcm))


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


async def test_who_changes_the_language_in_mid_stream_misses_no_sentence(
    house: House, pcm: bytes, offline: dict[str, list[Final]]
) -> None:
    read: list[tuple[str, str]] = []
    ready = asyncio.Event()

    async def switches() -> None:
        """Change the language after each final, until the channel ends."""
        async with house.joined("switching/subtitles?target_lang=en&interim=0") as viewer:
            ready.set()
            langs, state = ["en", "es"], ""
            while state != "ended":
                message = await viewer.take("subtitle", "channel", "target", within_seconds=60)
                if message["type"] == "channel":
                    state = message["state"]
                elif message["type"] == "target":
                    assert message["target_lang"] == langs[0]
                else:
                    read.append((message["lang"], message["text"]))
                    langs.reverse()
                    await viewer.send(type="set_target", target_lang=langs[0])

    frames = [pcm[start : start + 3200] for start in range(0, len(pcm), 3200)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(switches())
        await ready.wait()
        await published(house, "switching", frames, pace_seconds=0.01)

    # A sentence may be read in both languages, when the change was made between the two; but never in none.
    places = [next(n for n in range(3) if offline[lang][n][0] == text) for lang, text in read]
    assert places == sorted(places)
    assert set(places) == {0, 1, 2}
    assert {lang for lang, _ in read} == {"en", "es"}
