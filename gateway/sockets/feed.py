"""The audio that one connection brings: decoded as it comes, held back while nothing may pass, counted, and
handed to the session's stream.

Invariant: what comes is passed on in order, and what is done between two frames is done between them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.metrics import AUDIO_SECONDS
from gateway.sockets.hub import Session
from media.intake import Intake
from media.link import BYTES_PER_SECOND
from sessions import live


@dataclass(slots=True)
class Piece:
    """Decoded audio of one read, `payload_bytes` of the connection, of which `passed` bytes went on."""

    pcm: bytes
    payload_bytes: int
    passed: int = 0

    def take(self, most: int) -> tuple[bytes, int]:
        """Return the next bytes to pass, at most so many, and how many of the payload's they stand for."""
        before = self._payload_passed()
        taken = (
            self.pcm[self.passed : self.passed + most] if most < len(self.pcm) or self.passed else self.pcm
        )
        self.passed += len(taken)
        return taken, self._payload_passed() - before

    def _payload_passed(self) -> int:
        return self.payload_bytes * self.passed // len(self.pcm) if self.pcm else 0


class Feed:
    """From the payloads of a connection to the broadcast of its session, which must have one by then."""

    __slots__ = ("_bytes", "_dropped", "_intake", "_session", "_waiting")

    def __init__(self, session: Session, request: live.Request) -> None:
        self._session = session
        self._intake = Intake(request.encoding, request.sample_rate)
        self._bytes = 0
        self._dropped = False
        self._waiting: deque[Piece | Callable[[], None]] = deque()

    @property
    def seconds(self) -> float:
        """Seconds of sound that this connection has brought."""
        return self._bytes / BYTES_PER_SECOND

    @property
    def holds_back(self) -> bool:
        """Whether something waits for minutes."""
        return bool(self._waiting)

    def take(self, payloads: live.Payloads, now: float) -> None:
        """Take the binary messages of one read. Raises NotAudio."""
        pcm = self._intake.feed_all(payloads)
        payload_bytes = sum(map(len, payloads))
        if not pcm:
            self._session.payload_bytes += payload_bytes
        elif not self._waiting and self._may_pass(len(pcm)):
            self._pass(pcm, payload_bytes, now)
        else:
            self._waiting.append(Piece(pcm, payload_bytes))
            self.go_on(now)

    def flush(self, now: float) -> None:
        """Pass on what decoding has kept back, at the end of the audio. Raises NotAudio."""
        pcm = self._intake.flush()
        if pcm and not self._dropped:
            self._waiting.append(Piece(pcm, 0))
            self.go_on(now)

    def then(self, action: Callable[[], None]) -> None:
        """Do something once everything before it was passed on."""
        if self._waiting:
            self._waiting.append(action)
        else:
            action()

    def drop(self) -> None:
        """Take no more audio, and forget what waits; what was to be done after it is done."""
        self._dropped = True
        waiting, self._waiting = self._waiting, deque()
        for item in waiting:
            if not isinstance(item, Piece):
                item()

    def go_on(self, now: float) -> None:
        """Pass on as much as may pass."""
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Piece):
                if not self._pass_on(first, now):
                    return
                # What has passed may have had the rest dropped.
                if self._waiting and self._waiting[0] is first:
                    self._waiting.popleft()
            else:
                self._waiting.popleft()
                first()

    def _pass_on(self, piece: Piece, now: float) -> bool:
        """Pass on a piece, or what may pass of it; whether that was all."""
        left = most = len(piece.pcm) - piece.passed
        purse = self._session.purse
        if purse is not None and left > purse.allowance_bytes:
            purse.need()
            # Where the store answers at once there may be more by now.
            most = min(left, purse.allowance_bytes)
        if most:
            self._pass(*piece.take(most), now)
        return most == left

    def _may_pass(self, pcm_bytes: int) -> bool:
        """Whether there are minutes for so much now, or none are needed."""
        purse = self._session.purse
        return purse is None or pcm_bytes <= purse.allowance_bytes

    def _pass(self, pcm: bytes, payload_bytes: int, now: float) -> None:
        session = self._session
        session.payload_bytes += payload_bytes
        assert session.own is not None
        session.own.take_audio(pcm, now)
        self._bytes += len(pcm)
        AUDIO_SECONDS.inc(len(pcm) / BYTES_PER_SECOND)
