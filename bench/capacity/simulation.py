"""One gateway process of a fleet for some seconds, caption by caption: what its viewers wait; pure.

The model (bench/capacity/model.py) knows averages; here captions come at random moments, channels are of very
different sizes, viewers choose their process at random, and whoever comes waits for what is being done.
"""

import heapq
from dataclasses import dataclass
from random import Random

from bench.capacity.model import US, Costs, Crowd, Fleet
from bench.histogram import Histogram

HOP_US = 250.0
"""Through Redis and back on a quiet network, measured at 200 messages a second."""
SKEW = 0.8
"""Zipf's exponent of the sizes of channels: the largest of a thousand has a fifteenth of all viewers."""
TOPICS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """How busy the process was, and how long frames took from the caption's coming to their writing (ns)."""

    used: float
    delays: Histogram
    captions: int
    largest_topic: int


def simulate(costs: Costs, crowd: Crowd, fleet: Fleet, seconds: float, seed: int) -> Simulated:
    """Play one process of a fleet. The same seed plays the same."""
    source = Random(seed)
    here = topics_here(crowd, fleet.processes, source)
    received = costs.receive_us if fleet.processes > 1 else 0.0
    hop = HOP_US if fleet.processes > 1 else 0.0
    viewers = sum(here)
    # Pings, comers and goers are many and short: they slow everything down evenly.
    background = (viewers / 20 * costs.ping_us + viewers * crowd.restless * costs.connect_us) / US
    pace = 1 / max(1 - background, 0.01)
    free_at = busy = 0.0
    delays, captions = Histogram(), 0
    for at, topic in _moments(crowd, len(here), seconds, source):
        begin = max(at, free_at)
        fixed = (costs.caption_us + received) * pace
        whole = fixed + here[topic] * costs.frame_us * pace
        free_at = begin + whole
        busy += whole / pace
        captions += 1
        # Three viewers stand for all of a caption: one early, one in the middle, one last.
        for share in (0.1, 0.5, 1.0):
            delays.record(int((hop + begin - at + fixed + share * (whole - fixed)) * 1000))
    return Simulated(busy / US / seconds + background, delays, captions, max(here))


def topics_here(crowd: Crowd, processes: int, source: Random) -> list[int]:
    """Return how many viewers each topic has on the fullest process; topics without any are left out."""
    sizes = channel_sizes(crowd)
    if crowd.channel_processes:
        shares = _fullest(crowd, sizes, processes)
    else:
        shares = [size / processes for size in sizes]
    counts = [_chosen(share / crowd.languages, source) for share in shares for _ in range(crowd.languages)]
    return [count for count in counts if count] or [1]


def channel_sizes(crowd: Crowd) -> list[float]:
    """Return the viewers of each channel, the largest first."""
    channels = max(1, min(round(crowd.viewers / crowd.channel_viewers), TOPICS_MAX // crowd.languages))
    weights = [1 / (rank + 1) ** SKEW for rank in range(channels)]
    whole = sum(weights)
    return [crowd.viewers * weight / whole for weight in weights]


def _fullest(crowd: Crowd, sizes: list[float], processes: int) -> list[float]:
    """Route each channel to the processes that have the fewest viewers; return what the fullest one gets."""
    filled = [(0.0, number) for number in range(processes)]
    shares: list[list[float]] = [[] for _ in range(processes)]
    for size in sizes:
        spread = crowd.spread(size, processes)
        for load, number in [heapq.heappop(filled) for _ in range(spread)]:
            shares[number].append(size / spread)
            heapq.heappush(filled, (load + size / spread, number))
    return max(shares, key=sum)


def _chosen(expected: float, source: Random) -> int:
    """Return how many viewers choose a place that so many are expected at: a Poisson number."""
    if expected > 50:  # near enough to normal
        return max(0, round(source.gauss(expected, expected**0.5)))
    return _poisson(expected, source)


def _poisson(mean: float, source: Random) -> int:
    count, passed = 0, source.expovariate(1.0)
    while passed < mean:
        count += 1
        passed += source.expovariate(1.0)
    return count


def _moments(crowd: Crowd, topics: int, seconds: float, source: Random) -> list[tuple[float, int]]:
    """Return when (us) a caption of which topic comes, in order."""
    rate = topics * crowd.captions_per_second / US
    at, found = 0.0, []
    while (at := at + source.expovariate(rate)) < seconds * US:
        found.append((at, source.randrange(topics)))
    return found
