"""An upgrade request that comes whole."""

import pytest

from gateway.wire.handshake import Request
from gateway.wire.head import read_upgrade
from tests.gateway.wire.rig import PLAIN_REQUEST, UPGRADE_HEADERS, request_bytes, text

UPGRADE = Request("GET", b"/live?x=1", "1.1", UPGRADE_HEADERS)


def test_an_upgrade_request() -> None:
    assert read_upgrade(request_bytes()) == (UPGRADE, b"")


def test_what_comes_with_it_is_not_lost() -> None:
    early = text("early") + b"\r\n\r\n"
    assert read_upgrade(request_bytes() + early) == (UPGRADE, early)


@pytest.mark.parametrize(
    "data",
    [
        PLAIN_REQUEST,
        b"\x00\x01",
        b"",
        request_bytes()[:50],
        request_bytes()[:-1],
        PLAIN_REQUEST + request_bytes(),
        request_bytes([(b"host", b"x"), (b"upgrade", b"h2c"), (b"connection", b"upgrade")]),
        request_bytes([(b"host", b"x"), (b"upgrade", b"websocket")]),
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 24\r\n\r\n\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=repr,
)
def test_anything_else(data: bytes) -> None:
    assert read_upgrade(data) is None
