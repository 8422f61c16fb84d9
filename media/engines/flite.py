"""English voices of flite, where the Debian package is installed: clearer than espeak-ng, a run per text."""

import asyncio
import io
import shutil
import wave
from dataclasses import dataclass

from media.engines.base import (
    EngineError,
    EngineSettings,
    Pair,
    Speech,
    Synthesizer,
    SynthesizerEngine,
)


class Flite:
    """Runs `flite` for each text (about 20 ms) and reads the WAV that it writes."""

    def __init__(self, settings: EngineSettings) -> None:
        self._voice = settings.flite_voice
        self._stretch = settings.flite_stretch

    async def speak(self, text: str, lang: str) -> Speech:
        """Return the speech at the voice's own rate (16 kHz for rms, slt and awb)."""
        options = ["-voice", self._voice, "--setf", f"duration_stretch={self._stretch}"]
        process = await asyncio.create_subprocess_exec(
            "flite", *options, "-t", text.replace("\0", " "), "-o", "/dev/stdout",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            made, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise EngineError(
                f"flite ended with {process.returncode}: {complaint.decode(errors='replace')[:200]}"
            )
        return read_wave(made)

    async def aclose(self) -> None:
        """Hold nothing."""


def read_wave(made: bytes) -> Speech:
    """Return the samples of a mono s16 WAV. Raises EngineError for anything else."""
    try:
        with wave.open(io.BytesIO(made)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise EngineError("the voice gave something else than 16-bit mono")
            return Speech(file.readframes(file.getnframes()), file.getframerate())
    except (wave.Error, EOFError) as error:
        raise EngineError(f"the voice gave no WAV: {error}") from error


@dataclass(frozen=True)
class FliteEngine(SynthesizerEngine):
    """Describes the better English voice."""

    def unavailable(self, settings: EngineSettings) -> str | None:
        """Name the package."""
        if shutil.which("flite") is None:
            return "The program flite is missing: install the Debian package flite."
        return None

    def pairs(self, settings: EngineSettings) -> list[Pair]:
        """English only."""
        return [("en", "en")]

    def create(self, settings: EngineSettings) -> Synthesizer:
        """Load nothing."""
        return Flite(settings)


ENGINE = FliteEngine(name="flite", summary="English voices, offline, from the Debian package flite")
