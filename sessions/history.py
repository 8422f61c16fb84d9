"""What a topic has sent, kept so that a client which comes back misses nothing and gets nothing twice.

Invariant: what `since` returns is complete. Either everything after the offset is still here, or it
refuses: never a part. (The positions, an epoch and an offset, are those of centrifuge's recovery:
https://centrifugal.dev/docs/server/history_and_recovery.)

A history may go on with that of another process, its past. It then has an epoch of its own, because the
other may have sent more than it left behind; a position of the past is good up to where the past is known.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

ANCESTORS_MAX = 32
"""Epochs before its own that a history knows; the oldest are forgotten."""

Ancestor = tuple[str, int]
"""An epoch that is gone, and the last of its offsets that is known."""


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """At most so many entries and bytes are kept; the oldest go first."""

    entries_max: int = 1000
    bytes_max: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Past:
    """What another process left of a history: its newest entries, up to `offset`, and its own ancestors."""

    epoch: str
    offset: int
    ancestors: tuple[Ancestor, ...] = ()
    entries: tuple[bytes, ...] = ()


class CannotResume(Exception):
    """What was missed is not here in full; `reason` is "epoch_changed", "too_old" or "unknown_offset"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class History:
    """The newest entries of one topic. An entry has an offset (from 1, without holes) and frames."""

    __slots__ = ("_bytes", "_entries", "_limits", "ancestors", "epoch", "offset")

    def __init__(self, epoch: str, limits: HistoryLimits, past: Past | None = None) -> None:
        self.epoch = epoch
        self.offset = 0
        self.ancestors: tuple[Ancestor, ...] = ()
        self._limits = limits
        self._entries: deque[bytes] = deque()
        self._bytes = 0
        if past is not None:
            self.offset = past.offset
            self.ancestors = (*past.ancestors, (past.epoch, past.offset))[-ANCESTORS_MAX:]
            self._entries.extend(past.entries)
            self._bytes = sum(map(len, past.entries))
            self._trim()

    def append(self, frames: bytes) -> int:
        """Keep an entry and return its offset."""
        self.offset += 1
        self._entries.append(frames)
        self._bytes += len(frames)
        self._trim()
        return self.offset

    @property
    def oldest(self) -> int:
        """Offset of the oldest entry kept; one past the newest when there is none."""
        return self.offset - len(self._entries) + 1

    def since(self, epoch: str, offset: int) -> bytes:
        """Return the frames of every entry after `offset`, in order. Raises CannotResume."""
        known = self.offset if epoch == self.epoch else dict(self.ancestors).get(epoch)
        if known is None:
            raise CannotResume("epoch_changed")
        if offset > known:
            raise CannotResume("unknown_offset")
        if offset + 1 < self.oldest:
            raise CannotResume("too_old")
        return b"".join(islice(self._entries, offset + 1 - self.oldest, None))

    def piece(self, after: int, entries_max: int, bytes_max: int) -> Sequence[bytes]:
        """Return entries after `after`, which is `oldest - 1` or later: as many as the bounds allow, and one
        where one alone is larger."""
        taken: list[bytes] = []
        size = 0
        for frames in islice(self._entries, after + 1 - self.oldest, None):
            size += len(frames)
            if taken and (size > bytes_max or len(taken) == entries_max):
                break
            taken.append(frames)
        return taken

    def _trim(self) -> None:
        limits = self._limits
        while self._entries and (len(self._entries) > limits.entries_max or self._bytes > limits.bytes_max):
            self._bytes -= len(self._entries.popleft())
