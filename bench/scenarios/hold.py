"""Very many connections that only hold: what pinging them costs, and that none is lost.

Counted over one whole interval of pings, so that each connection was pinged and has answered.
"""

import resource
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.figures import Check, Figure, Result
from bench.load.fleet import Fleet
from bench.load.outcome import dealt
from bench.processes import resident_bytes
from bench.servers import Server, Surroundings
from bench.watch import Watch

CORE_PERCENT_MAX = 5.0
PING_INTERVAL_SECONDS = 20.0
"""The server's default."""
FILES_KEPT = 256
"""Open files that a process needs for other things."""


@dataclass(frozen=True, slots=True)
class Hold:
    """`connections`, or as many as a process may open here, for `seconds`."""

    connections: int = 15_000
    seconds: float = PING_INTERVAL_SECONDS
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Connect them, then watch the server."""
        _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(self.connections, files_max - FILES_KEPT)
        tick(f"{count:,} connections")
        jobs = [[("listeners", {"count": share})] for share in dealt(count, self.around.processes) if share]
        with Server(RECOGNIZERS="silent", PING_INTERVAL_SECONDS=str(PING_INTERVAL_SECONDS)) as server:
            watch, before = Watch(server.pid), resident_bytes(server.pid)
            with Fleet(server.target, jobs) as fleet:
                fleet.prepare()
                each = (resident_bytes(server.pid) - before) / count / 1024
                tick(f"holding {count:,} connections")
                # The first ping comes within an interval, then one in each: all are pinged meanwhile.
                total = fleet.run(self.around, self.seconds, watch, 0.0)
        percent = watch.cpu_percent() or 0.0
        name = f"CPU with {count:,} connections, pinged"
        return [
            Figure("hold", name, "% of a core", percent, goal=CORE_PERCENT_MAX),
            Figure("hold", "memory of each connection, all counted", "KB", each),
            *watch.courses("hold"),
            Check("hold", "connections held, each pinged", total.counts["connections held"]),
        ]
