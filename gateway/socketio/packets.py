"""Packets of Socket.IO 5 in messages of Engine.IO 4, both ways, by python-socketio's own `Packet`.

What leaves is encoded once for each transport: python-engineio keeps the first encoding of a packet for all,
so that a broadcast with binary parts reaches either a websocket or a polling client wrongly.
https://github.com/socketio/engine.io-protocol, https://github.com/socketio/socket.io-protocol
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from socketio import packet as stock

from gateway.wire.frames import binary_frame, text_frame

OPEN: Final = "0"
CLOSE: Final = "1"
PING: Final = "2"
PONG: Final = "3"
MESSAGE: Final = "4"
UPGRADE: Final = "5"
NOOP: Final = "6"
SEPARATOR: Final = "\x1e"
"""Between the packets of one HTTP body."""

CONNECT: Final = 0
DISCONNECT: Final = 1
EVENT: Final = 2
ACK: Final = 3
CONNECT_ERROR: Final = 4
BINARY_EVENT: Final = 5
BINARY_ACK: Final = 6

ROOT: Final = "/"
"""The one namespace that there is."""
ATTACHMENTS_MAX: Final = 10
NAMESPACE_CHARACTERS_MAX: Final = 128
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Events that clients emit to themselves; nobody may send them."""


class BadPacket(ValueError):
    """What a peer sent is no packet, or none that it may send now: the connection ends."""


class _Json:
    """orjson by the names that `Packet` calls; it refuses what is not JSON, such as NaN."""

    @staticmethod
    def dumps(value: Any, **_of_the_stock: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str) -> Any:
        return orjson.loads(text)


class Packet(stock.Packet):  # type: ignore[misc] # the library has no types
    """A Socket.IO packet."""

    json = _Json


class Encoded:
    """Engine.IO packets that belong together, in the form of each transport, made at its first use."""

    __slots__ = ("_attachments", "_frames", "_record", "_text", "count")

    def __init__(self, text: str, attachments: Sequence[bytes] = ()) -> None:
        self._text = text
        self._attachments = attachments
        self._frames = b""
        self._record = ""
        self.count = 1 + len(attachments)
        """How many packets these are."""

    @property
    def frames(self) -> bytes:
        """WebSocket frames, to be written to any number of wires."""
        if not self._frames:
            parts = [text_frame(self._text.encode()), *map(binary_frame, self._attachments)]
            self._frames = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._frames

    @property
    def record(self) -> str:
        """What stands for them in a body of the polling transport."""
        if not self._record:
            parts = [self._text, *("b" + base64.b64encode(part).decode() for part in self._attachments)]
            self._record = SEPARATOR.join(parts)
        return self._record


def encoded(packet: Packet) -> Encoded:
    """Return a packet as it leaves. Raises TypeError for data that is neither JSON nor bytes, ValueError for
    more pieces of bytes than clients take."""
    parts = packet.encode()
    if isinstance(parts, str):
        return Encoded(MESSAGE + parts)
    if len(parts) > 1 + ATTACHMENTS_MAX:
        raise ValueError(f"a packet may have at most {ATTACHMENTS_MAX} attachments")
    return Encoded(MESSAGE + parts[0], tuple(map(bytes, parts[1:])))


def opening(sid: str, ping_seconds: float, bytes_max: int, *, upgradable: bool) -> Encoded:
    """Return the packet that begins an Engine.IO connection: a ping comes each `ping_seconds`, and a client
    takes the connection for lost when none came for twice as long."""
    ping_ms = int(ping_seconds * 1000)
    facts = {"sid": sid, "upgrades": ["websocket"] if upgradable else [], "pingInterval": ping_ms,
             "pingTimeout": ping_ms, "maxPayload": bytes_max}  # fmt: skip
    return Encoded(OPEN + orjson.dumps(facts).decode())


def connected(sid: str) -> Encoded:
    """Return the packet that lets a client into the namespace."""
    return encoded(Packet(CONNECT, {"sid": sid}))


def refusal(namespace: str, message: str, data: Mapping[str, Any]) -> Encoded:
    """Return the packet that a client shows as `connect_error`."""
    return encoded(Packet(CONNECT_ERROR, {"message": message, "data": dict(data)}, namespace=namespace))


def event(name: str, payloads: Sequence[Any], ack_id: int | None = None) -> Encoded:
    """Return an event; with an `ack_id` it asks for an answer. Raises as `encoded`."""
    return encoded(Packet(EVENT, [name, *payloads], id=ack_id))


def answer(ack_id: int, payload: Any) -> Encoded:
    """Return the answer to an event that asked for one. Raises as `encoded`."""
    return encoded(Packet(ACK, [payload], id=ack_id))


def disconnecting() -> Encoded:
    """Return the packet that puts a client out of the namespace."""
    return encoded(Packet(DISCONNECT))


def decoded(text: str) -> Packet:
    """Return the packet of an Engine.IO message, its attachments apart. Raises BadPacket."""
    try:
        packet = Packet(encoded_packet=text)
    except (ValueError, IndexError) as error:
        raise BadPacket(f"not a Socket.IO packet: {error}") from error
    kind, count = packet.packet_type, packet.attachment_count
    if not text or kind == CONNECT_ERROR or not CONNECT <= kind <= BINARY_ACK:
        raise BadPacket("not a packet that a client sends")
    if kind in (BINARY_EVENT, BINARY_ACK):
        if not text[1:].partition("-")[0].isdigit():
            raise BadPacket("the number of attachments is missing")
        if count > ATTACHMENTS_MAX:
            raise BadPacket(f"a packet may have at most {ATTACHMENTS_MAX} attachments")
    elif count:
        raise BadPacket("attachments come with binary events and answers only")
    if len(packet.namespace or ROOT) > NAMESPACE_CHARACTERS_MAX:
        raise BadPacket(f"a namespace has at most {NAMESPACE_CHARACTERS_MAX} characters")
    _check(packet, kind)
    return packet


def _check(packet: Packet, kind: int) -> None:
    """Raise BadPacket for data that the kind of packet cannot have."""
    data = packet.data
    if kind == CONNECT:
        right = data is None or isinstance(data, dict)
    elif kind == DISCONNECT:
        right = data is None
    elif kind in (EVENT, BINARY_EVENT):
        right = isinstance(data, list) and bool(data) and isinstance(data[0], str)
        right = right and data[0] not in RESERVED_EVENTS
    else:
        right = isinstance(data, list) and packet.id is not None
    if not right:
        raise BadPacket(f"{stock.packet_names[kind]} does not carry this")


def completed(packet: Packet, attachments: Sequence[bytes]) -> Packet:
    """Return a packet with all of its attachments in their places. Raises BadPacket."""
    try:
        packet.data = Packet.reconstruct_binary(packet.data, list(attachments))
    except (TypeError, IndexError, RecursionError) as error:
        raise BadPacket("an attachment is named that did not come") from error
    return packet
