"""Very many connections that open a WebSocket and say nothing, in a process of their own.

`python -m tests.end_to_end.silence PORT COUNT` prints how many were accepted and how many refused, then
holds them until its standard input ends. Addresses are 127.0.1.1 and on, 100 connections each.
"""

import socket
import sys

from gateway.server import raise_open_files
from tests.end_to_end.peers import upgrade

EACH = 100


def main(port: int, count: int) -> None:
    raise_open_files()
    request = upgrade("/ws/live/quiet/subtitles?target_lang=en")
    held: list[socket.socket] = []
    refused = 0
    for start in range(0, count, EACH):
        batch = [opened(port, start // EACH) for _ in range(min(EACH, count - start))]
        for sock in batch:
            sock.sendall(request)
        for sock in batch:
            if sock.recv(4096).startswith(b"HTTP/1.1 101 "):
                held.append(sock)
            else:
                refused += 1
                sock.close()
    sys.stdout.write(f"{len(held)} {refused}\n")
    sys.stdout.flush()
    sys.stdin.read()


def opened(port: int, number: int) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(60)
    sock.bind((f"127.0.{1 + number // 250}.{1 + number % 250}", 0))
    sock.connect(("127.0.0.1", port))
    return sock


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
