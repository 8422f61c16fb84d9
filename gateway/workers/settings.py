"""How many workers and streams there may be, and how long the gateway is patient with them."""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.workers.relay import RelayLimits
from media import link


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Bounds of a `WorkerPool`; times in seconds."""

    data_dir: Path
    workers_max: int = 2  # that are busy; a spare comes on top
    streams_max: int = 4  # that a process of ours is expected to take; its Hello decides
    heartbeat_seconds: float = 10.0  # a busy worker sends something every 2 s, see media.worker
    stall_seconds: float = 60.0  # a stream that owes and does not move is opened elsewhere
    start_seconds_max: float = 60.0  # from the start of a process to its Hello
    wait_seconds_max: float = 30.0  # a stream without a worker fails after this
    idle_seconds: float = 60.0  # surplus warm workers are let go after this
    failures_max: int = 2  # how often a stream that a worker gave up is tried again
    losses_max: int = 5  # how many workers may die of a stream before it moves on by a commit
    backoff_seconds: float = 0.25  # after the first process that died young; doubles
    backoff_seconds_max: float = 10.0
    young_seconds: float = 10.0
    tick_seconds: float = 1.0  # between two looks at all of this
    relay: RelayLimits = field(default_factory=RelayLimits)

    @property
    def socket_path(self) -> Path:
        """Where workers connect."""
        return self.data_dir / link.SOCKET_NAME
