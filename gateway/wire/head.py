"""Reading a request head that is whole: for stock HTTP classes, which hand an upgrade over as text."""

import httptools

from gateway.wire.handshake import Request


class _Head:
    """The parser's callbacks."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def read_head(data: bytes) -> Request | None:
    """Give the upgrade request that `data` is, or None when it is anything else."""
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        method = parser.get_method().decode("ascii")
        return Request(method, head.url, parser.get_http_version(), head.headers)
    except httptools.HttpParserError:
        return None
    return None
