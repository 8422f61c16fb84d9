"""The same mix for as long as one likes: does memory grow, do answers get slower, is anything left open?

Compared is the last quarter of the run with its second: the first is for caches to fill.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench.crowd import LoadFailed
from bench.figures import NS_PER_MS, Check, Figure, Result, median
from bench.histogram import Histogram
from bench.load.tally import Total
from bench.scenarios.audio import SETTINGS
from bench.scenarios.mixed import Mix
from bench.servers import Site, Surroundings
from bench.watch import Watch

MEMORY_RATIO_MAX = 1.1
TELLING_SECONDS = 60.0
"""A shorter run says nothing about growth: its figures are shown without a goal."""
CLOSING_SECONDS = 20.0
OWN_FILES_MAX = 16
"""What the server opens for itself under load: to its workers, to its database."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Soak:
    """A mix for `seconds`; give hours."""

    mix: Mix = field(default_factory=Mix)
    seconds: float = 10.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Play it, then look what is left."""
        tick(f"a mix for {self.seconds:g} s")
        with self.around.server(**SETTINGS) as site:
            open_before = open_files(site.pid)
            played = self.mix.play("soak", site, self.around, self.seconds)
            return [
                *played.results,
                *self._drifts(played.total, played.watch),
                *_left_open(site, open_before),
            ]

    def _drifts(self, total: Total, watch: Watch) -> Iterator[Result]:
        long = self.seconds >= TELLING_SECONDS
        memory = watch.memory_bytes()
        if len(memory) >= 4:
            early, late = (median(part) / 1e6 for part in _second_and_last(memory))
            goal = MEMORY_RATIO_MAX if long else None
            yield Figure("soak", "memory, last quarter against second", "MB", late, early, goal)
        slots = total.times["caption"]
        if len(slots) >= 4:
            early, late = (_p99(part) for part in _second_and_last(tuple(slots)))
            yield Figure("soak", "p99 of captions, last quarter against second", "ms", late, early)


def open_files(pid: int | None) -> int:
    """Return how many files and sockets a process has open; 0 for none."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) if pid is not None else 0


def _left_open(site: Site, before: int) -> Iterator[Result]:
    """Wait until what was opened for the load is closed. Raises LoadFailed if it stays."""
    if site.pid is None or not Path(f"/proc/{site.pid}/fd").exists():
        return
    deadline = time.monotonic() + CLOSING_SECONDS
    while (left := open_files(site.pid) - before) > OWN_FILES_MAX:
        if time.monotonic() > deadline:
            raise LoadFailed(f"{left} files or sockets of the server are still open after the load has gone")
        time.sleep(0.1)
    yield Check("soak", "every socket closed when the load had gone", 1)


def _second_and_last(values: tuple[T, ...]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    quarter = len(values) // 4
    return values[quarter : 2 * quarter], values[-quarter:]


def _p99(slots: tuple[Histogram, ...]) -> float:
    whole = Histogram()
    for slot in slots:
        whole.add(slot)
    return whole.percentile(0.99) / NS_PER_MS if whole.count else 0.0
