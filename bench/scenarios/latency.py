"""The gateway's own share of the time from a sound to its subtitle, with streams that come in real time.

Open loop: audio is sent by the clock, whatever has come back. A worker that does nothing (`bench.echo`)
writes into its captions when the audio reached it and when it answered, so the gateway's share is measured
and not inferred: from sending to the worker, plus from the worker to the viewer. What the load and the
worker themselves wait for their core is in it too.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Figure, percentile
from bench.frames import BINARY, client_frame
from bench.servers import EchoWorker, RawLoop, Server, token

FRAME_SECONDS = 0.02
FRAME_BYTES = 640
FRAME = client_frame(BINARY, bytes(FRAME_BYTES))
P99_MS_MAX = 20.0
SILENCE_SECONDS = 0.5
"""After so long without an answer none is expected any more."""
LOCAL_STREAMS_MAX = 2
"""Streams that the server's own worker and its spare take before the echo gets any."""


@dataclass(slots=True)
class Lap:
    """One publisher and its viewer: when each frame was sent, and how long each answered one took."""

    publisher: Peer
    sent_ns: list[int] = field(default_factory=list)
    shares_ms: list[float] = field(default_factory=list)
    offset: int = 0

    def hear(self, _viewer: Peer, payload: bytes) -> None:
        """Take a subtitle of the echo: where its audio ends, when that was heard, when it was answered."""
        now_ns = time.monotonic_ns()
        message = orjson.loads(payload)
        if message["type"] != "subtitle":
            return
        end, heard_ns, answered_ns = map(int, message["text"].split())
        sent_ns = self.sent_ns[end // FRAME_BYTES - 1]
        self.shares_ms.append((heard_ns - sent_ns + now_ns - answered_ns) / 1e6)
        if message["is_final"]:
            self.offset += 1
            if message["offset"] != self.offset:
                raise LoadFailed(f"final {self.offset} of a stream came as {message['offset']}")

    def hear_raw(self, _viewer: Peer, payload: bytes) -> None:
        """Take the raw loop's answer to one frame: its number."""
        self.shares_ms.append((time.monotonic_ns() - self.sent_ns[int(payload) - 1]) / 1e6)


def run_in_time(crowd: Crowd, laps: list[Lap], seconds: float) -> float:
    """Send every lap's frames by the clock, evenly spread; return how late the load itself was (p99, ms)."""
    interval = FRAME_SECONDS / len(laps)
    began = time.monotonic()
    lateness: list[float] = []
    for number in range(int(seconds / interval)):
        due = began + number * interval
        while (ahead := due - time.monotonic()) > 0:
            crowd.step(ahead)
        lap = laps[number % len(laps)]
        lateness.append(-ahead * 1e3)
        lap.sent_ns.append(time.monotonic_ns())
        crowd.send(lap.publisher, FRAME)
        crowd.step()
    answers = -1
    while answers < (answers := sum(len(lap.shares_ms) for lap in laps)):
        end = time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < end:
            crowd.step(0.05)
    return percentile(lateness, 0.99)


@dataclass(frozen=True, slots=True)
class Latency:
    """`streams` in real time for `seconds`."""

    streams: int = 20
    seconds: float = 15.0

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure the server, then the raw loop, which passes each frame's number to the viewer."""
        tick(f"{self.streams} streams in real time")
        ours, late = self._server()
        tick("the same through the raw loop")
        theirs, _ = self._raw()
        name = f"the gateway's share, {self.streams} streams"
        return [
            Figure("latency", f"{name}, p50", "ms", percentile(ours, 0.5)),
            Figure("latency", f"{name}, p99", "ms", percentile(ours, 0.99), goal=P99_MS_MAX),
            Figure("latency", "a frame through the raw loop, p50", "ms", percentile(theirs, 0.5)),
            Figure("latency", "a frame through the raw loop, p99", "ms", percentile(theirs, 0.99)),
            Figure("latency", "how late the load was, p99", "ms", late),
        ]

    def _server(self) -> tuple[list[float], float]:
        settings = {"RECOGNIZERS": "silent", "WORKERS_MAX": "1", "WORKER_STREAMS_MAX": "1"}
        with Server(**settings) as server, EchoWorker(server.data_dir), Crowd(server.port) as crowd:
            count = self.streams + LOCAL_STREAMS_MAX
            publishers = crowd.join(_paths("publish?source_lang=en", count), token())
            viewers = crowd.join(_paths("subtitles?target_lang=en", count), token())
            opened = [Lap(publisher) for publisher in publishers]
            for lap, viewer in zip(opened, viewers, strict=True):
                viewer.heard = lap.hear
            run_in_time(crowd, opened, 1.0)
            server.make_room()
            laps = [lap for lap in opened if lap.shares_ms][: self.streams]
            if len(laps) < self.streams:
                raise LoadFailed(f"of {count} streams only {len(laps)} are answered")
            for lap in opened:
                lap.shares_ms.clear()
            late = run_in_time(crowd, laps, self.seconds)
        return _shares(laps, self.seconds * 10 * 0.9), late

    def _raw(self) -> tuple[list[float], float]:
        with RawLoop() as raw, Crowd(raw.port) as crowd:
            publishers = crowd.join([f"/live{number}" for number in range(self.streams)], token())
            viewers = crowd.join([f"/watch{number}" for number in range(self.streams)], token())
            laps = [Lap(publisher) for publisher in publishers]
            for lap, viewer in zip(laps, viewers, strict=True):
                viewer.heard = lap.hear_raw
            late = run_in_time(crowd, laps, min(self.seconds, 5.0))
        return _shares(laps, 1), late


def _paths(what: str, count: int) -> list[str]:
    return [f"/ws/live/bench-{number}/{what}" for number in range(count)]


def _shares(laps: list[Lap], answers_min: float) -> list[float]:
    """Return all answers' times. Raises LoadFailed when a stream has too few: they were lost."""
    fewest = min(len(lap.shares_ms) for lap in laps)
    if fewest < answers_min:
        raise LoadFailed(f"a stream was answered {fewest} times instead of {answers_min:.0f} or more")
    return [share for lap in laps for share in lap.shares_ms]
