"""Many client connections on one epoll loop, without a coroutine or an object per message.

Invariant: what a connection sends leaves whole and in order; what it is sent reaches its `Peer` in order.
"""

import resource
import select
import socket
import time
from collections.abc import Callable, Iterable

from bench.frames import ACCEPTED, CLOSE, PING, TEXT, UPGRADE, client_frame, frames_of

READ_BYTES = 256 * 1024
OPENING_MAX = 64
"""Connections that are being opened at once."""


class LoadFailed(Exception):
    """The server did something that makes the measurement worthless; the message says what."""


class Peer:
    """One connection: `messages` of the server are collected, or given to `heard` where it is set."""

    __slots__ = ("closed", "data", "heard", "index", "messages", "sock", "upgraded", "waiting")

    def __init__(self, sock: socket.socket, index: int) -> None:
        self.sock = sock
        self.index = index
        self.data = bytearray()
        self.waiting = b""
        self.upgraded = False
        self.closed = False
        self.messages: list[bytes] = []
        self.heard: Callable[[Peer, bytes], None] | None = None


def token_message(token: str) -> bytes:
    """Return the frame that authenticates."""
    return client_frame(TEXT, b'{"type":"authenticate","token":"%b"}' % token.encode())


class Crowd:
    """Client connections to one port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._epoll = select.epoll()
        self._peers: dict[int, Peer] = {}
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        for peer in list(self._peers.values()):
            self.drop(peer)
        self._epoll.close()

    def dial(self, path: str, index: int = 0) -> Peer:
        """Connect and ask for the upgrade; whether it is granted shows in `Peer.upgraded` later."""
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(sock, index)
        self._peers[sock.fileno()] = peer
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        self.send(peer, UPGRADE.format(path=path).encode())
        return peer

    def join(self, paths: Iterable[str], token: str) -> list[Peer]:
        """Open a connection for each path; return when the server has let every one in. Raises LoadFailed."""
        hello = token_message(token)
        rest = list(enumerate(paths))
        rest.reverse()
        joined: list[Peer] = []
        opening: list[Peer] = []
        greeted: set[int] = set()
        deadline = time.monotonic() + 60
        while rest or opening:
            while rest and len(opening) < OPENING_MAX:
                index, path = rest.pop()
                opening.append(self.dial(path, index))
            self.step(0.1, deadline)
            for peer in opening:
                if peer.upgraded and peer.index not in greeted:
                    greeted.add(peer.index)
                    self.send(peer, hello)
                if peer.messages or peer.closed:
                    self._check_joined(peer)
                    joined.append(peer)
            opening = [peer for peer in opening if not peer.messages]
        for peer in joined:
            peer.messages.clear()
        return sorted(joined, key=lambda peer: peer.index)

    def _check_joined(self, peer: Peer) -> None:
        if peer.closed or b'"connected"' not in peer.messages[0]:
            raise LoadFailed(f"the server did not let a client in: {peer.messages or 'it hung up'}")

    def send(self, peer: Peer, data: bytes) -> bool:
        """Send, or keep what the kernel does not take now; whether everything is sent."""
        if peer.waiting:
            peer.waiting += data
            return False
        try:
            sent = peer.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        peer.waiting = data[sent:]
        self._epoll.modify(peer.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return False

    def step(self, timeout_seconds: float = 0.0, deadline: float | None = None) -> None:
        """Take what has come. Raises LoadFailed past the deadline."""
        for fd, event in self._epoll.poll(timeout_seconds, 512):
            peer = self._peers.get(fd)
            if peer is None:
                continue
            if event & select.EPOLLOUT:
                self._send_more(peer)
            if event & ~select.EPOLLOUT:
                self._receive(peer)
        if deadline is not None and time.monotonic() > deadline:
            raise LoadFailed("the server did not answer in time")

    def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Take what comes until `done`. Raises LoadFailed when that takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not done():
            self.step(0.1, deadline)

    def drop(self, peer: Peer) -> None:
        """Close the connection without a word."""
        self._peers.pop(peer.sock.fileno(), None)
        peer.sock.close()
        peer.closed = True

    def _send_more(self, peer: Peer) -> None:
        data, peer.waiting = peer.waiting, b""
        if self.send(peer, data):
            self._epoll.modify(peer.sock.fileno(), select.EPOLLIN)

    def _receive(self, peer: Peer) -> None:
        try:
            data = peer.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(peer)
            return
        peer.data += data
        if not peer.upgraded and not self._upgraded(peer):
            return
        for first, payload in frames_of(peer.data):
            if first < CLOSE:
                if peer.heard is not None:
                    peer.heard(peer, payload)
                else:
                    peer.messages.append(payload)
            elif first == PING:
                self.send(peer, client_frame(0x8A, payload))

    def _upgraded(self, peer: Peer) -> bool:
        head, end, _ = peer.data.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(ACCEPTED):
            raise LoadFailed(f"the server refused an upgrade: {bytes(peer.data)!r}")
        del peer.data[: len(head) + 4]
        peer.upgraded = True
        return True
