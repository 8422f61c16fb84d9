"""Reading an upgrade request that came whole in one packet, as nearly every one does."""

import re

import httptools

from gateway.wire.handshake import Request

_ASKED_FOR = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)
"""A quick look before the parser's: most other requests are not read twice."""


class _Head:
    """The parser's callbacks."""

    def __init__(self) -> None:
        self.requests = 0
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_message_begin(self) -> None:
        self.requests += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def read_upgrade(data: bytes) -> tuple[Request, bytes] | None:
    """Give the WebSocket upgrade that `data` begins with and what comes after it; None for anything else."""
    if _ASKED_FOR.search(data) is None:
        return None
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade as upgrade:
        if head.requests != 1:
            return None
        method = parser.get_method().decode("ascii")
        return Request(method, head.url, parser.get_http_version(), head.headers), data[upgrade.args[0] :]
    except httptools.HttpParserError:
        return None
    return None
