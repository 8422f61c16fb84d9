"""One caption to a thousand viewers: what each frame costs, one at a time and in bursts, and how old it gets.

Every frame is checked: each viewer gets the same bytes, once and in order, with offsets without a hole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson

from bench.child import Process
from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Check, Figure, Result
from bench.frames import TEXT, client_frame
from bench.load.fleet import Fleet
from bench.load.outcome import dealt, latency, strain
from bench.processes import cpu_seconds
from bench.servers import RawLoop, Server, Site, Surroundings, token
from bench.watch import Watch

VIEWER, PUBLISHER = "/ws/live/bench/subtitles?target_lang=en", "/ws/live/bench/publish?source_lang=en"
CHANNEL = "bench-fanout"
RATIO_MAX = 1.35
"""To a loop that writes ready-made frames; in C it costs nearly what it does in Python."""
BURST_RATIO_MAX = 0.6


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

    def check(self) -> int:
        """Raise LoadFailed unless every viewer has seen every caption once and in order; return how many."""
        offsets = [orjson.loads(payload)["offset"] for payload in self._script]
        if offsets != list(range(1, self._published + 1)) or set(self._places) != {self._published}:
            raise LoadFailed(f"of {self._published} captions viewers have seen {min(self._places)} or more")
        return sum(self._places)


@dataclass(frozen=True, slots=True)
class Fanout:
    """`captions` to `viewers`, `passes` times for each server; then `rate` a second for `seconds`."""

    viewers: int = 1000
    captions: int = 20
    burst: int = 4
    passes: int = 11
    rate: float = 20.0
    seconds: float = 6.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1 if self.around.elsewhere else 2 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Measure both servers in turns, then the age of captions; elsewhere that alone."""
        if self.around.elsewhere is not None:
            return list(self._ages(self.around.elsewhere, tick))
        tick(f"{self.viewers} viewers")
        with Server(RECOGNIZERS="silent") as server:
            return [*self._costs(server, tick), *self._ages(server, tick)]

    def _costs(self, server: Server, tick: Callable[[str], None]) -> Iterator[Result]:
        with RawLoop() as raw, Crowd(server.port) as ours, Crowd(raw.port) as theirs:
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
            checked = sum(audience.check() for audience in sides)
        ours_alone, raw_alone = costs[1]
        burst = f"a frame, {self.burst} captions at once"
        yield Figure.of("fanout", "a frame, captions one by one", "us", ours_alone, raw_alone, RATIO_MAX)
        # Against the loop's single frame: it writes four frames at once no cheaper than four times one.
        yield Figure.of("fanout", burst, "us", costs[self.burst][0], raw_alone, BURST_RATIO_MAX)
        yield Check("fanout", "every frame once, in order, the same for all", checked)

    def _ages(self, site: Site, tick: Callable[[str], None]) -> Iterator[Result]:
        tick(f"{self.rate:g} captions a second")
        hands = self.around.processes
        watch = Watch(site.pid)
        jobs = [
            [("viewers", {"channels": [CHANNEL], "count": count})]
            for count in dealt(self.viewers, hands)
            if count
        ]
        jobs[0].append(("captioners", {"channels": [CHANNEL], "rate": self.rate}))
        with Fleet(site.target, jobs) as fleet:
            fleet.prepare()
            total = fleet.run(self.around, self.seconds, watch)
            yield from latency("fanout", total, "caption", f"a caption to {self.viewers} viewers")
            yield from strain("fanout", fleet, watch)
            yield Check("fanout", "every final once, in order, to the last", total.counts["finals seen"])
