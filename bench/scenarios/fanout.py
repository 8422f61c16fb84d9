"""One caption to a thousand viewers: what each frame costs, one caption at a time and in bursts.

Every frame is checked: each viewer gets the same bytes, once and in order, with offsets without a hole.
"""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Figure
from bench.frames import TEXT, client_frame
from bench.processes import cpu_seconds
from bench.servers import Process, RawLoop, Server, token

VIEWER, PUBLISHER = "/ws/live/bench/subtitles?target_lang=en", "/ws/live/bench/publish?source_lang=en"
RATIO_MAX = 1.4
"""1.5 times a loop written in C, which this one in Python comes near (docs/benchmarks.md)."""


class Audience:
    """Viewers of one server, the publisher they watch, and what all of them have been sent."""

    def __init__(self, crowd: Crowd, process: Process, viewer: str, publisher: str, viewers: int) -> None:
        self._crowd = crowd
        self._process = process
        self._script: list[bytes] = []
        self._places = [0] * viewers
        self._heard = 0
        self._published = 0
        bearer = token()
        for peer in crowd.join([viewer] * viewers, bearer):
            peer.heard = self._hear
        (self._publisher,) = crowd.join([publisher], bearer)

    def _hear(self, peer: Peer, payload: bytes) -> None:
        if b'"is_final":true' not in payload:
            return
        place = self._places[peer.index]
        if place == len(self._script):
            self._script.append(payload)
        elif payload != self._script[place]:
            raise LoadFailed(f"viewer {peer.index} was sent something else than others: {payload!r}")
        self._places[peer.index] = place + 1
        self._heard += 1

    def publish(self, captions: int, at_once: int) -> float:
        """Publish captions, so many `at_once`, the next when all viewers have those; return us per frame."""
        frames = captions * len(self._places)
        began = cpu_seconds(self._process.pid)
        for _ in range(captions // at_once):
            self._crowd.send(self._publisher, b"".join(self._caption() for _ in range(at_once)))
            self._crowd.until(lambda: self._heard == self._published * len(self._places))
        return (cpu_seconds(self._process.pid) - began) * 1e6 / frames

    def _caption(self) -> bytes:
        number, self._published = self._published, self._published + 1
        text = f"{number:06d} to the old stone bridge"
        message = {"type": "caption", "text": text, "start": number, "end": number + 0.9, "is_final": True}
        return client_frame(TEXT, orjson.dumps(message))

    def check(self) -> None:
        """Raise LoadFailed unless every viewer has seen every caption once and in order."""
        offsets = [orjson.loads(payload)["offset"] for payload in self._script]
        if offsets != list(range(1, self._published + 1)) or set(self._places) != {self._published}:
            raise LoadFailed(f"of {self._published} captions viewers have seen {min(self._places)} or more")


@dataclass(frozen=True, slots=True)
class Fanout:
    """`captions` to `viewers`, `passes` times for each server."""

    viewers: int = 1000
    captions: int = 40
    burst: int = 20
    passes: int = 5

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure both servers in turns."""
        tick(f"{self.viewers} viewers")
        with (
            Server(RECOGNIZERS="silent") as server,
            RawLoop() as raw,
            Crowd(server.port) as ours,
            Crowd(raw.port) as theirs,
        ):
            sides = (
                Audience(ours, server, VIEWER, PUBLISHER, self.viewers),
                Audience(theirs, raw, "/viewer", "/captions", self.viewers),
            )
            costs: dict[int, tuple[list[float], list[float]]] = {1: ([], []), self.burst: ([], [])}
            for number in range(self.passes):
                tick(f"pass {number + 1} of {self.passes}")
                for at_once, values in costs.items():
                    for side, audience in enumerate(sides):
                        audience.publish(at_once, at_once)
                        values[side].append(audience.publish(self.captions, at_once))
            for audience in sides:
                audience.check()
        gated, burst = costs[1], costs[self.burst]
        return [
            Figure.of("fanout", "a frame, captions one by one", "us", *gated, goal=RATIO_MAX),
            Figure.of("fanout", f"a frame, {self.burst} captions at once", "us", *burst),
        ]
