"""What rooms and calls may rely on: clients, audiences of clients, and the receivers of their events.

Invariant: all of it is used from the event loop only. What is emitted leaves in the order of the calls,
whether to one client or to an audience, and never waits for a client.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from auth.principal import Principal

Ack: TypeAlias = Mapping[str, Any]
"""What an event is answered: `{"ok": True, ...}`."""


class NoAnswer(Exception):
    """A client that was asked has gone, is asked too much already, or did not answer in time."""


class Client(Protocol):
    """One authenticated Socket.IO connection. Two clients are the same only if they are one object."""

    @property
    def sid(self) -> str:
        """The Socket.IO id of the connection: unique, new after each reconnect, no secret."""

    @property
    def principal(self) -> Principal:
        """Who it is. The user stays the same; roles, plan and expiry are those of the latest token."""

    @property
    def expires_at_ms(self) -> int:
        """When the latest token ends, in milliseconds since the epoch."""

    @property
    def address(self) -> str:
        """The peer's IP address, through trusted proxies."""

    @property
    def connected(self) -> bool:
        """Whether it is still there; `emit` to one that is not does nothing."""

    def emit(self, event: str, *payloads: Any) -> None:
        """Send an event; a payload is JSON, with bytes anywhere in lists and dicts of it.

        `orjson.Fragment` stands for JSON that is encoded already. A client for which too much is kept is
        dropped, and connects again. Raises TypeError for a payload that is neither, ValueError for one with
        more than ten pieces of bytes.
        """

    async def ask(self, event: str, *payloads: Any, within_seconds: float = 10.0) -> Sequence[Any]:
        """Send an event and return what the client acknowledges it with. Raises NoAnswer.

        An answer is taken at once, also while an event of this client is handled.
        """

    def disconnect(self, event: str = "", payload: Any = None) -> None:
        """Send a last event, if one is named, and end the connection for good: socket.io-client does not
        come back by itself after this ("io server disconnect")."""


class Audience(Protocol):
    """A named group of clients. One that is empty costs nothing, and may be kept, or asked for again."""

    @property
    def name(self) -> str:
        """What it is called, such as `room:XJ9K2M` or `user:default/dana`."""

    @property
    def clients(self) -> Sequence[Client]:
        """Who is in it, in the order in which they came."""

    def __len__(self) -> int: ...

    def add(self, client: Client) -> None:
        """Let `client` hear what is emitted from now on; nothing happens if it is in, or gone."""

    def discard(self, client: Client) -> None:
        """Let it hear nothing that is emitted from now on. A client that goes away is out by itself."""

    def emit(self, event: str, payload: Any, skip: Client | None = None) -> None:
        """Send an event to everyone but `skip`, encoded and framed once; see `Client.emit`."""


class Audiences(Protocol):
    """Where audiences come from."""

    def audience(self, name: str) -> Audience:
        """Return the audience of that name."""


class Receiver(Protocol):
    """What a part of the gateway gives to the transport, with the beginnings of the events that are its own,
    such as `room:`. Its methods are called for every authenticated client."""

    def connected(self, client: Client) -> None:
        """Learn of a client that has authenticated; none of its events has come yet."""

    def gone(self, client: Client) -> None:
        """Learn, exactly once, that a client is no longer there; never while one of its events is handled."""

    def receive(self, client: Client, event: str, payload: Any) -> Ack | Awaitable[Ack]:
        """Handle an event and return its answer, at once or as a coroutine.

        The events of one client are handled strictly one after the other, in the order in which they came;
        those of other clients go on meanwhile. `payload` is the event's argument, None if it has none.
        What `gateway.http.errors.refusal_of` knows may be raised; the client is then told in the API's error
        shape. Handling goes on to its end when the client goes away.
        """
