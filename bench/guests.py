"""Clients of Socket.IO for load: over WebSocket from the beginning, each authenticated.

A packet is text: what of Engine.IO (4 message, 2 ping, 3 pong), what of Socket.IO (0 connect, 2 event,
3 answer), the number of the answer, and JSON (Socket.IO protocol 5).
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from bench.crowd import Crowd, LoadFailed, Peer
from bench.frames import TEXT, client_frame

PATH = "/socket.io/?EIO=4&transport=websocket"
OPENING_MAX = 64
PING, PONG = b"2", b"3"


def tell(crowd: Crowd, peer: Peer, packet: bytes) -> None:
    """Send a packet."""
    crowd.send(peer, client_frame(TEXT, packet))


def enter(crowd: Crowd, count: int, token: Callable[[int], str], event: Sequence[Any]) -> list[Peer]:
    """Connect `count` clients, by the numbers from 0, each with its token; have each send one event, a name
    and its payload, and wait until all are answered that it is well. Raises LoadFailed."""
    packet = b"420" + orjson.dumps(event)
    entered: list[Peer] = []
    for first in range(0, count, OPENING_MAX):
        some = [crowd.dial(PATH, index) for index in range(first, min(first + OPENING_MAX, count))]
        _until(crowd, some, b"0{")
        for peer in some:
            tell(crowd, peer, b"40" + orjson.dumps({"token": token(peer.index)}))
        _until(crowd, some, b'42["room:authenticated"')
        for peer in some:
            tell(crowd, peer, packet)
        _until(crowd, some, b'430[{"ok":true')
        entered += some
    for peer in entered:
        peer.messages.clear()
    return entered


def _until(crowd: Crowd, peers: list[Peer], beginning: bytes) -> None:
    """Wait until everyone was sent a packet that begins so. Raises LoadFailed."""
    missing = dict.fromkeys(peers)

    def done() -> bool:
        for peer in list(missing):
            if peer.closed:
                raise LoadFailed(f"a server of Socket.IO hung up: {peer.messages}")
            if any(message.startswith(beginning) for message in peer.messages):
                del missing[peer]
        return not missing

    crowd.until(done)
