"""Speech goes in, subtitles come out: for the publisher's channel, and for a stream of one's own."""

import pytest

from tests.house import House
from tests.speech import speech

pytestmark = pytest.mark.speech

SENTENCES = [
    "please open the window and turn on the light",
    "can you tell me what time the next train leaves",
]


async def test_a_caption_sent_as_text_reaches_viewers_translated(house: House) -> None:
    async with (
        house.joined("text/subtitles?target_lang=en") as english,
        house.joined("text/subtitles?target_lang=es") as spanish,
        house.joined("text/publish?source_lang=en") as publisher,
    ):
        await publisher.send(type="caption", text="the house is small", start=1.0, end=2.0, is_final=True)
        (said,), (translated,) = await english.finals(1), await spanish.finals(1)

    assert (said["text"], said["lang"], said["offset"], said["start"]) == ("the house is small", "en", 1, 1.0)
    assert (translated["text"], translated["source_text"]) == ("La casa es pequeña", "the house is small")


async def test_a_stream_of_ones_own(house: House) -> None:
    pcm = speech(SENTENCES, 0.8)
    async with house.joined("own/subtitles?target_lang=en") as client:
        for start in range(0, len(pcm), 3200):
            await client.socket.send(pcm[start : start + 3200])
        await client.send(type="end")
        finals = []
        while (message := await client.take("subtitle", "ended"))["type"] != "ended":
            if message["is_final"]:
                finals.append(message)

    assert " ".join(final["text"] for final in finals).split() == " ".join(SENTENCES).split()
    assert message["audio_seconds"] == pytest.approx(len(pcm) / 32_000, abs=0.001)
