"""A channel: its topics, who publishes, what is on, and the captions so far. A personal stream is a
channel of its own that only its session knows.

Invariant: what somebody follows or followed lately, and nothing else, is what the worker is asked for.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.fanout.topic import Recorded, Topic
from gateway.ids import new_epoch
from gateway.wire.frames import text_frame
from media.captions import Caption
from media.link import VoiceEncoding, Wanted
from sessions import messages
from sessions.history import History, HistoryLimits
from sessions.publishing import Publishing

TRANSCRIPT_CAPTIONS_MAX = 50_000
"""Captions kept per language: some 40 hours of speech."""

LANGUAGES_MAX = 32
"""Made of one channel at once, whatever its viewers think up; half of what one message to a worker takes."""

Track = VoiceEncoding | None
"""What a topic carries besides captions: nothing, or voices in one encoding."""


class Key(NamedTuple):
    """Names a channel within the server."""

    tenant: str
    channel_id: str


class Archiving(Protocol):
    """Where topics are kept beyond this process."""

    def record(self, key: Key, lang: str, track: Track, history: History) -> Recorded:
        """Return what keeps a new topic's finals."""


@dataclass(slots=True, eq=False)
class Channel:
    """Everything that followers of one channel share. `prepared`: whether what another process left of it was
    looked for."""

    key: Key
    source_lang: str
    history: HistoryLimits
    loop: asyncio.AbstractEventLoop
    personal: bool = False
    publishing: Publishing = field(default_factory=Publishing)
    stream_id: str = ""
    transcript: dict[str, list[Caption]] = field(default_factory=dict)
    topics: dict[tuple[str, Track], Topic] = field(default_factory=dict)
    used_at: float = 0.0
    archive: Archiving | None = None
    prepared: bool = False

    def topic(self, lang: str, track: Track) -> Topic:
        """Return the topic of a language, made at its first use."""
        topic = self.topics.get((lang, track))
        if topic is None:
            history = History(new_epoch(), self.history)
            archive = None if self.personal else self.archive
            record = archive.record(self.key, lang, track, history) if archive is not None else None
            topic = self.topics[lang, track] = Topic(history, self.loop, record)
        return topic

    def restore(self, lang: str, track: Track, history: History, record: Recorded) -> None:
        """Let a topic go on with a history that began elsewhere, before anybody asks for it here."""
        assert (lang, track) not in self.topics
        self.topics[lang, track] = Topic(history, self.loop, record)

    def tracks(self, lang: str) -> Iterator[tuple[Track, Topic]]:
        """Yield the topics of a language that exist, with what each carries."""
        for (topic_lang, track), topic in self.topics.items():
            if topic_lang == lang:
                yield track, topic

    def followers(self) -> int:
        """Return how many connections follow any topic."""
        return sum(map(len, self.topics.values()))

    def wanted(self, now: float, linger_seconds: float) -> Wanted:
        """Return what the worker is to make: the source language, and what is followed or was lately.

        The most followed languages come first; what passes LANGUAGES_MAX is left out.
        """
        wanted: dict[str, set[VoiceEncoding]] = {self.source_lang: set()}
        for (lang, track), topic in sorted(self.topics.items(), key=lambda item: -len(item[1])):
            if len(topic) or now - topic.used_at < linger_seconds:
                if lang not in wanted and len(wanted) == LANGUAGES_MAX:
                    continue
                voices = wanted.setdefault(lang, set())
                if track is not None:
                    voices.add(track)
        return {lang: tuple(sorted(voices)) for lang, voices in wanted.items()}

    def start(self, stream_id: str, source_lang: str) -> None:
        """Begin a new stream: its transcript is empty, and followers are told."""
        self.stream_id, self.source_lang = stream_id, source_lang
        self.transcript = {}
        self.announce()

    def announce(self) -> None:
        """Tell every follower the state of the channel."""
        frame = text_frame(self.state_message().encoded())
        for topic in self.topics.values():
            topic.announce(frame)

    def state_message(self) -> messages.Channel:
        """Return the state of the channel as its followers are told it."""
        return messages.Channel(
            state=self.publishing.state, source_lang=self.source_lang, stream_id=self.stream_id
        )

    def keep(self, lang: str, captions: list[Caption]) -> None:
        """Add final captions to the transcript of a language."""
        kept = self.transcript.setdefault(lang, [])
        kept.extend(captions)
        if len(kept) > TRANSCRIPT_CAPTIONS_MAX:
            del kept[: len(kept) - TRANSCRIPT_CAPTIONS_MAX]
