"""RFC 6455 frames without sockets: however a client's bytes are split into reads, the same messages come out.

`Parser.feed` takes the bytes of one read and returns events in order. The usual read, whole frames that are
whole messages, is index arithmetic on the received bytes; everything else takes the thorough way.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Final, TypeAlias

from gateway.wire.limits import WireLimits

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled module
    from websockets.utils import apply_mask

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING_OPCODE: Final = 0x9
PONG_OPCODE: Final = 0xA
OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING_OPCODE, PONG_OPCODE})

FIN: Final = 0x80
RESERVED: Final = 0x70
MASKED: Final = 0x80
CONTROL_BYTES_MAX: Final = 125
"""RFC 6455 section 5.5."""
HEAD_BYTES_MAX: Final = 14
_opening = Struct("!HH4s").unpack_from
"""The first two bytes of a frame, then, if those announce it, a length of 16 bits and the mask."""

PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005
ABNORMAL: Final = 1006
BAD_PAYLOAD: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
SENDABLE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""What a close frame may carry besides 3000..4999: RFC 6455 section 7.4 and the IANA registry."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping to answer with the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The peer's close frame; `code` is 1005 when it carried none."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The peer broke a rule or a limit: close with `code`. Nothing after it is read."""

    code: int
    reason: str


Event: TypeAlias = str | list[bytes] | Ping | Close | Failure
"""A text message, a run of binary messages, or what the connection itself must act on."""


class FrameError(Exception):
    """The byte stream cannot be gone on with; `code` is the close code that says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@lru_cache(maxsize=64)
def _masks_and_payloads(size: int) -> Struct:
    return Struct(f"4x4s{size}s")


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def text_frame(payload: bytes) -> bytes:
    """One whole text message of UTF-8 bytes, ready to write to any number of wires."""
    return _frame(FIN | TEXT, payload)


def binary_frame(payload: bytes) -> bytes:
    """One whole binary message, ready to write to any number of wires."""
    return _frame(FIN | BINARY, payload)


@lru_cache(maxsize=64)
def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; code 1005 gives one without a code. `reason` is cut to what fits, on a character.

    Raises ValueError for a code that must not be sent.
    """
    if code == NO_CODE:
        return bytes((FIN | CLOSE, 0))
    if not is_sendable(code):
        raise ValueError(f"{code} must not be sent as a close code: take 1000 to 1014 or 3000 to 4999")
    words = reason.encode()[: CONTROL_BYTES_MAX - 2].decode(errors="ignore").encode()
    return _frame(FIN | CLOSE, code.to_bytes(2, "big") + words)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping with this payload."""
    return _frame(FIN | PONG_OPCODE, payload)


PING: Final = bytes((FIN | PING_OPCODE, 0))


def is_sendable(code: int) -> bool:
    """Whether a close frame may carry `code` (RFC 6455 section 7.4.2, IANA registry)."""
    return code in SENDABLE_CODES or 3000 <= code <= 4999


def split_frames(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """Give opcode and payload of each ready-made server frame in `frames`, for servers that do framing."""
    at = 0
    while at < len(frames):
        opcode, size = frames[at] & 0x0F, frames[at + 1]
        at += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(frames[at : at + width], "big")
            at += width
        yield opcode, frames[at : at + size]
        at += size


class _Message:
    """A message whose fragments still come: its bytes once, and for text a decoder that fails early."""

    __slots__ = ("data", "decoder", "fragments")

    def __init__(self, *, text: bool) -> None:
        self.data = bytearray()
        self.fragments = 0
        self.decoder = codecs.getincrementaldecoder("utf-8")() if text else None


class _Frame:
    """A frame whose payload is still coming. `data` is its message's, or its own for a control frame."""

    __slots__ = ("data", "final", "left", "mask", "opcode")

    def __init__(self, opcode: int, left: int, mask: bytes, data: bytearray, *, final: bool) -> None:
        self.opcode = opcode
        self.final = final
        self.left = left
        self.mask = mask
        self.data = data


class Parser:
    """The client's side of one connection: between reads it keeps one header and one message at most."""

    __slots__ = ("_controls_left", "_frame", "_head", "_limits", "_message", "_over")

    def __init__(self, limits: WireLimits) -> None:
        self._limits = limits
        self._controls_left = 0
        self._head = b""
        self._frame: _Frame | None = None
        self._message: _Message | None = None
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """Take the bytes of one read; the last event is a `Close` or `Failure` when the peer is done."""
        events: list[Event] = []
        if self._over:
            return events
        try:
            at, end = 0, len(data)
            self._controls_left = self._limits.control_frames_max
            while at < end and not self._over:
                if self._frame is None and self._message is None and not self._head:
                    at = self._take_whole(data, at, events)
                    if at == end:
                        break
                at = self._take(data, at, events)
        except FrameError as error:
            self._over = True
            self._message = self._frame = None
            events.append(Failure(error.code, error.reason))
        return events

    def _take_whole(self, data: bytes, at: int, events: list[Event]) -> int:
        """Take unfragmented messages off `data` from `at` on while whole; return the index of the rest."""
        end = len(data)
        size_max = self._limits.message_bytes_max
        payloads: list[bytes] = []
        if events and isinstance(last := events[-1], list):
            payloads = last
            events.pop()
        if end - at > 7:
            at += self._take_alike(data, at, payloads)
        while end - at > 7:
            opening, size, mask = _opening(data, at)
            if opening == 0x82FE or opening == 0x81FE:  # noqa: PLR1714 - quicker than a set, and this is the hot path
                if size < 126:
                    break
                start = at + 8
            elif 0x8280 <= opening < 0x82FE or 0x8180 <= opening < 0x81FE:
                size = opening & 0x7F
                start = at + 6
                mask = data[at + 2 : start]
            else:
                break
            stop = start + size
            if stop > end or size > size_max:
                break
            payload = apply_mask(data[start:stop], mask)
            at = stop
            if opening >= 0x8280:
                payloads.append(payload)
                continue
            if payloads:
                events.append(payloads)
                payloads = []
            events.append(_decoded(payload))
        if payloads:
            events.append(payloads)
        return at

    def _take_alike(self, data: bytes, at: int, payloads: list[bytes]) -> int:
        """Take a run of binary frames of one size, as audio comes after a delay; return its bytes' number."""
        opening, size, _ = _opening(data, at)
        step: int = size + 8
        count = (len(data) - at) // step
        if count < 2 or opening != 0x82FE or not 126 <= size <= self._limits.message_bytes_max:
            return 0
        stop = at + count * step
        for place in range(at, at + 4):
            if data[place:stop:step].count(data[place]) != count:
                return 0
        pairs = _masks_and_payloads(size).iter_unpack(memoryview(data)[at:stop])
        payloads += [apply_mask(payload, mask) for mask, payload in pairs]
        return count * step

    def _take(self, data: bytes, at: int, events: list[Event]) -> int:
        """Take one frame, or what there is of it; return the index of the rest."""
        if self._frame is None:
            at = self._begin(data, at)
            if self._frame is None:
                return at
        frame: _Frame = self._frame
        if frame.left:
            at += self._continue(frame, data[at : at + frame.left])
            if frame.left:
                return at
        self._frame = None
        if frame.opcode < CLOSE:
            self._finish(frame, events)
            return at
        self._controls_left -= 1
        if self._controls_left < 0:
            raise FrameError(POLICY, "too many control frames")
        self._take_control(frame.opcode, bytes(frame.data), events)
        return at

    def _begin(self, data: bytes, at: int) -> int:
        """Read a header at `at` (some of it may have come before) and return where its payload starts;
        without the whole header no frame begins and what there is of it is kept."""
        kept = len(self._head)
        head = self._head + data[at : at + HEAD_BYTES_MAX - kept]
        if len(head) < 2:
            self._head = head
            return len(data)
        first, second = head[0], head[1]
        _check_opening(first, second, self._message)
        size = second & 0x7F
        width = 0 if size < 126 else 2 if size == 126 else 8
        if len(head) < 6 + width:
            self._head = head
            return len(data)
        if width:
            size = _long_size(head[2 : 2 + width])
        self._head = b""
        self._open(first, size, head[2 + width : 6 + width])
        return at + 6 + width - kept

    def _open(self, first: int, size: int, mask: bytes) -> None:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            self._frame = _Frame(opcode, size, mask, bytearray(), final=True)
            return
        message = self._message
        if message is None:
            message = self._message = _Message(text=opcode == TEXT)
        message.fragments += 1
        if len(message.data) + size > self._limits.message_bytes_max:
            raise FrameError(TOO_BIG, f"a message may have {self._limits.message_bytes_max} bytes")
        if message.fragments > self._limits.fragments_max:
            raise FrameError(POLICY, f"a message may have {self._limits.fragments_max} fragments")
        self._frame = _Frame(opcode, size, mask, message.data, final=first >= FIN)

    def _continue(self, frame: _Frame, chunk: bytes) -> int:
        size = len(chunk)
        payload = apply_mask(chunk, frame.mask)
        frame.data += payload
        frame.left -= size
        turn = size & 3
        if turn:
            frame.mask = frame.mask[turn:] + frame.mask[:turn]
        if frame.opcode < CLOSE and self._message is not None and self._message.decoder is not None:
            try:
                self._message.decoder.decode(payload)
            except UnicodeDecodeError:
                raise FrameError(BAD_PAYLOAD, "text is not UTF-8") from None
        return size

    def _finish(self, frame: _Frame, events: list[Event]) -> None:
        message = self._message
        if not frame.final or message is None:
            return
        self._message = None
        if message.decoder is not None:
            events.append(_decoded(bytes(message.data)))
        elif events and isinstance(events[-1], list):
            events[-1].append(bytes(message.data))
        else:
            events.append([bytes(message.data)])

    def _take_control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == PING_OPCODE:
            events.append(Ping(payload))
        elif opcode == CLOSE:
            events.append(_closing(payload))
            self._over = True
            self._message = None


def _check_opening(first: int, second: int, message: _Message | None) -> None:
    """Refuse what the first two bytes of a frame already give away (RFC 6455 sections 5.1, 5.2, 5.4, 5.5)."""
    opcode = first & 0x0F
    if first & RESERVED:
        raise FrameError(PROTOCOL_ERROR, "reserved bits are set")
    if opcode not in OPCODES:
        raise FrameError(PROTOCOL_ERROR, "unknown opcode")
    if second < MASKED:
        raise FrameError(PROTOCOL_ERROR, "frames from a client must be masked")
    if opcode >= CLOSE:
        if first < FIN:
            raise FrameError(PROTOCOL_ERROR, "a control frame must not be fragmented")
        if second & 0x7F > CONTROL_BYTES_MAX:
            raise FrameError(PROTOCOL_ERROR, "a control frame may carry 125 bytes")
    elif opcode == CONTINUATION:
        if message is None:
            raise FrameError(PROTOCOL_ERROR, "nothing to continue")
    elif message is not None:
        raise FrameError(PROTOCOL_ERROR, "the message before is not finished")


def _long_size(field: bytes) -> int:
    size = int.from_bytes(field, "big")
    if size < (126 if len(field) == 2 else 1 << 16):
        raise FrameError(PROTOCOL_ERROR, "a length must take the fewest bytes")
    if size >= 1 << 63:
        raise FrameError(PROTOCOL_ERROR, "the highest bit of a length must be clear")
    return size


def _decoded(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(BAD_PAYLOAD, "text is not UTF-8") from None


def _closing(payload: bytes) -> Close:
    if not payload:
        return Close(NO_CODE, "")
    if len(payload) == 1:
        raise FrameError(PROTOCOL_ERROR, "a close code has two bytes")
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable(code):
        raise FrameError(PROTOCOL_ERROR, f"{code} must not be sent as a close code")
    return Close(code, _decoded(payload[2:]))
