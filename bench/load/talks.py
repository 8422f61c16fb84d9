"""Talks in real speech: publishers who speak in real time, and viewers who read what was understood.

A subtitle says where in the talk its words end, so its age is known although nobody can mark speech. Every
viewer of a talk must have seen the same finals, once and in order.
"""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.crowd import LoadFailed, Peer
from bench.frames import BINARY, TEXT, client_frame
from bench.load.stage import FRAME_NS, NEVER_NS, Part, Stage
from bench.load.tally import Timeline

END = client_frame(TEXT, b'{"type":"end"}')
UNFINISHED_SECONDS = 0.3
"""A sentence that ended so shortly before the end is not held against the recognizer."""


@dataclass(slots=True)
class Talk:
    """One publisher and what its viewers have seen."""

    speaker: Peer
    began_ns: int
    sent_frames: int
    finals: list[bytes]
    segment: str = ""
    ended: bool = False


class Talks(Part):
    """One talk on each of `channels`, each followed by `viewers`.

    `speech` is a file of s16le mono at `sample_rate`, said again and again; `script` has its sentences, each
    with the second at which it ends.
    """

    def __init__(
        self,
        stage: Stage,
        channels: list[str],
        viewers: int,
        speech: str,
        sample_rate: int,
        script: list[tuple[float, str]],
    ) -> None:
        super().__init__(stage)
        self._channels = channels
        self._sample_rate = sample_rate
        self._script = script
        size = sample_rate // 50 * 2
        pcm = Path(speech).read_bytes()
        self._frames = [
            client_frame(BINARY, pcm[start : start + size]) for start in range(0, len(pcm) - size + 1, size)
        ]
        self._audience = viewers
        self._talks: list[Talk] = []
        self._viewers: list[Peer] = []
        self._places: list[int] = []
        self._over = 0
        self._ending = False
        self._times: dict[bool, Timeline] = {}

    def prepare(self) -> None:
        """Open the channels, then let the viewers in."""
        crowd, channels = self.stage.crowd, self._channels
        paths = [
            f"/ws/live/{channel}/publish?source_lang=en&sample_rate={self._sample_rate}"
            for channel in channels
        ]
        speakers = crowd.join(paths, lambda number: self.stage.bearer("speaker", number))
        paths = [f"/ws/live/{channel}/subtitles?target_lang=en" for channel in channels] * self._audience
        self._viewers = crowd.join(paths, lambda number: self.stage.bearer("viewer", number))
        self._places = [0] * len(self._viewers)
        self._talks = [Talk(speaker, 0, 0, []) for speaker in speakers]

    def begin(self) -> None:
        """Begin to speak, one talk after the other within the length of a sentence."""
        tally = self.stage.tally
        self._times = {True: tally.timeline("final"), False: tally.timeline("interim")}
        apart_ns = int(self._script[0][0] * 1e9) // len(self._talks) // FRAME_NS * FRAME_NS
        for number, talk in enumerate(self._talks):
            talk.began_ns = self.stage.begin_ns + number * apart_ns
            talk.speaker.heard = self._hear_speaker
        for peer in self._viewers:
            peer.heard = self._hear

    def due_ns(self) -> int:
        """Return when the next frame of any talk has been spoken."""
        if self._ending:
            return NEVER_NS
        return min(self.stage.end_ns, *(_due_ns(talk) for talk in self._talks))

    def act(self) -> None:
        """Send it; at the end say so."""
        if self.due_ns() >= self.stage.end_ns:
            self._ending = True
            for talk in self._talks:
                self.stage.crowd.send(talk.speaker, END)
            return
        talk = min(self._talks, key=_due_ns)
        self.stage.crowd.send(talk.speaker, self._frames[talk.sent_frames % len(self._frames)])
        talk.sent_frames += 1

    def _hear_speaker(self, peer: Peer, payload: bytes) -> None:
        message = orjson.loads(payload)
        if message["type"] in {"error", "gap"}:
            raise LoadFailed(f"a speaker was sent {message}")
        if message["type"] == "ended":
            self._talks[peer.index].ended = True

    def _hear(self, peer: Peer, payload: bytes) -> None:
        now_ns = time.monotonic_ns()
        message = orjson.loads(payload)
        talk = self._talks[peer.index % len(self._talks)]
        match message["type"]:
            case "subtitle" if message["is_final"]:
                self._times[True].record(talk.began_ns + int(message["end"] * 1e9), now_ns)
                self._see(peer, talk, payload)
            case "subtitle":
                self._times[False].record(talk.began_ns + int(message["end"] * 1e9), now_ns)
            case "channel" if message["state"] == "ended":
                self._over += 1
            case "error" | "resync" | "gap":
                raise LoadFailed(f"a viewer was sent {message}")

    def _see(self, peer: Peer, talk: Talk, payload: bytes) -> None:
        place = self._places[peer.index]
        if place == len(talk.finals):
            talk.finals.append(payload)
        elif talk.finals[place] != payload:
            raise LoadFailed(f"viewer {peer.index} was sent something else than others: {payload!r}")
        self._places[peer.index] = place + 1

    def settled(self) -> bool:
        """Return whether every talk has ended for all its viewers."""
        return self._ending and self._over == len(self._viewers) and all(talk.ended for talk in self._talks)

    def missing(self) -> str:
        """Say for how many it has not."""
        return f"{len(self._viewers) - self._over} viewers never heard that their talk had ended"

    def finish(self) -> None:
        """Check that all have seen the same, and count the words that were understood."""
        counts = self.stage.tally.counts
        for peer, place in zip(self._viewers, self._places, strict=True):
            finals = self._talks[peer.index % len(self._talks)].finals
            if place != len(finals):
                raise LoadFailed(f"viewer {peer.index} has seen {place} of {len(finals)} finals")
            counts["finals seen"] += place
        for talk in self._talks:
            said = self._words_said(talk.sent_frames * FRAME_NS / 1e9 - UNFINISHED_SECONDS)
            heard = Counter(" ".join(_text(final) for final in talk.finals).split())
            counts["words said"] += said.total()
            counts["words understood"] += (said & heard).total()

    def _words_said(self, seconds: float) -> Counter[str]:
        length = len(self._frames) * FRAME_NS / 1e9
        words: Counter[str] = Counter()
        for time_round in range(int(seconds / length) + 1):
            for end, sentence in self._script:
                if time_round * length + end <= seconds:
                    words.update(sentence.split())
        return words


def _due_ns(talk: Talk) -> int:
    """Return when the next frame of a talk is complete: nobody can send a sound before it was made."""
    return talk.began_ns + (talk.sent_frames + 1) * FRAME_NS


def _text(final: bytes) -> str:
    text: str = orjson.loads(final)["text"]
    return text.lower()
