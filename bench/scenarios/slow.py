"""Frozen readers among the rest: what they cost the others, and that nobody loses anything.

The same load without them, then with them. Whoever reads gets every caption; who does not is sent away with
4008 at a bound, comes back with its place, and has everything too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench.crowd import LoadFailed
from bench.figures import NS_PER_MS, Check, Figure, Result
from bench.load.fleet import Fleet
from bench.load.outcome import dealt, latency, strain
from bench.load.tally import Total
from bench.servers import Site, Surroundings
from bench.watch import Watch

BUFFER_BYTES = 64 * 1024
KERNEL_BYTES = 768 * 1024
"""What both kernels keep for one connection before the server's own buffer begins to fill, about."""
SLACK_BYTES = 16 * 1024 * 1024
"""Of memory: history of the captions, the interpreter's own growth."""
SLOWER_MAX = 3.0
SETTINGS = {
    "RECOGNIZERS": "silent",
    "VIEWER_BUFFER_BYTES_MAX": str(BUFFER_BYTES),
    "HISTORY_FINALS_MAX": "20000",
    "HISTORY_BYTES_MAX": str(64 * 1024 * 1024),
}


@dataclass(frozen=True, slots=True)
class Slow:
    """`viewers` who read and `frozen` ones who do not; long captions, `rate` a second, for `seconds`."""

    viewers: int = 100
    frozen: int = 20
    rate: float = 80.0
    characters: int = 2000
    seconds: float = 6.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Measure without and with frozen readers."""
        with self.around.server(**SETTINGS) as site:
            tick(f"{self.viewers} viewers read")
            calm = self._load(site, "bench-slow-0", 0)
            tick(f"{self.frozen} more do not")
            return list(self._measure(site, calm[0]))

    def _load(self, site: Site, channel: str, frozen: int) -> tuple[Total, Watch, Fleet]:
        watch, hands = Watch(site.pid), self.around.processes
        jobs = [
            [("viewers", {"channels": [channel], "count": count, "frozen": some})]
            for count, some in zip(dealt(self.viewers, hands), dealt(frozen, hands), strict=True)
        ]
        captions = {"channels": [channel], "rate": self.rate, "characters": self.characters}
        jobs[0].append(("captioners", captions))
        with Fleet(site.target, jobs) as fleet:
            fleet.prepare()
            return fleet.run(self.around, self.seconds, watch), watch, fleet

    def _measure(self, site: Site, calm: Total) -> Iterator[Result]:
        total, watch, fleet = self._load(site, "bench-slow-1", self.frozen)
        before, after = (each.whole("caption").percentile(0.99) / NS_PER_MS for each in (calm, total))
        yield from latency("slow", total, "caption", "a caption to those who read")
        yield Figure("slow", "p99 of those who read, against none frozen", "ms", after, before, SLOWER_MAX)
        sent_away = total.counts["slow viewers sent away"]
        if self._overflows and self.around.elsewhere is None and sent_away != self.frozen:
            raise LoadFailed(f"of {self.frozen} frozen readers {sent_away} were sent away with 4008")
        if memory := watch.memory_bytes():
            bound = self.frozen * BUFFER_BYTES + SLACK_BYTES
            grown = (max(memory) - memory[0]) / 1e6
            goal = bound / 1e6 if self.around.elsewhere is None else None
            yield Figure("slow", "memory while some do not read", "MB", grown, goal=goal)
        yield from strain("slow", fleet, watch)
        yield Check("slow", "frozen readers sent away with 4008, back without a loss", sent_away)
        yield Check("slow", "every final once, in order, to the last", total.counts["finals seen"])

    @property
    def _overflows(self) -> bool:
        """Whether more is said than can be on the way to who does not read (a caption has its text twice)."""
        return self.rate * self.seconds * 2 * self.characters > 2 * (KERNEL_BYTES + BUFFER_BYTES)
