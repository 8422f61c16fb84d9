"""What an unfinished utterance sounds like, in every language that can keep up; little is taken back.

A translation in progress is never waited for: the newest text is translated next. Nothing of an utterance
is sent after `over`, so no interim comes after its final.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from media import link
from media.captions import Caption, Word
from media.delivery import Emit
from media.engines.base import EngineError, Translator, primary
from media.engines.stock import EngineSet
from media.hearing import Heard
from media.shaping import flow, tokens
from media.stability import Agreement, Shown, masked

REPEAT_REVISIONS = 2
"""An unchanged interim is sent again after so many hypotheses (480 ms): its end shows that it goes on."""


@dataclass(slots=True)
class Lane:
    """One language of the utterance that is being heard."""

    translation: Shown = field(default_factory=Shown)
    text: str = ""  # what was sent last
    revision: int = 0  # with which revision
    asked: str = ""  # the source text of the newest translation
    translating: bool = False
    broken: bool = False


class Interims:
    """The interims of one stream."""

    def __init__(self, opened: link.Open, engines: EngineSet, emit: Emit, tasks: asyncio.TaskGroup) -> None:
        self._stream = opened.stream
        self._source = opened.source_lang
        self._engines = engines
        self._emit = emit
        self._tasks = tasks
        self._heard: Heard | None = None
        self._agreement = Agreement()
        self._words: tuple[Word, ...] = ()
        self._lanes: dict[str, Lane] = {}

    def heard(self, heard: Heard, targets: Iterable[str]) -> None:
        """Take the newest hypothesis of the utterance that is being heard."""
        if self._heard is None:
            self._agreement, self._words, self._lanes = Agreement(), (), {}
        self._heard = heard
        shown = self._agreement.update(heard.words, heard.end)
        newest = heard.words[: len(shown)]
        if [word.word for word in newest] == list(shown):  # otherwise the words shown are older ones
            self._words = newest
        source = " ".join(shown)
        for lang in targets:
            lane = self._lanes.setdefault(lang, Lane())
            if primary(lang) == primary(self._source):
                self._send(lane, lang, source, heard)
            elif source and not lane.broken:
                self._translate(lane, lang, source, heard)

    def over(self) -> None:
        """Send nothing more of this utterance."""
        self._heard = None

    def _send(self, lane: Lane, lang: str, text: str, heard: Heard) -> None:
        if not text or (text == lane.text and heard.revision - lane.revision < REPEAT_REVISIONS):
            return
        lane.text, lane.revision = text, heard.revision
        own = primary(lang) == primary(self._source)
        source = " ".join(word.word for word in self._words)
        start = self._words[0].start if self._words else heard.start
        caption = Caption(flow(text), start, heard.end, self._words if own else (), source)
        self._emit(link.Interim(self._stream, heard.utterance, heard.revision, lang, caption))

    def _translate(self, lane: Lane, lang: str, source: str, heard: Heard) -> None:
        if source != lane.asked and not lane.translating:
            translator = self._translator(lang)
            if translator is None:
                lane.broken = True
                return
            lane.translating = True
            work = self._translation(lane, lang, translator)
            self._tasks.create_task(work, name=f"{lang} interim of {heard.utterance}")
        elif not lane.translating:
            self._send(lane, lang, "".join(lane.translation.words), heard)

    async def _translation(self, lane: Lane, lang: str, translator: Translator) -> None:
        """Translate what is shown until nothing newer has come meanwhile."""
        while self._heard_by(lane, lang) is not None:
            source = " ".join(self._agreement.words)
            if source == lane.asked:
                break
            lane.asked = source
            try:
                async with asyncio.timeout(self._engines.catalogue.settings.timeout_seconds):
                    made = await translator.translate(source, self._source, lang)
            except (EngineError, TimeoutError):
                lane.broken = True  # the final will tell, and go to another engine
                break
            if (heard := self._heard_by(lane, lang)) is not None:
                shown = lane.translation.replace(masked(tokens(made)))
                self._send(lane, lang, "".join(shown), heard)
        lane.translating = False

    def _heard_by(self, lane: Lane, lang: str) -> Heard | None:
        """Return what is being heard now, unless that is an utterance after the lane's."""
        return self._heard if self._lanes.get(lang) is lane else None

    def _translator(self, lang: str) -> Translator | None:
        for engine in self._engines.catalogue.translators(self._source, lang):
            try:
                translator = self._engines.translator(engine)
            except EngineError:
                continue
            if translator.interims:
                return translator
        return None
