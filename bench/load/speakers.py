"""Publishers of audio in real time: a frame of 20 ms each 20 ms, whatever the server does with it.

Once a second each asks how far the server is, right behind a frame: the answer says that the frame was taken.
At the end the server must have taken exactly what was sent.
"""

import time
from collections import deque

import orjson

from bench.crowd import LoadFailed, Peer
from bench.frames import BINARY, TEXT, client_frame
from bench.load.stage import FRAME_NS, FRAME_SECONDS, NEVER_NS, Part, Stage
from bench.load.tally import Timeline

FRAME = client_frame(BINARY, bytes(640))
FRAMES_PER_PROBE = 50
FINALIZE = client_frame(TEXT, b'{"type":"finalize"}')
SECONDS_OFF_MAX = 0.0011
"""Between what was sent and what the server says: it rounds to milliseconds."""


class Speakers(Part):
    """One publisher for each of `channels`."""

    def __init__(self, stage: Stage, channels: list[str]) -> None:
        super().__init__(stage)
        self._channels = channels
        self._peers: list[Peer] = []
        self._sent = [0] * len(channels)
        # Spread over the second, and so that not all processes ask in the same moments.
        self._shift = [n * FRAMES_PER_PROBE // len(channels) + stage.number * 7 for n in range(len(channels))]
        self._asked: list[deque[int]] = [deque() for _ in channels]
        self._times: Timeline | None = None
        self._next = 0
        self._finalizing = False
        self._finalized = 0

    def prepare(self) -> None:
        """Open the channels."""
        paths = [f"/ws/live/{channel}/publish?source_lang=en" for channel in self._channels]
        self._peers = self.stage.crowd.join(paths, lambda number: self.stage.bearer("speaker", number))

    def begin(self) -> None:
        """Listen for answers."""
        self._times = self.stage.tally.timeline("audio")
        for peer in self._peers:
            peer.heard = self._hear

    def due_ns(self) -> int:
        """Return when the next frame is: all speakers' frames are spread evenly over 20 ms."""
        if self._finalizing:
            return NEVER_NS
        return min(self.stage.begin_ns + self._next * FRAME_NS // len(self._peers), self.stage.end_ns)

    def act(self) -> None:
        """Send the frame that is due, after the end the question how much has come."""
        due = self.due_ns()
        if due >= self.stage.end_ns:
            self._finalizing = True
            for peer in self._peers:
                self.stage.crowd.send(peer, FINALIZE)
            return
        speaker = self._next % len(self._peers)
        self._next += 1
        self._sent[speaker] += 1
        data = FRAME
        if (self._sent[speaker] + self._shift[speaker]) % FRAMES_PER_PROBE == 0:
            self._asked[speaker].append(due)
            data += client_frame(TEXT, b'{"type":"ping"}')
        if self._peers[speaker].closed:
            raise LoadFailed(f"the server ended a speaker ({self._peers[speaker].code or 'without a word'})")
        self.stage.crowd.send(self._peers[speaker], data)

    def _hear(self, peer: Peer, payload: bytes) -> None:
        message = orjson.loads(payload)
        match message["type"]:
            case "pong" if self._asked[peer.index]:
                assert self._times is not None
                self._times.record(self._asked[peer.index].popleft(), time.monotonic_ns())
            case "finalized":
                sent = self._sent[peer.index] * FRAME_SECONDS
                if abs(message["seconds"] - sent) > SECONDS_OFF_MAX:
                    raise LoadFailed(
                        f"{sent:.2f} s of audio were sent, the server took {message['seconds']} s"
                    )
                self._finalized += 1
            case "error" | "gap":
                raise LoadFailed(f"a speaker was sent {message}")

    def settled(self) -> bool:
        """Return whether the server has everything."""
        return self._finalized == len(self._peers)

    def missing(self) -> str:
        """Say for whom the server has not."""
        return (
            f"the audio of {len(self._peers) - self._finalized} of {len(self._peers)} speakers was not taken"
        )

    def finish(self) -> None:
        """Count the frames."""
        self.stage.tally.counts["audio frames"] += sum(self._sent)
