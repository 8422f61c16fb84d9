"""The client's side of one Engine.IO connection without sockets: messages in, what they ask for out.

Invariant: between two messages it keeps one binary packet at most, bounded as a whole like a single message.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.socketio import packets
from gateway.socketio.packets import BadPacket, Packet


@dataclass(frozen=True, slots=True)
class ConnectAsked:
    """The client asks for a namespace, with what it gives as `auth`."""

    namespace: str
    auth: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NamespaceLeft:
    """The client has left a namespace; its connection stays."""

    namespace: str


@dataclass(frozen=True, slots=True)
class EventSent:
    """An event has come; `ack_id` if it is to be answered."""

    namespace: str
    name: str
    payloads: list[Any]
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class AnswerSent:
    """The client has answered what it was asked."""

    namespace: str
    ack_id: int
    payloads: list[Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """The client has ended the connection."""


Said: TypeAlias = ConnectAsked | NamespaceLeft | EventSent | AnswerSent | Ended


class Conversation:
    """What a client says. Every method raises BadPacket for what breaks the protocols; nothing can follow."""

    __slots__ = ("_attachments", "_bytes_max", "_left_bytes", "_packet")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._left_bytes = 0
        self._packet: Packet | None = None
        self._attachments: list[bytes] = []

    def receive_text(self, text: str) -> Said | None:
        """Take an Engine.IO packet that is a text; return what it says, if anything."""
        if len(text) > self._bytes_max:
            raise BadPacket(f"a message may have {self._bytes_max} bytes")
        kind = text[:1]
        if kind == packets.MESSAGE:
            return self._receive_message(text[1:])
        if kind == packets.CLOSE:
            return Ended()
        if kind in (packets.PONG, packets.NOOP):
            return None
        raise BadPacket("not an Engine.IO packet that a client sends now")

    def receive_binary(self, payload: bytes) -> Said | None:
        """Take an Engine.IO packet that is bytes: an attachment of the packet before."""
        packet = self._packet
        if packet is None:
            raise BadPacket("binary data without an event that it belongs to")
        self._left_bytes -= len(payload)
        if self._left_bytes < 0:
            raise BadPacket(f"a message with its attachments may have {self._bytes_max} bytes")
        self._attachments.append(payload)
        if len(self._attachments) < packet.attachment_count:
            return None
        self._packet, attachments, self._attachments = None, self._attachments, []
        return _said(packets.completed(packet, attachments))

    def _receive_message(self, text: str) -> Said | None:
        if self._packet is not None:
            raise BadPacket("attachments of the packet before are missing")
        packet = packets.decoded(text)
        if packet.attachment_count:
            self._packet = packet
            self._left_bytes = self._bytes_max - len(text)
            return None
        return _said(packet)


def _said(packet: Packet) -> Said:
    kind, namespace = packet.packet_type, packet.namespace or packets.ROOT
    if kind in (packets.EVENT, packets.BINARY_EVENT):
        name, *payloads = packet.data
        return EventSent(namespace, name, payloads, packet.id)
    if kind in (packets.ACK, packets.BINARY_ACK):
        return AnswerSent(namespace, packet.id, packet.data)
    if kind == packets.CONNECT:
        return ConnectAsked(namespace, packet.data or {})
    return NamespaceLeft(namespace)
