"""A server that nobody uses, with its default engines and the warm spare; then one with idle listeners."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.crowd import Crowd
from bench.figures import Figure
from bench.processes import cpu_seconds, memory_bytes
from bench.servers import RawLoop, Server, token

VIEWER = "/ws/live/bench/subtitles?target_lang=en"
CORE_PERCENT_MAX = 1.0
MEMORY_MB_MAX = 350.0
LISTENER_KB_MAX = 4.0
SETTLING_SECONDS = 2.0


def listener_bytes(pid: int, port: int, path: str, listeners: int) -> float:
    """Return what each of so many authenticated listeners adds to a process; the first 50 are not counted."""
    with Crowd(port) as crowd:
        crowd.join([path] * 50, token())
        before, _ = memory_bytes(pid)
        crowd.join([path] * listeners, token())
        after, _ = memory_bytes(pid)
    return (after - before) / listeners


@dataclass(frozen=True, slots=True)
class Idle:
    """Watch an idle server for `seconds`, then one with `listeners`."""

    seconds: float = 6.0
    settling_seconds: float = SETTLING_SECONDS
    listeners: int = 5000

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure CPU, memory, and memory per listener."""
        tick("nobody is here")
        with Server() as server, RawLoop() as raw:
            time.sleep(self.settling_seconds)
            processes = server.processes
            before = sum(map(cpu_seconds, processes))
            time.sleep(self.seconds)
            percent = 100 * (sum(map(cpu_seconds, processes)) - before) / self.seconds
            memory = [memory_bytes(pid) for pid in processes]
            tick(f"{self.listeners} listeners")
            ours = listener_bytes(server.pid, server.port, VIEWER, self.listeners)
            theirs = listener_bytes(raw.pid, raw.port, "/viewer", self.listeners)
        resident, shared_out = (sum(sizes) / 1e6 for sizes in zip(*memory, strict=True))
        names = f"resident memory, {len(processes)} processes", "the same, shared pages counted once"
        return [
            Figure.of("idle", "CPU of an idle server", "% of a core", [percent], goal=CORE_PERCENT_MAX),
            Figure.of("idle", names[0], "MB", [resident], goal=MEMORY_MB_MAX),
            Figure.of("idle", names[1], "MB", [shared_out], goal=MEMORY_MB_MAX),
            Figure.of("idle", "an idle listener", "KB", [ours / 1024], goal=LISTENER_KB_MAX),
            Figure.of("idle", "an idle listener of the raw loop", "KB", [theirs / 1024]),
        ]
