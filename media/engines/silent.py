"""A recognizer that understands nothing and costs nothing: for load tests and for trying the rest out.

Every `silent_word_seconds` of an utterance it "hears" the same word, so the text follows from the audio
alone, as with a real one.
"""

from dataclasses import dataclass

from media.captions import Word
from media.engines.base import EngineSettings, Pair, Recognizer, RecognizerEngine
from media.link import BYTES_PER_SECOND


class Silent:
    """Counts bytes instead of listening."""

    def __init__(self, word: str, word_seconds: float) -> None:
        self._word = word
        self._word_seconds = word_seconds
        self._heard_bytes = 0

    def start(self, state: bytes) -> None:
        """Begin to count."""
        self._heard_bytes = 0

    def feed(self, pcm: bytes) -> None:
        """Count."""
        self._heard_bytes += len(pcm)

    def partial(self) -> tuple[Word, ...]:
        """Return a word for each full `word_seconds`."""
        count = int(self._heard_bytes / BYTES_PER_SECOND / self._word_seconds)
        step = self._word_seconds
        return tuple(Word(self._word, number * step, (number + 1) * step, 1.0) for number in range(count))

    async def finish(self) -> tuple[Word, ...]:
        """Return the words so far, and one at least."""
        return self.partial() or (Word(self._word, 0.0, self._heard_bytes / BYTES_PER_SECOND, 1.0),)

    def state(self) -> bytes:
        """Carry nothing."""
        return b""

    async def aclose(self) -> None:
        """Hold nothing."""


@dataclass(frozen=True)
class SilentEngine(RecognizerEngine):
    """Describes the recognizer that does nothing."""

    def pairs(self, settings: EngineSettings) -> list[Pair]:
        """English stands for every language: what is said does not matter."""
        return [("en", "en")]

    def create(self, settings: EngineSettings, lang: str) -> Recognizer:
        """Load nothing."""
        return Silent(settings.silent_word, settings.silent_word_seconds)


ENGINE = SilentEngine(name="silent", summary="Hears one word again and again: for load tests")
