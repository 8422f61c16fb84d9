"""The voice that is always there: espeak-ng in this process, over a hundred languages, 3 ms a sentence.

The library has one state per process: every voice of the process goes through one lock, and each text sets
its voice and speed first. Nothing is awaited while it speaks, so no text is mixed with another.
"""

import ctypes
import functools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import espeakng_loader

from media.engines.base import (
    EngineError,
    EngineSettings,
    Pair,
    Speech,
    Synthesizer,
    SynthesizerEngine,
    primary,
)

AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
CHARS_UTF8 = 1
PARAMETER_RATE = 1
VOICES = {"en": "en-us", "zh": "cmn", "no": "nb", "iw": "he", "in": "id", "tl": "id", "fil": "id"}
"""Where the language's tag is not the voice's name; Tagalog is read as Indonesian, its nearest voice."""
TEXT_LETTERS_MAX = 2000  # about two minutes of speech; more in one piece would hold the worker up


class Library:
    """libespeak-ng, initialised once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = bytearray()
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        path = str(espeakng_loader.get_data_path()).encode()
        self._rate = self._library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, path, INITIALIZE_DONT_EXIT)
        if self._rate <= 0:
            raise EngineError("espeak-ng could not start: reinstall the package espeakng-loader")
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._take)  # kept: the library calls it later
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, voice: str, words_per_minute: int) -> Speech:
        """Return the samples of a text. Raises EngineError."""
        said = text.replace("\0", " ").encode() + b"\0"
        with self._lock:
            self._made.clear()
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise EngineError(f"espeak-ng has no voice {voice!r}; `espeak-ng --voices` lists them")
            self._library.espeak_SetParameter(PARAMETER_RATE, words_per_minute, 0)
            status = self._library.espeak_Synth(
                said, ctypes.c_size_t(len(said)), 0, 0, 0, CHARS_UTF8, None, None
            )
            if status != 0:
                raise EngineError(f"espeak-ng could not speak (status {status})")
            self._library.espeak_Synchronize()
            return Speech(bytes(self._made), self._rate)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._made += ctypes.string_at(samples, 2 * count)
        return 0


@functools.cache
def library() -> Library:
    """Return the process's one library, started when it is first needed."""
    return Library()


class Espeak:
    """A voice for every language that espeak-ng knows."""

    def __init__(self, settings: EngineSettings) -> None:
        self._library = library()
        self._variant = f"+{settings.espeak_voice_variant}" if settings.espeak_voice_variant else ""
        self._words_per_minute = settings.espeak_words_per_minute

    async def speak(self, text: str, lang: str) -> Speech:
        """Return the speech at 22.05 kHz."""
        if len(text) > TEXT_LETTERS_MAX:
            raise EngineError(
                f"the text has {len(text)} letters: send at most {TEXT_LETTERS_MAX} in one piece"
            )
        return self._library.say(text, voice_name(lang) + self._variant, self._words_per_minute)

    async def aclose(self) -> None:
        """Leave the library to the process."""


def voice_name(lang: str) -> str:
    """Return the espeak-ng voice for a language tag: of its region where there is one."""
    tag = lang.replace("_", "-").lower()
    if tag not in VOICES and tag in voices():
        return tag
    return VOICES.get(primary(lang), primary(lang))


@functools.cache
def voices() -> frozenset[str]:
    """List the voices that the data has, in lower case."""
    folder = Path(espeakng_loader.get_data_path()) / "lang"
    return frozenset(file.name.lower() for file in folder.rglob("*") if file.is_file())


@functools.cache
def languages() -> tuple[str, ...]:
    """List the primary languages that can be spoken."""
    own = {primary(voice) for voice in voices()}
    return tuple(sorted(own | {lang for lang, voice in VOICES.items() if primary(voice) in own}))


@dataclass(frozen=True)
class EspeakEngine(SynthesizerEngine):
    """Describes the default voice."""

    def unavailable(self, settings: EngineSettings) -> str | None:
        """Say so where the package lacks its library."""
        if not Path(espeakng_loader.get_library_path()).exists():
            return (
                "The package espeakng-loader has no library for this machine; install flite, or an endpoint."
            )
        return None

    def pairs(self, settings: EngineSettings) -> list[Pair]:
        """List over a hundred languages."""
        return [(lang, lang) for lang in languages()]

    def serves(self, settings: EngineSettings, source: str, target: str) -> bool:
        """Answer without building the list."""
        return primary(source) == primary(target) and primary(source) in languages()

    def create(self, settings: EngineSettings) -> Synthesizer:
        """Start the library."""
        return Espeak(settings)


ENGINE = EspeakEngine(
    name="espeak-ng", summary="Over 100 languages, offline, nothing to install; a robot's voice"
)
