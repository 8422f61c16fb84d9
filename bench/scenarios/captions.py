"""From a voice to what viewers read, with the real engine: how long after its last word a subtitle is there.

Speech in real time from several publishers. Every viewer of a talk must see the same finals, and they must
have most of the words that were said: an engine that is overloaded, or hears nothing, fails the scenario.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.crowd import LoadFailed
from bench.figures import Check, Figure, Result
from bench.load.fleet import Fleet
from bench.load.outcome import dealt, latency, strain
from bench.servers import Site, Surroundings
from bench.speech import Script, spoken
from bench.watch import Watch

UNDERSTOOD_PERCENT_MIN = 50.0
"""flite's voice is understood nearly word for word, espeak-ng's is hard; below this nobody listened."""
FINAL_P50_MS_MAX = 2000.0
"""Finals come at most two seconds after their words."""


@dataclass(frozen=True, slots=True)
class Captions:
    """`talks`, each with `viewers`, for `seconds`."""

    talks: int = 2
    viewers: int = 50
    seconds: float = 12.0
    warm_up_seconds: float = 4.0
    understood_percent_min: float = UNDERSTOOD_PERCENT_MIN
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Speak and read."""
        tick("making speech")
        script = spoken()
        tick(f"{self.talks} talks, {self.viewers} viewers each")
        with (
            tempfile.NamedTemporaryFile(prefix="stagedoor-bench-", suffix=".pcm") as file,
            self.around.server() as site,
        ):
            Path(file.name).write_bytes(script.pcm)
            return list(self._measure(site, script, file.name))

    def _measure(self, site: Site, script: Script, path: str) -> Iterator[Result]:
        jobs, first = [], 0
        for count in dealt(self.talks, self.around.processes):
            talk = {
                "channels": [f"bench-talk-{number}" for number in range(first, first + count)],
                "viewers": self.viewers,
                "speech": path,
                "sample_rate": script.sample_rate,
                "script": script.sentences,
            }
            first += count
            if count:
                jobs.append([("talks", talk)])
        watch = Watch(site.pid)
        with Fleet(site.target, jobs) as fleet:
            fleet.prepare()
            site.make_room()
            total = fleet.run(self.around, self.seconds, watch, self.warm_up_seconds)
            if not total.counts["words said"]:
                raise LoadFailed(f"nobody can say a sentence in {self.seconds:g} s")
            understood = 100 * total.counts["words understood"] / total.counts["words said"]
            if understood < self.understood_percent_min:
                raise LoadFailed(f"of {total.counts['words said']} words {understood:.0f} % were understood")
            name = "a final after its last word"
            yield from latency("captions", total, "final", name, {"p50": FINAL_P50_MS_MAX})
            yield from latency("captions", total, "interim", "an interim after its last word")
            yield Figure("captions", "words understood", "%", understood, more_is_better=True)
            yield from strain("captions", fleet, watch)
            yield Check("captions", "finals, the same for every viewer", total.counts["finals seen"])
