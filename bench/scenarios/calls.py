"""Calls from the ring to the bill: how long until it rings, is connected, and is over for both.

Each call is paid for. Every event of every call is checked at both sides, and afterwards the server's books.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench.crowd import LoadFailed
from bench.figures import Check, Figure, Note, Result
from bench.load.fleet import Fleet
from bench.load.outcome import dealt, latency, strain
from bench.servers import Server, Surroundings
from bench.watch import Watch

CPU_MS_MAX = 25.0
"""A core then carries 40 calls a second from the ring to the bill. Each takes three requests, three events of
the two devices, and eight transactions, of which one costs about a millisecond by itself (`minutes`)."""
KINDS = {
    "ring": "it rings",
    "connect": "accepted, both connected",
    "end": "both know that it is over",
}
CHECKS = {
    "calls": "calls rang once, where they had to, and went as asked",
    "calls listed": "calls in the books of either side, charged once",
    "users": "users free again, whose credits add up",
}
SETTINGS = {
    "RECOGNIZERS": "silent",
    "FEATURE_CALLS": "true",
    "SOCKETIO_CONNECTION_RATE_LIMIT": "0",
    "SOCKETIO_EVENT_RATE_LIMIT": "0",
    "CALL_USER_RATE_LIMIT": "0",
    "CALL_ADDRESS_RATE_LIMIT": "0",
    "CALL_COOLDOWN_SECONDS": "0",
}


@dataclass(frozen=True, slots=True)
class Calls:
    """`pairs` of a creator and a fan, `rate` calls a second among them, of `talk_seconds`, for `seconds`."""

    pairs: int = 50
    rate: float = 30.0
    talk_seconds: float = 0.5
    seconds: float = 6.0
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Let them call."""
        tick(f"{self.pairs} pairs")
        with Server(**SETTINGS) as server:
            return list(self._measure(server, tick))

    def _share(self, pairs: int) -> dict[str, object]:
        rate = self.rate * pairs / self.pairs
        return {"pairs": pairs, "rate": rate, "talk_seconds": self.talk_seconds}

    def _measure(self, server: Server, tick: Callable[[str], None]) -> Iterator[Result]:
        jobs = [
            [("calls", self._share(count))] for count in dealt(self.pairs, self.around.processes) if count
        ]
        watch = Watch(server.pid)
        with Fleet(server.target, jobs) as fleet:
            fleet.prepare()
            tick(f"{self.rate:g} calls a second")
            total = fleet.run(self.around, self.seconds, watch)
            began = total.whole("ring").count
            if not began:
                raise LoadFailed("no call began: let there be more a second, or go on for longer")
            for kind, what in KINDS.items():
                if total.whole(kind).count:
                    yield from latency("calls", total, kind, what)
            percent = watch.cpu_percent()
            if percent is not None:
                each = percent / 100 * self.seconds * 1000 / began
                yield Figure(
                    "calls", "CPU of the server for a call, ring to bill", "ms", each, goal=CPU_MS_MAX
                )
            yield from strain("calls", fleet, watch)
            yield from (Check("calls", what, total.counts[count]) for count, what in CHECKS.items())
            if waited := total.counts["calls that waited"]:
                yield Note("calls", f"{waited} calls waited for a free pair, and that is in their times: use "
                           "more pairs or a lower rate to leave it out")  # fmt: skip
