"""What was measured, and the statistics of it; pure.

Invariant: a figure says by itself whether its goal is met, and a ratio compares what was measured in one run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.histogram import Histogram

NS_PER_MS = 1e6


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two. Raises ValueError when there is none."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of all do not exceed (nearest rank).

    Raises ValueError when there is none.
    """
    if not values:
        raise ValueError("nothing was measured")
    rank = math.ceil(share * len(values))
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of one thing measured of the server, and of the raw loop where there is one.

    The goal, if any, is a bound for the ratio where there is a reference and for the value elsewhere: an
    upper one, or a lower one where `more_is_better`.
    """

    scenario: str
    name: str
    unit: str
    value: float
    reference: float | None = None
    goal: float | None = None
    values: tuple[float, ...] = ()
    """Of each pass, in the order measured; empty where there was but one."""
    references: tuple[float, ...] = ()
    """The raw loop's in the same passes."""
    more_is_better: bool = False

    @classmethod
    def of(
        cls,
        scenario: str,
        name: str,
        unit: str,
        values: Sequence[float],
        references: Sequence[float] = (),
        goal: float | None = None,
    ) -> "Figure":
        """Make a figure of repeated measurements. Raises ValueError when there is none."""
        reference = median(references) if references else None
        return cls(scenario, name, unit, median(values), reference, goal, tuple(values), tuple(references))

    @property
    def low(self) -> float | None:
        """The least of the passes."""
        return min(self.values, default=None)

    @property
    def high(self) -> float | None:
        """The greatest of the passes."""
        return max(self.values, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times the raw loop's cost: the median of the passes, each beside its own, because a
        machine that others use too may be half as fast from one second to the next."""
        if not self.reference:
            return None
        return median(self.sample) if self._in_pairs else self.value / self.reference

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        held = self.value if self.ratio is None else self.ratio
        return held >= self.goal if self.more_is_better else held <= self.goal

    @property
    def sample(self) -> tuple[float, ...]:
        """What another run can be compared with: each pass, as a ratio to the raw loop in that pass if there
        is one, so that what else the machine was busy with counts for both."""
        if self._in_pairs:
            return tuple(ours / theirs for ours, theirs in zip(self.values, self.references, strict=True))
        return self.values or (self.value,)

    @property
    def _in_pairs(self) -> bool:
        return 0 < len(self.values) == len(self.references) and all(self.references)

    def as_json(self) -> dict[str, Any]:
        """Return everything, for machines."""
        return {
            "scenario": self.scenario, "name": self.name, "unit": self.unit, "value": self.value,
            "low": self.low, "high": self.high, "values": list(self.values),
            "reference": self.reference, "references": list(self.references), "ratio": self.ratio,
            "goal": self.goal, "more_is_better": self.more_is_better, "met": self.met,
        }  # fmt: skip

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> "Figure":
        """Return what `as_json` made. Raises KeyError, TypeError or ValueError if it is something else."""
        return cls(
            str(read["scenario"]), str(read["name"]), str(read["unit"]), float(read["value"]),
            None if read["reference"] is None else float(read["reference"]),
            None if read["goal"] is None else float(read["goal"]),
            tuple(map(float, read["values"])), tuple(map(float, read["references"])),
            bool(read["more_is_better"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Distribution:
    """How long something took, each time, in nanoseconds."""

    scenario: str
    name: str
    histogram: Histogram

    def ms(self, share: float) -> float:
        """Return a percentile in milliseconds. Raises ValueError when nothing was measured."""
        return self.histogram.percentile(share) / NS_PER_MS


@dataclass(frozen=True, slots=True)
class Course:
    """How something went while the scenario ran: (seconds since its beginning, value), in order."""

    scenario: str
    name: str
    unit: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at `times` times and was right each time; else the scenario had failed."""

    scenario: str
    what: str
    times: int


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence about a scenario, such as what was left out and why."""

    scenario: str
    text: str


Result = Figure | Distribution | Course | Check | Note
