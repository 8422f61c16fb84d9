"""The messages between a gateway and a media worker; `media.link_format` has their bytes.

They travel over a local socket or any other ordered transport: see `docs/architecture.md`.

Promise kept by the pair of ends: audio is acknowledged only by `Committed`, after everything heard in it
has been sent in every target language. Whoever takes a stream over opens it again at the last
`Committed` (its offset, next utterance and engine state) and sends the audio from there.
"""

from dataclasses import dataclass
from typing import Literal

from media.captions import Caption

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE
STATE_BYTES_MAX = 4096
FRAME_BYTES_MAX = 4 * 1024 * 1024
SOCKET_NAME = "worker.sock"
"""Of the local link, in the data directory."""

Origin = Literal["speech", "text"]
VoiceEncoding = Literal["pcm_s16le", "ogg_opus"]
Wanted = dict[str, tuple[VoiceEncoding, ...]]
"""Languages that somebody follows, and the encodings in which somebody wants each one's voice."""


class LinkError(ValueError):
    """The peer broke the contract; nothing more that it sends can be trusted, so end it."""


# --- gateway to worker -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """Start, or take over, a stream: its languages and where it stands."""

    stream: int
    source_lang: str
    targets: Wanted  # may contain the source language
    offset_bytes: int = 0  # position of the first audio byte that will be sent
    utterance: int = 0  # number that the next utterance gets
    state: bytes = b""  # opaque, from the last Committed


@dataclass(frozen=True, slots=True)
class Audio:
    """PCM (s16le, 16 kHz, mono) that starts at `offset_bytes` of the stream."""

    stream: int
    offset_bytes: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Targets:
    """Languages and voices wanted from now on; replaces what was wanted before."""

    stream: int
    targets: Wanted


@dataclass(frozen=True, slots=True)
class Text:
    """A caption that came as text: to be translated and spoken, never reshaped in its own language."""

    stream: int
    number: int
    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Finalize:
    """Finish whatever is being heard, then answer `Finalized` with the same mark."""

    stream: int
    mark: int


@dataclass(frozen=True, slots=True)
class Close:
    """No more audio: finish everything in every language, then answer `Ended`."""

    stream: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget the stream at once; nothing is answered."""

    stream: int


# --- worker to gateway -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker is warm and takes up to `streams_max` streams."""

    pid: int
    streams_max: int


@dataclass(frozen=True, slots=True)
class Interim:
    """What the utterance sounds like so far in one language; a later `rev` replaces it."""

    stream: int
    utterance: int
    rev: int
    lang: str
    caption: Caption


@dataclass(frozen=True, slots=True)
class Final:
    """One utterance (or one text) in one language, once and for ever; no captions: nothing was said.

    For origin "text" `utterance` is the `Text.number`; the source language is then not sent back.
    """

    stream: int
    utterance: int
    lang: str
    captions: tuple[Caption, ...]
    origin: Origin = "speech"


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice of one final caption: `block` is its index in `Final.captions`.

    pcm_s16le is 24 kHz mono without a header; ogg_opus is one complete Ogg file. An utterance whose voice
    could not be made sends none, and a `Warned`.
    """

    stream: int
    utterance: int
    block: int
    lang: str
    start: float
    duration: float
    sample_rate: int
    last: bool  # the last voice of this utterance in this language and encoding
    encoding: VoiceEncoding
    audio: bytes
    origin: Origin = "speech"


@dataclass(frozen=True, slots=True)
class Progress:
    """Audio up to `offset_bytes` has been heard (not yet committed): credit, and the lag shown."""

    stream: int
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything before `offset_bytes` is done in all languages; a successor starts from here."""

    stream: int
    offset_bytes: int
    utterance: int  # number that the next utterance gets
    state: bytes


@dataclass(frozen=True, slots=True)
class TextDone:
    """Text `number` is done in all languages."""

    stream: int
    number: int


@dataclass(frozen=True, slots=True)
class Finalized:
    """Everything before the `Finalize` with this mark has been sent."""

    stream: int
    mark: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Everything of the stream has been sent; the worker has forgotten it."""

    stream: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a client should know: `code` as in the protocol's `warning`, e.g. engine_switched."""

    stream: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream cannot go on in this worker; open it elsewhere, or give up with this reason."""

    stream: int
    reason: str


ToWorker = Open | Audio | Targets | Text | Finalize | Close | Drop
FromWorker = (
    Hello | Interim | Final | Voice | Progress | Committed | TextDone | Finalized | Ended | Warned | Failed
)
