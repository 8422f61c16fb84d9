"""The gateway's own share of the time from a sound to its subtitle, with streams that come in real time.

Open loop: audio is sent by the clock, whatever has come back. A worker that does nothing (`bench.echo`)
writes into its captions when the audio reached it and when it answered, so the gateway's share is measured
and not inferred: from sending to the worker, plus from the worker to each viewer. What the load and the
worker themselves wait for their core is in it too.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import NS_PER_MS, Check, Figure, Result
from bench.histogram import Histogram
from bench.load.outcome import latency
from bench.load.speakers import FRAME
from bench.load.stage import FRAME_SECONDS
from bench.load.tally import Tally, Timeline, Total
from bench.servers import EchoWorker, RawLoop, Server, Surroundings, token

FRAME_BYTES = 640
GOALS_MS = {"p50": 3.0, "p99": 20.0}
ANSWER_SECONDS = 20.0
"""After so long whoever still waits for an answer has lost it."""
SCOUTS_MAX = 1000
LOCAL_STREAMS_MAX = 2
"""Streams that the server's own worker and its spare take before the echo gets any."""
FRAMES_PER_FINAL = 50
"""What `bench.echo` makes of a second of audio: ten answers, the tenth is final."""


@dataclass(slots=True)
class Lap:
    """One publisher and its viewers: when each frame was sent, and how long the way of each answer took."""

    publisher: Peer
    times: Timeline
    sent_ns: list[int] = field(default_factory=list)
    answers: int = 0
    places: dict[int, int] = field(default_factory=dict)
    """Of each viewer: the last final's offset."""
    _payload: bytes = b""
    _read: tuple[int, int, int] = (0, 0, 0)

    @property
    def complete(self) -> bool:
        """Whether every viewer has every final of what was sent."""
        finals = len(self.sent_ns) // FRAMES_PER_FINAL
        return all(place == finals for place in self.places.values())

    def hear(self, viewer: Peer, payload: bytes) -> None:
        """Take a subtitle of the echo: where its audio ends, when that was heard, when it was answered."""
        now_ns = time.monotonic_ns()
        if payload != self._payload:
            message = orjson.loads(payload)
            if message["type"] != "subtitle":
                return
            end, heard_ns, answered_ns = map(int, message["text"].split())
            intended_ns = self.sent_ns[end // FRAME_BYTES - 1]
            final = message["offset"] if message["is_final"] else 0
            self._payload, self._read = payload, (intended_ns, answered_ns - heard_ns, final)
        intended_ns, worker_ns, final = self._read
        self.times.record(intended_ns, now_ns - worker_ns)
        self.answers += 1
        if final:
            place = self.places[viewer.index] + 1
            if final != place:
                raise LoadFailed(f"final {place} of a stream came as {final}")
            self.places[viewer.index] = place

    def hear_raw(self, _viewer: Peer, payload: bytes) -> None:
        """Take the raw loop's answer to one frame: its number."""
        self.times.record(self.sent_ns[int(payload) - 1], time.monotonic_ns())
        self.answers += 1


def run_in_time(crowd: Crowd, laps: list[Lap], seconds: float) -> Histogram:
    """Send every lap's frames by the clock, evenly spread; return how late the load itself was."""
    interval_ns = int(FRAME_SECONDS * 1e9) // len(laps)
    began = time.monotonic_ns()
    late = Histogram()
    for number in range(int(seconds * 1e9) // interval_ns):
        due = began + number * interval_ns
        while (ahead := due - time.monotonic_ns()) > 0:
            crowd.step(ahead / 1e9)
        lap = laps[number % len(laps)]
        late.record(-ahead)
        lap.sent_ns.append(due)
        crowd.send(lap.publisher, FRAME)
        crowd.step()
    return late


@dataclass(frozen=True, slots=True)
class Latency:
    """`streams` in real time, `viewers` among them, for `seconds`."""

    streams: int = 10
    viewers: int = 1000
    seconds: float = 8.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Measure the server, then the raw loop, which passes each frame's number to the viewer."""
        tick(f"{self.streams} streams in real time, {self.viewers} viewers")
        ours, late = self._server()
        tick("the same through the raw loop")
        raw = self._raw()
        name = f"the gateway's share, {self.streams} streams, {self.viewers} viewers"
        return [
            *latency("latency", ours, "share", name, GOALS_MS),
            Figure("latency", "a frame through the raw loop, p50", "ms", raw.percentile(0.5) / NS_PER_MS),
            Figure("latency", "a frame through the raw loop, p99", "ms", raw.percentile(0.99) / NS_PER_MS),
            Figure("latency", "how late the load was, p99", "ms", late.percentile(0.99) / NS_PER_MS),
            Check("latency", "every final once, in order", ours.counts["finals seen"]),
        ]

    def _server(self) -> tuple[Total, Histogram]:
        settings = {"RECOGNIZERS": "silent", "WORKERS_MAX": "1", "WORKER_STREAMS_MAX": "1"}
        each = max(self.viewers // self.streams, 1)
        with Server(**settings) as server, EchoWorker(server.data_dir), Crowd(server.port) as crowd:
            count = self.streams + LOCAL_STREAMS_MAX
            publishers = crowd.join(_paths("publish?source_lang=en", count), token())
            # One viewer each tells which streams the echo has; the audience comes for those.
            scouts = crowd.join(_paths("subtitles?target_lang=en", count), token())
            opened = [Lap(publisher, Timeline(0, 1, 0)) for publisher in publishers]
            for lap, scout in zip(opened, scouts, strict=True):
                lap.places[scout.index] = 0
                scout.heard = lap.hear
            run_in_time(crowd, opened, 1.0)
            server.make_room()
            crowd.until(lambda: sum(lap.complete for lap in opened) >= self.streams, ANSWER_SECONDS)
            laps = [lap for lap in opened if lap.complete][: self.streams]
            tally = self._seat(crowd, laps, each - 1)
            late = run_in_time(crowd, laps, self.seconds)
            crowd.until(lambda: all(lap.complete for lap in laps), ANSWER_SECONDS)
        return _total(laps, tally, self.seconds), late

    def _seat(self, crowd: Crowd, laps: list[Lap], each: int) -> Tally:
        """Let the rest of the audience in, and begin to measure."""
        tally = _tally(self.seconds)
        for lap in laps:
            channel = lap.publisher.index
            path = f"/ws/live/bench-{channel}/subtitles?target_lang=en"
            for viewer in crowd.join([path] * each, token()):
                viewer.index += SCOUTS_MAX
                lap.places[viewer.index] = orjson.loads(viewer.greeting)["offset"]
                viewer.heard = lap.hear
            lap.times, lap.answers = tally.timeline("share"), 0
        return tally

    def _raw(self) -> Histogram:
        seconds = min(self.seconds, 4.0)
        with RawLoop() as raw, Crowd(raw.port) as crowd:
            publishers = crowd.join([f"/live{number}" for number in range(self.streams)], token())
            viewers = crowd.join([f"/watch{number}" for number in range(self.streams)], token())
            tally = _tally(seconds)
            laps = [Lap(publisher, tally.timeline("share")) for publisher in publishers]
            for lap, viewer in zip(laps, viewers, strict=True):
                viewer.heard = lap.hear_raw
            run_in_time(crowd, laps, seconds)
            crowd.until(lambda: all(lap.answers == len(lap.sent_ns) for lap in laps), ANSWER_SECONDS)
        return _total(laps, tally, seconds).whole("share")


def _paths(what: str, count: int) -> list[str]:
    return [f"/ws/live/bench-{number}/{what}" for number in range(count)]


def _tally(seconds: float) -> Tally:
    tally, now_ns = Tally(), time.monotonic_ns()
    tally.begin(now_ns, now_ns + int(seconds * 1e9))
    return tally


def _total(laps: list[Lap], tally: Tally, seconds: float) -> Total:
    """Return what all laps measured."""
    tally.counts["finals seen"] = sum(sum(lap.places.values()) for lap in laps)
    total = Total(seconds)
    total.add(tally.as_json())
    return total
