"""Speech to load a recognizer with: flite's, which PocketSphinx understands, else espeak-ng's."""

import asyncio
from dataclasses import dataclass

from media.engines import espeak, flite
from media.engines.base import EngineSettings

SENTENCES = (
    "please open the window and turn on the light",
    "the meeting will start at nine o'clock tomorrow morning",
    "my name is john and i live in a small house near the river",
    "can you tell me what time the next train leaves",
    "we need to buy some bread and milk before the store closes",
)
GAP_SECONDS = 1.0
HUM = 8
"""The loudest sample of the gaps: absolute silence is not what a room sounds like."""


@dataclass(frozen=True, slots=True)
class Script:
    """s16le mono, and each sentence with the second at which it ends."""

    pcm: bytes
    sample_rate: int
    sentences: tuple[tuple[float, str], ...]


def spoken(settings: EngineSettings | None = None) -> Script:
    """Return the sentences with a gap behind each. Raises EngineError."""
    how = settings or EngineSettings(flite_stretch=1.15)
    engine = espeak.ENGINE if flite.ENGINE.unavailable(how) else flite.ENGINE
    return asyncio.run(_spoken(engine, how))


async def _spoken(engine: "espeak.EspeakEngine | flite.FliteEngine", how: EngineSettings) -> Script:
    voice = engine.create(how)
    pcm, sentences, rate = bytearray(), [], 0
    for sentence in SENTENCES:
        speech = await voice.speak(sentence, "en")
        rate = speech.sample_rate
        pcm += speech.pcm
        sentences.append((len(pcm) / 2 / rate, sentence))
        pcm += _hum(int(GAP_SECONDS * rate))
    await voice.aclose()
    return Script(bytes(pcm), rate, tuple(sentences))


def _hum(samples: int) -> bytes:
    """Return a faint noise, the same each time."""
    state, made = 1, bytearray()
    for _ in range(samples):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        made += ((state >> 16) % (2 * HUM + 1) - HUM).to_bytes(2, "little", signed=True)
    return bytes(made)
