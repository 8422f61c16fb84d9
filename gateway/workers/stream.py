"""The handle that a session holds of its stream, and what it is told through.

Invariant: a listener hears everything in order, each event in a turn of the event loop of its own, and
nothing any more after `drop`.
"""

import asyncio
from typing import Protocol
from weakref import WeakSet

from gateway.workers.connection import Connection
from gateway.workers.relay import Event, Relay, RelayLimits
from media import link
from media.link import BYTES_PER_SECOND


class StreamListener(Protocol):
    """What a session offers; called in the event loop, never from inside a call that it makes itself."""

    def receive(self, event: Event) -> None:
        """Take the next event of the stream; `Ended` and `Failed` are the last."""

    def writable(self) -> None:
        """Go on reading the client: the stream, which was full, has room again."""


class StreamOwner(Protocol):
    """Who moves what a stream has between its session and its worker."""

    def touch(self, stream: "Stream") -> None:
        """Learn that there may be something to move."""

    def touch_soon(self, stream: "Stream") -> None:
        """Learn that there may be something to move that can wait for more of its kind."""


class Stream:
    """One stream, whatever worker has it. All methods return at once; after the end they do nothing.

    Made by `WorkerPool.open_stream`.
    """

    def __init__(
        self,
        number: int,
        source_lang: str,
        limits: RelayLimits,
        listener: StreamListener,
        owner: StreamOwner,
    ) -> None:
        self.relay = Relay(number, source_lang, limits)
        self.connection: Connection | None = None
        self.waiting_since: float | None = None
        self.advanced_at = 0.0
        self.failed_on: WeakSet[Connection] = WeakSet()  # answered Failed there
        self.stalled_on: WeakSet[Connection] = WeakSet()  # may still speak of it: never again there
        self.losses = 0
        self.failures = 0
        self.dropped = False
        self._listener = listener
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._was_full = False

    @property
    def number(self) -> int:
        """Its number in this process."""
        return self.relay.stream

    @property
    def received_seconds(self) -> float:
        """Audio taken from the client."""
        return self.relay.received_bytes / BYTES_PER_SECOND

    @property
    def processed_seconds(self) -> float:
        """Audio heard by a worker; never goes back."""
        return self.relay.processed_bytes / BYTES_PER_SECOND

    @property
    def committed_seconds(self) -> float:
        """Audio of which everything has been said, in every language."""
        return self.relay.committed_bytes / BYTES_PER_SECOND

    @property
    def full(self) -> bool:
        """Stop reading the client until `StreamListener.writable`; what was already read is still taken."""
        self._was_full = self._was_full or self.relay.full
        return self._was_full

    @property
    def over(self) -> bool:
        """`Ended` or `Failed` has come, or it was dropped."""
        return self.dropped or self.relay.over

    def receive_audio(self, pcm: bytes) -> None:
        """Take s16le 16 kHz mono of any length."""
        self.relay.receive_audio(pcm, self._loop.time())
        self._owner.touch_soon(self)

    def set_targets(self, targets: link.Wanted) -> None:
        """Replace the languages and voices that somebody wants. Raises LinkError for nonsense."""
        self.relay.set_targets(targets)
        self._owner.touch(self)

    def send_text(self, text: str, start: float, end: float) -> int:
        """Have a caption translated and spoken; returns its number. Raises LinkError for nonsense."""
        number = self.relay.send_text(text, start, end)
        self._owner.touch(self)
        return number

    def finalize(self) -> int:
        """Ask for everything up to here; returns the mark that `Finalized` will bear."""
        mark = self.relay.finalize()
        self._owner.touch(self)
        return mark

    def close(self) -> None:
        """No more comes: `Ended` follows when everything has been said."""
        self.relay.close()
        self._owner.touch(self)

    def drop(self) -> None:
        """Forget the stream at once; no event follows."""
        if not self.over:
            self.dropped = True
            self._owner.touch(self)

    def tell(self) -> None:
        """Hand what has happened to the listener."""
        for event in self.relay.events():
            self._loop.call_soon(self._tell, event)
        if self._was_full and not self.relay.full:
            self._was_full = False
            self._loop.call_soon(self._tell, None)

    def _tell(self, event: Event | None) -> None:
        if self.dropped:
            return
        if event is None:
            self._listener.writable()
        else:
            self._listener.receive(event)
