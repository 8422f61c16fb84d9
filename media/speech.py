"""Where speech begins and ends: voice activity per 20 ms frame, and utterances cut from it.

Everything is decided by the audio alone. Each place that `reset_at` reports is a full reset: whoever
starts there afresh, with the audio from there on, is told exactly the same from then on.
"""

from collections import deque
from dataclasses import dataclass

import webrtcvad

from media.link import BYTES_PER_SECOND

FRAME_MS = 20
FRAME_BYTES = BYTES_PER_SECOND * FRAME_MS // 1000
FRAMES_PER_SECOND = 1000 // FRAME_MS
VAD_MODE = 3  # measured: modes 1 and 2 take room noise for speech and join sentences
ONSET_WINDOW_FRAMES = 8
ONSET_FRAMES = 5
PREROLL_FRAMES = 15  # 300 ms before the onset was certain: weak consonants that begin a word
HANGOVER_FRAMES = 25  # 500 ms without speech end an utterance
QUIET_FRAMES = 250  # after 5 s without an utterance comes a place from which a successor may start
GAP_FRAMES = 5  # 100 ms: shortest pause at which a long utterance may be cut


@dataclass(frozen=True, slots=True)
class Onset:
    """Somebody began to speak: the utterance's first samples, which lie at `offset_bytes`."""

    offset_bytes: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Spoken:
    """One more frame of the utterance; `gap_frames` frames up to here were without speech."""

    pcm: bytes
    gap_frames: int


@dataclass(frozen=True, slots=True)
class Hush:
    """The utterance is over; `offset_bytes` is the reset that comes with it."""

    offset_bytes: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nobody has spoken for long: a reset in silence, at `offset_bytes`."""

    offset_bytes: int


Event = Onset | Spoken | Hush | Quiet


class Endpointer:
    """Cuts a stream that begins at `offset_bytes` into utterances. Feed any chunks, then take `events`."""

    def __init__(self, offset_bytes: int = 0) -> None:
        self._waiting = bytearray()
        self._start(offset_bytes)

    @property
    def position_bytes(self) -> int:
        """Where the next frame begins: everything before it has been looked at."""
        return self._position

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._speaking

    def feed(self, pcm: bytes) -> None:
        """Take more of the stream; what is not a whole frame waits for the rest."""
        self._waiting += pcm

    def pad(self) -> None:
        """Fill the last frame with silence, for a stream that ends here."""
        if rest := len(self._waiting) % FRAME_BYTES:
            self._waiting += bytes(FRAME_BYTES - rest)

    def next(self) -> Event | None:
        """Look at frames until something happens; None once less than a frame is waiting."""
        while len(self._waiting) >= FRAME_BYTES:
            frame = bytes(self._waiting[:FRAME_BYTES])
            del self._waiting[:FRAME_BYTES]
            self._position += FRAME_BYTES
            self._recent.append(frame)
            if (event := self._look(frame, self._vad.is_speech(frame, 16_000))) is not None:
                return event
        return None

    def cut(self, again: bytes = b"") -> int:
        """End the utterance here; return the reset, which lies before its last audio, `again` (whole frames).

        That audio is looked at again, as a successor would.
        """
        self._waiting[:0] = again
        self._start(self._position - len(again))
        return self._position

    def jump(self, offset_bytes: int) -> None:
        """Go on at another place of the stream, because what lies between was lost."""
        self._waiting.clear()
        self._start(offset_bytes)

    def _start(self, offset_bytes: int) -> None:
        self._position = offset_bytes
        self._recent: deque[bytes] = deque(maxlen=PREROLL_FRAMES)
        self._window: deque[bool] = deque(maxlen=ONSET_WINDOW_FRAMES)
        self._speaking = False
        self._silent_frames = 0
        self._frames = 0
        self._vad = webrtcvad.Vad(VAD_MODE)

    def _look(self, frame: bytes, speech: bool) -> Event | None:
        self._frames += 1
        self._silent_frames = 0 if speech else self._silent_frames + 1
        if self._speaking:
            if self._silent_frames < HANGOVER_FRAMES:
                return Spoken(frame, self._silent_frames)
            return Hush(self.cut(b"".join(self._recent)))
        self._window.append(speech)
        if sum(self._window) >= ONSET_FRAMES:
            self._speaking = True
            pcm = b"".join(self._recent)
            return Onset(self._position - len(pcm), pcm)
        # A noise that is taken for speech now and then must not put the place off for ever.
        silent = self._silent_frames >= PREROLL_FRAMES or self._frames >= 2 * QUIET_FRAMES
        if silent and self._frames >= QUIET_FRAMES:
            return Quiet(self.cut(b"".join(self._recent)))
        return None
