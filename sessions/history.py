"""What a topic has sent, kept so that a client which comes back misses nothing and gets nothing twice.

Invariant: what `since` returns is complete. Either everything after the offset is still here, or it
refuses: never a part. (The positions, an epoch and an offset, are those of centrifuge's recovery:
https://centrifugal.dev/docs/server/history_and_recovery.)
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """At most so many entries and bytes are kept; the oldest go first."""

    entries_max: int = 1000
    bytes_max: int = 4 * 1024 * 1024


class CannotResume(Exception):
    """What was missed is not here in full; `reason` is "epoch_changed", "too_old" or "unknown_offset"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class History:
    """The newest entries of one topic. An entry has an offset (from 1, without holes) and frames; frames
    that belong to an entry but come later (its voice) are added to it."""

    __slots__ = ("_bytes", "_entries", "_limits", "epoch", "offset")

    def __init__(self, epoch: str, limits: HistoryLimits) -> None:
        self.epoch = epoch
        self.offset = 0
        self._limits = limits
        self._entries: deque[list[bytes]] = deque()
        self._bytes = 0

    def append(self, frames: bytes) -> int:
        """Keep an entry and return its offset."""
        self.offset += 1
        self._entries.append([frames])
        self._bytes += len(frames)
        self._trim()
        return self.offset

    def extend(self, offset: int, frames: bytes) -> None:
        """Add frames to the entry at `offset`; nothing is kept if it has gone already."""
        place = offset - self.oldest
        if 0 <= place < len(self._entries):
            self._entries[place].append(frames)
            self._bytes += len(frames)
            self._trim()

    @property
    def oldest(self) -> int:
        """Offset of the oldest entry kept; one past the newest when there is none."""
        return self.offset - len(self._entries) + 1

    def since(self, epoch: str, offset: int) -> bytes:
        """Return the frames of every entry after `offset`, in order. Raises CannotResume."""
        if epoch != self.epoch:
            raise CannotResume("epoch_changed")
        if offset > self.offset:
            raise CannotResume("unknown_offset")
        if offset + 1 < self.oldest:
            raise CannotResume("too_old")
        missed = list(self._entries)[offset + 1 - self.oldest :]
        return b"".join(frames for entry in missed for frames in entry)

    def _trim(self) -> None:
        limits = self._limits
        while self._entries and (len(self._entries) > limits.entries_max or self._bytes > limits.bytes_max):
            self._bytes -= sum(map(len, self._entries.popleft()))
