"""A histogram of times with a bounded relative error, after HdrHistogram; pure.

Invariant: a value is never shown smaller than it was, nor more than 1/128 of itself larger, whatever the
range; two histograms add up to what one of both would have been.

Of each value its eight leading bits count (https://hdrhistogram.github.io/HdrHistogram/): values of up to
255 have a bucket each, from there on every power of two has 128. The package `hdrhistogram` does the same in
C, and would be one more thing to build for everybody who installs the server.
"""

from collections.abc import Iterator
from typing import Any

PRECISION_BITS = 7


class Histogram:
    """Counts of whole numbers, here nanoseconds."""

    __slots__ = ("_counts", "count", "highest", "lowest")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.lowest = 0
        self.highest = 0

    def record(self, value: int) -> None:
        """Count a value; one below 0 (clocks of two machines) counts as 0."""
        value = max(value, 0)
        shift = value.bit_length() - PRECISION_BITS - 1
        bucket = (shift << PRECISION_BITS) + (value >> shift) if shift > 0 else value
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        if not self.count or value < self.lowest:
            self.lowest = value
        self.highest = max(self.highest, value)
        self.count += 1

    def add(self, other: "Histogram") -> None:
        """Count everything that `other` has counted."""
        if not other.count:
            return
        for bucket, count in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self.lowest = min(self.lowest, other.lowest) if self.count else other.lowest
        self.highest = max(self.highest, other.highest)
        self.count += other.count

    def percentile(self, share: float) -> int:
        """Return a value that at least `share` (0 to 1) of all do not exceed. Raises ValueError if empty."""
        if not self.count:
            raise ValueError("nothing was measured")
        wanted = max(share * self.count, 1)
        for value, below in self.steps():
            if below >= wanted:
                return value
        return self.highest

    def steps(self) -> Iterator[tuple[int, int]]:
        """Yield each value that occurs, as the upper edge of its bucket, with how many do not exceed it."""
        below = 0
        for bucket in sorted(self._counts):
            below += self._counts[bucket]
            yield min(_upper_edge(bucket), self.highest), below

    def as_json(self) -> dict[str, Any]:
        """Return it for machines: buckets that are empty are left out."""
        buckets = [[bucket, self._counts[bucket]] for bucket in sorted(self._counts)]
        return {"lowest": self.lowest, "highest": self.highest, "buckets": buckets}

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> "Histogram":
        """Return what `as_json` made. Raises KeyError, TypeError or ValueError if it is something else."""
        made = cls()
        made.lowest, made.highest = int(read["lowest"]), int(read["highest"])
        made._counts = {int(bucket): int(count) for bucket, count in read["buckets"]}
        made.count = sum(made._counts.values())
        return made


def _upper_edge(bucket: int) -> int:
    shift = (bucket >> PRECISION_BITS) - 1
    if shift <= 0:
        return bucket
    return ((bucket - (shift << PRECISION_BITS) + 1) << shift) - 1
