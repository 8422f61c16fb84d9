"""Everything at once, as on a busy evening: viewers, publishers of audio, comers and goers, clients cut off.

Each kind is checked as in its own scenario, and each has its own latencies, so that what one does to the
other shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.figures import Check, Result
from bench.load.fleet import Fleet, Parts
from bench.load.outcome import dealt, latency, strain
from bench.load.tally import Total
from bench.scenarios.audio import SETTINGS
from bench.servers import Site, Surroundings
from bench.watch import Watch

KINDS = {
    "caption": "a caption to its viewers",
    "audio": "a frame of audio taken, asked each second",
    "connect": "a client let in",
    "resume": "back in its place after a cut",
    "replace": "one leaves, another is let in",
}
CHECKS = {
    "finals seen": "every final once, in order, to the last",
    "audio frames": "every frame of audio taken",
    "clients let in": "clients let in",
    "clients back": "clients went on without a gap or a double",
}


@dataclass(frozen=True, slots=True)
class Mix:
    """How much of each: `viewers` over `channels` with `captions` a second each, `speakers` of audio,
    `connects` a second, `churners` of whom `churn` a second go."""

    channels: int = 10
    viewers: int = 500
    captions: float = 2.0
    speakers: int = 50
    connects: float = 20.0
    churners: int = 100
    churn: float = 10.0

    def jobs(self, name: str, hands: int) -> list[Parts]:
        """Return what each of so many load processes does."""
        channels = [f"bench-{name}-{number}" for number in range(self.channels)]
        voices = [f"bench-{name}-voice-{number}" for number in range(self.speakers)]
        shares = zip(dealt(self.viewers, hands), dealt(self.churners, hands), strict=True)
        jobs: list[Parts] = []
        for number, (viewers, churners) in enumerate(shares):
            parts: list[tuple[str, dict[str, object]]] = [
                ("arrivals", {"channel": channels[0], "rate": self.connects / hands}),
            ]
            if viewers:
                parts.append(("viewers", {"channels": channels, "count": viewers}))
            if churners:
                churn = {"channels": channels, "count": churners, "rate": self.churn / hands}
                parts.append(("churners", churn))
            if own := voices[number::hands]:
                parts.append(("speakers", {"channels": own}))
            if own := channels[number::hands]:
                parts.append(("captioners", {"channels": own, "rate": self.captions}))
            jobs.append(parts)
        return jobs

    def play(self, name: str, site: Site, around: Surroundings, seconds: float) -> "Played":
        """Play all of it once. Raises LoadFailed."""
        watch = Watch(site.pid)
        with Fleet(site.target, self.jobs(name, around.processes)) as fleet:
            fleet.prepare()
            site.make_room()
            total = fleet.run(around, seconds, watch)
        results: list[Result] = []
        for kind, what in KINDS.items():
            if total.whole(kind).count:
                results += latency(name, total, kind, what)
        results += strain(name, fleet, watch)
        results += [Check(name, what, total.counts[count]) for count, what in CHECKS.items()]
        return Played(results, total, watch)


@dataclass(frozen=True, slots=True)
class Played:
    """What a mix has measured, and what of it can be looked at further."""

    results: list[Result]
    total: Total
    watch: Watch


@dataclass(frozen=True, slots=True)
class Mixed:
    """A mix for `seconds`."""

    mix: Mix = field(default_factory=Mix)
    seconds: float = 6.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Play it."""
        tick("everything at once")
        with self.around.server(**SETTINGS) as site:
            return self.mix.play("mixed", site, self.around, self.seconds).results
