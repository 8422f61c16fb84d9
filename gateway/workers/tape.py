"""A stream's audio that is still needed, in the pieces in which it came; positions count its bytes.

Invariant: `start` <= `next` <= `end`, and what lies between is here exactly once and in order. Only what is
cut is copied: pieces come fifty times a second, and most are given out once and forgotten.
"""

from collections import deque


class Tape:
    """Bytes from `start` to `end`; those before `next` were given out, and are kept to be given out again."""

    __slots__ = ("_given", "_waiting", "end", "next", "start")

    def __init__(self) -> None:
        self.start = self.next = self.end = 0
        self._given: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, piece: bytes) -> None:
        """Keep what came."""
        if piece:
            self._waiting.append(piece)
            self.end += len(piece)

    def take(self, bytes_max: int) -> bytes:
        """Give out what comes next, as much as there is up to `bytes_max`."""
        taken: list[bytes] = []
        room = bytes_max
        waiting = self._waiting
        while waiting and room > 0:
            piece = waiting.popleft()
            if len(piece) > room:
                waiting.appendleft(piece[room:])
                piece = piece[:room]
            room -= len(piece)
            taken.append(piece)
        self._given.extend(taken)
        self.next += bytes_max - room if taken else 0
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def rewind(self) -> None:
        """Give everything out once more."""
        self._waiting.extendleft(reversed(self._given))
        self._given.clear()
        self.next = self.start

    def forget(self, upto: int) -> None:
        """Let go of what lies before `upto` (from `start` to `end`)."""
        excess = upto - self.start
        for pieces in (self._given, self._waiting):
            while pieces and excess > 0:
                piece = pieces.popleft()
                if len(piece) > excess:
                    pieces.appendleft(piece[excess:])
                excess -= min(excess, len(piece))
        self.start = upto
        self.next = max(self.next, upto)
