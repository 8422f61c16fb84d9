"""RFC 6455 section 4.2: what is a proper upgrade, and what is said to any other."""

import base64

import pytest

from gateway.wire import handshake
from gateway.wire.handshake import HandshakeRefused, Request
from tests.gateway.wire.rig import KEY, PLACE, UPGRADE_HEADERS


def changed(**headers: bytes | None) -> list[tuple[bytes, bytes]]:
    names = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    kept = [(name, value) for name, value in UPGRADE_HEADERS if name not in names]
    return kept + [(name, value) for name, value in names.items() if value is not None]


def upgrade(headers: list[tuple[bytes, bytes]], method: str = "GET", version: str = "1.1") -> Request:
    return Request(method, b"/live/caf%C3%A9?lang=en&x=%20", version, headers)


def test_the_example_of_the_rfc() -> None:
    key, subprotocols = handshake.check(upgrade(UPGRADE_HEADERS))
    assert (key, subprotocols) == (KEY, [])
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in handshake.accepting(key, None)


def test_subprotocols_of_several_lines() -> None:
    lines = [(b"sec-websocket-protocol", b"a, b"), (b"sec-websocket-protocol", b"c")]
    assert handshake.check(upgrade(UPGRADE_HEADERS + lines))[1] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(changed(host=None), id="no host"),
        pytest.param([*UPGRADE_HEADERS, (b"host", b"other")], id="two hosts"),
        pytest.param(changed(upgrade=b"h2c"), id="another upgrade"),
        pytest.param(changed(connection=b"keep-alive"), id="connection does not say upgrade"),
        pytest.param(changed(sec_websocket_key=None), id="no key"),
        pytest.param([*UPGRADE_HEADERS, (b"sec-websocket-key", KEY)], id="two keys"),
        pytest.param(changed(sec_websocket_key=base64.b64encode(b"x" * 15)), id="key of 15 bytes"),
        pytest.param(changed(sec_websocket_key=b"!" * 24), id="key not base64"),
        pytest.param(changed(content_length=b"5"), id="body"),
        pytest.param(changed(transfer_encoding=b"chunked"), id="chunked body"),
        pytest.param(changed(sec_websocket_protocol=b"a,,b"), id="empty subprotocol"),
    ],
)
def test_improper_requests(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        handshake.check(upgrade(headers))
    assert refused.value.status == 400


@pytest.mark.parametrize(("method", "version"), [("POST", "1.1"), ("GET", "1.0")])
def test_only_get_and_http_1_1(method: str, version: str) -> None:
    with pytest.raises(HandshakeRefused):
        handshake.check(upgrade(UPGRADE_HEADERS, method, version))


@pytest.mark.parametrize("version", [b"8", b"13, 8", None])
def test_another_version_is_told_ours(version: bytes | None) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        handshake.check(upgrade(changed(sec_websocket_version=version)))
    assert refused.value.status == 426
    assert (b"sec-websocket-version", b"13") in list(refused.value.headers)


def test_the_scope_is_uvicorns() -> None:
    request = upgrade(UPGRADE_HEADERS)
    state = {"database": 1}
    scope = handshake.scope(request, ["a"], PLACE, state)
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss",
        "server": ("192.0.2.1", 8000),
        "client": ("192.0.2.7", 5000),
        "root_path": "",
        "path": "/live/café",
        "raw_path": b"/live/caf%C3%A9",
        "query_string": b"lang=en&x=%20",
        "headers": UPGRADE_HEADERS,
        "subprotocols": ["a"],
        "state": state,
        "extensions": {"websocket.http.response": {}},
    }
    assert scope["state"] is not state


@pytest.mark.parametrize("url", [b"http://example.org/live", "/café".encode(), b"*"])
def test_a_url_that_is_no_path(url: bytes) -> None:
    with pytest.raises(HandshakeRefused):
        handshake.scope(Request("GET", url, "1.1", []), [], PLACE, {})


def test_a_header_cannot_start_another() -> None:
    with pytest.raises(ValueError, match="line breaks"):
        handshake.accepting(KEY, None, [(b"x-note", b"a\r\nset-cookie: b")])
    with pytest.raises(ValueError, match="line breaks"):
        handshake.accepting(KEY, "a\r\nset-cookie: b")
