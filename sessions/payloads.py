"""What events on the Socket.IO connection are made of: payloads, their names, and the answers to them.

These models validate what comes in and generate `/asyncapi.json`; what goes out is built from them. An event
of a client has one payload and one answer (its ack); whatever is refused is answered with `EventRefused`.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """Part of what is sent; unknown fields are ignored, those that are None are left out."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    def payload(self) -> dict[str, Any]:
        """Return it as JSON's own types, by the names that clients know."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Accepted(Payload):
    """Done; there is nothing more to say."""

    ok: Literal[True] = True


class ClientEvent(Payload):
    """What a client emits: the name of the event, and the model of the answer."""

    event: ClassVar[str]
    ack: ClassVar[type[Accepted]] = Accepted


class ServerEvent(Payload):
    """What a client is told under the name of the event."""

    event: ClassVar[str]


class EventRefused(Payload):
    """The answer to an event that was refused: the shape of every error of every HTTP route. Some codes add
    fields of their own (`param`, `retry_after_seconds`, the `poll` that is closed)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    ok: Literal[False] = False
    code: str
    error: str
    timestamp: str
