"""A storm of votes: thousands vote at once, some twice, some too late, and the count is exact.

Every answer is checked, the result against the ballots that were answered, and how often a voter was told.
"""

import random
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Figure
from bench.guests import PING, PONG, enter, tell
from bench.processes import cpu_seconds
from bench.servers import Server, token

OPTIONS = ("1", "2", "3")
STORM_SECONDS_MAX = 5.0
VOTE_US_MAX = 400.0
"""With a fifth sent twice, 12,000 of them within the five seconds on one core."""
SNAPSHOTS_PER_SECOND_MAX = 4
UNLIMITED = {
    "SOCKETIO_CONNECTION_RATE_LIMIT": "0",
    "SOCKETIO_EVENT_RATE_LIMIT": "0",
    "RECOGNIZERS": "silent",
}


class Voter:
    """One connection of one user: what it still has to send, what its ballot holds by the answers it got."""

    def __init__(self, peer: Peer, packets: list[tuple[bytes, str]]) -> None:
        self.peer = peer
        self.packets = packets
        self.held = ""
        self.sent = ""
        self.counted = self.late = self.told = 0
        self.result: dict[str, Any] | None = None


class Room:
    """A room with voters and a host, who is the last."""

    def __init__(self, crowd: Crowd, server: Server, count: int) -> None:
        self._crowd = crowd
        self.code = _new_room(server, count + 1)
        self.answers: dict[int, Callable[[dict[str, Any]], None]] = {}
        self.voters: dict[int, Voter] = {}
        join = "room:join", {"roomCode": self.code}
        self.peers = enter(crowd, count + 1, lambda n: token("host" if n == count else f"voter {n}"), join)
        for peer in self.peers:
            peer.heard = self._hear

    @property
    def host(self) -> Peer:
        """The host's connection."""
        return self.peers[-1]

    def tell(self, peer: Peer, packet: bytes) -> None:
        """Send a packet."""
        tell(self._crowd, peer, packet)

    def ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return what the host's event is answered. Raises LoadFailed."""
        answered: list[dict[str, Any]] = []
        self.answers[self.host.index] = answered.append
        self.tell(self.host, b"421" + orjson.dumps([event, payload]))
        self._crowd.until(lambda: bool(answered))
        if not answered[0]["ok"]:
            raise LoadFailed(f"{event} was refused: {answered[0]}")
        return answered[0]

    def _hear(self, peer: Peer, payload: bytes) -> None:
        if payload == PING:
            self.tell(peer, PONG)
        elif payload.startswith(b"43"):
            self.answers[peer.index](orjson.loads(payload[payload.index(b"[") :])[0])
        elif payload.startswith((b'42["poll:updated"', b'42["poll:closed"')) and peer.index in self.voters:
            voter = self.voters[peer.index]
            voter.told += 1
            if payload.startswith(b'42["poll:closed"'):
                voter.result = orjson.loads(payload[2:])[1]["poll"]


@dataclass(frozen=True, slots=True)
class Poll:
    """`votes` from each of `voters`, a fifth of them sent twice; the last fifth comes after the close."""

    voters: int = 2000
    votes: int = 5
    passes: int = 3
    settings: dict[str, str] = field(default_factory=lambda: dict(UNLIMITED))

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 1 + self.passes

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure storm after storm in one room."""
        tick(f"{self.voters} voters")
        seconds, cpu_us = list[float](), list[float]()
        with Server(**self.settings) as server, Crowd(server.port) as crowd:
            room = Room(crowd, server, self.voters)
            for number in range(self.passes):
                tick(f"storm {number + 1} of {self.passes}")
                began = cpu_seconds(server.pid)
                seconds.append(self._storm(crowd, room, random.Random(number)))
                sent = sum(voter.counted + voter.late for voter in room.voters.values())
                cpu_us.append((cpu_seconds(server.pid) - began) * 1e6 / sent)
        total = self.voters * self.votes
        return [
            Figure("poll", f"{total} votes from {self.voters}, the slowest storm", "s", max(seconds),
                   goal=STORM_SECONDS_MAX),
            Figure("poll", "CPU of the server for a vote, answered and told", "us", min(cpu_us),
                   goal=VOTE_US_MAX),
        ]  # fmt: skip

    def _storm(self, crowd: Crowd, room: Room, dice: random.Random) -> float:
        poll = room.ask("poll:create", {"question": "Which?", "options": ["this", "that", "neither"]})["poll"]
        room.voters = {
            peer.index: Voter(peer, self._packets(poll["id"], dice)) for peer in room.peers[: self.voters]
        }
        for voter in room.voters.values():
            room.answers[voter.peer.index] = partial(_answered, room, voter)
        began = time.monotonic()
        for voter in room.voters.values():
            _next(room, voter)
        most = sum(len(voter.packets) + 1 for voter in room.voters.values()) * 4 // 5
        crowd.until(lambda: sum(voter.counted for voter in room.voters.values()) >= most)
        final = room.ask("poll:close", {"pollId": poll["id"]})["poll"]
        crowd.until(lambda: all(not voter.sent for voter in room.voters.values()))
        took = time.monotonic() - began
        crowd.until(lambda: all(voter.result is not None for voter in room.voters.values()))
        _check(room, final, time.monotonic() - began)
        return took

    def _packets(self, poll_id: str, dice: random.Random) -> list[tuple[bytes, str]]:
        packets: list[tuple[bytes, str]] = []
        for seq in range(1, self.votes + 1):
            chosen = dice.choice(OPTIONS)
            vote = {"pollId": poll_id, "optionIds": [chosen], "clientVoteSeq": seq}
            packets += [(b"421" + orjson.dumps(["poll:vote", vote]), chosen)] * (1 + (dice.random() < 0.2))
        return packets[::-1]


def _next(room: Room, voter: Voter) -> None:
    if voter.packets:
        packet, voter.sent = voter.packets.pop()
        room.tell(voter.peer, packet)
    else:
        voter.sent = ""


def _answered(room: Room, voter: Voter, answer: dict[str, Any]) -> None:
    if answer["ok"]:
        voter.held = voter.sent
        voter.counted += 1
        if answer["poll"]["my_vote"] != [voter.held]:
            raise LoadFailed(f"a ballot holds {answer['poll']['my_vote']}, not {voter.held}")
    elif answer["code"] == "POLL_CLOSED":
        voter.late += 1
    else:
        raise LoadFailed(f"a vote was refused: {answer}")
    _next(room, voter)


def _check(room: Room, final: dict[str, Any], took_seconds: float) -> None:
    ballots = [voter.held for voter in room.voters.values() if voter.held]
    counts = [option["votes"] for option in final["options"]]
    if counts != [ballots.count(option) for option in OPTIONS] or final["voters"] != len(ballots):
        raise LoadFailed(f"{len(ballots)} ballots were counted as {counts}")
    if not any(voter.late for voter in room.voters.values()):
        raise LoadFailed("nobody was late")
    for voter in room.voters.values():
        if voter.result is None or [option["votes"] for option in voter.result["options"]] != counts:
            raise LoadFailed("the last that a voter was told is not the result")
        if voter.told > 1 + SNAPSHOTS_PER_SECOND_MAX * (1 + took_seconds):
            raise LoadFailed(f"a voter was told {voter.told} times in {took_seconds:.1f} s")


def _new_room(server: Server, most: int) -> str:
    body = orjson.dumps({"name": "Storm", "max_participants": most})
    headers = {"Authorization": f"Bearer {token('host')}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/api/rooms/create", body, headers)
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
        return str(orjson.loads(response.read())["data"]["room_code"])
