"""The load processes of one scenario: started, set off at one moment, listened to, added up.

Invariant: none outlives the scenario, and one that fails fails the whole.
"""

import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from bench.child import ROOT, Process
from bench.crowd import LoadFailed
from bench.load.tally import Total
from bench.processes import two_sides
from bench.servers import Surroundings
from bench.target import Target
from bench.watch import Watch

PREPARE_SECONDS = 300.0
AFTER_SECONDS = 45.0
"""For what is still awaited at the end, and for the tallies."""
LEAD_SECONDS = 0.3
"""From the word to the first moment, so that all processes have heard it."""
SEED = 20_261_129
Parts = Sequence[tuple[str, dict[str, Any]]]


class Fleet:
    """One load process for each of `jobs`: lists of parts (bench/load/parts.py) with their arguments."""

    def __init__(self, target: Target, jobs: Sequence[Parts]) -> None:
        self._processes: list[Process] = []
        self._selector = selectors.DefaultSelector()
        self._busy: list[float] = []
        try:
            for number, parts in enumerate(jobs):
                process = Process(["bench.load"], ROOT, subprocess.DEVNULL, two_sides()[1])
                self._processes.append(process)
                self._selector.register(process.output, selectors.EVENT_READ, process)
                process.tell(
                    {
                        "target": target.as_json(),
                        "number": number,
                        "seed": SEED + number,
                        "parts": list(parts),
                    }
                )
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End every process."""
        for process in self._processes:
            process.end()
        self._selector.close()

    @property
    def busy(self) -> float:
        """The share of its time that the busiest process worked: near 1 the load itself was the limit."""
        return max(self._busy, default=0.0)

    def prepare(self) -> int:
        """Wait until all connections stand; return how many. Raises LoadFailed."""
        return sum(answer["ready"] for answer in self._answers("ready", time.monotonic() + PREPARE_SECONDS))

    def run(
        self, around: Surroundings, seconds: float, watch: Watch, warm_up_seconds: float | None = None
    ) -> Total:
        """Let load go for the warm-up and then for so many seconds. Raises LoadFailed."""
        warm_up = around.warm_up_seconds if warm_up_seconds is None else warm_up_seconds
        begin_ns = time.monotonic_ns() + int(LEAD_SECONDS * 1e9)
        measure_ns = begin_ns + int(warm_up * 1e9)
        end_ns = measure_ns + int(seconds * 1e9)
        for process in self._processes:
            process.tell({"begin_ns": begin_ns, "measure_ns": measure_ns, "end_ns": end_ns})

        def pass_time(connections: int) -> None:
            now_ns = time.monotonic_ns()
            if measure_ns <= now_ns <= end_ns:
                watch.look((now_ns - measure_ns) / 1e9)
            done = min(max(now_ns - measure_ns, 0) / 1e9, seconds)
            around.say(f"{done:.0f} of {seconds:.0f} s, {connections:,} connections")

        total = Total(seconds)
        deadline = end_ns / 1e9 + AFTER_SECONDS
        for answer in self._answers("tally", deadline, pass_time):
            total.add(answer["tally"])
            self._busy.append(answer["busy"])
        return total

    def _answers(
        self, kind: str, deadline: float, pass_time: Callable[[int], None] = lambda _connections: None
    ) -> list[dict[str, Any]]:
        """Return this answer of every process."""
        found: list[dict[str, Any]] = []
        connections: dict[int, int] = {}
        while len(found) < len(self._processes):
            for key, _ in self._selector.select(0.1):
                for line in key.data.lines():
                    said = orjson.loads(line)
                    if "failed" in said:
                        raise LoadFailed(said["failed"])
                    if "progress" in said:
                        connections[key.data.pid] = said["progress"]["connections"]
                    if kind in said:
                        found.append(said)
                    if "tally" in said:  # its last word
                        self._selector.unregister(key.fileobj)
            pass_time(sum(connections.values()))
            if time.monotonic() > deadline:
                raise LoadFailed("a load process does not answer")
        return found
