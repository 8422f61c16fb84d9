"""Many client connections on one epoll loop, without a coroutine or an object per message.

Invariant: what a connection sends leaves whole and in order; what it is sent reaches its `Peer` in order.
"""

import resource
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable

from bench.frames import ACCEPTED, CLOSE, PING, TEXT, UPGRADE, client_frame, frames_of
from bench.target import Target

READ_BYTES = 256 * 1024
OPENING_MAX = 64
"""Connections that are being opened at once."""
JOIN_SECONDS = 60.0
REFUSAL_CHARACTERS_MAX = 500
Address = tuple[socket.AddressFamily, tuple[str | int, ...] | tuple[int, bytes]]


class LoadFailed(Exception):
    """The server did something that makes the measurement worthless; the message says what."""


class Peer:
    """One connection: `messages` of the server are collected, or given to `heard` where it is set.

    `opened` is told when the upgrade is granted. With `took` there is no upgrade: it is told when bytes have
    come into `data`, which are for it to take, and when the connection is closed.

    `greeting` is the server's answer to its token; `code` how the server closed it (RFC 6455, section 7.4), 0
    while it has not said so.
    """

    __slots__ = (
        "closed", "code", "connected", "data", "greeting", "heard", "index", "messages", "opened", "path",
        "sock", "took", "upgraded", "waiting",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, index: int, path: str = "") -> None:
        self.sock = sock
        self.index = index
        self.path = path
        self.data = bytearray()
        self.waiting = b""
        self.connected = False
        self.upgraded = False
        self.closed = False
        self.code = 0
        self.greeting = b""
        self.messages: list[bytes] = []
        self.heard: Callable[[Peer, bytes], None] | None = None
        self.opened: Callable[[Peer], None] | None = None
        self.took: Callable[[Peer], None] | None = None


def token_message(token: str) -> bytes:
    """Return the frame that authenticates."""
    return client_frame(TEXT, b'{"type":"authenticate","token":"%b"}' % token.encode())


class Crowd:
    """Client connections to one server: a target, or a port of this machine."""

    def __init__(self, place: Target | int) -> None:
        target = Target.here(place) if isinstance(place, int) else place
        self._target = target
        self._tls = ssl.create_default_context() if target.tls else None
        self._address: Address | None = None
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

    def __len__(self) -> int:
        return len(self._peers)

    def dial(self, path: str, index: int = 0, receive_bytes: int = 0) -> Peer:
        """Begin to connect and to ask for the upgrade; whether it is granted shows in `Peer.upgraded` later.

        `receive_bytes` bounds what the kernel keeps for a client that does not read. Raises LoadFailed.
        """
        family, address = self._resolved()
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise LoadFailed(
                f"{len(self._peers)} connections are as many as may be open here: {error}"
            ) from error
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        peer = Peer(sock, index, self._target.path + path)
        self._peers[sock.fileno()] = peer
        try:
            sock.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            self.drop(peer)
            raise LoadFailed(
                f"nothing answers at {self._target.address}: {error.strerror or error}"
            ) from error
        self._epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return peer

    def plain(self, took: Callable[[Peer], None]) -> Peer:
        """Begin to connect, for what is no WebSocket; what is sent meanwhile waits. Raises LoadFailed."""
        peer = self.dial("")
        peer.took = took
        return peer

    def _resolved(self) -> Address:
        if self._address is None:
            try:
                found = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise LoadFailed(f"{self._target.host} is not known here: {error.strerror}") from error
            self._address = found[0][0], found[0][4]
        return self._address

    def join(
        self, paths: Iterable[str], token: str | Callable[[int], str], receive_bytes: int = 0
    ) -> list[Peer]:
        """Open a connection for each path; return when the server has let every one in. `token` is one for
        all, or gives that of a number. Raises LoadFailed."""
        hello = token_message(token) if isinstance(token, str) else b""
        rest = list(enumerate(paths))
        rest.reverse()
        joined: list[Peer] = []
        opening: list[Peer] = []
        greeted: set[int] = set()
        deadline = time.monotonic() + JOIN_SECONDS
        while rest or opening:
            while rest and len(opening) < OPENING_MAX:
                index, path = rest.pop()
                opening.append(self.dial(path, index, receive_bytes))
                deadline = time.monotonic() + JOIN_SECONDS
            self.step(0.1, deadline)
            for peer in opening:
                if peer.upgraded and peer.index not in greeted:
                    greeted.add(peer.index)
                    self.send(peer, hello if isinstance(token, str) else token_message(token(peer.index)))
                if peer.messages or peer.closed:
                    self._check_joined(peer)
                    joined.append(peer)
            opening = [peer for peer in opening if not peer.messages]
        for peer in joined:
            peer.greeting = peer.messages.pop(0)
            peer.messages.clear()
        return sorted(joined, key=lambda peer: peer.index)

    def _check_joined(self, peer: Peer) -> None:
        if peer.closed or b'"connected"' not in peer.messages[0]:
            said = b" ".join(peer.messages)[:REFUSAL_CHARACTERS_MAX].decode(errors="replace")
            raise LoadFailed(f"the server did not let a client in: {said or 'it hung up'}")

    def send(self, peer: Peer, data: bytes) -> bool:
        """Send, or keep what the kernel does not take now; whether everything is sent."""
        if peer.waiting or not peer.connected:
            peer.waiting += data
            return False
        try:
            sent = peer.sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            self.drop(peer)
            return False
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
            if not peer.connected:
                self._connect(peer)
                continue
            if event & select.EPOLLOUT:
                self._send_more(peer)
            if event & ~select.EPOLLOUT and not peer.closed:
                self._receive(peer)
        if deadline is not None and time.monotonic() > deadline:
            raise LoadFailed("the server did not answer in time")

    def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Take what comes until `done`. Raises LoadFailed when that takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not done():
            self.step(0.1, deadline)

    def freeze(self, peer: Peer) -> None:
        """Read nothing of it any more."""
        self._epoll.unregister(peer.sock.fileno())

    def thaw(self, peer: Peer) -> None:
        """Read what it was sent, now and from now on."""
        if not peer.closed:
            self._epoll.register(peer.sock.fileno(), select.EPOLLIN)

    def drop(self, peer: Peer) -> None:
        """Close the connection without a word."""
        if not peer.closed:
            self._peers.pop(peer.sock.fileno(), None)
            peer.sock.close()
            peer.closed = True

    def _connect(self, peer: Peer) -> None:
        """Go on with a connection that is not there yet: TCP, TLS, then the request for the upgrade."""
        fault = peer.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if fault:
            self.drop(peer)
            raise LoadFailed(f"nothing answers at {self._target.address}: {OSError(fault).strerror or fault}")
        try:
            if self._tls is not None:
                if not isinstance(peer.sock, ssl.SSLSocket):
                    peer.sock = self._tls.wrap_socket(
                        peer.sock, server_hostname=self._target.host, do_handshake_on_connect=False
                    )
                peer.sock.do_handshake()
        except ssl.SSLWantReadError:
            self._epoll.modify(peer.sock.fileno(), select.EPOLLIN)
            return
        except ssl.SSLWantWriteError:
            self._epoll.modify(peer.sock.fileno(), select.EPOLLOUT)
            return
        except OSError as error:
            self.drop(peer)
            raise LoadFailed(f"no TLS with {self._target.address}: {error}") from error
        peer.connected = True
        self._epoll.modify(peer.sock.fileno(), select.EPOLLIN)
        if peer.took is not None:
            self._send_more(peer)
        else:
            self.send(peer, UPGRADE.format(path=peer.path, host=self._target.authority).encode())

    def _send_more(self, peer: Peer) -> None:
        data, peer.waiting = peer.waiting, b""
        if self.send(peer, data) and not peer.closed:
            self._epoll.modify(peer.sock.fileno(), select.EPOLLIN)

    def _receive(self, peer: Peer) -> None:
        if not self._read(peer):
            return
        if peer.took is not None:
            peer.took(peer)
            return
        if peer.closed or not (peer.upgraded or self._upgraded(peer)):
            return
        for first, payload in frames_of(peer.data):
            if first < CLOSE:
                if peer.heard is not None:
                    peer.heard(peer, payload)
                else:
                    peer.messages.append(payload)
            elif first == PING:
                self.send(peer, client_frame(0x8A, payload))
            elif first == CLOSE:
                peer.code = int.from_bytes(payload[:2], "big")
                self.send(peer, client_frame(CLOSE, payload[:2]))

    def _read(self, peer: Peer) -> bool:
        """Read what has come; return whether anything has, be it the end."""
        sock, data = peer.sock, b""
        try:
            data = sock.recv(READ_BYTES)
            while isinstance(sock, ssl.SSLSocket) and sock.pending():  # epoll does not see what TLS holds
                data += sock.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            if not data:
                return False
        except OSError:
            pass
        if not data:
            self.drop(peer)
        peer.data += data
        return True

    def _upgraded(self, peer: Peer) -> bool:
        head, end, _ = peer.data.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(ACCEPTED):
            said = bytes(peer.data[:REFUSAL_CHARACTERS_MAX]).decode(errors="replace")
            raise LoadFailed(f"the server refused an upgrade: {said}")
        del peer.data[: len(head) + 4]
        peer.upgraded = True
        if peer.opened is not None:
            peer.opened(peer)
        return True
