"""The clock of one stream's media: how much of it was taken, and who waits for it to get somewhere.

Invariant: it moves only by media that was accepted, never by a client's word; each watcher is called once, at
the first move that reaches its mark or, in a crowd, at one of the next. A thousand viewers cost nothing while
none of their marks is reached.
"""

import heapq
import itertools
from typing import Protocol

from media.link import BYTES_PER_SECOND

CAPTION_SILENCE_MS_MAX = 10_000
"""Between two captions that came as text: what is longer was a pause of the writer, and no media."""
REACHED_MAX = 64
"""Watchers called in one move: what a crowd that came together has to do is spread over several frames, so
that it does not hold up the event loop. Minutes are asked for long before they are needed."""
BYTES_PER_MS = BYTES_PER_SECOND // 1000


class Watcher(Protocol):
    """Something that is due when a stream's media has come to a mark."""

    def media_reached(self, clock: "MediaClock") -> None:
        """The mark was reached."""


class MediaClock:
    """Milliseconds of one stream's media: `ms`. Audio counts by its samples; captions that come as text by
    the server's clock, from one to the next. `heard_at` is when it last moved, None before it did."""

    __slots__ = ("_audio_bytes", "_marks", "_order", "_text_ms", "heard_at", "ms")

    def __init__(self) -> None:
        self.ms = 0
        self._audio_bytes = 0
        self._text_ms = 0
        self.heard_at: float | None = None
        self._marks: list[tuple[float, int, Watcher]] = []
        self._order = itertools.count()

    def take_audio(self, pcm_bytes: int, now: float) -> None:
        """Count canonical PCM that was accepted."""
        self._audio_bytes += pcm_bytes
        self.heard_at = now
        self._move()

    def take_caption(self, now: float) -> None:
        """Count the time since the last caption, or none after audio, which has counted it already."""
        if self.heard_at is not None and not self._audio_bytes:
            self._text_ms += min(int((now - self.heard_at) * 1000), CAPTION_SILENCE_MS_MAX)
        self.heard_at = now
        self._move()

    def watch(self, mark_ms: float, watcher: Watcher) -> None:
        """Call `watcher` when the media has come to `mark_ms`."""
        heapq.heappush(self._marks, (mark_ms, next(self._order), watcher))

    def _move(self) -> None:
        self.ms = self._audio_bytes // BYTES_PER_MS + self._text_ms
        if not self._marks or self._marks[0][0] > self.ms:
            return
        reached = []
        while self._marks and self._marks[0][0] <= self.ms and len(reached) < REACHED_MAX:
            reached.append(heapq.heappop(self._marks)[2])
        for watcher in reached:
            watcher.media_reached(self)
