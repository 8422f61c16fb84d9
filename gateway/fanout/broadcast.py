"""A broadcast: one stream of audio or captions on its way to a channel's topics.

Takes what the worker link reports and publishes it: interims as they come, finals once, voices with the
final they speak. Invariant: per topic, finals are published in the order of the audio.
"""

import logging
from collections import Counter
from functools import partial
from typing import Protocol

from gateway.fanout import frames
from gateway.fanout.channel import Channel, Track
from gateway.fanout.written import Written
from gateway.metering.clock import MediaClock
from gateway.metrics import ENGINE_TROUBLE, SUBTITLES
from gateway.workers.pool import Stream, WorkerPool
from gateway.workers.relay import Gap
from media import link
from media.captions import Caption, Word
from sessions import messages
from sessions.dubbing import Dubbing

log = logging.getLogger(__name__)

LINGER_SECONDS = 30.0
"""How long a language goes on being made after its last follower left."""
ENGINE_WARNINGS = {
    "audio_missing": "Some audio did not reach recognition",
    "engine_switched": "An engine failed and another took over; nothing is lost",
    "recognition_failed": "A passage could not be recognised",
    "translation_failed": "A passage could not be translated; it is shown as it was said",
    "voice_failed": "A passage could not be spoken; its subtitle is there",
}
"""What a client is told of trouble with engines; the details (addresses among them) are for the log."""

_INTERIM = SUBTITLES.labels("false")
_FINAL = SUBTITLES.labels("true")

NOTHING = Caption("", 0.0, 0.0)

Segment = tuple[str, int, Caption]
"""A final caption on its way: segment id, revision, caption."""


class Source(Protocol):
    """The connection that brings a broadcast's audio."""

    def stream_finalized(self) -> None:
        """Everything before its oldest `finalize` not yet answered is final; called once for each."""

    def stream_ended(self) -> None:
        """Everything is out."""

    def stream_notice(self, message: messages.Gap | messages.Warning) -> None:
        """Something its client should know."""

    def stream_writable(self) -> None:
        """There is room for audio again."""

    def stream_failed(self, reason: str) -> None:
        """The stream cannot go on."""


class Broadcast:
    """One stream of a channel. `source` is its connection, None while that is lost; `failed` says that the
    stream ended because no worker could go on with it."""

    def __init__(self, channel: Channel, stream_id: str, source_lang: str, pool: WorkerPool,
                 now: float) -> None:  # fmt: skip
        self.channel = channel
        self.stream_id = stream_id
        self.source_lang = source_lang
        self.started_at = now
        self.clock = MediaClock(channel.loop.call_soon)
        self.source: Source | None = None
        self.ended = False
        self.failed = False
        self.closing = False
        self._pool = pool
        self._stream: Stream | None = None
        self._revs: dict[tuple[int, str], int] = {}
        self._texts: dict[int, str] = {}
        self._written = Written(stream_id)
        self._asked: Counter[tuple[int, Source]] = Counter()
        self._dubs: dict[tuple[str, Track], Dubbing[Segment, link.Voice]] = {}

    # --- what the source brings -----------------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether workers were asked for anything yet."""
        return self._stream is not None

    @property
    def received_seconds(self) -> float:
        """Seconds of audio taken so far."""
        return self._stream.received_seconds if self._stream else 0.0

    @property
    def processed_seconds(self) -> float:
        """Seconds of audio heard so far."""
        return self._stream.processed_seconds if self._stream else 0.0

    @property
    def full(self) -> bool:
        """Whether the source should be read no further for now."""
        return self._stream is not None and self._stream.full

    def take_audio(self, pcm: bytes, now: float) -> None:
        """Hand canonical PCM to the worker; what comes after the end is nobody's."""
        if self.closing:
            return
        self._worker_stream(now).receive_audio(pcm)
        self.clock.take_audio(len(pcm), now)

    def take_caption(self, caption: messages.Caption, now: float) -> None:
        """Publish a caption that came as text; a final one is translated and spoken for those who ask."""
        words = tuple(Word(w.word, w.start, w.end, w.confidence) for w in caption.words)
        said = Caption(caption.text, caption.start, caption.end, words, caption.text)
        segment = (self._written.final if caption.is_final else self._written.interim)(caption.segment_id)
        if segment is None:
            return
        self.clock.take_caption(now)
        segment_id, rev = segment
        if not caption.is_final:
            self._publish_interim(self.source_lang, segment_id, rev, said)
            return
        self._publish_finals(self.source_lang, ("text", segment_id), [(segment_id, rev, said)])
        wanted = self.channel.wanted(now, LINGER_SECONDS)
        if any(lang != self.source_lang or voices for lang, voices in wanted.items()):
            stream = self._worker_stream(now)
            stream.set_targets(wanted)
            number = stream.send_text(caption.text, caption.start, caption.end)
            self._texts[number] = segment_id
        else:
            self._settle(self.source_lang, ("text", segment_id))

    def finalize(self) -> None:
        """Have everything heard so far made final; the source that asks is told."""
        if self._stream is not None and not self.ended:
            mark = self._stream.finalize()
            if self.source is not None:
                self._asked[mark, self.source] += 1
        elif self.source is not None:
            self.source.stream_finalized()

    def end(self) -> None:
        """Take nothing more; the source is told when everything is out."""
        self.closing = True
        if self._stream is not None and not self.ended:
            self._stream.close()
        else:
            self._end()

    def drop(self) -> None:
        """Forget the stream at once."""
        if self._stream is not None:
            self._stream.drop()
        self.ended = True

    def retarget(self, now: float) -> None:
        """Have made what the channel's followers want now."""
        if self._stream is not None and not self.ended:
            self._stream.set_targets(self.channel.wanted(now, LINGER_SECONDS))

    def _worker_stream(self, now: float) -> Stream:
        if self._stream is None:
            wanted = self.channel.wanted(now, LINGER_SECONDS)
            self._stream = self._pool.open_stream(self.source_lang, wanted, self)
        return self._stream

    # --- what the worker reports ----------------------------------------------------------------------

    def writable(self) -> None:
        """Tell the source that there is room again."""
        if self.source is not None:
            self.source.stream_writable()

    def receive(self, event: "link.FromWorker | Gap") -> None:  # noqa: C901 - one arm per message
        """Publish what the worker made, or tell the source."""
        match event:
            case link.Interim():
                self._revs[event.utterance, event.lang] = event.rev
                segment_id = self._segment_id(event.utterance, 0)
                self._publish_interim(event.lang, segment_id, event.rev, event.caption)
            case link.Final(origin="speech"):
                self._speech_final(event)
            case link.Final():
                self._text_final(event)
            case link.Voice():
                self._voice(event)
            case link.Committed():
                self._settle_before(event.utterance)
            case link.TextDone():
                self._text_done(event.number)
            case link.Finalized():
                self._finalized(event.mark)
            case link.Ended():
                self._end()
            case link.Warned():
                self._warned(event)
            case Gap():
                self._notice(messages.Gap(from_=event.from_seconds, to=event.to_seconds, reason=event.reason))
            case link.Failed():
                self.ended = self.failed = True
                if self.source is not None:
                    self.source.stream_failed(event.reason)
            case link.Hello() | link.Progress():
                pass

    def _speech_final(self, final: link.Final) -> None:
        shown = (final.utterance, final.lang) in self._revs
        rev = self._revs.pop((final.utterance, final.lang), 0) + 1
        if shown and not final.captions:  # what viewers have seen of it was nothing after all
            self._publish_interim(final.lang, self._segment_id(final.utterance, 0), rev, NOTHING)
        segments = [
            (self._segment_id(final.utterance, block), rev, caption)
            for block, caption in enumerate(final.captions)
        ]
        self._publish_finals(final.lang, ("speech", final.utterance), segments)

    def _text_final(self, final: link.Final) -> None:
        segment_id = self._texts[final.utterance]
        blocks = [
            (segment_id if not block else f"{segment_id}.{block}", 1, caption)
            for block, caption in enumerate(final.captions)
        ]
        self._publish_finals(final.lang, ("text", segment_id), blocks)

    def _voice(self, voice: link.Voice) -> None:
        dub = self._dubs.get((voice.lang, voice.encoding))
        if dub is not None:
            dub.voice(self._dub_key(voice.origin, voice.utterance), voice.block, voice, last=voice.last)
            self._release(voice.lang, voice.encoding)

    def _text_done(self, number: int) -> None:
        segment_id = self._texts.pop(number)
        for lang, _ in list(self._dubs):
            self._settle(lang, ("text", segment_id))

    def _end(self) -> None:
        self.ended = True
        for dub in self._dubs.values():
            dub.settle_all()
        for lang, track in list(self._dubs):
            self._release(lang, track)
        if self.source is not None:
            self.source.stream_ended()

    def _finalized(self, mark: int) -> None:
        """Answer everyone who asked for this mark and is still here."""
        for key in [key for key in self._asked if key[0] == mark]:
            for _ in range(self._asked.pop(key)):
                if key[1] is self.source:
                    key[1].stream_finalized()

    def _warned(self, warned: link.Warned) -> None:
        ENGINE_TROUBLE.labels(warned.code).inc()
        log.warning(
            "Engine trouble: %s", warned.detail, extra={"code": warned.code, "stream": self.stream_id}
        )
        if warned.code in ENGINE_WARNINGS:
            told = {"code": warned.code, "message": ENGINE_WARNINGS[warned.code]}
            self._notice(messages.Warning.model_validate(told))

    def _notice(self, message: messages.Gap | messages.Warning) -> None:
        if self.source is not None:
            self.source.stream_notice(message)

    # --- to the topics --------------------------------------------------------------------------------

    def _segment_id(self, utterance: int, block: int) -> str:
        return f"{self.stream_id}.{utterance}.{block}"

    def _dub_key(self, origin: link.Origin, number: int) -> object:
        if origin == "speech":
            return "speech", number
        return "text", self._texts[number]

    def _publish_interim(self, lang: str, segment_id: str, rev: int, caption: Caption) -> None:
        for _, topic in self.channel.tracks(lang):
            topic.publish_interim(
                frames.subtitle(
                    segment_id, rev, topic.offset, caption, lang, self.source_lang, is_final=False
                )
            )
            _INTERIM.inc()

    def _publish_finals(self, lang: str, key: object, segments: list[Segment]) -> None:
        self.channel.keep(lang, [caption for _, _, caption in segments])
        for track, topic in self.channel.tracks(lang):
            if track is None:
                for segment in segments:
                    topic.publish_final(partial(self._final, segment, lang), self.clock.ms)
                    _FINAL.inc()
            else:
                dub = self._dubs.setdefault((lang, track), Dubbing())
                dub.final(key, segments)

    def _final(self, segment: Segment, lang: str, offset: int, spoken: bytes = b"") -> bytes:
        segment_id, rev, caption = segment
        said = frames.subtitle(segment_id, rev, offset, caption, lang, self.source_lang, is_final=True)
        return said + spoken

    def _settle(self, lang: str, key: object) -> None:
        for (dub_lang, track), dub in self._dubs.items():
            if dub_lang == lang:
                dub.settle(key)
                self._release(lang, track)

    def _settle_before(self, utterance: int) -> None:
        for (lang, track), dub in self._dubs.items():
            for key in dub.waiting():
                if isinstance(key, tuple) and key[0] == "speech" and key[1] < utterance:
                    dub.settle(key)
            self._release(lang, track)

    def _release(self, lang: str, track: Track) -> None:
        topic = self.channel.topic(lang, track)
        for blocks in self._dubs[lang, track].ready():
            for segment, voice in blocks:
                spoken = b"" if voice is None else frames.dub_audio(segment[0], voice)
                topic.publish_final(partial(self._final, segment, lang, spoken=spoken), self.clock.ms)
                _FINAL.inc()
