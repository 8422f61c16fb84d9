"""The raw loop that the server is compared with: select.epoll, ready-made frames, nothing else.

It speaks just enough WebSocket for the load and does the least that a server must for each unit: one `send`
of the same bytes per viewer, one `recv` and a walk over the frame heads for audio (not even unmasking it).
`python -m bench.reference` prints its port and runs until its standard input ends.
"""

import base64
import hashlib
import os
import select
import socket
import sys

from bench.frames import BINARY, CLOSE, TEXT, frames_of, server_frame

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONNECTED_TEXT = '{"type":"connected","session_id":"abcdef0123456789"}'
PONG_TEXT = '{"type":"pong"}'
CONNECTED = server_frame(CONNECTED_TEXT.encode())
PONG = server_frame(PONG_TEXT.encode())
GOODBYE = server_frame(b"\x03\xe8", CLOSE)
SUBTITLE_BYTES = 220
READ_BYTES = 256 * 1024


def subtitle_text(number: int) -> str:
    """Return what stands for a subtitle: 220 bytes, with an offset for the load to check."""
    text = f'{{"type":"subtitle","offset":{number},"is_final":true,"text":"'
    return text + "x" * (SUBTITLE_BYTES - len(text) - 2) + '"}'


def subtitle(number: int) -> bytes:
    """Return it as a frame."""
    return server_frame(subtitle_text(number).encode())


class Connection:
    """One client, and what it is for: its path."""

    __slots__ = ("data", "joined", "path", "sock", "told")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = bytearray()
        self.path = ""
        self.joined = False
        self.told = 0


class Reference:
    """The loop."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self.listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._viewers: list[socket.socket] = []
        self._watchers: dict[str, socket.socket] = {}
        self._captions = 0

    def run(self, end_fd: int) -> None:
        """Serve until `end_fd` ends."""
        self._epoll.register(end_fd, select.EPOLLIN)
        while True:
            for fd, _ in self._epoll.poll():
                if fd == end_fd:
                    return
                connection = self._connections.get(fd)
                if connection is None:
                    self._accept()
                else:
                    self._receive(connection)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[sock.fileno()] = Connection(sock)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.data += data
        if not connection.path and not self._upgrade(connection):
            return
        for first, payload in frames_of(connection.data, masked=True):
            if first == BINARY:
                if connection.path.startswith("/live"):
                    self._answer(connection)
            elif first == TEXT:
                self._message(connection, payload)
            elif first == CLOSE:
                connection.sock.send(GOODBYE)
                self._drop(connection)
                return

    def _upgrade(self, connection: Connection) -> bool:
        head, end, _ = connection.data.partition(b"\r\n\r\n")
        if not end:
            return False
        del connection.data[: len(head) + 4]
        key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        connection.path = head.split(b" ", 2)[1].decode()
        connection.sock.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return True

    def _message(self, connection: Connection, payload: bytes) -> None:
        if not connection.joined:
            connection.joined = True
            connection.sock.send(CONNECTED)
            if connection.path == "/viewer":
                self._viewers.append(connection.sock)
            elif connection.path.startswith("/watch"):
                self._watchers[connection.path.removeprefix("/watch")] = connection.sock
        elif connection.path == "/captions":
            self._captions += 1
            frame = subtitle(self._captions)
            for viewer in self._viewers:
                viewer.send(frame)
        else:
            connection.sock.send(PONG)

    def _answer(self, connection: Connection) -> None:
        connection.told += 1
        watcher = self._watchers.get(connection.path.removeprefix("/live"))
        if watcher is not None:
            watcher.send(server_frame(b"%d" % connection.told))

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection.sock.fileno(), None)
        if connection.sock in self._viewers:
            self._viewers.remove(connection.sock)
        connection.sock.close()


def main() -> None:
    """Print the port, then serve."""
    reference = Reference()
    print(reference.listener.getsockname()[1], flush=True)
    reference.run(sys.stdin.fileno())
    os._exit(0)


if __name__ == "__main__":
    main()
