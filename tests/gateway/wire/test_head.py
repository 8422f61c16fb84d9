"""An upgrade request as stock HTTP classes hand it over."""

import pytest

from gateway.wire.handshake import Request
from gateway.wire.head import read_head
from tests.gateway.wire.rig import PLAIN_REQUEST, UPGRADE_HEADERS, request_bytes


def test_an_upgrade_request() -> None:
    assert read_head(request_bytes()) == Request("GET", b"/live?x=1", "1.1", UPGRADE_HEADERS)


@pytest.mark.parametrize("data", [PLAIN_REQUEST, b"\x00\x01", request_bytes()[:50]])
def test_anything_else(data: bytes) -> None:
    assert read_head(data) is None
