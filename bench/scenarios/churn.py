"""Viewers who lose their connection and come back, or leave for others, while captions go on.

Whoever comes back has every final once and in order; one gap, one double, one resync, and the scenario fails.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench.figures import Check, Result
from bench.load.fleet import Fleet
from bench.load.outcome import dealt, latency, strain
from bench.servers import Site, Surroundings
from bench.watch import Watch

CHANNEL = "bench-churn"


@dataclass(frozen=True, slots=True)
class Churn:
    """`clients` on one channel of which `rate` a second go, `captions` a second meanwhile, for `seconds`."""

    clients: int = 300
    rate: float = 60.0
    captions: float = 20.0
    seconds: float = 8.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Let them come and go."""
        tick(f"{self.rate:g} of {self.clients} clients go each second")
        with self.around.server(RECOGNIZERS="silent") as site:
            return list(self._measure(site))

    def _measure(self, site: Site) -> Iterator[Result]:
        hands, watch = self.around.processes, Watch(site.pid)
        jobs = [
            [("churners", {"channels": [CHANNEL], "count": count, "rate": self.rate / hands})]
            for count in dealt(self.clients, hands)
        ]
        jobs[0].append(("captioners", {"channels": [CHANNEL], "rate": self.captions}))
        with Fleet(site.target, jobs) as fleet:
            fleet.prepare()
            total = fleet.run(self.around, self.seconds, watch)
            yield from latency("churn", total, "resume", "back in its place after a cut")
            yield from latency("churn", total, "replace", "one leaves, another is let in")
            yield from strain("churn", fleet, watch)
            yield Check("churn", "clients went on without a gap or a double", total.counts["clients back"])
            yield Check("churn", "clients ended, others came", total.counts["clients gone"])
            yield Check("churn", "every final once, in order, to the last", total.counts["finals seen"])
