"""What can be measured: each scenario starts what it needs, checks what it measures, and returns figures."""

from collections.abc import Callable
from typing import Protocol

from bench.figures import Figure
from bench.scenarios.audio import Audio
from bench.scenarios.connect import Connect
from bench.scenarios.fanout import Fanout
from bench.scenarios.idle import Idle
from bench.scenarios.latency import Latency


class Scenario(Protocol):
    """One kind of load."""

    @property
    def steps(self) -> int:
        """How often `tick` is called."""

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure; `tick` is told what is done next. Raises LoadFailed when something was not right."""


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "fanout": Fanout,
    "audio": Audio,
    "connect": Connect,
    "idle": Idle,
    "latency": Latency,
}
