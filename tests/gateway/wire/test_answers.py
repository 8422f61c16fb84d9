"""What the wire says over HTTP by itself has the API's one error shape and cannot be broken out of."""

import json

import pytest

from gateway.wire import answers


def test_an_error_says_what_to_do_and_closes() -> None:
    head, _, body = answers.too_many(7, 1_700_000_000.25).partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 429 Too Many Requests",
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
        b"retry-after: 7",
    ]
    assert json.loads(body) == {
        "ok": False,
        "code": "RATE_LIMITED",
        "error": "Too many connections are waiting from here; try again in 7 seconds.",
        "timestamp": "2023-11-14T22:13:20.250Z",
        "retry_after_seconds": 7,
    }


def test_a_status_nobody_registered_has_no_phrase() -> None:
    assert answers.status_line(299) == b"HTTP/1.1 299 \r\n"


@pytest.mark.parametrize("name", [b"x-a\r\nx-b", b"x\0"])
def test_a_header_keeps_to_its_line(name: bytes) -> None:
    with pytest.raises(ValueError, match="line breaks"):
        answers.head(200, [(name, b"v")])
    with pytest.raises(ValueError, match="line breaks"):
        answers.head(200, [(b"x", name)])
