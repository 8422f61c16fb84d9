"""What can be measured: each scenario starts what it needs, checks what it measures, and returns figures."""

from collections.abc import Callable
from typing import Protocol

from bench.backends import Backends
from bench.figures import Figure
from bench.scenarios.audio import Audio
from bench.scenarios.connect import Connect
from bench.scenarios.fanout import Fanout
from bench.scenarios.idle import Idle
from bench.scenarios.latency import Latency
from bench.scenarios.limiter import Limiter
from bench.scenarios.minutes import Minutes
from bench.scenarios.reaper import Reap
from bench.scenarios.rooms import Rooms


class Scenario(Protocol):
    """One kind of load."""

    @property
    def steps(self) -> int:
        """How often `tick` is called."""

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure; `tick` is told what is done next. Raises LoadFailed when something was not right."""


SCENARIOS: dict[str, Callable[[Backends], Scenario]] = {
    "fanout": lambda _backends: Fanout(),
    "rooms": lambda _backends: Rooms(),
    "audio": lambda _backends: Audio(),
    "connect": lambda _backends: Connect(),
    "idle": lambda _backends: Idle(),
    "latency": lambda _backends: Latency(),
    "minutes": lambda backends: Minutes(backends=backends),
    "limiter": lambda backends: Limiter(backends=backends),
    "reaper": lambda backends: Reap(backends=backends),
}
