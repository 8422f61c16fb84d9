"""The archive: what topics have sent, kept outside this process so that the next one can go on with it.

Invariant: publishing never waits for the archive, and who resumes over a restart gets all that was sent or is
told `resync`. What waits to be archived is the topics' own histories: there is no queue to grow or to lose.

A topic that goes on with another process's finals has an epoch of its own (see `sessions.history`), and
claims its place in the store before its first follower hears of it. Two processes that publish on the same
topic each keep their own history whole; the store has that of one of them.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import get_args
from weakref import WeakSet

import orjson

from gateway.fanout.channel import Channel, Key, Track
from gateway.ids import new_epoch
from gateway.metrics import ARCHIVE_WAITING, ARCHIVED
from gateway.stores.captions import (
    PIECE_BYTES_MAX,
    PIECE_FINALS_MAX,
    Captions,
    CaptionsLost,
    ChannelName,
    Piece,
    TopicName,
)
from gateway.wire.frames import BINARY, TEXT, binary_frame, split_frames, text_frame
from media.link import VoiceEncoding
from sessions.history import History, Past

log = logging.getLogger(__name__)

PREPARE_SECONDS = 2.0
"""A channel's first comer waits for its past no longer than this."""
TEND_SECONDS = 10.0
"""How often idle topics are kept from running out, and how soon a store that lost them has them again."""
RETRY_SECONDS = 1.0
CONTEST_SECONDS = 30.0
"""Two processes that publish on one topic take it from each other no more often than this."""
TOPICS_PER_WRITE_MAX = 100
CHECKED_PER_TURN_MAX = 100

_TRACKS: dict[str, Track] = {"": None} | {encoding: encoding for encoding in get_args(VoiceEncoding)}

_KEPT = ARCHIVED.labels("kept")
_ANEW = ARCHIVED.labels("anew")
_DROPPED = ARCHIVED.labels("dropped")
_TAKEN = ARCHIVED.labels("taken")


class Record:
    """One topic's place in the archive: `stored` is the newest of its offsets that the store has."""

    __slots__ = ("__weakref__", "_archive", "anew", "channel", "contest_at", "history", "stored", "topic")

    def __init__(
        self, archive: "Archive", channel: ChannelName, topic: TopicName, history: History, *, anew: bool
    ) -> None:
        self._archive = archive
        self.channel = channel
        self.topic = topic
        self.history = history
        self.stored = history.offset
        self.anew = anew
        self.contest_at = 0.0

    def appended(self) -> None:
        """There is a final to archive."""
        self._archive.wants(self)

    def piece(self, bytes_max: int) -> Piece:
        """Return what is to be written next."""
        history = self.history
        if not self.anew and self.stored + 1 < history.oldest:
            _DROPPED.inc(history.oldest - 1 - self.stored)
            self.anew = True
        after = history.oldest - 1 if self.anew else self.stored
        finals = history.piece(after, PIECE_FINALS_MAX, bytes_max)
        return Piece(self.channel, self.topic, history.epoch, after, finals, history.ancestors, self.anew)


class Archive:
    """Writes what topics have sent to `captions` as fast as that takes it, one round trip at a time.
    `serves` says whether anything here makes a language, or a voice in it: nothing else is gone on with."""

    def __init__(self, captions: Captions, serves: Callable[[str, Track], bool]) -> None:
        self._captions = captions
        self._serves = serves
        self._loop = asyncio.get_running_loop()
        self._records: WeakSet[Record] = WeakSet()
        self._waiting: dict[Record, None] = {}
        self._wanted = asyncio.Event()
        self._writing = asyncio.Lock()
        self._preparing: dict[Key, asyncio.Event] = {}

    @property
    def waiting(self) -> int:
        """Topics of which something is not in the store yet."""
        return len(self._waiting)

    def wants(self, record: Record) -> None:
        """Have a topic written at the next turn."""
        self._waiting[record] = None
        self._wanted.set()

    def record(self, key: Key, lang: str, track: Track, history: History) -> Record:
        """Return the record of a topic without a past, which replaces whatever the store has of it."""
        return self._record(_channel_name(key), TopicName(lang, track or ""), history, anew=True)

    async def prepare(self, channel: Channel) -> None:
        """Let a channel that this process has not had before go on with every topic that another left.

        Awaited before the channel's first topic is asked for; afterwards it returns at once. Never raises:
        without its past, or after PREPARE_SECONDS, the channel begins anew.
        """
        while not channel.prepared and not channel.personal:
            underway = self._preparing.get(channel.key)
            if underway is not None:
                await underway.wait()
                continue
            underway = self._preparing[channel.key] = asyncio.Event()
            try:
                async with asyncio.timeout(PREPARE_SECONDS):
                    await self._restore(channel)
            except (CaptionsLost, TimeoutError) as error:
                reason = str(error) or "reading it took too long"
                log.warning("A channel begins without its past: %s", reason,
                            extra={"channelId": channel.key.channel_id})  # fmt: skip
            finally:
                del self._preparing[channel.key]
                underway.set()
            channel.prepared = True

    async def run(self) -> None:
        """Write for ever."""
        tend_at = self._loop.time() + TEND_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(tend_at):
                    await self._wanted.wait()
            except TimeoutError:
                tend_at = self._loop.time() + TEND_SECONDS
                self.tend()
            if not await self.flush():
                await asyncio.sleep(RETRY_SECONDS)

    def tend(self) -> None:
        """Have every topic looked after at the next turn, whether or not there is anything new of it."""
        for record in self._records:
            self.wants(record)

    async def flush(self) -> bool:
        """Write until nothing waits; False when the store is lost."""
        async with self._writing:
            while self._waiting:
                try:
                    await self._write_some()
                except CaptionsLost:
                    return False
                finally:
                    ARCHIVE_WAITING.set(len(self._waiting))
            self._wanted.clear()
            return True

    # --- writing --------------------------------------------------------------------------------------

    async def _write_some(self) -> None:
        batch: list[tuple[Record, Piece]] = []
        room = PIECE_BYTES_MAX
        for record in self._waiting:
            piece = record.piece(room)
            size = sum(map(len, piece.finals))
            if batch and size > room:
                break
            batch.append((record, piece))
            room -= size
            if room <= 0 or len(batch) == TOPICS_PER_WRITE_MAX:
                break
        outcomes = await self._captions.write([piece for _, piece in batch])
        for (record, piece), outcome in zip(batch, outcomes, strict=True):
            self._waiting.pop(record, None)
            if outcome == "kept":
                self._kept(record, piece)
            elif outcome == "missing":
                if not record.anew:  # a store that does not take it even so is asked again when tended
                    self.wants(record)
                record.anew = True
            else:
                self._taken(record)

    def _kept(self, record: Record, piece: Piece) -> None:
        if piece.anew and (piece.finals or piece.after):
            _ANEW.inc()
        _KEPT.inc(len(piece.finals))
        record.anew = False
        record.stored = piece.after + len(piece.finals)
        if record.stored < record.history.offset:
            self.wants(record)

    def _taken(self, record: Record) -> None:
        """Another process writes the topic: take it back if there is something to say, but not in turns."""
        if record.stored == record.history.offset or self._loop.time() < record.contest_at:
            return
        _TAKEN.inc()
        record.contest_at = self._loop.time() + CONTEST_SECONDS
        record.anew = True
        self.wants(record)

    # --- the past -------------------------------------------------------------------------------------

    async def _restore(self, channel: Channel) -> None:
        name = _channel_name(channel.key)
        for topic in await self._captions.topics(name):
            if topic.track not in _TRACKS:
                continue
            track = _TRACKS[topic.track]
            if (topic.lang, track) in channel.topics or not self._serves(topic.lang, track):
                continue
            past = await self._captions.load(name, topic)
            if past is None or not await _is_sound(past):
                continue
            history = History(new_epoch(), channel.history, past)
            record = self._record(name, topic, history, anew=False)
            channel.restore(topic.lang, track, history, record)
            log.info("A topic goes on", extra={"channelId": name.channel_id, "lang": topic.lang,
                                               "offset": history.offset})  # fmt: skip
        await self.flush()

    def _record(self, channel: ChannelName, topic: TopicName, history: History, *, anew: bool) -> Record:
        record = Record(self, channel, topic, history, anew=anew)
        self._records.add(record)
        self.wants(record)
        return record


def _channel_name(key: Key) -> ChannelName:
    return ChannelName(key.tenant, key.channel_id)


async def _is_sound(past: Past) -> bool:
    """Whether every entry is what a topic of ours has sent: it is written to sockets as it stands."""
    for place, entry in enumerate(past.entries):
        if not _is_final(entry, past.offset - len(past.entries) + 1 + place):
            log.warning("What the archive has of a topic is not ours, and is not replayed")
            return False
        if place % CHECKED_PER_TURN_MAX == 0:
            await asyncio.sleep(0)
    return True


def _is_final(entry: bytes, offset: int) -> bool:
    try:
        messages = list(split_frames(entry))
        made = [text_frame(data) if opcode == TEXT else binary_frame(data) for opcode, data in messages]
        said = orjson.loads(messages[0][1])
    except (IndexError, orjson.JSONDecodeError):
        return False
    if b"".join(made) != entry or not {opcode for opcode, _ in messages} <= {TEXT, BINARY}:
        return False
    return (
        isinstance(said, dict)
        and said.get("type") == "subtitle"
        and said.get("is_final") is True
        and said.get("offset") == offset
    )
