"""The three kinds of engine and what each promises; nothing here loads a model.

A recognizer belongs to one stream at a time and hears speech only: where an utterance begins and ends is
the pipeline's business. Translators and synthesizers are shared by all streams of a worker.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal, Protocol

from media.captions import Word

Kind = Literal["recognizer", "translator", "synthesizer"]
Pair = tuple[str, str]


class EngineError(Exception):
    """This engine could not do this piece of work; the message says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Which engines may be used, in order of preference, and what they need to know."""

    recognizers: tuple[str, ...] = ("pocketsphinx",)
    translators: tuple[str, ...] = ("apertium",)
    synthesizers: tuple[str, ...] = ("espeak-ng",)
    timeout_seconds: float = 10.0
    openai_base_url: str = ""
    openai_api_key: str = field(default="", repr=False)
    openai_transcription_model: str = "whisper-1"
    openai_translation_model: str = "gpt-4o-mini"
    openai_speech_model: str = "tts-1"
    openai_voice: str = "alloy"
    openai_languages: tuple[str, ...] = ()
    """Languages the endpoint is trusted with; empty for the list in `media.engines.openai`."""
    espeak_voice_variant: str = ""
    """An espeak-ng voice variant such as "klatt2", put after the language."""
    espeak_words_per_minute: int = 165
    flite_voice: str = "rms"
    flite_stretch: float = 1.0
    silent_word: str = "word"
    silent_word_seconds: float = 0.4


@dataclass(frozen=True, slots=True)
class Speech:
    """What a voice said: s16le mono samples without a header."""

    pcm: bytes
    sample_rate: int


class Recognizer(Protocol):
    """Turns the speech of one stream into words, one utterance at a time."""

    def start(self, state: bytes) -> None:
        """Begin an utterance from `state` (b"": a fresh stream), whatever was heard before.

        The same state and the same audio give the same words, in any process.
        """

    def feed(self, pcm: bytes) -> None:
        """Hear more of the utterance: s16le, 16 kHz, mono. Raises EngineError."""

    def partial(self) -> tuple[Word, ...]:
        """Return the words so far, in seconds since the utterance's first sample; () if none yet."""

    async def finish(self) -> tuple[Word, ...]:
        """End the utterance and return its words. Raises EngineError."""

    def state(self) -> bytes:
        """Return what the next utterance, here or in another process, starts from (at most 4096 bytes)."""

    async def aclose(self) -> None:
        """Give back what the recognizer holds."""


class Translator(Protocol):
    """Turns a text into another language."""

    @property
    def interims(self) -> bool:
        """Whether a translation is cheap enough to be made several times a second."""

    async def translate(self, text: str, source: str, target: str) -> str:
        """Return `text` in `target`. Raises EngineError."""

    async def aclose(self) -> None:
        """Give back what the translator holds."""


class Synthesizer(Protocol):
    """Says a text."""

    async def speak(self, text: str, lang: str) -> Speech:
        """Return `text` as said in `lang`. Raises EngineError."""

    async def aclose(self) -> None:
        """Give back what the synthesizer holds."""


@lru_cache(maxsize=1024)
def primary(lang: str) -> str:
    """Return the primary language of a tag (BCP 47): "en" for "en-US"."""
    return lang.replace("_", "-").split("-", 1)[0].lower()


@dataclass(frozen=True)
class Engine(ABC):
    """What an entry point of the group `stagedoor.engines` names: what there is, not the thing itself."""

    name: str
    summary: str
    kind: ClassVar[Kind]

    def unavailable(self, settings: EngineSettings) -> str | None:
        """Say why this cannot be used here and what to do about it; None when it can. Loads no model."""
        return None

    @abstractmethod
    def pairs(self, settings: EngineSettings) -> list[Pair]:
        """List the (source, target) languages served; a recognizer or voice has source == target."""

    def serves(self, settings: EngineSettings, source: str, target: str) -> bool:
        """Say whether this turns `source` into `target`; regions of a language count as the language."""
        return (primary(source), primary(target)) in self.pairs(settings)


class RecognizerEngine(Engine):
    """Describes a recognizer."""

    kind: ClassVar[Kind] = "recognizer"

    @abstractmethod
    def create(self, settings: EngineSettings, lang: str) -> Recognizer:
        """Load one, for one stream in `lang`. May take long. Raises EngineError."""


class TranslatorEngine(Engine):
    """Describes a translator."""

    kind: ClassVar[Kind] = "translator"

    @abstractmethod
    def create(self, settings: EngineSettings) -> Translator:
        """Load one, for all streams of a worker. Raises EngineError."""


class SynthesizerEngine(Engine):
    """Describes a voice."""

    kind: ClassVar[Kind] = "synthesizer"

    @abstractmethod
    def create(self, settings: EngineSettings) -> Synthesizer:
        """Load one, for all streams of a worker. Raises EngineError."""
