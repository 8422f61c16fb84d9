"""What one load process has counted and how long things took, in slots of time; adds up over processes.

Invariant: what belongs to the warm-up is in no histogram, and a time is that since the *intended* moment: a
load or a server that falls behind shows in it (what Gil Tene calls coordinated omission does not happen).
"""

from collections import Counter
from typing import Any

from bench.histogram import Histogram

SLOTS_MAX = 120
SLOT_NS_MIN = 500_000_000


class Timeline:
    """One kind of latency: a histogram for each slot of the run."""

    __slots__ = ("_began_ns", "_slot_ns", "slots")

    def __init__(self, began_ns: int, slot_ns: int, slots: int) -> None:
        self._began_ns = began_ns
        self._slot_ns = slot_ns
        self.slots = [Histogram() for _ in range(slots)]

    def record(self, intended_ns: int, now_ns: int) -> None:
        """Count how long something took that was intended for `intended_ns` and has happened `now_ns`."""
        place = (intended_ns - self._began_ns) // self._slot_ns
        if 0 <= place < len(self.slots):
            self.slots[place].record(now_ns - intended_ns)


class Tally:
    """Latencies and counts by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times: dict[str, Timeline] = {}
        self._began_ns = self._slot_ns = self._slots = 0

    def begin(self, began_ns: int, end_ns: int) -> None:
        """Measure between these two moments; call it before `timeline`."""
        self._began_ns = began_ns
        self._slot_ns, self._slots = slots_of(end_ns - began_ns)

    def timeline(self, name: str) -> Timeline:
        """Return the timeline of this name."""
        return self.times.setdefault(name, Timeline(self._began_ns, self._slot_ns, self._slots))

    def as_json(self) -> dict[str, Any]:
        """Return it for the process that adds up."""
        times = {name: [slot.as_json() for slot in line.slots] for name, line in self.times.items()}
        return {"counts": self.counts, "times": times}


class Total:
    """The tallies of all processes, as one."""

    def __init__(self, seconds: float) -> None:
        slot_ns, self.slots = slots_of(int(seconds * 1e9))
        self.slot_seconds = slot_ns / 1e9
        self.counts: Counter[str] = Counter()
        self.times: dict[str, list[Histogram]] = {}

    def add(self, tally: dict[str, Any]) -> None:
        """Add what `Tally.as_json` made."""
        self.counts.update(tally["counts"])
        for name, slots in tally["times"].items():
            mine = self.times.setdefault(name, [Histogram() for _ in range(self.slots)])
            for total, slot in zip(mine, slots, strict=True):
                total.add(Histogram.from_json(slot))

    def whole(self, name: str) -> Histogram:
        """Return all slots of a latency as one histogram; it is empty if there is none of this name."""
        made = Histogram()
        for slot in self.times.get(name, ()):
            made.add(slot)
        return made

    def per_second(self, name: str) -> tuple[tuple[float, float], ...]:
        """Return (middle of the slot in seconds, how many a second) of a latency, slot by slot."""
        return tuple(
            ((number + 0.5) * self.slot_seconds, slot.count / self.slot_seconds)
            for number, slot in enumerate(self.times.get(name, ()))
        )


def slots_of(length_ns: int) -> tuple[int, int]:
    """Return the length and the number of the slots that a run of this length has."""
    slot_ns = max(SLOT_NS_MIN, -(-length_ns // SLOTS_MAX))
    return slot_ns, max(1, -(-length_ns // slot_ns))
