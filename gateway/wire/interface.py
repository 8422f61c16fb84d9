"""What a WebSocket connection offers to the code that owns it, whichever server carries it."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

EXTENSION = "stagedoor.wire"
"""Key in `scope["extensions"]`; its value is {"wire": Wire} on a server that has this path."""


class Receiver(Protocol):
    """What the owner of a connection gives to the wire. Called from the event loop; never blocks."""

    def receive_text(self, text: str) -> None:
        """Take one complete text message (valid UTF-8, within the size limit)."""

    def receive_binary(self, payloads: list[bytes]) -> None:
        """Take the complete binary messages of one read, in order: one call, however many there are."""

    def writable(self) -> None:
        """Go on: a peer that had fallen behind has taken everything that was kept for it."""

    def closed(self, code: int) -> None:
        """Learn, exactly once, that the connection is gone: the peer's close code, the one this side closed
        with when it did so first, or 1006. Never called from inside a method of the wire."""


class Wire(Protocol):
    """One accepted WebSocket connection. All methods return at once; after the end they do nothing."""

    @property
    def address(self) -> str:
        """The peer's IP address."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes kept in this process because the peer has not taken them."""

    def attach(self, receiver: Receiver) -> None:
        """Hand every later message to `receiver` and let the ASGI coroutine end: the connection stays.

        Messages that came before are handed over first, in order. Called once, after `accept`.
        """

    def write(self, frames: bytes) -> None:
        """Send ready-made frames (see `frames.text_frame`), in order, all of them.

        A peer for which more than the limit is kept is closed with 4008.
        """

    def write_latest(self, frames: bytes) -> None:
        """Send ready-made frames that only matter now: while the peer is behind, a later `write_latest`
        or `write` takes their place."""

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake after what was written; the transport ends within a bound."""

    def keep_alive(self, ping: bytes) -> None:
        """Ping with `ping`, a ready-made frame that the peer answers, in the place of the protocol's own: for
        protocols on top that count their own pings. Called at most once."""

    def pause_reading(self) -> None:
        """Stop taking from the peer (its TCP window closes); keepalive does not count meanwhile."""

    def resume_reading(self) -> None:
        """Take from the peer again."""


ReceiverOf: TypeAlias = Callable[[Wire], Receiver]
"""What makes the owner of a connection."""


class Reception(Protocol):
    """Who takes connections before the application is asked: those for which it would do nothing but accept
    and attach, which costs a task, a scope and four messages."""

    def receiver_of(
        self, target: bytes, headers: list[tuple[bytes, bytes]], address: str
    ) -> ReceiverOf | None:
        """Return what takes the connection of an upgrade request by the rules, which is then accepted; None
        leaves it to the application. `headers` have their names in small letters. Called from the event
        loop; never blocks."""


class Door(Protocol):
    """Who may hold a connection open, asked per address before anything was read, from the event loop."""

    def opened(self, address: str) -> int | None:
        """Learn of a new connection: None lets it in; a number refuses it with 429 and is its
        `Retry-After` in seconds (no other method is called for a refused one)."""

    def heard(self, address: str) -> None:
        """Learn, once for each connection let in, that its first headers are complete or will never be."""

    def closed(self, address: str) -> None:
        """Learn, once for each connection let in and after `heard`, that it is gone."""
