"""Incoming audio: what a frame of 20 ms costs, as fast as frames go and in real time, and when it is taken.

The recognizer understands nothing, so that the worker hardly counts. What the server has taken is checked
after each pass: it must say exactly as many seconds as were sent.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson

from bench.child import Process
from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Check, Figure, Result
from bench.frames import TEXT, client_frame
from bench.load.fleet import Fleet
from bench.load.outcome import dealt, latency, strain
from bench.load.speakers import FINALIZE, FRAME, SECONDS_OFF_MAX
from bench.load.stage import FRAME_SECONDS
from bench.processes import cpu_seconds
from bench.servers import RawLoop, Server, Site, Surroundings, token
from bench.watch import Watch

PING = client_frame(TEXT, b'{"type":"ping"}')
SETTINGS = {"RECOGNIZERS": "silent", "WORKERS_MAX": "1", "WORKER_STREAMS_MAX": "1000"}
BURST_FRAMES = 10
"""Frames in one write: one at a time this load would be slower than what it loads, which then reads one by
one, however busy it is."""
RATIO_MAX = 1.8
"""Of what a loop that only reads and counts takes; docs/benchmarks.md has one in C beside it."""


class Choir:
    """Publishers of one server, each with a channel of its own."""

    def __init__(self, crowd: Crowd, process: Process, path: str, publishers: int) -> None:
        self._crowd = crowd
        self._process = process
        self._peers = crowd.join([path % number for number in range(publishers)], token())
        self._frames = 0
        self._pongs = 0
        self._finalized: list[float] = []
        for peer in self._peers:
            peer.heard = self._hear

    def _hear(self, _peer: Peer, payload: bytes) -> None:
        if b'"pong"' in payload:
            self._pongs += 1
        elif b'"finalized"' in payload:
            self._finalized.append(orjson.loads(payload)["seconds"])
        elif b'"error"' in payload:
            raise LoadFailed(f"the server refused audio: {payload!r}")

    def sing(self, frames: int, *, real_time: bool = False) -> float:
        """Send `frames` on every connection and wait until all are read; return us per frame."""
        began = cpu_seconds(self._process.pid)
        if real_time:
            self._send_in_time(frames)
        else:
            self._send_at_once(frames)
        self._frames += frames
        self._pongs = 0
        for peer in self._peers:
            self._crowd.send(peer, PING)
        self._crowd.until(lambda: self._pongs == len(self._peers))
        return (cpu_seconds(self._process.pid) - began) * 1e6 / frames / len(self._peers)

    def _send_at_once(self, frames: int) -> None:
        left = dict.fromkeys(self._peers, frames)
        while left:
            for peer in [peer for peer in left if not peer.waiting]:
                burst = min(BURST_FRAMES, left[peer])
                self._crowd.send(peer, FRAME * burst)
                left[peer] -= burst
                if not left[peer]:
                    del left[peer]
            self._crowd.step()

    def _send_in_time(self, frames: int) -> None:
        began, sent = time.monotonic(), 0
        total, pace = frames * len(self._peers), len(self._peers) / FRAME_SECONDS
        while sent < total:
            due = min(total, int((time.monotonic() - began) * pace))
            while sent < due:
                self._crowd.send(self._peers[sent % len(self._peers)], FRAME)
                sent += 1
            self._crowd.step(0.001)

    def check(self) -> None:
        """Wait until the worker has heard everything. Raises LoadFailed unless that is what was sent."""
        self._finalized.clear()
        for peer in self._peers:
            self._crowd.send(peer, FINALIZE)
        self._crowd.until(lambda: len(self._finalized) == len(self._peers))
        sent = self._frames * FRAME_SECONDS
        wrong = [seconds for seconds in self._finalized if abs(seconds - sent) > SECONDS_OFF_MAX]
        if wrong:
            raise LoadFailed(f"{sent:.2f} s of audio were sent, and the server has taken {wrong[0]:.2f} s")


@dataclass(frozen=True, slots=True)
class Audio:
    """`frames` from each of `publishers`, `passes` times for each server; then in real time for `seconds`."""

    publishers: int = 200
    frames: int = 400
    frames_in_time: int = 25
    passes: int = 7
    seconds: float = 6.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1 if self.around.elsewhere else 2 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Measure both servers in turns, then when frames are taken; elsewhere that alone."""
        if self.around.elsewhere is not None:
            return list(self._ages(self.around.elsewhere, tick))
        tick(f"{self.publishers} publishers")
        with Server(**SETTINGS) as server:
            return [*self._costs(server, tick), *self._ages(server, tick)]

    def _costs(self, server: Server, tick: Callable[[str], None]) -> Iterator[Result]:
        with RawLoop() as raw, Crowd(server.port) as ours, Crowd(raw.port) as theirs:
            choir = Choir(ours, server, "/ws/live/bench-%d/publish?source_lang=en", self.publishers)
            rest = Choir(theirs, raw, "/audio%d", self.publishers)
            choir.sing(5)
            choir.check()
            rest.sing(5)
            fast: tuple[list[float], list[float]] = ([], [])
            timely: tuple[list[float], list[float]] = ([], [])
            for number in range(self.passes):
                tick(f"pass {number + 1} of {self.passes}")
                for side, singers in enumerate((choir, rest)):
                    server.make_room()
                    fast[side].append(singers.sing(self.frames))
                    timely[side].append(singers.sing(self.frames_in_time, real_time=True))
                    if singers is choir:
                        singers.check()
        yield Figure.of("audio", "a frame of 640 bytes, in bursts", "us", *fast, goal=RATIO_MAX)
        yield Figure.of("audio", "a frame of 640 bytes, in real time", "us", *timely)

    def _ages(self, site: Site, tick: Callable[[str], None]) -> Iterator[Result]:
        tick(f"{self.publishers} publishers in real time")
        watch, first, jobs = Watch(site.pid), 0, []
        for count in dealt(self.publishers, self.around.processes):
            channels = [f"bench-audio-{number}" for number in range(first, first + count)]
            first += count
            if channels:
                jobs.append([("speakers", {"channels": channels})])
        with Fleet(site.target, jobs) as fleet:
            fleet.prepare()
            site.make_room()
            total = fleet.run(self.around, self.seconds, watch)
            yield from latency("audio", total, "audio", f"a frame taken, {self.publishers} asked each second")
            yield from strain("audio", fleet, watch)
            yield Check("audio", "every frame taken, to the millisecond", total.counts["audio frames"])
