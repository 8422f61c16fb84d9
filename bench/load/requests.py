"""HTTP beside the sockets of a load process, on its one loop: nobody waits for an answer but who asked.

Invariant: a connection has one request at a time, and one that the server may be about to close has none.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bench.crowd import REFUSAL_CHARACTERS_MAX as SAID_MAX
from bench.crowd import Crowd, LoadFailed, Peer
from bench.target import Target

IDLE_NS_MAX = 3_000_000_000
"""A server closes what idles for five seconds (gateway/server.py); what is sent just then would be lost."""
OPEN_MAX = 512
"""Past so many requests at once the server is not slow but stuck, and the load stops."""
AT_ONCE = 16
HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"
OK = 200
Answered = Callable[[int, Any], None]
"""Is told the status and what the JSON says."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked by whom; `key` makes one that is sent again the same one (`Idempotency-Key`)."""

    method: str
    path: str
    bearer: str
    body: Any = None
    key: str = ""

    def bytes_for(self, target: Target) -> bytes:
        """Return it as it is sent."""
        body = b"" if self.body is None else orjson.dumps(self.body)
        lines = [
            f"{self.method} {target.path}{self.path} HTTP/1.1",
            f"Host: {target.authority}",
            f"Authorization: Bearer {self.bearer}",
            f"Content-Length: {len(body)}",
        ]
        if body:
            lines.append("Content-Type: application/json")
        if self.key:
            lines.append(f"Idempotency-Key: {self.key}")
        return "\r\n".join(lines).encode() + HEAD_END + body


def answer_of(data: bytearray) -> tuple[int, bytes] | None:
    """Take a whole answer off the start of `data`: its status and body; None while it is not whole.

    Raises LoadFailed for what is no answer with a length.
    """
    head, end, _ = data.partition(HEAD_END)
    if not end:
        return None
    _, found, rest = head.lower().partition(LENGTH)
    status, length = head[9:12], rest.split(b"\r\n", 1)[0].strip()
    if not head.startswith(b"HTTP/1.1 ") or not status.isdigit() or not found or not length.isdigit():
        raise LoadFailed(f"this is no answer: {head[:SAID_MAX].decode(errors='replace')}")
    start = len(head) + len(HEAD_END)
    stop = start + int(length)
    if len(data) < stop:
        return None
    body = bytes(data[start:stop])
    del data[:stop]
    return int(status), body


class Requests:
    """Connections to the server of one load process, kept alive and used again."""

    def __init__(self, crowd: Crowd, target: Target) -> None:
        self._crowd = crowd
        self._target = target
        self._idle: list[tuple[int, Peer]] = []
        self._open: dict[Peer, tuple[Request, Answered]] = {}

    def ask(self, request: Request, answered: Answered) -> None:
        """Send a request; `answered` is told of the answer. Raises LoadFailed."""
        if len(self._open) >= OPEN_MAX:
            raise LoadFailed(f"{OPEN_MAX} requests wait for their answers: the load is too much")
        peer = self._connection()
        self._open[peer] = request, answered
        self._crowd.send(peer, request.bytes_for(self._target))
        if peer.closed:
            self._lost(peer)

    def all_done(self, requests: Sequence[Request]) -> list[Any]:
        """Have all of them answered, some at once; return what the answers say, in order. Raises LoadFailed
        when one is refused."""
        said: dict[int, Any] = {}

        def ask(number: int) -> None:
            request = requests[number]
            self.ask(request, lambda status, told: said.update({number: done(request, status, told)}))

        for number in range(len(requests)):
            self._crowd.until(lambda: len(self._open) < AT_ONCE)
            ask(number)
        self._crowd.until(lambda: len(said) == len(requests))
        return [said[number] for number in range(len(requests))]

    def _connection(self) -> Peer:
        now_ns = time.monotonic_ns()
        while self._idle:
            since_ns, peer = self._idle.pop()
            if not peer.closed and now_ns - since_ns < IDLE_NS_MAX:
                return peer
            self._crowd.drop(peer)
        return self._crowd.plain(self._took)

    def _took(self, peer: Peer) -> None:
        found = answer_of(peer.data)
        if found is None:
            if peer.closed and peer in self._open:
                self._lost(peer)
            return
        if peer not in self._open:
            raise LoadFailed(f"the server answered what nobody asked: {found}")
        _, answered = self._open.pop(peer)
        if not peer.closed:
            self._idle.append((time.monotonic_ns(), peer))
        status, body = found
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise LoadFailed(f"the server answered {status}, and no JSON: {body[:SAID_MAX]!r}") from error
        answered(status, said)

    def _lost(self, peer: Peer) -> None:
        request, _ = self._open.pop(peer)
        raise LoadFailed(f"the server hung up on {request.method} {request.path}")


def done(request: Request, status: int, said: Any) -> Any:
    """Return what was said to a request that had to be possible. Raises LoadFailed if it was not."""
    if status != OK:
        raise LoadFailed(f"{request.method} {request.path} was refused with {status}: {said}")
    return said
