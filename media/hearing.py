"""One stream's ear: audio in, utterances out, whichever recognizer hears them.

What it returns depends on the audio and on the state it began with, never on how the audio was divided or
on when it came. An utterance that a recognizer fails on is heard again, whole, by the next one.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from media import speech
from media.captions import Word
from media.chain import Chain
from media.engines.base import EngineError, Recognizer, RecognizerEngine
from media.engines.stock import EngineSet
from media.link import BYTES_PER_SECOND, STATE_BYTES_MAX
from media.shaping import LINE_COLUMNS, LINES_MAX, columns

GUESS_FRAMES = 12  # a hypothesis each 240 ms
LONG_FRAMES = 4 * speech.FRAMES_PER_SECOND  # from here on the utterance ends at the next short pause
LONGEST_FRAMES = 6 * speech.FRAMES_PER_SECOND  # and here at the latest, so that a take-over is quick
OVERLAP_FRAMES = 3  # of the pause at which a long utterance was cut, heard again with the next one
UNSAID_GAP_SECONDS = 0.1  # a word that ends so near the cut may go on after it
UNSAID_FRAMES_MAX = 75
YIELD_FRAMES = 5  # other streams of the worker get their turn after 100 ms of audio


@dataclass(frozen=True, slots=True)
class Heard:
    """What an unfinished utterance sounds like; `revision` counts hypotheses, so it follows the audio."""

    utterance: int
    revision: int
    words: tuple[Word, ...]
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said from one onset to its end, and where (and with what state) a successor goes on."""

    number: int
    words: tuple[Word, ...]
    start: float
    end: float
    offset_bytes: int
    state: bytes


@dataclass(frozen=True, slots=True)
class Rest:
    """Nobody speaks: a successor may go on from here, with the utterance number and state as they are."""

    number: int
    offset_bytes: int
    state: bytes


class Hearing:
    """Hears one stream from `offset_bytes` on; `guess` is told of hypotheses, `warn` of engines that fail."""

    def __init__(
        self,
        engines: EngineSet,
        lang: str,
        *,
        offset_bytes: int,
        number: int,
        state: bytes,
        guess: Callable[[Heard], None],
        warn: Callable[[str, str], None],
    ) -> None:
        self._engines = engines
        self._lang = lang
        self._ends = speech.Endpointer(offset_bytes)
        self._number = number
        self._state = state
        self._guess = guess
        self._warn = warn
        self._chain: Chain[RecognizerEngine] = Chain(engines.catalogue.recognizers(lang))
        self._untried: list[RecognizerEngine] = []
        self._borrowed: dict[str, tuple[RecognizerEngine, Recognizer]] = {}
        self._engine: RecognizerEngine | None = None
        self._audio = bytearray()
        self._start_bytes = offset_bytes
        self._guessed_frames = 0
        self._revision = 0
        self._text_columns = 0

    async def open(self) -> None:
        """Have the preferred recognizer ready; one that cannot be loaded is passed over later."""
        for engine in self._chain.order()[:1]:
            try:
                await self._recognizer(engine)
            except (EngineError, TimeoutError):
                return

    async def hear(self, pcm: bytes) -> AsyncIterator[Utterance | Rest]:
        """Hear more of the stream; yield what ended in it."""
        self._ends.feed(pcm)
        frames = 0
        while (event := self._ends.next()) is not None:
            match event:
                case speech.Onset(offset_bytes, first):
                    await self._begin(offset_bytes, first)
                case speech.Spoken(frame, gap_frames):
                    await self._listen(frame)
                    if self._is_long(gap_frames):
                        yield await self._divide(gap_frames)
                case speech.Hush(offset_bytes):
                    yield self._utterance(await self._words(), offset_bytes)
                case speech.Quiet(offset_bytes):
                    yield Rest(self._number, offset_bytes, self._state)
            frames += 1
            if frames % YIELD_FRAMES == 0:
                await asyncio.sleep(0)

    async def cut(self) -> Utterance | Rest:
        """End the utterance here, if there is one: everything up to now is heard."""
        if not self._ends.speaking:
            return Rest(self._number, self._ends.cut(), self._state)
        return self._utterance(await self._words(), self._ends.cut())

    async def end(self) -> AsyncIterator[Utterance | Rest]:
        """Hear what is left of a stream that is over."""
        self._ends.pad()
        async for heard in self.hear(b""):
            yield heard
        yield await self.cut()

    def jump(self, offset_bytes: int) -> None:
        """Go on at another place of the stream; call `cut` first."""
        self._ends.jump(offset_bytes)

    async def aclose(self) -> None:
        """Give the recognizers back."""
        for engine, recognizer in self._borrowed.values():
            await self._engines.give_back(engine, self._lang, recognizer)
        self._borrowed = {}

    async def _begin(self, offset_bytes: int, first: bytes) -> None:
        self._start_bytes = offset_bytes
        self._audio = bytearray(first)
        self._guessed_frames = self._revision = self._text_columns = 0
        self._untried = self._chain.order()
        await self._next_engine()

    async def _listen(self, frame: bytes) -> None:
        self._audio += frame
        if self._engine is None:
            return
        recognizer = self._borrowed[self._engine.name][1]
        try:
            recognizer.feed(frame)
        except EngineError as error:
            await self._replace(str(error))
            return
        frames = len(self._audio) // speech.FRAME_BYTES
        if frames - self._guessed_frames >= GUESS_FRAMES:
            self._guessed_frames = frames
            self._revision += 1
            words = self._placed(recognizer.partial())
            self._text_columns = columns(" ".join(word.word for word in words))
            self._guess(Heard(self._number, self._revision, words, *self._span()))

    def _is_long(self, gap_frames: int) -> bool:
        frames = len(self._audio) // speech.FRAME_BYTES
        full = self._text_columns >= LINES_MAX * LINE_COLUMNS
        return frames >= LONGEST_FRAMES or (
            gap_frames >= speech.GAP_FRAMES and (full or frames >= LONG_FRAMES)
        )

    async def _divide(self, gap_frames: int) -> Utterance:
        """End an utterance that is long at a pause, or else before the word that is being said."""
        words = await self._words()
        overlap_frames = OVERLAP_FRAMES
        if gap_frames < speech.GAP_FRAMES:
            overlap_frames = self._unsaid_frames(words)
            words = words[:-1] if overlap_frames else words
        again = bytes(self._audio[len(self._audio) - overlap_frames * speech.FRAME_BYTES :])
        return self._utterance(words, self._ends.cut(again))

    def _unsaid_frames(self, words: tuple[Word, ...]) -> int:
        """Return how far back the last word began if it goes on to the end, which cut it in two."""
        _, end = self._span()
        if len(words) < 2 or words[-1].end < end - UNSAID_GAP_SECONDS:
            return 0
        frames = math.ceil((end - words[-1].start) * speech.FRAMES_PER_SECOND) + 1
        return frames if frames <= UNSAID_FRAMES_MAX else 0

    async def _words(self) -> tuple[Word, ...]:
        """Return the final words of the utterance, from the first engine that can tell; keep its state."""
        while self._engine is not None:
            recognizer = self._borrowed[self._engine.name][1]
            try:
                async with asyncio.timeout(self._engines.catalogue.settings.timeout_seconds):
                    words = self._placed(await recognizer.finish())
                state = self._engine.name.encode() + b"\n" + recognizer.state()
            except (EngineError, TimeoutError) as error:
                await self._replace(str(error) or "no answer in time")
                continue
            if len(state) <= STATE_BYTES_MAX:
                self._state = state
                return words
            await self._replace(f"its state has {len(state)} bytes, {STATE_BYTES_MAX} are allowed")
        start, end = self._span()
        self._warn(
            "recognition_failed", f"No engine could hear what was said from {start:.1f} s to {end:.1f} s."
        )
        return ()

    def _utterance(self, words: tuple[Word, ...], offset_bytes: int) -> Utterance:
        start, end = self._span()
        number, self._number = self._number, self._number + 1
        self._audio = bytearray()
        self._engine = None
        return Utterance(number, words, start, end, offset_bytes, self._state)

    def _span(self) -> tuple[float, float]:
        end_bytes = self._start_bytes + len(self._audio)
        return self._start_bytes / BYTES_PER_SECOND, end_bytes / BYTES_PER_SECOND

    async def _replace(self, reason: str) -> None:
        """Have another engine hear the whole utterance again."""
        if self._engine is not None:
            self._chain.failed(self._engine)
            _, broken = self._borrowed.pop(self._engine.name)
            await broken.aclose()
            self._warn("engine_switched", f"{self._engine.name} failed ({reason}).")
        await self._next_engine()

    async def _next_engine(self) -> None:
        self._engine = None
        while self._untried:
            engine = self._untried.pop(0)
            name, _, state = self._state.partition(b"\n")
            try:
                recognizer = await self._recognizer(engine)
                recognizer.start(state if name == engine.name.encode() else b"")
                recognizer.feed(bytes(self._audio))
            except (EngineError, TimeoutError) as error:
                self._chain.failed(engine)
                if engine.name in self._borrowed:
                    await self._borrowed.pop(engine.name)[1].aclose()
                self._warn("engine_switched", f"{engine.name} failed ({str(error) or 'no answer in time'}).")
                continue
            self._engine = engine
            if self._chain.worked(engine):
                self._warn("engine_switched", f"Speech is now recognised by {engine.name}.")
            return

    async def _recognizer(self, engine: RecognizerEngine) -> Recognizer:
        if engine.name not in self._borrowed:
            self._borrowed[engine.name] = (engine, await self._engines.borrow(engine, self._lang))
        return self._borrowed[engine.name][1]

    def _placed(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Put an utterance's words on the stream's clock."""
        start = self._start_bytes / BYTES_PER_SECOND
        return tuple(
            replace(word, start=round(start + word.start, 3), end=round(start + word.end, 3))
            for word in words
        )
