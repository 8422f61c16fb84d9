"""Recognition of English by PocketSphinx, offline, with the model inside its wheel.

The same state and the same audio give the same words in any process: before each utterance the features
start anew and the carried cepstral mean is set, also in an undisturbed run. It holds the interpreter
while it decodes, so it belongs in a worker process.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pocketsphinx import Decoder, get_model_path

from media.captions import Word
from media.engines.base import EngineError, EngineSettings, Pair, Recognizer, RecognizerEngine

FRAMES_PER_SECOND = 100
FILLER = re.compile(r"^(<.*>|\[.*\]|\+\+.*\+\+)$")
VARIANT = re.compile(r"\(\d+\)$")
"""A second pronunciation of a word, which the dictionary writes "read(2)"."""


class PocketSphinx:
    """One decoder (91 MB, 0.4 s to load)."""

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=16_000, loglevel="FATAL")
        self._fresh: str = self._decoder.get_cmn(False)
        self._mean: str = self._fresh
        self._running = False

    def start(self, state: bytes) -> None:
        """Begin an utterance; the state is the cepstral mean as text."""
        if self._running:
            self._decoder.end_utt()
        self._decoder.reinit_feat()
        self._decoder.set_cmn(state.decode("ascii") or self._fresh)
        self._decoder.start_utt()
        self._running = True

    def feed(self, pcm: bytes) -> None:
        """Decode more of the utterance: about 0.13 s of CPU time for each second."""
        try:
            self._decoder.process_raw(pcm, False, False)
        except RuntimeError as error:
            raise EngineError(f"pocketsphinx could not decode: {error}") from error

    def partial(self) -> tuple[Word, ...]:
        """Return the best words so far; confidences are known only at the end."""
        return self._words()

    async def finish(self) -> tuple[Word, ...]:
        """Run the last two passes over the utterance (about 0.1 s)."""
        self._running = False
        try:
            self._decoder.end_utt()
        except RuntimeError as error:
            raise EngineError(f"pocketsphinx could not end the utterance: {error}") from error
        self._mean = self._decoder.get_cmn(False)
        return self._words()

    def state(self) -> bytes:
        """Return the cepstral mean after the last finished utterance (some 90 bytes)."""
        return bytes(self._mean, "ascii")

    async def aclose(self) -> None:
        """Free the decoder with its owner."""
        if self._running:
            self._decoder.end_utt()
            self._running = False

    def _words(self) -> tuple[Word, ...]:
        if self._decoder.hyp() is None:
            return ()
        return tuple(
            Word(
                VARIANT.sub("", segment.word),
                segment.start_frame / FRAMES_PER_SECOND,
                (segment.end_frame + 1) / FRAMES_PER_SECOND,
                round(min(1.0, segment.prob), 3),
            )
            for segment in self._decoder.seg()
            if not FILLER.match(segment.word)
        )


@dataclass(frozen=True)
class PocketSphinxEngine(RecognizerEngine):
    """Describes the recognizer that is there without any account or download."""

    def unavailable(self, settings: EngineSettings) -> str | None:
        """Say so where the wheel lacks its model."""
        if not Path(get_model_path("en-us")).is_dir():
            return "Its model is missing: reinstall the wheel (pip install --force-reinstall pocketsphinx)."
        return None

    def pairs(self, settings: EngineSettings) -> list[Pair]:
        """English only: the model in the wheel is en-US."""
        return [("en", "en")]

    def create(self, settings: EngineSettings, lang: str) -> Recognizer:
        """Load a decoder."""
        return PocketSphinx()


ENGINE = PocketSphinxEngine(
    name="pocketsphinx", summary="English speech to text, offline, nothing to install"
)
