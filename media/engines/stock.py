"""The loaded engines of one worker: recognizers lent to streams, translators and voices shared by all.

A recognizer is lent to one stream at a time; because each utterance starts from a given state, one that
was given back serves the next stream as a new one would.
"""

import asyncio

from media.engines.base import (
    EngineError,
    Recognizer,
    RecognizerEngine,
    Synthesizer,
    SynthesizerEngine,
    Translator,
    TranslatorEngine,
    primary,
)
from media.engines.catalogue import Catalogue


class EngineSet:
    """What the streams of one worker work with; `spares` idle recognizers are kept for each language."""

    def __init__(self, catalogue: Catalogue, *, spares: int = 1) -> None:
        self.catalogue = catalogue
        self.spares = spares
        self._idle: dict[tuple[str, str], list[Recognizer]] = {}
        self._translators: dict[str, Translator] = {}
        self._synthesizers: dict[str, Synthesizer] = {}
        self._closed = False

    async def warm(self, source_lang: str) -> None:
        """Load `spares` of the preferred recognizer for a language, so that a stream starts at once."""
        for engine in self.catalogue.recognizers(source_lang)[:1]:
            idle = self._idle.setdefault((engine.name, primary(source_lang)), [])
            while len(idle) < self.spares:
                idle.append(await self._load(engine, source_lang))

    async def borrow(self, engine: RecognizerEngine, lang: str) -> Recognizer:
        """Take an idle recognizer, or load one. Raises EngineError."""
        idle = self._idle.get((engine.name, primary(lang)))
        return idle.pop() if idle else await self._load(engine, lang)

    async def give_back(self, engine: RecognizerEngine, lang: str, recognizer: Recognizer) -> None:
        """Keep a recognizer whose stream has ended for the next one, unless there are enough."""
        idle = self._idle.setdefault((engine.name, primary(lang)), [])
        if self._closed or len(idle) >= self.spares:
            await recognizer.aclose()
        else:
            idle.append(recognizer)

    def translator(self, engine: TranslatorEngine) -> Translator:
        """Return the worker's one translator of this engine. Raises EngineError."""
        if engine.name not in self._translators:
            self._translators[engine.name] = engine.create(self.catalogue.settings)
        return self._translators[engine.name]

    def synthesizer(self, engine: SynthesizerEngine) -> Synthesizer:
        """Return the worker's one voice of this engine. Raises EngineError."""
        if engine.name not in self._synthesizers:
            self._synthesizers[engine.name] = engine.create(self.catalogue.settings)
        return self._synthesizers[engine.name]

    async def aclose(self) -> None:
        """Close everything that is not lent; what comes back later is closed then."""
        self._closed = True
        closing: list[Recognizer | Translator | Synthesizer] = [
            r for idle in self._idle.values() for r in idle
        ]
        closing += [*self._translators.values(), *self._synthesizers.values()]
        self._idle, self._translators, self._synthesizers = {}, {}, {}
        for engine in closing:
            await engine.aclose()

    async def _load(self, engine: RecognizerEngine, lang: str) -> Recognizer:
        settings = self.catalogue.settings
        try:
            return await asyncio.to_thread(engine.create, settings, lang)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"{engine.name} could not be loaded: {error}") from error
