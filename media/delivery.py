"""What was said, into every language and voice that is wanted: each language in order of utterances.

Translations and voices of several utterances are made at the same time; each waits with its sending until
the utterance before it has been sent in that language. A translation that no engine can make is not left
out: the source text is sent, marked with its language ("[en] good morning"), and `translation_failed`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from media import link
from media.captions import Caption, Word
from media.chain import Chain
from media.engines.base import (
    Engine,
    EngineError,
    Speech,
    SynthesizerEngine,
    TranslatorEngine,
    primary,
)
from media.engines.stock import EngineSet
from media.hearing import Utterance
from media.shaping import shape, spread
from media.voices import at_voice_rate, encoded

Emit = Callable[[link.FromWorker], None]
Outcome = TypeVar("Outcome")
E = TypeVar("E", bound=Engine)


@dataclass(frozen=True, slots=True)
class Work:
    """One utterance or one text on its way into all languages."""

    number: int
    origin: link.Origin
    text: str
    words: tuple[Word, ...]
    start: float
    end: float

    def captions(self, text: str) -> tuple[Caption, ...]:
        """Shape a translation; one of a text stays one caption, as it came."""
        if self.origin == "text":
            return (Caption(text, self.start, self.end, (), self.text),)
        return spread(text, self.words)


class Delivery:
    """Sends the finals and voices of one stream."""

    def __init__(self, opened: link.Open, engines: EngineSet, emit: Emit, tasks: asyncio.TaskGroup) -> None:
        self.targets = dict(opened.targets)
        self._stream = opened.stream
        self._source = opened.source_lang
        self._engines = engines
        self._emit = emit
        self._tasks = tasks
        self._translators: dict[str, Chain[TranslatorEngine]] = {}
        self._synthesizers: dict[str, Chain[SynthesizerEngine]] = {}
        self._texts: dict[str, asyncio.Task[tuple[Caption, ...]]] = {}
        self._voices: dict[str, asyncio.Task[None]] = {}

    def warn(self, code: str, detail: str) -> None:
        """Tell the stream's owner of something that a client should know."""
        self._emit(link.Warned(self._stream, code, detail))

    def utterance(self, said: Utterance) -> list[asyncio.Task[None]]:
        """Send an utterance in every language wanted now; the tasks end when that is done."""
        text = " ".join(word.word for word in said.words)
        work = Work(said.number, "speech", text, said.words, said.start, said.end)
        return [self._start(work, lang, encodings) for lang, encodings in self.targets.items()]

    def text(self, text: link.Text) -> list[asyncio.Task[None]]:
        """Send a text in every language wanted now but its own, where it is only spoken."""
        work = Work(text.number, "text", text.text, (), text.start, text.end)
        return [
            self._start(work, lang, encodings)
            for lang, encodings in self.targets.items()
            if encodings or not self._is_source(lang)
        ]

    def _is_source(self, lang: str) -> bool:
        return primary(lang) == primary(self._source)

    def _start(self, work: Work, lang: str, encodings: tuple[link.VoiceEncoding, ...]) -> asyncio.Task[None]:
        name = f"{lang} {work.origin} {work.number}"
        text = self._tasks.create_task(self._send_text(work, lang, self._texts.get(lang)), name=name)
        self._texts[lang] = text
        voice = self._send_voice(work, lang, encodings, text, self._voices.get(lang))
        self._voices[lang] = self._tasks.create_task(voice, name=f"{name} voice")
        return self._voices[lang]

    async def _send_text(
        self, work: Work, lang: str, before: asyncio.Task[tuple[Caption, ...]] | None
    ) -> tuple[Caption, ...]:
        """Send the final; return what is to be spoken of it."""
        captions: tuple[Caption, ...] = ()
        spoken = True
        if work.text and self._is_source(lang):
            captions = shape(work.words) if work.words else work.captions(work.text)
        elif work.text:
            translated = await self._translated(work, lang)
            spoken = translated is not None
            captions = work.captions(translated or f"[{self._source}] {work.text}")
        if before is not None:
            await before
        if work.origin == "speech" or not self._is_source(lang):
            self._emit(link.Final(self._stream, work.number, lang, captions, work.origin))
        return captions if spoken else ()

    async def _translated(self, work: Work, lang: str) -> str | None:
        chain = self._translators.get(lang)
        if chain is None:
            chain = Chain(self._engines.catalogue.translators(self._source, lang))
            self._translators[lang] = chain

        async def translate(engine: TranslatorEngine) -> str:
            made = await self._engines.translator(engine).translate(work.text, self._source, lang)
            if not made.strip():
                raise EngineError("the translation is empty")
            return made

        made = await self._first(chain, translate, f"Translation into {lang}")
        if made is None:
            self.warn(
                "translation_failed", f"No engine could translate {work.origin} {work.number} into {lang}."
            )
        return made

    async def _send_voice(
        self,
        work: Work,
        lang: str,
        encodings: tuple[link.VoiceEncoding, ...],
        text: asyncio.Task[tuple[Caption, ...]],
        before: asyncio.Task[None] | None,
    ) -> None:
        captions = await text
        voices: list[link.Voice] = []
        if encodings and captions:
            voices = await self._spoken(work, lang, encodings, captions)
        if before is not None:
            await before
        for voice in voices:
            self._emit(voice)

    async def _spoken(
        self, work: Work, lang: str, encodings: tuple[link.VoiceEncoding, ...], captions: tuple[Caption, ...]
    ) -> list[link.Voice]:
        """Say all blocks of a final; all of them or, with a warning, none."""
        chain = self._synthesizers.get(lang)
        if chain is None:
            chain = self._synthesizers[lang] = Chain(self._engines.catalogue.synthesizers(lang))
        voices: list[link.Voice] = []
        for block, caption in enumerate(captions):
            text = caption.text.replace("\n", " ")

            async def speak(engine: SynthesizerEngine, text: str = text) -> bytes:
                said: Speech = await self._engines.synthesizer(engine).speak(text, lang)
                return at_voice_rate(said)

            pcm = await self._first(chain, speak, f"Speech in {lang}")
            if pcm is None:
                self.warn("voice_failed", f"No engine could speak {work.origin} {work.number} in {lang}.")
                return []
            for encoding in encodings:
                audio, rate = encoded(pcm, encoding)
                last = block == len(captions) - 1
                seconds = len(pcm) / 48_000
                voices.append(
                    link.Voice(
                        self._stream, work.number, block, lang, caption.start, round(seconds, 3), rate, last,
                        encoding, audio, work.origin,
                    )
                )  # fmt: skip
            await asyncio.sleep(0)
        return voices

    async def _first(
        self, chain: Chain[E], work: Callable[[E], Awaitable[Outcome]], what: str
    ) -> Outcome | None:
        """Let the engines try, one after the other; None when none could."""
        for engine in chain.order():
            try:
                async with asyncio.timeout(self._engines.catalogue.settings.timeout_seconds):
                    outcome = await work(engine)
            except (EngineError, TimeoutError) as error:
                chain.failed(engine)
                reason = str(error) or "no answer in time"
                self.warn("engine_switched", f"{what}: {engine.name} failed ({reason}).")
            else:
                if chain.worked(engine):
                    self.warn("engine_switched", f"{what} is now done by {engine.name}.")
                return outcome
        return None
