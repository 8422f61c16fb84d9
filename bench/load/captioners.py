"""Publishers of captions that say in their text when they were intended: any process can tell their age.

The last caption of a channel, after the end, says that it is the last: who has it has everything.
"""

import time
from dataclasses import dataclass

import orjson

from bench.crowd import LoadFailed, Peer
from bench.frames import TEXT, client_frame
from bench.load.stage import NEVER_NS, Arrival, Part, Stage

FILLING = "and then we come to the second part of the talk, about the river"
LAST = "last"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the text of a caption says: when it was intended, and whether it is its channel's last."""

    intended_ns: int
    last: bool

    @classmethod
    def of(cls, text: str) -> "Spoken":
        """Read a caption's text. Raises LoadFailed if no captioner of ours wrote it."""
        intended, _, rest = text.partition(" ")
        if not intended.isdecimal():
            raise LoadFailed(f"somebody else publishes on a channel of the bench: {text!r}")
        return cls(int(intended), rest.startswith(LAST))


class Captioners(Part):
    """One publisher for each of `channels`, with `rate` captions a second from each.

    `characters` is how long a caption is, about.
    """

    def __init__(self, stage: Stage, channels: list[str], rate: float, characters: int = 80) -> None:
        super().__init__(stage)
        self._channels = channels
        self._rate = rate * len(channels)
        self._filling = (FILLING * (characters // len(FILLING) + 1))[: max(characters - 20, 0)]
        self._peers: list[Peer] = []
        self._arrival: Arrival | None = None
        self._said = 0
        self._ended = False

    def prepare(self) -> None:
        """Open the channels."""
        paths = [f"/ws/live/{channel}/publish?source_lang=en" for channel in self._channels]
        self._peers = self.stage.crowd.join(paths, lambda number: self.stage.bearer("captioner", number))
        for peer in self._peers:
            peer.heard = _hear

    def begin(self) -> None:
        """Fix the first moment."""
        self._arrival = Arrival(self.stage, self._rate)

    def due_ns(self) -> int:
        """Return when the next caption is intended; after the end, the last ones."""
        if self._arrival is None or self._ended:
            return NEVER_NS
        return min(self._arrival.due_ns, self.stage.end_ns)

    def act(self) -> None:
        """Say it: on each channel in turn, or at the end the last one on all."""
        assert self._arrival is not None
        if self._arrival.due_ns < self.stage.end_ns:
            self._say(self._peers[self._said % len(self._peers)], self._arrival.next(), self._filling)
            self._said += 1
            return
        self._ended = True
        for peer in self._peers:
            self._say(peer, time.monotonic_ns(), LAST)

    def _say(self, peer: Peer, intended_ns: int, rest: str) -> None:
        start = (intended_ns - self.stage.begin_ns) / 1e9 + 1
        text = f"{intended_ns} {rest}"
        message = {"type": "caption", "text": text, "start": start, "end": start, "is_final": True}
        if peer.closed:
            raise LoadFailed(f"the server ended a publisher ({peer.code or 'without a word'})")
        self.stage.crowd.send(peer, client_frame(TEXT, orjson.dumps(message)))

    def settled(self) -> bool:
        """Return whether everything has left."""
        return self._ended and not any(peer.waiting for peer in self._peers)

    def missing(self) -> str:
        """Say what the server has not taken."""
        return f"{sum(bool(peer.waiting) for peer in self._peers)} publishers' captions were not taken"

    def finish(self) -> None:
        """Count what was said."""
        self.stage.tally.counts["captions said"] += self._said


def _hear(_peer: Peer, payload: bytes) -> None:
    if b'"error"' in payload[:40]:
        raise LoadFailed(f"the server refused a caption: {payload.decode(errors='replace')}")
