"""Complete HTTP answers that the wire gives by itself: refusals in the API's one error shape."""

import http
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias

import orjson

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

FORBIDDEN = frozenset(b"\r\n\0")
"""What would let a header value start another header."""


def status_line(status: int) -> bytes:
    """The first line of a response; a status that is not registered has no phrase."""
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def lines(headers: Headers) -> bytes:
    """Header lines. Raises ValueError for a name or value that breaks out of its line."""
    parts: list[bytes] = []
    for name, value in headers:
        if not FORBIDDEN.isdisjoint(name) or not FORBIDDEN.isdisjoint(value):
            raise ValueError(f"the header {name!r} must not contain line breaks")
        parts += [name, b": ", value, b"\r\n"]
    return b"".join(parts)


def head(status: int, headers: Headers) -> bytes:
    """Status line and headers with the empty line; raises ValueError as `lines` does."""
    return status_line(status) + lines(headers) + b"\r\n"


def error(
    status: int,
    code: str,
    message: str,
    now: float,
    *,
    headers: Headers = (),
    **fields: int | str,
) -> bytes:
    """A response with the JSON error body; the connection closes after it. `now` is Unix time in seconds."""
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = orjson.dumps({"ok": False, "code": code, "error": message, "timestamp": moment, **fields})
    return (
        head(
            status,
            [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *headers,
            ],
        )
        + body
    )


def too_many(seconds: int, now: float) -> bytes:
    """429: too many connections of this address are waiting; try again after `seconds`."""
    return error(
        429,
        "RATE_LIMITED",
        f"Too many connections are waiting from here; try again in {seconds} seconds.",
        now,
        headers=[(b"retry-after", str(seconds).encode())],
        retry_after_seconds=seconds,
    )
