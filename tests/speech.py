"""Speech that tests make: flite's voice rms, a little slowed, which PocketSphinx recognises word for word."""

import functools
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import pytest

from media.link import BYTES_PER_SECOND

SENTENCES = (
    "please open the window and turn on the light",
    "the meeting will start at nine o'clock tomorrow morning",
    "my name is john and i live in a small house near the river",
    "can you tell me what time the next train leaves",
    "we need to buy some bread and milk before the store closes",
)
"""Recognised without an error when each is an utterance."""

STRETCH = 1.15
GAP_SECONDS = 1.2

needs_flite = pytest.mark.skipif(
    shutil.which("flite") is None,
    reason="SPEECH IS NOT TESTED: no flite to make it with; install the Debian package flite",
)
needs_apertium = pytest.mark.skipif(
    not Path("/usr/share/apertium/modes/eng-spa.mode").exists(),
    reason="TRANSLATION IS NOT TESTED: install the Debian package apertium-eng-spa",
)


def speech(sentences: Sequence[str] = SENTENCES, gap_seconds: float = GAP_SECONDS) -> bytes:
    """Return s16le 16 kHz mono PCM of the sentences, with a faint noise before, between and after them.

    Skips the test, loudly, where flite is missing.
    """
    if shutil.which("flite") is None:
        pytest.skip("SPEECH IS NOT TESTED: no flite to make it with; install the Debian package flite")
    gap = noise(gap_seconds)
    return gap + b"".join(said(sentence) + gap for sentence in sentences)


@functools.cache
def said(sentence: str) -> bytes:
    """Return one sentence as PCM (made once per process), without silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        made = str(Path(folder) / "said.wav")
        voice = ["-voice", "rms", "--setf", f"duration_stretch={STRETCH}"]
        subprocess.run(
            ["flite", *voice, "-t", sentence, "-o", made], check=True, capture_output=True, timeout=30
        )
        with wave.open(made) as file:
            shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            if shape != (16_000, 1, 2):
                raise AssertionError(f"flite's rms voice gave {shape} instead of 16 kHz mono s16le")
            return bytes(file.readframes(file.getnframes()))


@functools.cache
def noise(seconds: float, amplitude: int = 20) -> bytes:
    """Return noise that is the same each time, as of a quiet room; always whole samples."""
    samples, state, made = round(seconds * BYTES_PER_SECOND / 2), 1, bytearray()
    for _ in range(samples):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        made += ((state >> 16) % (2 * amplitude + 1) - amplitude).to_bytes(2, "little", signed=True)
    return bytes(made)


def word_errors(reference: str, heard: str) -> int:
    """Return the edit distance in words."""
    wanted, given = reference.split(), heard.split()
    row = list(range(len(given) + 1))
    for i, word in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(given, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
