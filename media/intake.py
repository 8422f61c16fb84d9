"""What a client sends, made into canonical PCM (s16le, 16 kHz, mono) as it arrives.

The same bytes give the same samples however they are divided. Canonical PCM passes through untouched.
Bytes that are not what was announced raise NotAudio, whose message says what to do; nothing else is raised.
"""

import re
from collections.abc import Sequence
from typing import Protocol

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler

from media.containers import Item, NotAudio, OpusStart
from media.containers.ogg import OggDemuxer
from media.containers.webm import WebmDemuxer
from media.link import BYTES_PER_SECOND, SAMPLE_RATE
from media.voices import frame_of, samples_of

__all__ = ["ENCODINGS", "Intake", "NotAudio"]

ENCODINGS = ("pcm_s16le", "webm_opus", "ogg_opus")
RATE_MIN, RATE_MAX = 8_000, 48_000
FRAME_SECONDS_MAX = 0.25
CONTAINER_FRAME_BYTES_MAX = 1 << 20
OPUS_RATE = 48_000
OPUS_BITS_PER_SECOND_MIN = 4_000
"""Opus speech has 6,000 at least (RFC 6716, section 2.1.1). What claims less is silence without end, which
would take long to decode and hold up everybody else."""
BURST_BYTES_MAX = 10 * BYTES_PER_SECOND
"""Of canonical PCM that one read may give whatever its size."""
ID3, MPEG = b"ID3", re.compile(rb"\xff[\xf2\xf3\xfa\xfb][\x10-\xe8][^\x03\x07\x0b\x0f]")


class Demuxer(Protocol):
    """Bytes in, Opus packets out."""

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes; return what is complete. Raises NotAudio."""


class Intake:
    """One client's audio. `taken_bytes` counts what came in, `given_bytes` the canonical PCM that went out.

    Raises NotAudio for an encoding or a rate that is not taken.
    """

    def __init__(self, encoding: str, sample_rate: int = SAMPLE_RATE) -> None:
        if encoding not in ENCODINGS:
            raise NotAudio(f"Encoding {encoding!r} is not taken: use one of {', '.join(ENCODINGS)}.")
        if not RATE_MIN <= sample_rate <= RATE_MAX:
            raise NotAudio(f"A sample rate of {sample_rate} is not taken: use {RATE_MIN} to {RATE_MAX}.")
        self.encoding = encoding
        self.sample_rate = sample_rate
        self.taken_bytes = 0
        self.given_bytes = 0
        pcm = encoding == "pcm_s16le"
        self.frame_bytes_max = int(2 * sample_rate * FRAME_SECONDS_MAX) if pcm else CONTAINER_FRAME_BYTES_MAX
        self._odd = int(pcm)  # of a PCM frame's length, this bit must not be set
        self._track: _Pcm | _Opus = _Pcm(sample_rate) if pcm else _Opus(encoding)

    def feed(self, payload: bytes) -> bytes:
        """Take one message of the client; return the PCM that is available now. Raises NotAudio."""
        return self.feed_all((payload,))

    def feed_all(self, payloads: Sequence[bytes]) -> bytes:
        """Take the messages of one read at once: the same as `feed` for each, and cheaper."""
        for payload in payloads:
            if len(payload) > self.frame_bytes_max:
                raise NotAudio(self._too_long(len(payload)))
            if len(payload) & self._odd:
                raise NotAudio(
                    f"A frame of {len(payload)} bytes is not whole 16-bit samples: send an even number of "
                    "bytes in each, or say which encoding this is."
                )
        return self._take(payloads[0] if len(payloads) == 1 else b"".join(payloads))

    def flush(self) -> bytes:
        """Return what was kept back, at the end of the audio. Raises NotAudio."""
        pcm = self._track.flush()
        self.given_bytes += len(pcm)
        return pcm

    def _take(self, payload: bytes) -> bytes:
        if not self.taken_bytes and (found := _format_of(payload)) not in (None, self.encoding):
            raise NotAudio(_advice(found, self.encoding))
        self.taken_bytes += len(payload)
        pcm = self._track.feed(payload)
        self.given_bytes += len(pcm)
        return pcm

    def _too_long(self, size: int) -> str:
        if self.encoding == "pcm_s16le":
            seconds = size / 2 / self.sample_rate
            return (
                f"A frame of {seconds:.2f} s of audio is too long: send 20 to 250 ms in each, "
                f"at most {self.frame_bytes_max} bytes."
            )
        return f"A message of {size} bytes is too long: send at most {self.frame_bytes_max} bytes in each."


class _Pcm:
    """Samples of the client's rate to samples of ours."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = AudioResampler("s16", "mono", SAMPLE_RATE) if rate != SAMPLE_RATE else None

    def feed(self, payload: bytes) -> bytes:
        if self._resampler is None or not payload:
            return payload
        return b"".join(map(samples_of, self._resampler.resample(frame_of(payload, self._rate))))

    def flush(self) -> bytes:
        if self._resampler is None:
            return b""
        # A resampler that was flushed takes nothing more, and after a `finalize` audio goes on.
        rest, self._resampler = self._resampler, AudioResampler("s16", "mono", SAMPLE_RATE)
        return b"".join(map(samples_of, rest.resample(None)))


class _Opus:
    """Opus packets out of a container, decoded one by one."""

    def __init__(self, encoding: str) -> None:
        self._demuxer: Demuxer = OggDemuxer() if encoding == "ogg_opus" else WebmDemuxer()
        self._decoder: AudioCodecContext | None = None
        self._resampler = AudioResampler("s16", "mono", SAMPLE_RATE)

    def feed(self, payload: bytes) -> bytes:
        made: list[bytes] = []
        room = BURST_BYTES_MAX + len(payload) * BYTES_PER_SECOND * 8 // OPUS_BITS_PER_SECOND_MIN
        for item in self._demuxer.feed(payload):
            if isinstance(item, OpusStart):
                self._begin(item)
                continue
            pieces = self._decode(item)
            room -= sum(map(len, pieces))
            if room < 0:
                raise NotAudio("So few bytes are no speech of that length: send what a recorder gives.")
            made += pieces
        return b"".join(made)

    def flush(self) -> bytes:
        rest, self._resampler = self._resampler, AudioResampler("s16", "mono", SAMPLE_RATE)
        return b"".join(map(samples_of, rest.resample(None)))

    def _begin(self, start: OpusStart) -> None:
        decoder = av.CodecContext.create("opus", "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.extradata = start.head
        decoder.sample_rate = OPUS_RATE
        decoder.layout = "stereo" if start.channels == 2 else "mono"
        self._decoder = decoder

    def _decode(self, packet: bytes) -> list[bytes]:
        assert self._decoder is not None
        try:
            frames = self._decoder.decode(av.Packet(packet))
        except av.FFmpegError as error:
            raise NotAudio(
                "An Opus packet cannot be decoded: send the recorder's bytes unchanged and in order."
            ) from error
        return [samples_of(made) for frame in frames for made in self._resampler.resample(frame)]


def _format_of(payload: bytes) -> str | None:
    """Name the format that a file beginning with these bytes has, if it is one of the usual ones."""
    if payload.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm_opus"
    if payload.startswith(b"OggS"):
        return "ogg_opus"
    if payload[:4] == b"RIFF" and payload[8:12] == b"WAVE":
        return "WAV"
    if payload[:3] == ID3 or (MPEG.match(payload) and len(payload) > 100):
        return "MP3"
    return "FLAC" if payload.startswith(b"fLaC") else "MP4" if payload[4:8] == b"ftyp" else None


def _advice(found: str | None, encoding: str) -> str:
    if found in ENCODINGS:
        return f"This is {found[:4].strip('_').capitalize()}, not {encoding}: connect with encoding={found}."
    if found == "WAV":
        return (
            "This is a WAV file: leave out its header (44 bytes in most) and send the samples with "
            "encoding=pcm_s16le and its sample_rate, 16-bit mono."
        )
    return f"This is {found}: send encoding=webm_opus, ogg_opus or pcm_s16le (16-bit mono samples) instead."
