"""From costs to machines; pure.

Invariant: a fleet that the model calls enough is at or below every bound that it knows, and the first to be
reached when the audience grows is named. Time is in microseconds of one core, sizes in bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

US = 1e6
GB = 1e9


@dataclass(frozen=True, slots=True)
class Costs:
    """What one gateway process and one Redis spend; the defaults are of docs/capacity.md."""

    frame_us: float = 6.2
    """A frame to one more viewer."""
    caption_us: float = 390.0
    """A caption, whoever sees it: read, encoded, framed, kept for those who resume."""
    ping_us: float = 15.0
    """A ping and its answer."""
    connect_us: float = 540.0
    """A viewer's coming, authenticating and leaving."""
    viewer_bytes: float = 4750.0
    """In the process."""
    kernel_bytes: float = 7400.0
    """In the kernel, for an idle connection."""
    process_bytes: float = 133e6
    """A process without viewers."""
    publish_us: float = 1.3
    """Redis: one message, whoever hears it."""
    hop_us: float = 0.2
    """Redis: one more process that hears it."""
    receive_us: float = 5.6
    """A gateway process: a message from Redis."""

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> "Costs":
        """Return what `dataclasses.asdict` made. Raises ValueError unless all are numbers above 0."""
        names = {field.name for field in fields(cls)}
        if read.keys() != names:
            raise ValueError(f"costs are {', '.join(sorted(names))}")
        values = {name: float(read[name]) for name in names}
        if not all(0 < value < math.inf for value in values.values()):
            raise ValueError("every cost is a number above 0")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Crowd:
    """An audience: how many, how spread, what they are sent, how restless they are."""

    viewers: int
    channel_viewers: int = 10_000
    """Of each channel, on average."""
    languages: int = 4
    """Of a channel that are followed: each is a topic."""
    captions_per_second: float = 2.5
    """To each viewer: a final every two seconds, and the interims between."""
    frame_bytes: float = 700.0
    """On the network, with what TLS, TCP and IP put around it."""
    restless: float = 0.001
    """The share of all viewers that comes and goes in a second."""
    channel_processes: int = 2
    """Viewers of a channel are routed to so many processes, or more if it is large; 0: to any of all."""

    @property
    def topics(self) -> float:
        """How many different streams of captions there are."""
        return max(1.0, self.viewers / self.channel_viewers) * self.languages

    def spread(self, channel_viewers: float, processes: int) -> int:
        """Return to how many of so many processes the viewers of a channel of this size are routed.

        None of them has more than half of its viewers from one channel, so that large ones can be balanced.
        """
        if not self.channel_processes:
            return processes
        room = self.viewers / processes / 2
        return min(processes, max(self.channel_processes, math.ceil(channel_viewers / room)))


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has, and how much of it may be used."""

    gateway_cores: int = 6
    """Each carries one process; what is left of the machine is for the kernel and the proxy before them."""
    memory_bytes: float = 32 * GB
    network_bits: float = 10e9
    used_max: float = 0.6
    """Of a core, of the network: above it queues grow quickly."""
    memory_used_max: float = 0.8
    delay_us_max: float = 50_000.0
    """The longest time between the first and the last viewer's frame of one caption."""
    ping_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """What carries a crowd, and how far each bound is used (1 is all of it)."""

    processes: int
    machines: int
    redis: int
    """Shards; 0 where one process is enough."""
    loads: dict[str, float]

    @property
    def bottleneck(self) -> str:
        """The bound that is reached first when the crowd grows on this fleet."""
        return max(self.loads, key=self.loads.__getitem__)

    @property
    def next_bottleneck(self) -> str:
        """The one that comes when that has been widened."""
        rest = {name: load for name, load in self.loads.items() if name != self.bottleneck}
        return max(rest, key=rest.__getitem__)


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return intercept and slope of the line nearest to the points (least squares).

    Raises ValueError for fewer than two places.
    """
    if len({x for x, _ in points}) < 2:
        raise ValueError("a line wants two points")
    mean_x, mean_y = (sum(point[side] for point in points) / len(points) for side in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return mean_y - slope * mean_x, slope


def process_us(costs: Costs, crowd: Crowd, processes: int, ping_seconds: float) -> float:
    """Return the microseconds of its core that a process needs in a second, viewers spread evenly."""
    viewers = crowd.viewers / processes
    spread = crowd.spread(crowd.viewers / crowd.topics * crowd.languages, processes)
    topics = min(crowd.topics * spread / processes, viewers)
    received = costs.receive_us if processes > 1 else 0.0
    return (
        viewers * crowd.captions_per_second * costs.frame_us
        + topics * crowd.captions_per_second * (costs.caption_us + received)
        + viewers / ping_seconds * costs.ping_us
        + viewers * crowd.restless * costs.connect_us
    )


def redis_us(costs: Costs, crowd: Crowd, processes: int) -> float:
    """Return the microseconds that all shards of Redis together need in a second."""
    if processes == 1:
        return 0.0
    topic_viewers = crowd.viewers / crowd.topics
    listeners = min(crowd.spread(topic_viewers * crowd.languages, processes), topic_viewers)
    return crowd.topics * crowd.captions_per_second * (costs.publish_us + listeners * costs.hop_us)


def loads(costs: Costs, crowd: Crowd, machine: Machine, processes: int, shards: int) -> dict[str, float]:
    """Return how far each bound is used by a crowd on so many processes and shards of Redis."""
    viewers = crowd.viewers / processes
    on_machine = viewers * min(machine.gateway_cores, processes)
    memory = min(machine.gateway_cores, processes) * costs.process_bytes
    memory += on_machine * (costs.viewer_bytes + costs.kernel_bytes)
    bits = on_machine * crowd.captions_per_second * crowd.frame_bytes * 8
    topic_viewers = crowd.viewers / crowd.topics
    spread = crowd.spread(topic_viewers * crowd.languages, processes)
    found = {
        "CPU of the gateways": process_us(costs, crowd, processes, machine.ping_seconds)
        / US
        / machine.used_max,
        "memory": memory / machine.memory_bytes / machine.memory_used_max,
        "network": bits / machine.network_bits / machine.used_max,
        "a caption's way through one process": topic_viewers / spread * costs.frame_us / machine.delay_us_max,
    }
    if shards:
        found["Redis"] = redis_us(costs, crowd, processes) / US / shards / machine.used_max
    return found


def fleet(costs: Costs, crowd: Crowd, machine: Machine) -> Fleet:
    """Return the smallest fleet within every bound. Raises ValueError if no number of processes is enough."""
    low, high = 1, 1
    while not _enough(costs, crowd, machine, high):
        low, high = high, high * 2
        if high > crowd.viewers * 2:
            raise ValueError("no number of processes carries this: each spends its time on captions alone")
    while low < high:
        middle = (low + high) // 2
        if _enough(costs, crowd, machine, middle):
            high = middle
        else:
            low = middle + 1
    shards = math.ceil(redis_us(costs, crowd, high) / US / machine.used_max)
    used = loads(costs, crowd, machine, high, shards)
    return Fleet(high, math.ceil(high / machine.gateway_cores), shards, used)


def _enough(costs: Costs, crowd: Crowd, machine: Machine, processes: int) -> bool:
    return max(loads(costs, crowd, machine, processes, 0).values()) <= 1
