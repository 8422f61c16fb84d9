"""A topic: who follows it, what it has sent, and one write per follower and turn of the loop.

Invariant: a follower gets every final from the offset it joined at to when it leaves, in order and once;
interims only while they are the newest. Finals of one loop turn are joined: a burst costs one write each.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from gateway.wire.interface import Wire
from sessions.history import History

SPAN_MS_MAX = 30_000
"""Media that one final stands for at most: before it there may have been an hour that nobody followed."""


class Recorded(Protocol):
    """Who keeps what a topic sends, beyond this process."""

    def appended(self) -> None:
        """There is one more final in the history."""


class Topic:
    """The followers and the history of one (channel, kind, language)."""

    __slots__ = (
        "_clock_ms",
        "_finals",
        "_history",
        "_interim",
        "_loop",
        "_record",
        "_scheduled",
        "_spans_ms",
        "_with_interims",
        "_without",
        "used_at",
    )

    def __init__(
        self, history: History, loop: asyncio.AbstractEventLoop, record: Recorded | None = None
    ) -> None:
        self._history = history
        self._clock_ms = 0
        self._spans_ms: deque[int] = deque()
        self._record = record
        self._with_interims: dict[Wire, None] = {}
        self._without: dict[Wire, None] = {}
        self._finals: list[bytes] = []
        self._interim = b""
        self._scheduled = False
        self._loop = loop
        self.used_at = loop.time()

    def __len__(self) -> int:
        return len(self._with_interims) + len(self._without)

    @property
    def epoch(self) -> str:
        """Names this topic's count of offsets."""
        return self._history.epoch

    @property
    def offset(self) -> int:
        """Offset of the newest final."""
        return self._history.offset

    def join(self, wire: Wire, *, interim: bool) -> None:
        """Let `wire` follow from the present offset on."""
        self.flush()
        (self._with_interims if interim else self._without)[wire] = None

    def leave(self, wire: Wire) -> None:
        """Forget `wire`, which has got every final up to now; harmless when it does not follow."""
        if self._finals and (wire in self._with_interims or wire in self._without):
            self.flush()
        self._with_interims.pop(wire, None)
        self._without.pop(wire, None)
        self.used_at = self._loop.time()

    def missed(self, epoch: str, offset: int) -> bytes:
        """Return the frames of every final after `offset`. Raises CannotResume."""
        self.flush()
        return self._history.since(epoch, offset)

    def replayed_ms(self, after: int, until: int | None = None) -> int:
        """Return how much media the finals after an offset stand for, of those that are kept; to `until`."""
        first = self.offset - len(self._spans_ms) + 1
        last = self.offset if until is None else min(until, self.offset)
        return sum(islice(self._spans_ms, max(0, after + 1 - first), max(0, last + 1 - first)))

    def publish_final(self, frame: Callable[[int], bytes], clock_ms: int = 0) -> int:
        """Send what `frame` makes of the new offset; return that offset. `clock_ms` is how far the stream has
        come, which is what somebody pays by who is sent it again."""
        frames = frame(self._history.offset + 1)
        self._finals.append(frames)
        self._interim = b""
        self._schedule()
        offset = self._history.append(frames)
        self._span(clock_ms)
        if self._record is not None:
            self._record.appended()
        return offset

    def _span(self, clock_ms: int) -> None:
        # The clock of the next stream begins at 0 again.
        span_ms = clock_ms - self._clock_ms if clock_ms >= self._clock_ms else clock_ms
        self._clock_ms = clock_ms
        self._spans_ms.append(min(span_ms, SPAN_MS_MAX))
        while len(self._spans_ms) > self.offset + 1 - self._history.oldest:
            self._spans_ms.popleft()

    def publish_interim(self, frames: bytes) -> None:
        """Send frames that matter only until the next of this topic."""
        self._interim = frames
        self._schedule()

    def announce(self, frames: bytes) -> None:
        """Send frames to everyone now, outside the count of offsets."""
        self._finals.append(frames)
        self._schedule()

    def flush(self) -> None:
        """Write what waits for the end of this turn."""
        self._scheduled = False
        if self._finals:
            finals = b"".join(self._finals) if len(self._finals) > 1 else self._finals[0]
            self._finals = []
            for wire in list(self._with_interims):
                wire.write(finals)
            for wire in list(self._without):
                wire.write(finals)
        if self._interim:
            interim, self._interim = self._interim, b""
            for wire in list(self._with_interims):
                wire.write_latest(interim)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush_if_due)

    def _flush_if_due(self) -> None:
        if self._scheduled:
            self.flush()
