"""What can be measured: each scenario starts what it needs, checks what it measures, and returns results."""

from collections.abc import Callable, Sequence
from typing import Protocol

from bench.figures import Result
from bench.scenarios.audio import Audio
from bench.scenarios.calls import Calls
from bench.scenarios.captions import Captions
from bench.scenarios.churn import Churn
from bench.scenarios.connect import Connect
from bench.scenarios.fanout import Fanout
from bench.scenarios.hold import Hold
from bench.scenarios.idle import Idle
from bench.scenarios.latency import Latency
from bench.scenarios.limiter import Limiter
from bench.scenarios.minutes import Minutes
from bench.scenarios.mixed import Mixed
from bench.scenarios.poll import Poll
from bench.scenarios.reaper import Reap
from bench.scenarios.rooms import Rooms
from bench.scenarios.slow import Slow
from bench.scenarios.soak import Soak
from bench.servers import Surroundings


class Scenario(Protocol):
    """One kind of load: a frozen dataclass whose fields are what can be set of it."""

    @property
    def steps(self) -> int:
        """How often `tick` is called."""

    def run(self, tick: Callable[[str], None]) -> Sequence[Result]:
        """Measure; `tick` is told what is done next. Raises LoadFailed when something was not right."""


SCENARIOS: dict[str, Callable[[Surroundings], Scenario]] = {
    "connect": lambda around: Connect(around=around),
    "fanout": lambda around: Fanout(around=around),
    "rooms": lambda _around: Rooms(),
    "poll": lambda _around: Poll(),
    "calls": lambda around: Calls(around=around),
    "audio": lambda around: Audio(around=around),
    "latency": lambda around: Latency(around=around),
    "captions": lambda around: Captions(around=around),
    "churn": lambda around: Churn(around=around),
    "slow": lambda around: Slow(around=around),
    "mixed": lambda around: Mixed(around=around),
    "soak": lambda around: Soak(around=around),
    "idle": lambda _around: Idle(),
    "hold": lambda around: Hold(around=around),
    "minutes": lambda around: Minutes(around=around),
    "limiter": lambda around: Limiter(around=around),
    "reaper": lambda around: Reap(around=around),
}
ELSEWHERE = ("connect", "fanout", "audio", "captions", "churn", "slow", "mixed", "soak")
"""Those that need nothing of a server but its address and a credential."""
