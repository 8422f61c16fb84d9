"""Creators who ring fans at random moments, so many a second; they talk for a moment, and one hangs up.

When a call begins is fixed beforehand. From there on each side does at once what the page does: the fan
accepts and joins, the creator asks for what to join with and joins. If no pair is free a call waits for one,
and its times count from its moment all the same.
"""

import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import orjson

from auth.principal import Role
from bench.crowd import LoadFailed, Peer
from bench.guests import PING, PONG, enter, tell
from bench.load.call_books import check_books, open_books
from bench.load.pairs import Json, Pair
from bench.load.requests import Request, Requests, done
from bench.load.stage import NEVER_NS, Arrival, Part, Stage
from bench.load.tally import Timeline

DEVICE = "desk"
SIDES = {"creator": Role.CREATOR, "fan": Role.FAN}
BEAT_NS = 10_000_000_000
"""The server's default, `CALL_HEARTBEAT_SECONDS`."""
TALK_SECONDS_MAX = 25.0
"""At the end the load waits 30 s for what goes on; and each is charged one minute."""
WAITING_MAX = 1000
"""Past so many at once the pairs are not few but stuck, and the load stops."""
BEAT, BEAT_ANSWER = b"421", b"431"
JOIN, JOIN_ANSWER = b"422", b"432"
TIMES = {"call:incoming": "ring", "call:connected": "connect", "call:ended": "end"}
"""What each latency lasts until: for `end` since the moment to hang up, for the others since the call's."""


class Calls(Part):
    """`pairs` of a creator and a fan; `rate` calls a second among them, each of `talk_seconds`.

    Raises LoadFailed if that is more than TALK_SECONDS_MAX.
    """

    def __init__(self, stage: Stage, pairs: int, rate: float, talk_seconds: float) -> None:
        super().__init__(stage)
        if talk_seconds > TALK_SECONDS_MAX:
            raise LoadFailed(f"talk_seconds is {TALK_SECONDS_MAX:g} at most, not {talk_seconds:g}")
        self._rate = rate
        self._talk_ns = int(talk_seconds * 1e9)
        self._requests = Requests(stage.crowd, stage.target)
        self._pairs = [Pair(n, stage.user("creator", n), stage.user("fan", n)) for n in range(pairs)]
        self._bearers = {
            side: [stage.bearer(side, n, role) for n in range(pairs)] for side, role in SIDES.items()
        }
        self._peers: dict[str, list[Peer]] = {}
        self._free = deque(self._pairs)
        self._waiting: deque[int] = deque()
        """The moments of calls that wait for a pair."""
        self._deeds: list[tuple[int, int, Callable[[], None]]] = []
        """A heap of what those who talk do, and when; the number decides between two at once."""
        self._numbers = count()
        self._arrival: Arrival | None = None
        self._times: dict[str, Timeline] = {}
        self._waited = 0

    def prepare(self) -> None:
        """Make them acquainted, and connect a device of each."""
        crowd, hello = self.stage.crowd, ("call:device", {"deviceId": DEVICE})
        open_books(self._requests, self._pairs, self._bearers, self.stage.bearer("admin", 0, Role.ADMIN))
        for side, bearers in self._bearers.items():
            self._peers[side] = enter(crowd, len(bearers), bearers.__getitem__, hello)
            for peer in self._peers[side]:
                peer.heard = self._hearing(side)

    def _hearing(self, side: str) -> Callable[[Peer, bytes], None]:
        return lambda peer, payload: self._hear(side, peer, payload)

    def begin(self) -> None:
        """Fix the first moment."""
        self._times = {event: self.stage.tally.timeline(name) for event, name in TIMES.items()}
        self._arrival = Arrival(self.stage, self._rate)

    def due_ns(self) -> int:
        """Return when the next call begins, or somebody who talks does something."""
        begins_ns = self._arrival.due_ns if self._arrival is not None else NEVER_NS
        return min(begins_ns, self._deeds[0][0]) if self._deeds else begins_ns

    def act(self) -> None:
        """Let them do it, or a call begin or wait for a pair."""
        assert self._arrival is not None
        if self._deeds and self._deeds[0][0] <= self._arrival.due_ns:
            heappop(self._deeds)[-1]()
            return
        if len(self._waiting) >= WAITING_MAX:
            raise LoadFailed(
                f"{WAITING_MAX} calls wait for a free pair: {self._rate:g} calls a second are too many for "
                f"{len(self._pairs)} pairs; use more pairs or a lower rate"
            )
        self._waiting.append(self._arrival.next())
        self._waited += not self._free
        self._ring()

    # --- what a pair does -----------------------------------------------------------------------------

    def _ring(self) -> None:
        if not self._free or not self._waiting:
            return
        pair = self._free.popleft()
        pair.begin(self._waiting.popleft())
        body = {"fanId": pair.fan, "callType": "voice", "deviceId": DEVICE}
        key = f'"{pair.creator} {len(pair.calls)}"'
        self._ask(pair, "creator", "initiate", body, lambda said: self._see(pair, said, "RINGING"), key)

    def _accept(self, pair: Pair) -> None:
        def accepted(said: Json) -> None:
            self._see(pair, said, "ACCEPTED")
            self._join(pair, "fan", said["media"])

        self._ask(pair, "fan", f"{pair.going.id}/accept", {"deviceId": DEVICE}, accepted)

    def _join(self, pair: Pair, side: str, media: Json | None) -> None:
        pair.join(side, media)
        self._say(pair, side, JOIN, ["call:media", {"callId": pair.going.id, "state": "joined"}])

    def _hang_up(self, pair: Pair) -> None:
        side = self.stage.random.choice(list(SIDES))
        self._ask(pair, side, f"{pair.going.id}/end", {}, lambda said: self._see(pair, said, "ENDED"))

    def _later(self, due_ns: int, deed: Callable[[], None]) -> None:
        heappush(self._deeds, (due_ns, next(self._numbers), deed))

    def _beat(self, pair: Pair, due_ns: int) -> None:
        """Show at a moment, and so often until the end, that both sides are there."""
        if due_ns >= pair.going.end_ns:
            return

        def beat() -> None:
            for side in SIDES:
                self._say(pair, side, BEAT, ["call:heartbeat", {"callId": pair.going.id}])
            self._beat(pair, due_ns + BEAT_NS)

        self._later(due_ns, beat)

    def _put_away(self, pair: Pair) -> None:
        if pair.over():
            self._free.append(pair)
            self._ring()

    # --- what is said ---------------------------------------------------------------------------------

    def _ask(
        self, pair: Pair, side: str, what: str, body: Json, taken: Callable[[Json], None], key: str = ""
    ) -> None:
        request = Request("POST", f"/api/calls/{what}", self._bearers[side][pair.number], body, key)

        def answered(status: int, said: Any) -> None:
            pair.going.unanswered -= 1
            taken(done(request, status, said))
            self._put_away(pair)

        pair.going.unanswered += 1
        self._requests.ask(request, answered)

    def _say(self, pair: Pair, side: str, packet: bytes, event: list[Any]) -> None:
        pair.going.unanswered += 1
        tell(self.stage.crowd, self._peers[side][pair.number], packet + orjson.dumps(event))

    @staticmethod
    def _see(pair: Pair, said: Json, state: str) -> None:
        pair.see(pair.creator, said["call"], state)

    # --- what is heard --------------------------------------------------------------------------------

    def _hear(self, side: str, peer: Peer, payload: bytes) -> None:
        pair = self._pairs[peer.index]
        if payload == PING:
            tell(self.stage.crowd, peer, PONG)
        elif payload.startswith((BEAT_ANSWER, JOIN_ANSWER)):
            (said,) = orjson.loads(payload[len(BEAT_ANSWER) :])
            self._answered(pair, side, said, beat=payload.startswith(BEAT_ANSWER))
        elif payload.startswith(b'42["call:'):
            event, said = orjson.loads(payload[len(b"42") :])
            self._told(pair, side, event, said["call"])

    def _answered(self, pair: Pair, side: str, said: Json, *, beat: bool) -> None:
        going = pair.going
        if not said["ok"] or said["call"]["id"] != going.id:
            raise LoadFailed(f"{pair.who(side)} was answered in {going.id}: {said}")
        going.unanswered -= 1
        if beat and side not in going.media:
            self._join(pair, side, said.get("media"))
        self._put_away(pair)

    def _told(self, pair: Pair, side: str, event: str, call: Json) -> None:
        now_ns, both, going = time.monotonic_ns(), pair.hear(side, event, call), pair.going
        if event == "call:incoming":
            self._times[event].record(going.intended_ns, now_ns)
            self._accept(pair)
        elif event == "call:accepted":
            self._say(pair, side, BEAT, ["call:heartbeat", {"callId": going.id}])
        elif both and event == "call:connected":
            self._times[event].record(going.intended_ns, now_ns)
            going.end_ns = now_ns + self._talk_ns
            self._later(going.end_ns, lambda: self._hang_up(pair))
            self._beat(pair, now_ns + BEAT_NS)
        elif both:
            self._times[event].record(going.end_ns, now_ns)
            self._put_away(pair)

    # --- afterwards -----------------------------------------------------------------------------------

    def settled(self) -> bool:
        """Return whether every call is over. Raises LoadFailed if somebody has lost the connection."""
        for peer in (peer for peers in self._peers.values() for peer in peers):
            if peer.closed:
                raise LoadFailed(f"the server ended a device ({peer.code or 'without a word'})")
        return not self._waiting and len(self._free) == len(self._pairs)

    def missing(self) -> str:
        """Say how many are not, and how far one of them has come."""
        going = [pair.going for pair in self._pairs if pair.ongoing is not None]
        far = f"; in {going[0].id or 'the first'} {going[0].standing}" if going else ""
        return f"{len(going)} calls are not over{far}, and {len(self._waiting)} never began"

    def finish(self) -> None:
        """Look whether the server has the same calls in its books, and count them."""
        counts = self.stage.tally.counts
        counts["calls listed"] += check_books(self._requests, self._pairs, self._bearers)
        counts["calls"] += sum(len(pair.calls) for pair in self._pairs)
        counts["calls that waited"] += self._waited
        counts["users"] += len(SIDES) * len(self._pairs)
