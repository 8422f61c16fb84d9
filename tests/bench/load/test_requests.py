"""Requests beside the load: answered in any pieces, on connections that live; a loss is noticed at once."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bench.crowd import Crowd, LoadFailed
from bench.load import requests as module
from bench.load.requests import Request, Requests, answer_of, done
from bench.target import Target

WELL = b'HTTP/1.1 200 OK\r\nServer: one\r\ncontent-Length: 11\r\n\r\n{"ok":true}'


class Wire:
    """Requests, what they are answered, and the server's side of their connections."""

    def __init__(self, crowd: Crowd, listener: socket.socket) -> None:
        self.crowd = crowd
        self.requests = Requests(crowd, Target.here(listener.getsockname()[1]))
        self.answers: list[tuple[int, object]] = []
        self._listener = listener
        self._accepted: list[socket.socket] = []

    def ask(self, path: str = "/", method: str = "GET") -> None:
        request = Request(method, path, "a token")
        self.requests.ask(request, lambda *answer: self.answers.append(answer))

    def accept(self) -> socket.socket:
        """Take the next connection."""
        sock, _ = self._listener.accept()
        sock.settimeout(5)
        self._accepted.append(sock)
        return sock

    def heard(self, sock: socket.socket) -> bytes:
        """Return the request that comes there."""
        sock.setblocking(False)
        said = b""

        def came() -> bool:
            nonlocal said
            with suppress(BlockingIOError):
                said += sock.recv(65_536)
            return b"\r\n\r\n" in said

        self.crowd.until(came, 5)
        sock.settimeout(5)
        return said

    def answer(self, sock: socket.socket, said: bytes = WELL) -> None:
        """Answer, and wait until it has been told."""
        before = len(self.answers)
        sock.sendall(said)
        self.crowd.until(lambda: len(self.answers) > before, 5)

    def close(self) -> None:
        for sock in self._accepted:
            sock.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        with Crowd(listener.getsockname()[1]) as crowd:
            made = Wire(crowd, listener)
            yield made
            made.close()


def test_a_request_says_who_asks_for_what() -> None:
    request = Request("POST", "/api/calls/initiate", "secret", {"fanId": "noa"}, '"once"')
    head, _, body = request.bytes_for(Target("live.example.com", 8000, path="/stage")).partition(b"\r\n\r\n")

    assert head.startswith(b"POST /stage/api/calls/initiate HTTP/1.1\r\nHost: live.example.com:8000\r\n")
    assert b"Authorization: Bearer secret" in head
    assert b'Idempotency-Key: "once"' in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b'{"fanId":"noa"}'


def test_an_answer_is_taken_when_it_is_whole() -> None:
    data = bytearray()
    for byte in WELL[:-1]:
        data.append(byte)
        assert answer_of(data) is None
    data += WELL[-1:] + b"HTTP"
    assert answer_of(data) == (200, b'{"ok":true}')
    assert data == b"HTTP"


@pytest.mark.parametrize(
    "said",
    [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", WELL.replace(b"11", b"x")],
)
def test_what_is_no_answer_is_shown(said: bytes) -> None:
    with pytest.raises(LoadFailed, match="no answer: "):
        answer_of(bytearray(said))


def test_a_connection_is_used_again(wire: Wire) -> None:
    wire.ask("/one")
    sock = wire.accept()
    assert b"/one" in wire.heard(sock)
    wire.answer(sock)
    wire.ask("/two")
    assert b"/two" in wire.heard(sock)
    wire.answer(sock)
    assert wire.answers == [(200, {"ok": True})] * 2


def test_two_at_once_have_each_their_own(wire: Wire) -> None:
    wire.ask("/one")
    wire.ask("/two")
    for _ in range(2):
        sock = wire.accept()
        number = b"1" if b"/one" in wire.heard(sock) else b"2"
        wire.answer(sock, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + number)
    assert sorted(wire.answers) == [(200, 1), (200, 2)]


def test_one_that_the_server_has_closed_is_left(wire: Wire) -> None:
    wire.ask()
    sock = wire.accept()
    wire.answer(sock)
    sock.close()
    wire.crowd.until(lambda: not len(wire.crowd), 5)
    wire.ask()
    wire.answer(wire.accept())


def test_one_that_has_idled_is_left(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_NS_MAX", 0)
    for _ in range(2):
        wire.ask()
        wire.answer(wire.accept())
    assert len(wire.crowd) == 1


def test_a_server_that_hangs_up_on_a_request_is_noticed(wire: Wire) -> None:
    wire.ask("/api/calls/c1/end", "POST")
    sock = wire.accept()
    wire.heard(sock)
    sock.close()
    with pytest.raises(LoadFailed, match="hung up on POST /api/calls/c1/end"):
        wire.crowd.until(lambda: bool(wire.answers), 5)


def test_an_answer_to_nothing_is_noticed(wire: Wire) -> None:
    wire.ask()
    sock = wire.accept()
    wire.answer(sock)
    with pytest.raises(LoadFailed, match="what nobody asked"):
        wire.answer(sock)


def test_a_page_of_somebody_else_is_shown(wire: Wire) -> None:
    wire.ask()
    sock = wire.accept()
    with pytest.raises(LoadFailed, match=r"answered 502, and no JSON.*<html>"):
        wire.answer(sock, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>")


def test_what_is_refused_fails_with_the_servers_words() -> None:
    request = Request("GET", "/api/calls", "a token")
    with pytest.raises(LoadFailed, match="GET /api/calls was refused with 429: COOLDOWN"):
        done(request, 429, "COOLDOWN")
    assert done(request, 200, "well") == "well"


def test_too_many_at_once_are_not_sent(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_MAX", 2)
    wire.ask()
    wire.ask()
    with pytest.raises(LoadFailed, match="2 requests wait"):
        wire.ask()
