"""Whether two samples differ by more than chance; pure.

Invariant: the same samples give the same answer every time (what is drawn is drawn from a seeded generator).
"""

import math
import random
from collections.abc import Sequence
from itertools import combinations

from bench.figures import median, percentile

ARRANGEMENTS_MAX = 50_000
"""Up to so many divisions of the ranks are all counted; beyond, the normal distribution is near enough."""
RESAMPLES = 2000
SEED = 20_261_129


def chance(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return how likely two samples of one kind would differ as much as these (Mann-Whitney U, two-sided).

    Exact for small samples, ties included: the share of all divisions of the ranks whose rank sum is as far
    from the middle. Mann and Whitney (1947), https://doi.org/10.1214/aoms/1177730491. Raises ValueError if a
    sample is empty.
    """
    few, many = (ours, theirs) if len(ours) <= len(theirs) else (theirs, ours)
    if not few:
        raise ValueError("nothing was measured")
    ranks = _ranks([*few, *many])
    count, total = len(few), len(ranks)
    middle = count * (total + 1) / 2
    off = abs(sum(ranks[:count]) - middle)
    if math.comb(total, count) <= ARRANGEMENTS_MAX:
        sums = [sum(some) for some in combinations(ranks, count)]
        return sum(abs(each - middle) >= off - 1e-9 for each in sums) / len(sums)
    ties = sum(ranks.count(rank) ** 2 - 1 for rank in ranks)
    variance = count * (total - count) / 12 * (total + 1 - ties / (total * (total - 1)))
    return math.erfc(max(off - 0.5, 0) / math.sqrt(2 * variance)) if variance > 0 else 1.0


def ratio_range(before: Sequence[float], after: Sequence[float], sure: float = 0.95) -> tuple[float, float]:
    """Return between what the ratio of the medians, after : before, lies with so much certainty (bootstrap).

    Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13. Raises ValueError if one is empty.
    """
    if not before or not after:
        raise ValueError("nothing was measured")
    source = random.Random(SEED)
    ratios = []
    for _ in range(RESAMPLES):
        low = median(source.choices(before, k=len(before)))
        high = median(source.choices(after, k=len(after)))
        ratios.append(high / low if low else math.inf if high else 1.0)
    tail = (1 - sure) / 2
    return percentile(ratios, tail), percentile(ratios, 1 - tail)


def _ranks(values: Sequence[float]) -> list[float]:
    """Return each value's place among all, 1 for the least; equal ones share the mean of their places."""
    ordered = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and values[ordered[end]] == values[ordered[start]]:
            end += 1
        for place in ordered[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks
