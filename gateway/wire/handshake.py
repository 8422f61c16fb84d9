"""The opening handshake of RFC 6455 section 4.2 without sockets: an upgrade by the rules, or a refusal."""

import binascii
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from gateway.wire import answers

ONLY_ONCE = frozenset(
    {b"host", b"content-length", b"sec-websocket-key", b"sec-websocket-version", b"transfer-encoding"}
)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request head; header names are lower case, `http_version` is like "1.1"."""

    method: str
    url: bytes
    http_version: str
    headers: list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request arrived: the transport's ends, its scheme, and what the server says about the path."""

    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    scheme: str
    root_path: str
    asgi_version: str


class HandshakeRefused(Exception):
    """The request is not a proper upgrade: answer `status` with `headers` and say why."""

    def __init__(self, status: int, reason: str, headers: answers.Headers = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


def check(request: Request) -> tuple[bytes, list[str]]:
    """Return key and offered subprotocols; raises `HandshakeRefused`.

    That Connection and Upgrade ask for a WebSocket was seen by the HTTP parser already, or the request would
    not be here; it is checked again because everything after rests on it.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in request.headers:
        before = fields.get(name)
        if before is None:
            fields[name] = value
        elif name in ONLY_ONCE:
            raise HandshakeRefused(400, f"Send the header {name.decode('latin-1')} exactly once.")
        else:
            fields[name] = before + b"," + value  # RFC 9110 section 5.3
    if request.method != "GET" or request.http_version != "1.1":
        raise HandshakeRefused(400, "Open a WebSocket with GET and HTTP/1.1.")
    if not _lists(fields, b"connection", b"upgrade") or not _lists(fields, b"upgrade", b"websocket"):
        raise HandshakeRefused(400, "Ask for the WebSocket with the headers Connection and Upgrade.")
    if b"host" not in fields:
        raise HandshakeRefused(400, "Send the header Host.")
    if b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0":
        raise HandshakeRefused(400, "The upgrade request must not have a body.")
    if fields.get(b"sec-websocket-version") != b"13":
        raise HandshakeRefused(
            426,
            "This server speaks version 13 of the WebSocket protocol.",
            [(b"sec-websocket-version", b"13"), (b"upgrade", b"websocket")],
        )
    key = fields.get(b"sec-websocket-key", b"").strip()
    if not _is_key(key):
        raise HandshakeRefused(400, "Sec-WebSocket-Key must be 16 bytes in base64.")
    offered = fields.get(b"sec-websocket-protocol")
    return key, [] if offered is None else _subprotocols(offered)


def _lists(fields: dict[bytes, bytes], name: bytes, token: bytes) -> bool:
    value = fields.get(name, b"").lower()
    return value == token or token in [part.strip() for part in value.split(b",")]


def _is_key(key: bytes) -> bool:
    try:
        return len(key) == 24 and len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except binascii.Error:
        return False


def _subprotocols(line: bytes) -> list[str]:
    offered = [token.strip() for token in line.split(b",")]
    if any(not token or not TOKEN.issuperset(token) for token in offered):
        raise HandshakeRefused(400, "Sec-WebSocket-Protocol must be a list of tokens.")
    return [token.decode() for token in offered]


def scope(request: Request, subprotocols: list[str], place: Place, state: dict[str, Any]) -> dict[str, Any]:
    """The ASGI scope, field for field what uvicorn gives; raises `HandshakeRefused` for a URL without one."""
    raw_path, _, query = request.url.partition(b"?")
    try:
        path = raw_path.decode("ascii")
    except UnicodeDecodeError:
        raise HandshakeRefused(400, "Percent-encode the URL.") from None
    if not path.startswith("/"):
        raise HandshakeRefused(400, "The URL must be a path that starts with a slash.")
    if "%" in path:
        path = unquote(path)
    return {
        "type": "websocket",
        "asgi": {"version": place.asgi_version, "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": place.scheme,
        "server": place.server,
        "client": place.client,
        "root_path": place.root_path,
        "path": place.root_path + path,
        "raw_path": place.root_path.encode("ascii") + raw_path,
        "query_string": query,
        "headers": request.headers,
        "subprotocols": subprotocols,
        "state": state.copy(),
        "extensions": {"websocket.http.response": {}},
    }


def accepting(key: bytes, subprotocol: str | None, headers: answers.Headers = ()) -> bytes:
    """The 101 response; raises ValueError for a header that would break out of its line."""
    digest = hashlib.sha1(key + GUID, usedforsecurity=False).digest()
    response = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + binascii.b2a_base64(digest)[:-1] + b"\r\n"
    )
    extra = list(headers)
    if subprotocol:
        extra.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
    if not extra:
        return response + b"\r\n"
    return response + answers.lines(extra) + b"\r\n"
