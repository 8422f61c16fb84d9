"""Voices as listeners get them: 24 kHz mono PCM, or one complete Ogg Opus file of the same."""

import io

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from media.engines.base import EngineError, Speech
from media.link import VoiceEncoding

VOICE_RATE = 24_000
OPUS_RATE = 48_000
OPUS_BIT_RATE = 32_000


def resample(pcm: bytes, rate: int, wanted: int) -> bytes:
    """Return s16le mono PCM at another rate."""
    if rate == wanted or not pcm:
        return pcm
    resampler = AudioResampler(format="s16", layout="mono", rate=wanted)
    frames = [*resampler.resample(frame_of(pcm, rate)), *resampler.resample(None)]
    return b"".join(samples_of(frame) for frame in frames)


def frame_of(pcm: bytes, rate: int) -> AudioFrame:
    """Return whole s16le mono samples as a frame."""
    frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.sample_rate = rate
    frame.planes[0].update(pcm.ljust(frame.planes[0].buffer_size, b"\0"))
    return frame


def samples_of(frame: AudioFrame) -> bytes:
    """Return the s16 mono samples of a frame; its buffer may be longer than they are."""
    return bytes(frame.planes[0])[: frame.samples * 2]


def at_voice_rate(speech: Speech) -> bytes:
    """Return what a synthesizer said at 24 kHz. Raises EngineError when it said nothing."""
    pcm = resample(speech.pcm[: len(speech.pcm) // 2 * 2], speech.sample_rate, VOICE_RATE)
    if not pcm:
        raise EngineError("the voice gave no samples")
    return pcm


def encoded(pcm: bytes, encoding: VoiceEncoding) -> tuple[bytes, int]:
    """Return 24 kHz mono PCM in an encoding, and the sample rate that a player plays it at."""
    if encoding == "pcm_s16le":
        return pcm, VOICE_RATE
    return ogg_opus(pcm), OPUS_RATE


def ogg_opus(pcm: bytes) -> bytes:
    """Return 24 kHz mono PCM as a complete Ogg Opus file (RFC 7845)."""
    made = io.BytesIO()
    with av.open(made, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=VOICE_RATE)
        stream.layout = "mono"
        stream.bit_rate = OPUS_BIT_RATE
        frame = frame_of(pcm, VOICE_RATE)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made.getvalue()
