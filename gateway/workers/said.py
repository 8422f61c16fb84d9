"""What a stream's session has already been told, so that a successor's repetitions are recognised.

Invariant: of each utterance or text, each language's final and each voice passes once; the revisions of
interims only grow, never follow their final, and never show less than a lost worker had shown.
"""

from dataclasses import dataclass, field, replace

from media import link


@dataclass(slots=True)
class _Shown:
    """The last interim that passed, and whether a worker that is gone had sent it."""

    rev: int
    end: float
    inherited: bool = False


@dataclass(slots=True)
class _Said:
    finals: set[str] = field(default_factory=set)
    interims: dict[str, _Shown] = field(default_factory=dict)


class Said:
    """Remembers utterances from the last commit on, and texts that are not done; nothing else can recur.

    A worker sends each language in order, so what a successor says of an earlier utterance is a repetition,
    or comes too late: that language was not wanted yet when the utterance was said first.
    """

    def __init__(self) -> None:
        self.utterance = 0
        """The first that is not committed."""
        self._utterances: dict[int, _Said] = {}
        self._texts: dict[int, _Said] = {}
        self._last_final: dict[tuple[link.Origin, str], int] = {}
        self._last_voice: dict[tuple[link.Origin, str, str], tuple[int, int]] = {}

    def interim(self, message: link.Interim) -> link.Interim | None:
        """Return what to pass on, with a revision that is greater than any before; None for nothing."""
        said = self._of(message.utterance, "speech")
        if said is None or message.utterance <= self._last_final.get(("speech", message.lang), -1):
            return None
        shown = said.interims.get(message.lang)
        rev = message.rev
        if shown is not None:
            if shown.inherited and message.caption.end <= shown.end:
                return None
            rev = max(rev, shown.rev + 1)
        said.interims[message.lang] = _Shown(rev, message.caption.end)
        return message if rev == message.rev else replace(message, rev=rev)

    def final(self, message: link.Final) -> bool:
        """Say whether this final is new, and note it."""
        said = self._of(message.utterance, message.origin)
        key = message.origin, message.lang
        if said is None or message.utterance <= self._last_final.get(key, -1):
            return False
        self._last_final[key] = message.utterance
        said.finals.add(message.lang)
        said.interims.pop(message.lang, None)
        return True

    def voice(self, message: link.Voice) -> bool:
        """Say whether this voice is new, and note it; one whose final did not pass does not either."""
        said = self._of(message.utterance, message.origin)
        key = message.origin, message.lang, message.encoding
        place = message.utterance, message.block
        if said is None or place <= self._last_voice.get(key, (-1, -1)):
            return False
        # A text is spoken in its own language too, where it has no final.
        overtaken = message.utterance <= self._last_final.get((message.origin, message.lang), -1)
        if overtaken and message.lang not in said.finals:
            return False
        self._last_voice[key] = place
        return True

    def text_sent(self, number: int) -> None:
        """Expect finals and voices of a text."""
        self._texts.setdefault(number, _Said())

    def text_done(self, number: int) -> None:
        """Forget a text: nothing of it comes any more."""
        self._texts.pop(number, None)

    def committed(self, utterance: int) -> None:
        """Forget what is before `utterance`: no worker will say it again."""
        self.utterance = utterance
        for number in [number for number in self._utterances if number < utterance]:
            del self._utterances[number]

    def skip(self) -> None:
        """Give up every utterance begun: its audio is gone, so its number must not be used again."""
        self.committed(max(self._utterances, default=self.utterance - 1) + 1)

    def worker_changed(self) -> None:
        """Expect everything that is not committed once more."""
        for said in self._utterances.values():
            for shown in said.interims.values():
                shown.inherited = True

    def _of(self, number: int, origin: link.Origin) -> _Said | None:
        if origin == "text":
            return self._texts.get(number)
        return self._utterances.setdefault(number, _Said()) if number >= self.utterance else None
