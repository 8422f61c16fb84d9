"""The clock of one stream's media: how much of it was taken, and who waits for it to get somewhere.

Invariant: it moves only by media that was accepted, never by a client's word; each watcher is called once, at
the first move that reaches its mark; a crowd over some turns of the loop. A thousand viewers cost nothing
while none of their marks is reached.
"""

import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

from media.link import BYTES_PER_SECOND

CAPTION_SILENCE_MS_MAX = 10_000
"""Between two captions that came as text: what is longer was a pause of the writer, and no media."""
REACHED_MAX = 64
"""Watchers called in one turn of the loop: what a crowd that came together has to do holds nobody up."""
BYTES_PER_MS = BYTES_PER_SECOND // 1000


class Watcher(Protocol):
    """Something that is due when a stream's media has come to a mark."""

    def media_reached(self, clock: "MediaClock") -> None:
        """The mark was reached."""


class MediaClock:
    """Milliseconds of one stream's media: `ms`. Audio counts by its samples; captions that come as text by
    the server's clock, from one to the next. `heard_at` is when it last moved, None before it did."""

    __slots__ = (
        "_audio_bytes", "_called", "_caption_at", "_captioned_ms", "_marks", "_order", "_soon", "_text_ms",
        "heard_at", "ms",
    )  # fmt: skip

    def __init__(self, soon: Callable[[Callable[[], None]], object] | None = None) -> None:
        self.ms = 0
        self._soon = soon
        self._called = False
        self._caption_at: float | None = None
        self._captioned_ms = 0
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
        """Count the time since the last caption, but for what audio has counted of it."""
        audio_ms, counted_to = self._audio_bytes // BYTES_PER_MS, now
        if self._caption_at is not None:
            elapsed_ms = min(int((now - self._caption_at) * 1000), CAPTION_SILENCE_MS_MAX)
            self._text_ms += max(0, elapsed_ms - (audio_ms - self._captioned_ms))
            if elapsed_ms < CAPTION_SILENCE_MS_MAX:
                # What is left of a millisecond counts with the next: captions may come faster than that.
                counted_to = self._caption_at + elapsed_ms / 1000
        self._caption_at, self._captioned_ms = counted_to, audio_ms
        self.heard_at = now
        self._move()

    def watch(self, mark_ms: float, watcher: Watcher) -> None:
        """Call `watcher` when the media has come to `mark_ms`."""
        heapq.heappush(self._marks, (mark_ms, next(self._order), watcher))

    def _move(self) -> None:
        self.ms = self._audio_bytes // BYTES_PER_MS + self._text_ms
        if not self._marks or self._marks[0][0] > self.ms:
            return
        self._call()

    def _call(self) -> None:
        """Call the watchers whose marks are reached; after so many, the loop has its turn first."""
        self._called = False
        reached: list[Watcher] = []
        while self._marks and self._marks[0][0] <= self.ms and len(reached) < REACHED_MAX:
            reached.append(heapq.heappop(self._marks)[2])
        for watcher in reached:
            watcher.media_reached(self)
        if self._marks and self._marks[0][0] <= self.ms and not self._called and self._soon is not None:
            self._called = True
            self._soon(self._call)
