"""Clients that come at random moments, so many a second, are let in, and leave: how long each had to wait.

A client comes when it is its moment, however many are still waiting.
"""

import time

import orjson

from bench.crowd import LoadFailed, Peer, token_message
from bench.frames import CLOSE, client_frame
from bench.load.stage import NEVER_NS, Arrival, Part, Stage
from bench.load.tally import Timeline

GOODBYE = client_frame(CLOSE, b"\x03\xe8")
WAITING_MAX = 5000
"""Past so many at once the server is not slow but stuck, and the load stops."""


class Arrivals(Part):
    """`rate` clients a second, on `channel`."""

    def __init__(self, stage: Stage, channel: str, rate: float) -> None:
        super().__init__(stage)
        self._path = f"/ws/live/{channel}/subtitles?target_lang=en"
        self._rate = rate
        self._came: dict[int, int] = {}
        self._arrival: Arrival | None = None
        self._times: Timeline | None = None
        self._number = 0
        self._let_in = 0
        self._hellos: dict[int, bytes] = {}

    def prepare(self) -> None:
        """Nobody is there yet."""

    def begin(self) -> None:
        """Fix the first moment."""
        self._arrival = Arrival(self.stage, self._rate)
        self._times = self.stage.tally.timeline("connect")

    def due_ns(self) -> int:
        """Return when the next one comes."""
        return self._arrival.due_ns if self._arrival is not None else NEVER_NS

    def act(self) -> None:
        """Let one come."""
        assert self._arrival is not None
        if len(self._came) >= WAITING_MAX:
            raise LoadFailed(f"{WAITING_MAX} clients wait to be let in: {self._rate:g} a second are too many")
        self._number += 1
        peer = self.stage.crowd.dial(self._path, self._number)
        peer.opened, peer.heard = self._greet, self._hear
        self._came[self._number] = self._arrival.next()

    def _greet(self, peer: Peer) -> None:
        self.stage.crowd.send(peer, self._hello(peer.index))

    def _hello(self, number: int) -> bytes:
        """Return one of a few users' first messages: to sign a token for each would be work of the load."""
        user = number % 16
        if user not in self._hellos:
            self._hellos[user] = token_message(self.stage.bearer("guest", user))
        return self._hellos[user]

    def _hear(self, peer: Peer, payload: bytes) -> None:
        now_ns = time.monotonic_ns()
        if peer.index not in self._came:
            return
        kind = orjson.loads(payload)["type"]
        if kind != "connected":
            raise LoadFailed(f"the server did not let a client in: {payload.decode(errors='replace')}")
        assert self._times is not None
        self._times.record(self._came.pop(peer.index), now_ns)
        self._let_in += 1
        self.stage.crowd.send(peer, GOODBYE)

    def settled(self) -> bool:
        """Return whether all were let in."""
        return not self._came

    def missing(self) -> str:
        """Say how many were not."""
        return f"{len(self._came)} of {self._number} clients were never let in"

    def finish(self) -> None:
        """Count them."""
        self.stage.tally.counts["clients let in"] += self._let_in
