"""Translation by Apertium, where a Debian package apertium-* is installed: offline, 2 ms a sentence.

One pipe of programs per direction lives as long as the worker and answers one text at a time. A pipe that
is silent for too long or has died is started again once; then the text fails. The programs end by
themselves when the worker dies, because their input closes.
"""

import asyncio
import contextlib
import functools
import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from media.engines.base import (
    EngineError,
    EngineSettings,
    Pair,
    Translator,
    TranslatorEngine,
    primary,
)

MODES = Path("/usr/share/apertium/modes")
MODE_NAME = re.compile(r"^([a-z]{2,3})-([a-z]{2,3})$")
ISO_639_1 = {
    "afr": "af", "ara": "ar", "arg": "an", "ast": "ast", "bel": "be", "ben": "bn", "bul": "bg", "cat": "ca",
    "cym": "cy", "dan": "da", "deu": "de", "eng": "en", "epo": "eo", "eus": "eu", "fra": "fr", "glg": "gl",
    "hbs": "sh", "hin": "hi", "ind": "id", "isl": "is", "ita": "it", "kaz": "kk", "mkd": "mk", "mlt": "mt",
    "nld": "nl", "nno": "nn", "nob": "nb", "oci": "oc", "por": "pt", "ron": "ro", "rus": "ru", "slv": "sl",
    "spa": "es", "srd": "sc", "swe": "sv", "tat": "tt", "tur": "tr", "ukr": "uk", "urd": "ur", "zlm": "ms",
}  # fmt: skip
ANSWER_SECONDS = 3.0
ANSWER_BYTES_MAX = 1 << 20
SPECIAL = re.compile(r"([\\\[\]{}^$@/<>])")
"""Letters that mean something in the Apertium stream format."""
SUPERBLANK = re.compile(r"(?<!\\)\[.*?(?<!\\)\]", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Pipe:
    """The programs of one direction; `ask` answers one text at a time, in order."""

    def __init__(self, mode: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._mode = mode
        self._answer_seconds = answer_seconds
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, text: str) -> str:
        """Return the translation; a pipe that fails is started again once. Raises EngineError."""
        async with self._turn:
            try:
                return await self._answer(text)
            except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._stop()
            try:
                return await self._answer(text)
            except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                raise EngineError(
                    f"apertium {self._mode} does not answer, also after a restart: try "
                    f"`echo hello | apertium {self._mode}` in a shell"
                ) from error

    async def aclose(self) -> None:
        """End the programs."""
        async with self._turn:
            await self._stop()

    async def _answer(self, text: str) -> str:
        answered = False
        try:
            async with asyncio.timeout(self._answer_seconds):
                if self._process is None:
                    self._process = await start(await command(self._mode))
                asked, answers = self._process.stdin, self._process.stdout
                assert asked is not None
                assert answers is not None
                asked.write(escape(text).encode() + b".[]\0")  # the full stop makes the last word complete
                await asked.drain()
                answer = await answers.readuntil(b"\0")
                answered = True
        finally:
            if not answered:
                await self._stop()  # a late answer must not be taken for the next text's
        translated = unescape(answer[:-1].decode(errors="replace"))
        return " ".join(translated.strip().removesuffix(".").split())

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also programs of the pipe that outlived their shell
        await process.wait()


async def start(shell_command: str) -> asyncio.subprocess.Process:
    """Start a pipe in a process group of its own."""
    return await asyncio.create_subprocess_exec(
        "bash", "-c", shell_command, start_new_session=True, limit=ANSWER_BYTES_MAX,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def command(mode: str) -> str:
    """Return the shell pipe of a mode that flushes after each text; unknown words stay as they are (-n)."""
    process = await asyncio.create_subprocess_exec(
        "apertium-wblank-mode", "-z", str(MODES / f"{mode}.mode"),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    made, _ = await process.communicate()
    if process.returncode != 0:
        raise EngineError(f"apertium-wblank-mode cannot read the mode {mode}: reinstall its Debian package")
    return made.decode().replace("$1", "-n").replace("$2", "")


def escape(text: str) -> str:
    """Return a text in the Apertium stream format, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.replace("\0", " ").split()))


def unescape(text: str) -> str:
    """Return what the Apertium stream format says."""
    return ESCAPED.sub(r"\1", SUPERBLANK.sub("", text))


class Apertium:
    """All directions that are asked for, each with its pipe."""

    interims = True

    def __init__(self, modes: dict[Pair, str]) -> None:
        self._modes = modes
        self._pipes: dict[str, Pipe] = {}

    async def translate(self, text: str, source: str, target: str) -> str:
        """Return the translation; words that Apertium does not know stay as they are."""
        if not text.strip():
            return ""
        mode = self._modes.get((primary(source), primary(target)))
        if mode is None:
            raise EngineError(f"no apertium package translates {source} into {target}")
        pipe = self._pipes.setdefault(mode, Pipe(mode))
        return await pipe.ask(as_written(text) if primary(source) == "en" else text)

    async def aclose(self) -> None:
        """End all programs."""
        for pipe in self._pipes.values():
            await pipe.aclose()
        self._pipes = {}


def as_written(text: str) -> str:
    """Write "I" large, which recognizers do not and the English dictionary wants."""
    return re.sub(r"\bi\b(?!\.)", "I", text)


@functools.cache
def modes(folder: Path = MODES) -> dict[Pair, str]:
    """Map each pair that is installed to its mode. Installing a package counts from the next start on."""
    found: dict[Pair, str] = {}
    for file in sorted(folder.glob("*.mode")):
        if match := MODE_NAME.match(file.stem):
            source, target = (ISO_639_1.get(lang, lang) for lang in match.groups())
            found.setdefault((source, target), file.stem)
    return found


@dataclass(frozen=True)
class ApertiumEngine(TranslatorEngine):
    """Describes the translator that needs no account."""

    def unavailable(self, settings: EngineSettings) -> str | None:
        """Name the package."""
        if shutil.which("apertium-wblank-mode") is None or not modes():
            return "No Apertium languages here: install a Debian package such as apertium-eng-spa."
        return None

    def pairs(self, settings: EngineSettings) -> list[Pair]:
        """List the directions of the installed packages."""
        return sorted(modes())

    def create(self, settings: EngineSettings) -> Translator:
        """Start nothing yet: a pipe starts with its first text (0.1 s)."""
        return Apertium(modes())


ENGINE = ApertiumEngine(name="apertium", summary="Translation, offline, from Debian packages apertium-*")
