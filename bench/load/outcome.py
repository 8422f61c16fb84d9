"""What a run of load processes says: distributions, figures with their range over time, courses.

Invariant: a percentile is that of all that was measured; its range is that of the parts of the run.
"""

from collections.abc import Iterator

from bench.figures import NS_PER_MS, Course, Distribution, Figure, Result
from bench.histogram import Histogram
from bench.load.fleet import Fleet
from bench.load.tally import Total
from bench.watch import Watch

PARTS_MAX = 10
"""The run is looked at in so many parts, so that each has enough for a percentile."""
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def dealt(count: int, hands: int) -> list[int]:
    """Return how many of `count` each of so many gets."""
    return [count // hands + (number < count % hands) for number in range(hands)]


def latency(
    scenario: str, total: Total, kind: str, name: str, goals: dict[str, float] | None = None
) -> Iterator[Result]:
    """Yield how long one kind of thing took: its distribution, percentiles (goals in ms by name), and how
    many a second there were. Raises ValueError if there were none."""
    whole = total.whole(kind)
    yield Distribution(scenario, name, whole)
    parts = [part for part in _parts(total.times.get(kind, [])) if part.count]
    for label, share in PERCENTILES.items():
        if label == "p99.9" and whole.count < 10_000:
            continue
        yield Figure(
            scenario, f"{name}, {label}", "ms", whole.percentile(share) / NS_PER_MS,
            goal=(goals or {}).get(label),
            values=tuple(part.percentile(share) / NS_PER_MS for part in parts),
        )  # fmt: skip
    yield Course(scenario, name, "a second", total.per_second(kind))


def strain(scenario: str, fleet: Fleet, watch: Watch) -> Iterator[Result]:
    """Yield how busy the server was, and the load: with the load near 100 % the figures are its own."""
    percent = watch.cpu_percent()
    if percent is not None:
        yield Figure(scenario, "CPU of the server meanwhile", "% of a core", percent)
    yield Figure(scenario, "CPU of the busiest load process", "%", 100 * fleet.busy)
    yield from watch.courses(scenario)


def _parts(slots: list[Histogram]) -> list[Histogram]:
    made = [Histogram() for _ in range(min(PARTS_MAX, len(slots)))]
    for number, slot in enumerate(slots):
        made[number * len(made) // len(slots)].add(slot)
    return made
