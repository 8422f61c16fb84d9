"""What was measured, and the statistics of it; pure.

Invariant: a figure says by itself whether its goal is met, and a ratio compares what was measured in one run.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


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

    The goal, if any, is a bound for the ratio where there is a reference and for the value elsewhere.
    """

    scenario: str
    name: str
    unit: str
    value: float
    reference: float | None = None
    goal: float | None = None
    low: float | None = None
    high: float | None = None
    """The least and the greatest of the values whose median this is."""

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
        return cls(scenario, name, unit, median(values), reference, goal, min(values), max(values))

    @property
    def ratio(self) -> float | None:
        """How many times the raw loop's cost."""
        return self.value / self.reference if self.reference else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return (self.value if self.ratio is None else self.ratio) <= self.goal

    def as_json(self) -> dict[str, Any]:
        """Return everything, for machines."""
        return asdict(self) | {"ratio": self.ratio, "met": self.met}
