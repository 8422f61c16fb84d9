"""Viewers that lose their connection and come back with their place, or leave for good and make room.

Whoever comes back must be told `resumed` and see every final once, in order, as if nothing had happened.
"""

import time
from enum import Enum, auto

import orjson

from bench.crowd import LoadFailed, Peer, token_message
from bench.frames import TEXT, client_frame
from bench.load.stage import NEVER_NS, Arrival, Part, Stage
from bench.load.tally import Timeline
from bench.load.viewers import Place, Reading, advance

LEAVING_SHARE = 0.25
"""Of those who go: the rest come back."""
END = client_frame(TEXT, b'{"type":"end"}')


class State(Enum):
    """Where a client is: HERE, until it is cut off (COMING) or says `end` (LEAVING, then COMING anew)."""

    HERE = auto()
    COMING = auto()
    LEAVING = auto()


class Client:
    """One seat and whoever has it."""

    __slots__ = ("intended_ns", "joined_ns", "peer", "place", "state", "user")

    def __init__(self, peer: Peer, user: int) -> None:
        self.peer = peer
        self.user = user
        self.place: Place | None = Place.of(peer.greeting)
        self.state = State.HERE
        self.intended_ns = 0
        self.joined_ns = 0


class Churners(Part):
    """`count` clients dealt out over `channels`; `rate` a second go."""

    def __init__(self, stage: Stage, channels: list[str], count: int, rate: float) -> None:
        super().__init__(stage)
        paths = [f"/ws/live/{channel}/subtitles?target_lang=en" for channel in channels]
        self._paths = [paths[number % len(paths)] for number in range(count)]
        self._rate = rate
        self._clients: list[Client] = []
        self._users = count
        self._reading = Reading()
        self._arrival: Arrival | None = None
        self._times: dict[State, Timeline] = {}
        self._came_back = self._left = self._seen = self._skipped = 0

    def prepare(self) -> None:
        """Take the seats."""
        peers = self.stage.crowd.join(self._paths, self._bearer)
        self._clients = [Client(peer, number) for number, peer in enumerate(peers)]

    def _bearer(self, user: int) -> str:
        return self.stage.bearer("churner", user)

    def begin(self) -> None:
        """Listen, and fix the first moment."""
        tally = self.stage.tally
        self._times = {State.HERE: tally.timeline("resume"), State.LEAVING: tally.timeline("replace")}
        self._arrival = Arrival(self.stage, self._rate)
        for client in self._clients:
            client.peer.heard = self._hear

    def due_ns(self) -> int:
        """Return when the next one goes."""
        return self._arrival.due_ns if self._arrival is not None else NEVER_NS

    def act(self) -> None:
        """Let somebody go who is here; a moment at which nobody is passes, and is counted."""
        assert self._arrival is not None
        intended_ns = self._arrival.next()
        client = self._clients[self.stage.random.randrange(len(self._clients))]
        if client.state is not State.HERE:
            self._skipped += 1
            return
        client.intended_ns = intended_ns
        if self.stage.random.random() < LEAVING_SHARE:
            client.state = State.LEAVING
            self.stage.crowd.send(client.peer, END)
        else:
            self.stage.crowd.drop(client.peer)
            self._come(client)

    def _come(self, client: Client) -> None:
        index = client.peer.index
        client.state = State.COMING
        client.peer = self.stage.crowd.dial(self._paths[index], index)
        client.peer.opened, client.peer.heard = self._greet, self._hear

    def _greet(self, peer: Peer) -> None:
        client = self._clients[peer.index]
        bearer = self._bearer(client.user)
        hello = token_message(bearer) if client.place is None else client.place.resume_message(bearer)
        self.stage.crowd.send(peer, hello)

    def _hear(self, peer: Peer, payload: bytes) -> None:
        client = self._clients[peer.index]
        if client.state is State.COMING:
            self._let_in(client, payload)
        elif client.state is State.LEAVING and b'"ended"' in payload[:40]:
            self._left += 1
            self._seen += self._seen_by(client)
            client.place = None
            client.user, self._users = self._users, self._users + 1
            self.stage.crowd.drop(peer)
            self._come(client)
        elif final := self._reading.final(payload):
            assert client.place is not None
            advance(client.place, final, f"a client that came back {self._came_back} times in all")

    def _let_in(self, client: Client, payload: bytes) -> None:
        place, now_ns = Place.of(payload), time.monotonic_ns()
        if client.place is None:
            client.place, client.joined_ns = place, now_ns
            self._times[State.LEAVING].record(client.intended_ns, now_ns)
        else:
            if not orjson.loads(payload)["resumed"]:
                raise LoadFailed(f"a client could not go on at {client.place.offset}: {payload.decode()}")
            client.place.session_id, client.place.epoch = place.session_id, place.epoch
            self._came_back += 1
            self._times[State.HERE].record(client.intended_ns, now_ns)
        client.state = State.HERE

    def settled(self) -> bool:
        """Return whether all are here and have seen the last final."""
        for client in self._clients:
            if client.peer.closed and client.state is not State.COMING:
                code = client.peer.code or "without a word"
                raise LoadFailed(f"the server ended a client ({code})")
        return all(map(self._done, self._clients))

    def missing(self) -> str:
        """Say how many are away or behind."""
        lasting = sum(map(self._done, self._clients))
        return f"{len(self._clients) - lasting} of {len(self._clients)} clients never saw the last caption"

    def _done(self, client: Client) -> bool:
        """Return whether it has seen the last final; who came after the end may have come after that too."""
        return client.place is not None and (client.place.last or client.joined_ns >= self.stage.end_ns)

    def _seen_by(self, client: Client) -> int:
        return client.place.offset - client.place.first if client.place is not None else 0

    def finish(self) -> None:
        """Count what happened."""
        counts = self.stage.tally.counts
        counts["clients back"] += self._came_back
        counts["clients gone"] += self._left
        counts["moments without a client"] += self._skipped
        counts["finals seen"] += self._seen + sum(map(self._seen_by, self._clients))
