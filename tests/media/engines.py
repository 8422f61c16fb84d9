"""Engines made for tests: they follow a script, fail when told to, and never look at a clock."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from media import link
from media.captions import Word
from media.engines import (
    Engine,
    EngineError,
    EngineSettings,
    Recognizer,
    RecognizerEngine,
    Speech,
    Synthesizer,
    SynthesizerEngine,
    Translator,
    TranslatorEngine,
)
from media.engines.catalogue import Catalogue
from media.pipeline import EngineSet, Pipeline


class Counting:
    """A recognizer that says how much it heard of each utterance, and how many it has heard before."""

    def __init__(self, name: str, fails: Callable[[int], bool]) -> None:
        self._name = name
        self._fails = fails
        self._count = 0
        self._bytes = 0

    def start(self, state: bytes) -> None:
        self._count = int(state or b"0")
        self._bytes = 0

    def feed(self, pcm: bytes) -> None:
        self._bytes += len(pcm)

    def partial(self) -> tuple[Word, ...]:
        tenths = self._bytes // 3200
        return tuple(Word(f"{self._name}{n}", n / 10, n / 10 + 0.1, 1.0) for n in range(tenths))

    async def finish(self) -> tuple[Word, ...]:
        if self._fails(self._count):
            raise EngineError("it was told to fail")
        word = f"{self._name}-{self._count}-{self._bytes}"
        self._count += 1
        return (Word(word, 0.1, self._bytes / 32_000, 1.0),)

    def state(self) -> bytes:
        return str(self._count).encode()

    async def aclose(self) -> None:
        self._bytes = 0


def never(_: object) -> bool:
    return False


def always(_: object) -> bool:
    return True


@dataclass(frozen=True)
class CountingEngine(RecognizerEngine):
    name: str = "counting"
    summary: str = "counts"
    fails: Callable[[int], bool] = never

    def pairs(self, settings: EngineSettings) -> list[tuple[str, str]]:
        return [("en", "en")]

    def create(self, settings: EngineSettings, lang: str) -> Recognizer:
        return Counting(self.name, self.fails)


@dataclass
class Upper:
    """A translator that writes large, slower for texts that it is told to be slow for."""

    interims: bool
    fails: Callable[[str], bool]
    gate: Callable[[str], asyncio.Event | None]

    async def translate(self, text: str, source: str, target: str) -> str:
        if (event := self.gate(text)) is not None:
            await event.wait()
        if self.fails(text):
            raise EngineError("it was told to fail")
        return f"{target}:{text.upper()}"

    async def aclose(self) -> None:
        self.interims = False


def no_gate(_: str) -> asyncio.Event | None:
    return None


@dataclass(frozen=True)
class UpperEngine(TranslatorEngine):
    name: str = "upper"
    summary: str = "writes large"
    interims: bool = True
    fails: Callable[[str], bool] = never
    gate: Callable[[str], asyncio.Event | None] = no_gate

    def pairs(self, settings: EngineSettings) -> list[tuple[str, str]]:
        return [("en", "es"), ("en", "fr")]

    def create(self, settings: EngineSettings) -> Translator:
        return Upper(self.interims, self.fails, self.gate)


@dataclass
class Hum:
    fails: Callable[[str], bool]

    async def speak(self, text: str, lang: str) -> Speech:
        if self.fails(text):
            raise EngineError("it was told to fail")
        return Speech(b"\x01\x02" * 240 * len(text), 24_000)

    async def aclose(self) -> None:
        pass


@dataclass(frozen=True)
class HumEngine(SynthesizerEngine):
    name: str = "hum"
    summary: str = "hums"
    fails: Callable[[str], bool] = never

    def pairs(self, settings: EngineSettings) -> list[tuple[str, str]]:
        return [(lang, lang) for lang in ("en", "es", "fr")]

    def create(self, settings: EngineSettings) -> Synthesizer:
        return Hum(self.fails)


def engine_set(*engines: Engine, timeout_seconds: float = 10.0) -> EngineSet:
    """Return these engines, each kind preferred in the order given."""
    names: dict[str, tuple[str, ...]] = {"recognizer": (), "translator": (), "synthesizer": ()}
    for engine in engines:
        names[engine.kind] += (engine.name,)
    settings = EngineSettings(
        names["recognizer"], names["translator"], names["synthesizer"], timeout_seconds=timeout_seconds
    )
    return EngineSet(Catalogue(settings, engines))


@dataclass
class Run:
    """One pipeline with what it sent; `async with` runs it, and cancels it if it has not ended."""

    engines: EngineSet
    opened: link.Open
    sent: list[link.FromWorker] = field(default_factory=list)

    async def __aenter__(self) -> "Run":
        self.pipeline = Pipeline(self.opened, self.engines, self.sent.append)
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._run = self._tasks.create_task(self.pipeline.run())
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._run.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def heard(self) -> None:
        """Wait until everything received so far has been worked on."""
        while self.pipeline.backlog_bytes:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)

    async def ended(self) -> None:
        """Close the stream and wait for its end."""
        self.pipeline.receive(link.Close(self.opened.stream))
        await self._run

    def audio(self, pcm: bytes, chunk_bytes: int = 3200, start: int = 0) -> None:
        """Hand audio over, which begins at byte `start` of the stream."""
        for at in range(0, len(pcm), chunk_bytes):
            self.pipeline.receive(link.Audio(self.opened.stream, start + at, pcm[at : at + chunk_bytes]))

    def of(self, kind: type[link.Final]) -> list[link.Final]:
        """Return the finals that were sent."""
        return [message for message in self.sent if isinstance(message, kind)]


def texts(sent: Iterable[link.FromWorker], lang: str) -> list[tuple[int, str]]:
    """Return (utterance, text) of the finals in a language, as they came."""
    return [
        (message.utterance, " / ".join(caption.text for caption in message.captions))
        for message in sent
        if isinstance(message, link.Final) and message.lang == lang
    ]
