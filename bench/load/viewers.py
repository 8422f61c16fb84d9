"""Viewers that count: each final once, in order, without a hole, up to the last one; and how old it was.

Some may be frozen: they read nothing until the end, are sent away, come back with their place, and must
then have seen everything as well.
"""

import time
from dataclasses import dataclass

import orjson

from bench.crowd import LoadFailed, Peer
from bench.frames import TEXT, client_frame
from bench.load.captioners import Spoken
from bench.load.stage import Part, Stage
from bench.load.tally import Timeline

READ_CACHE_MAX = 512
FROZEN_BYTES = 4096
"""What the kernel is asked to keep for a frozen viewer; it doubles that."""
TOO_SLOW = 4008


@dataclass(slots=True)
class Place:
    """How far one viewer has come."""

    session_id: str
    epoch: str
    offset: int
    first: int
    """The offset that it began with."""
    last: bool = False

    @classmethod
    def of(cls, greeting: bytes) -> "Place":
        """Read the answer to a token. Raises LoadFailed if it is not one."""
        said = orjson.loads(greeting)
        if said["type"] != "connected":
            raise LoadFailed(f"the server did not let a viewer in: {said}")
        return cls(said["session_id"], said["epoch"], said["offset"], said["offset"])

    def resume_message(self, token: str) -> bytes:
        """Return the first message of who comes back."""
        resume = {"session_id": self.session_id, "epoch": self.epoch, "offset": self.offset}
        return client_frame(TEXT, orjson.dumps({"type": "authenticate", "token": token, "resume": resume}))


@dataclass(frozen=True, slots=True)
class Final:
    """A final subtitle: its place in the count, and what its captioner said."""

    offset: int
    said: Spoken


class Reading:
    """Payloads to finals; the same bytes, which a whole audience gets, are taken apart once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Final | None] = {}

    def final(self, payload: bytes) -> Final | None:
        """Return the final, None for every other message. Raises LoadFailed for an error."""
        try:
            return self._known[payload]
        except KeyError:
            pass
        message = orjson.loads(payload)
        if message["type"] in {"error", "resync", "gap"}:
            raise LoadFailed(f"a viewer was sent {message}")
        found = None
        if message["type"] == "subtitle" and message["is_final"]:
            found = Final(message["offset"], Spoken.of(message["text"]))
        if len(self._known) >= READ_CACHE_MAX:
            self._known.clear()
        self._known[payload] = found
        return found


def advance(place: Place, final: Final, who: str) -> None:
    """Let a viewer have seen one more final. Raises LoadFailed unless it is the next one."""
    if final.offset != place.offset + 1:
        happened = "twice or late" if final.offset <= place.offset else "and missed what is between"
        raise LoadFailed(f"{who} had final {place.offset} and was sent {final.offset}, {happened}")
    place.offset = final.offset
    place.last = final.said.last


class Viewers(Part):
    """`count` viewers, dealt out over `channels`, and `frozen` ones more."""

    def __init__(self, stage: Stage, channels: list[str], count: int, frozen: int = 0) -> None:
        super().__init__(stage)
        paths = [f"/ws/live/{channel}/subtitles?target_lang=en" for channel in channels]
        self._paths = [paths[number % len(paths)] for number in range(count + frozen)]
        self._count = count
        self._peers: list[Peer] = []
        self._places: list[Place] = []
        self._reading = Reading()
        self._lasted = 0
        self._times: Timeline | None = None
        self._thawed = False
        self._sent_away = 0

    def prepare(self) -> None:
        """Take the seats; the frozen ones fall asleep."""
        crowd = self.stage.crowd
        self._peers = crowd.join(self._paths[: self._count], self._bearer)
        for number, path in enumerate(self._paths[self._count :], self._count):
            (peer,) = crowd.join([path], self._bearer(number), FROZEN_BYTES)
            peer.index = number
            crowd.freeze(peer)
            self._peers.append(peer)
        self._places = [Place.of(peer.greeting) for peer in self._peers]

    def _bearer(self, number: int) -> str:
        return self.stage.bearer("viewer", number)

    def begin(self) -> None:
        """Listen."""
        self._times = self.stage.tally.timeline("caption")
        for peer in self._peers:
            peer.heard = self._hear if peer.index < self._count else self._hear_late

    def _hear(self, peer: Peer, payload: bytes) -> None:
        final = self._reading.final(payload)
        if final is not None:
            assert self._times is not None
            self._times.record(final.said.intended_ns, time.monotonic_ns())
            self._advance(peer, final)

    def _hear_late(self, peer: Peer, payload: bytes) -> None:
        if payload.startswith(b'{"type":"connected"'):
            place, answer = self._places[peer.index], orjson.loads(payload)
            if not answer["resumed"]:
                raise LoadFailed(f"a slow viewer could not go on at {place.offset}: {answer}")
            place.session_id, place.epoch = answer["session_id"], answer["epoch"]
        elif final := self._reading.final(payload):
            self._advance(peer, final)

    def _advance(self, peer: Peer, final: Final) -> None:
        advance(self._places[peer.index], final, f"viewer {peer.index}")
        self._lasted += final.said.last

    def settled(self) -> bool:
        """Return whether each has seen the last final; who was sent away comes back for it."""
        if not self._thawed:
            self._thawed = True
            for peer in self._peers[self._count :]:
                self.stage.crowd.thaw(peer)
        self._return()
        return self._lasted == len(self._peers)

    def _return(self) -> None:
        for number, peer in enumerate(self._peers):
            if not peer.closed or self._places[number].last:
                continue
            if number < self._count:
                raise LoadFailed(f"the server ended a viewer that reads ({peer.code or 'without a word'})")
            self._sent_away += peer.code == TOO_SLOW
            back = self.stage.crowd.dial(self._paths[number], number)
            back.opened, back.heard = self._resume, self._hear_late
            self._peers[number] = back

    def _resume(self, peer: Peer) -> None:
        bearer = self._bearer(peer.index)
        self.stage.crowd.send(peer, self._places[peer.index].resume_message(bearer))

    def missing(self) -> str:
        """Say how many have not seen the last final."""
        return f"{len(self._peers) - self._lasted} of {len(self._peers)} viewers never saw the last caption"

    def finish(self) -> None:
        """Count the finals that were seen."""
        counts = self.stage.tally.counts
        counts["finals seen"] += sum(place.offset - place.first for place in self._places)
        counts["slow viewers sent away"] += self._sent_away
