"""What is kept for a peer that does not read as fast as it is written to; never more than its bound.

Pure. Frames are the shared bytes objects themselves: a thousand peers that are behind keep one copy.
"""

from collections import deque


class Backlog:
    """Frames in the order written, then at most one that matters only now. Exists while a peer is behind."""

    __slots__ = ("_bytes", "_frames", "_latest", "bytes_max", "ping", "pong", "stuck")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.stuck = True
        """The transport holds bytes of its own: nothing may be handed to it now."""
        self.pong = b""
        """The answer to the latest ping; RFC 6455 section 5.5.3 lets earlier ones go unanswered."""
        self.ping = b""
        self._frames: deque[bytes] = deque()
        self._latest = b""
        self._bytes = 0

    def __len__(self) -> int:
        return self._bytes + len(self._latest) + len(self.pong) + len(self.ping)

    def add(self, frames: bytes) -> bool:
        """Keep `frames`, which make the latest stale; False when they are too much, and nothing changed."""
        if self._bytes + len(frames) > self.bytes_max:
            return False
        self.append(frames)
        return True

    def append(self, frames: bytes) -> None:
        """Keep `frames` whatever the bound says: the last ones of a connection."""
        self._latest = b""
        self._frames.append(frames)
        self._bytes += len(frames)

    def put_latest(self, frames: bytes) -> None:
        """Keep `frames` in place of the latest before, unless alone they are too much."""
        self._latest = frames if self._bytes + len(frames) <= self.bytes_max else b""

    def drop(self) -> None:
        """Let everything go."""
        self._frames.clear()
        self._bytes = 0
        self._latest = self.pong = self.ping = b""

    def take(self, bytes_max: int) -> bytes:
        """Take out what to hand over next: frames of about `bytes_max`, one at least; empty if none."""
        taken = [control for control in (self.pong, self.ping) if control]
        self.pong = self.ping = b""
        room = bytes_max
        while self._frames and (room > 0 or not taken):
            frames = self._frames.popleft()
            self._bytes -= len(frames)
            room -= len(frames)
            taken.append(frames)
        if not self._frames and self._latest:
            taken.append(self._latest)
            self._latest = b""
        return taken[0] if len(taken) == 1 else b"".join(taken)
