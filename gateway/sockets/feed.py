"""The audio that one connection brings: decoded as it comes, counted, and handed to the session's stream."""

from gateway.metrics import AUDIO_SECONDS
from gateway.sockets.hub import Session
from media.intake import Intake
from media.link import BYTES_PER_SECOND
from sessions import live


class Feed:
    """From the payloads of a connection to the broadcast of its session, which must have one by then."""

    __slots__ = ("_bytes", "_intake", "_session")

    def __init__(self, session: Session, request: live.Request) -> None:
        self._session = session
        self._intake = Intake(request.encoding, request.sample_rate)
        self._bytes = 0

    @property
    def seconds(self) -> float:
        """Seconds of sound that this connection has brought."""
        return self._bytes / BYTES_PER_SECOND

    def take(self, payloads: live.Payloads, now: float) -> None:
        """Take the binary messages of one read. Raises NotAudio."""
        pcm = self._intake.feed_all(payloads)
        self._session.payload_bytes += sum(map(len, payloads))
        self._pass_on(pcm, now)

    def flush(self, now: float) -> None:
        """Pass on what decoding has kept back, at the end of the audio. Raises NotAudio."""
        self._pass_on(self._intake.flush(), now)

    def _pass_on(self, pcm: bytes, now: float) -> None:
        if pcm:
            assert self._session.own is not None
            self._session.own.take_audio(pcm, now)
            self._bytes += len(pcm)
            AUDIO_SECONDS.inc(len(pcm) / BYTES_PER_SECOND)
