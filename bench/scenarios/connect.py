"""A connection's whole life: TCP, upgrade, a real token verified, `connected`, the closing handshake."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from bench.crowd import Crowd, LoadFailed, Peer, token_message
from bench.figures import Figure
from bench.frames import CLOSE, client_frame
from bench.processes import cpu_seconds
from bench.servers import Process, RawLoop, Server, token

VIEWER = "/ws/live/bench/subtitles?target_lang=en"
GOODBYE = client_frame(CLOSE, b"\x03\xe8")
RATIO_MAX = 3.5
"""About 12 times a loop written in C (docs/benchmarks.md)."""


class Passers:
    """Clients that connect to one server, authenticate and leave, so many at once."""

    def __init__(self, crowd: Crowd, process: Process, path: str, at_once: int) -> None:
        self._crowd = crowd
        self._process = process
        self._path = path
        self._at_once = at_once
        self._hello = token_message(token())
        self._sessions: list[str] = []

    def pass_by(self, count: int) -> float:
        """Let `count` clients come and go; return us for each."""
        self._sessions.clear()
        began = cpu_seconds(self._process.pid)
        present: list[Peer] = []
        come = 0
        while come < count or present:
            while come < count and len(present) < self._at_once:
                peer = self._crowd.dial(self._path, come)
                peer.heard = self._hear
                present.append(peer)
                come += 1
            self._crowd.step(0.1)
            for peer in present:
                if peer.upgraded and peer.index >= 0:
                    peer.index = -1
                    self._crowd.send(peer, self._hello)
            present = [peer for peer in present if not peer.closed]
        cost = (cpu_seconds(self._process.pid) - began) * 1e6 / count
        if len(self._sessions) != count:
            raise LoadFailed(f"of {count} clients {len(self._sessions)} were let in")
        return cost

    def _hear(self, peer: Peer, payload: bytes) -> None:
        message = orjson.loads(payload)
        if message["type"] != "connected":
            raise LoadFailed(f"the server refused a client: {message}")
        self._sessions.append(message["session_id"])
        self._crowd.send(peer, GOODBYE)


@dataclass(frozen=True, slots=True)
class Connect:
    """`clients` that come and go, `at_once` of them present, `passes` times for each server."""

    clients: int = 500
    at_once: int = 50
    passes: int = 7

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure both servers in turns."""
        tick(f"{self.at_once} clients at once")
        with (
            Server(RECOGNIZERS="silent") as server,
            RawLoop() as raw,
            Crowd(server.port) as ours,
            Crowd(raw.port) as theirs,
        ):
            sides = Passers(ours, server, VIEWER, self.at_once), Passers(theirs, raw, "/auth", self.at_once)
            costs: tuple[list[float], list[float]] = ([], [])
            for passers in sides:
                passers.pass_by(self.at_once)
            for number in range(self.passes):
                tick(f"pass {number + 1} of {self.passes}")
                for side, passers in enumerate(sides):
                    costs[side].append(passers.pass_by(self.clients))
        return [Figure.of("connect", "connect, authenticate, close", "us", *costs, goal=RATIO_MAX)]
