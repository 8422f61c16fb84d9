"""A connection's whole life: TCP, upgrade, a real token verified, `connected`, the closing handshake.

What one costs, and how long each waits when they come at random moments, whoever still waits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson

from bench.child import Process
from bench.crowd import Crowd, LoadFailed, Peer, token_message
from bench.figures import Check, Figure, Result
from bench.load.arrivals import GOODBYE
from bench.load.fleet import Fleet
from bench.load.outcome import latency, strain
from bench.processes import cpu_seconds
from bench.servers import RawLoop, Server, Site, Surroundings, token
from bench.watch import Watch

VIEWER = "/ws/live/bench/subtitles?target_lang=en"
RATIO_MAX = 3.5
"""About 10 times a loop written in C (docs/benchmarks.md)."""


class Passers:
    """Clients that connect to one server, authenticate and leave, so many at once."""

    def __init__(self, crowd: Crowd, process: Process, path: str, at_once: int) -> None:
        self._crowd = crowd
        self._process = process
        self._path = path
        self._at_once = at_once
        # No two at a time are of one user: what a server reads of a user it reads for each of them.
        self._hellos = [token_message(token(f"guest {number}")) for number in range(at_once)]
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
                    self._crowd.send(peer, self._hellos[peer.index % self._at_once])
                    peer.index = -1
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
    """`clients` that come and go, `at_once` of them present, `passes` times for each server; then `rate` a
    second for `seconds`."""

    clients: int = 300
    at_once: int = 50
    passes: int = 11
    rate: float = 200.0
    seconds: float = 5.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1 if self.around.elsewhere else 2 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Measure both servers in turns, then how long clients wait; elsewhere that alone."""
        if self.around.elsewhere is not None:
            return list(self._waits(self.around.elsewhere, tick))
        tick(f"{self.at_once} clients at once")
        with Server(RECOGNIZERS="silent") as server:
            return [self._cost(server, tick), *self._waits(server, tick)]

    def _cost(self, server: Server, tick: Callable[[str], None]) -> Result:
        with RawLoop() as raw, Crowd(server.port) as ours, Crowd(raw.port) as theirs:
            sides = Passers(ours, server, VIEWER, self.at_once), Passers(theirs, raw, "/auth", self.at_once)
            costs: tuple[list[float], list[float]] = ([], [])
            for passers in sides:
                passers.pass_by(self.at_once)
            for number in range(self.passes):
                tick(f"pass {number + 1} of {self.passes}")
                for side, passers in enumerate(sides):
                    costs[side].append(passers.pass_by(self.clients))
        return Figure.of("connect", "connect, authenticate, close", "us", *costs, goal=RATIO_MAX)

    def _waits(self, site: Site, tick: Callable[[str], None]) -> Iterator[Result]:
        tick(f"{self.rate:g} clients a second")
        hands, watch = self.around.processes, Watch(site.pid)
        jobs = [[("arrivals", {"channel": "bench-connect", "rate": self.rate / hands})] for _ in range(hands)]
        with Fleet(site.target, jobs) as fleet:
            fleet.prepare()
            total = fleet.run(self.around, self.seconds, watch)
            yield from latency("connect", total, "connect", f"let in, {self.rate:g} a second")
            yield from strain("connect", fleet, watch)
            yield Check("connect", "every client let in", total.counts["clients let in"])
