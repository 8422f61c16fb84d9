"""A topic: who follows it, what it has sent, and one write per follower and turn of the loop.

Invariant: a follower gets every final from the offset it joined at to when it leaves, in order and once;
interims only while they are the newest. Finals of one loop turn are joined: a burst costs one write each.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.wire.interface import Wire
from sessions.history import History


class Recorded(Protocol):
    """Who keeps what a topic sends, beyond this process."""

    def appended(self) -> None:
        """There is one more final in the history."""


class Topic:
    """The followers and the history of one (channel, kind, language)."""

    __slots__ = (
        "_finals",
        "_history",
        "_interim",
        "_loop",
        "_record",
        "_scheduled",
        "_with_interims",
        "_without",
        "used_at",
    )

    def __init__(
        self, history: History, loop: asyncio.AbstractEventLoop, record: Recorded | None = None
    ) -> None:
        self._history = history
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

    def publish_final(self, frame: Callable[[int], bytes]) -> int:
        """Send what `frame` makes of the new offset; return that offset."""
        frames = frame(self._history.offset + 1)
        self._finals.append(frames)
        self._interim = b""
        self._schedule()
        offset = self._history.append(frames)
        if self._record is not None:
            self._record.appended()
        return offset

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
