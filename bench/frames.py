"""A client's side of RFC 6455 for load: frames made once, answers taken apart with the least work.

Trusts the server: bench measures servers that other tests hold to the protocol.
"""

from collections.abc import Iterator

TEXT = 0x81
BINARY = 0x82
CLOSE = 0x88
PING = 0x89
MASK = b"\x5a\xc3\x17\x9e"
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPTED = b"HTTP/1.1 101"


def client_frame(first: int, payload: bytes) -> bytes:
    """Return one masked frame of up to 65,535 bytes of payload."""
    size = len(payload)
    head = bytes((first, 0x80 | size)) if size < 126 else bytes((first, 0xFE)) + size.to_bytes(2, "big")
    mask = int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    masked = (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")
    return head + MASK + masked


def server_frame(payload: bytes, first: int = TEXT) -> bytes:
    """Return one frame as a server sends it, of up to 65,535 bytes of payload."""
    size = len(payload)
    head = bytes((first, size)) if size < 126 else bytes((first, 126)) + size.to_bytes(2, "big")
    return head + payload


def frames_of(data: bytearray, *, masked: bool = False) -> Iterator[tuple[int, bytes]]:
    """Take whole frames off the start of `data`; yield first byte and payload (as it came) of each."""
    at, end = 0, len(data)
    extra = 4 if masked else 0
    try:
        while end - at >= 2:
            size, start = data[at + 1] & 0x7F, at + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size = int.from_bytes(data[start : start + width], "big") if end - start >= width else end
                start += width
            start += extra
            if start + size > end:
                return
            first, payload = data[at], bytes(data[start : start + size])
            at = start + size
            yield first, payload
    finally:
        del data[:at]
