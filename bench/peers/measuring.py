"""The same work on every server, in turns, pass by pass, on one core: what each costs, beside the raw loop.

Every frame is checked at every server as it is at ours; one that loses any fails the run.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.child import Process
from bench.crowd import Crowd, LoadFailed
from bench.figures import Figure, Note, Result
from bench.peers import systems
from bench.peers.nchan import NchanAudience
from bench.peers.systems import LeftOut, System
from bench.processes import resident_bytes
from bench.scenarios import audio, connect, fanout, rooms
from bench.scenarios.audio import Choir
from bench.scenarios.connect import Passers
from bench.scenarios.fanout import Audience
from bench.scenarios.rooms import People, ServedRoom, answer_pings
from bench.servers import Server

BELOW = 1.0
Measure = Callable[[], float]
Seat = Callable[[System, Process, Crowd], dict[str, Measure]]


@dataclass(slots=True)
class Work:
    """One kind of work, and what it cost on each server: `values` by kind of measure and server's name."""

    name: str
    seat: Seat
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[Result]:
        """Return what was left out, and why."""
        return [Note(self.name, reason) for reason in self.left_out]

    def take(self, what: str, system: str, value: float) -> None:
        """Note one pass."""
        self.values.setdefault(what, {}).setdefault(system, []).append(value)


@dataclass(frozen=True, slots=True)
class Peers:
    """Which work, how much of it, and `passes` for each server."""

    viewers: int = 1000
    captions: int = 20
    burst: int = 4
    clients: int = 200
    publishers: int = 100
    frames: int = 200
    passes: int = 5

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 4 * (1 + self.passes)

    def run(self, tick: Callable[[str], None]) -> list[Result]:
        """Measure everything. Raises LoadFailed."""
        others = systems.websocket_peers()
        return [
            *self._fanout([systems.RAW, systems.OURS, *others, systems.nchan()], tick),
            *self._rooms([systems.RAW, systems.OUR_ROOM, *systems.room_peers()], tick),
            *self._connect([systems.RAW, systems.OURS, *others], tick),
            *self._audio([systems.RAW, systems.OURS, *others], tick),
        ]

    def _fanout(self, among: list[System], tick: Callable[[str], None]) -> Iterator[Result]:
        def seat(system: System, process: Process, crowd: Crowd) -> dict[str, Measure]:
            before = resident_bytes(process.pid)
            if system.name == systems.nchan().name:
                audience: Audience | NchanAudience = NchanAudience(crowd, process, self.viewers)
            else:
                audience = Audience(crowd, process, system.viewer, system.captions, self.viewers)
            kept_kb = (resident_bytes(process.pid) - before) / self.viewers / 1024
            audience.publish(self.burst, self.burst)
            return {
                "a frame": lambda: audience.publish(self.captions, 1),
                f"a frame, {self.burst} captions at once": lambda: audience.publish(
                    self.captions, self.burst
                ),
                "memory of a viewer": lambda: kept_kb,
            }

        work = Work("peers: fan-out", seat)
        self._measure(work, among, tick)
        single, burst, memory = work.values.values()
        yield from _figures(work.name, "a frame", single, single, fanout.RATIO_MAX)
        yield from _figures(
            work.name, f"a frame, {self.burst} captions at once", burst, single, fanout.BURST_RATIO_MAX
        )
        for name, values in memory.items():
            yield Figure(work.name, f"memory of a viewer: {name}", "KB", values[0])
        yield from work.notes

    def _rooms(self, among: list[System], tick: Callable[[str], None]) -> Iterator[Result]:
        def seat(system: System, process: Process, crowd: Crowd) -> dict[str, Measure]:
            if system is systems.RAW:
                audience = Audience(crowd, process, system.viewer, system.captions, self.viewers)
                return {"a message": lambda: audience.publish(self.captions, 1)}
            code = process.open(self.viewers) if isinstance(process, ServedRoom) else rooms.ROOM
            people = People(crowd, process, self.viewers, code)
            people.say(1, 1)
            return {"a message": lambda: people.say(self.captions, 1)}

        work = Work("peers: Socket.IO room", seat)
        goals = rooms.RAW_RATIO_MAX, rooms.NODE_RATIO_MAX
        self._measure(work, among, tick)
        yield from _figures(work.name, "a message", work.values["a message"], None, *goals)
        yield from work.notes

    def _connect(self, among: list[System], tick: Callable[[str], None]) -> Iterator[Result]:
        def seat(system: System, process: Process, crowd: Crowd) -> dict[str, Measure]:
            passers = Passers(crowd, process, system.auth, min(50, self.clients))
            passers.pass_by(min(50, self.clients))
            return {"connect": lambda: passers.pass_by(self.clients)}

        work = Work("peers: connect", seat)
        self._measure(work, among, tick)
        name = "connect, verify a token, close"
        yield from _figures(work.name, name, work.values["connect"], goal=connect.RATIO_MAX)
        yield from work.notes

    def _audio(self, among: list[System], tick: Callable[[str], None]) -> Iterator[Result]:
        def seat(system: System, process: Process, crowd: Crowd) -> dict[str, Measure]:
            choir = Choir(crowd, process, system.audio, self.publishers)
            choir.sing(5)

            def sing() -> float:
                if isinstance(process, Server):
                    process.make_room()
                return choir.sing(self.frames)

            return {"audio": sing}

        work = Work("peers: audio", seat)
        self._measure(work, among, tick)
        yield from _figures(work.name, "a frame of 640 bytes", work.values["audio"], goal=audio.RATIO_MAX)
        yield from work.notes

    def _measure(self, work: Work, among: list[System], tick: Callable[[str], None]) -> None:
        """Start all, seat their clients, and let them take turns. Raises LoadFailed."""
        tick("starting")
        with ExitStack() as stack:
            seated: list[tuple[System, dict[str, Measure]]] = []
            crowds: list[Crowd] = []
            for system in among:
                try:
                    process = system.start(stack)
                except LeftOut as reason:
                    work.left_out.append(str(reason))
                    continue
                try:
                    crowds.append(stack.enter_context(Crowd(process.port)))
                    seated.append((system, work.seat(system, process, crowds[-1])))
                except LoadFailed as error:
                    raise LoadFailed(f"{system.name}: {error}") from error
            for number in range(self.passes):
                tick(f"{work.name.removeprefix('peers: ')}, pass {number + 1} of {self.passes}")
                for system, measures in seated:
                    answer_pings(crowds)
                    for what, measure in measures.items():
                        work.take(what, system.name, measure())


def _figures(
    scenario: str,
    what: str,
    values: dict[str, list[float]],
    raw: dict[str, list[float]] | None = None,
    goal: float | None = None,
    below: float = BELOW,
) -> Iterator[Figure]:
    """Yield each server's cost beside the raw loop's, then ours beside each other one's."""
    raw_loop = (raw or values)[systems.RAW.name]
    ours = values[systems.OURS.name]
    for name, costs in values.items():
        if name != systems.RAW.name:
            own_goal = goal if name == systems.OURS.name else None
            yield Figure.of(scenario, f"{what}: {name}", "us", costs, raw_loop, own_goal)
    for name, costs in values.items():
        if name not in {systems.RAW.name, systems.OURS.name}:
            yield Figure.of(scenario, f"{what}: Stagedoor beside {name}", "us", ours, costs, below)
