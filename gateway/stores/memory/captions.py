"""Finals in the memory of this process: what a shared store does, for tests and for one process.

Invariant: as in `gateway.stores.captions`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.stores.captions import TOPICS_MAX, ChannelName, Outcome, Piece, TopicName
from sessions.history import Ancestor, History, HistoryLimits, Past


@dataclass(slots=True)
class _Kept:
    history: History
    ancestors: tuple[Ancestor, ...]
    until: float = 0.0


class MemoryCaptions:
    """Histories by channel and topic; `now` returns seconds of a clock that never jumps."""

    def __init__(self, limits: HistoryLimits, ttl_seconds: float, now: Callable[[], float]) -> None:
        self._limits = limits
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._channels: dict[ChannelName, dict[TopicName, _Kept]] = {}
        self._sweep_at = 0.0

    async def topics(self, channel: ChannelName) -> Sequence[TopicName]:
        """Return the topics of a channel that are here."""
        return list(self._live(channel))[:TOPICS_MAX]

    async def load(self, channel: ChannelName, topic: TopicName) -> Past | None:
        """Return what is here of a topic."""
        kept = self._live(channel).get(topic)
        if kept is None:
            return None
        history = kept.history
        entries = history.piece(history.oldest - 1, history.offset + 1, self._limits.bytes_max)
        return Past(history.epoch, history.offset, kept.ancestors, tuple(entries))

    async def write(self, pieces: Sequence[Piece]) -> Sequence[Outcome]:
        """Write pieces of different topics."""
        return [self._write(piece) for piece in pieces]

    def _write(self, piece: Piece) -> Outcome:
        topics = self._live(piece.channel)
        if piece.anew:
            history = History(piece.epoch, self._limits, Past("", piece.after))
            topics[piece.topic] = _Kept(history, tuple(piece.ancestors))
        kept = topics.get(piece.topic)
        if kept is None:
            return "missing"
        history = kept.history
        skip = history.offset - piece.after
        if history.epoch != piece.epoch:
            if not piece.ancestors or piece.ancestors[-1] != (history.epoch, history.offset) or skip:
                return "taken"
            history.epoch, kept.ancestors = piece.epoch, tuple(piece.ancestors)
        if not 0 <= skip <= len(piece.finals):
            return "missing"
        for final in piece.finals[skip:]:
            history.append(final)
        kept.until = self._now() + self._ttl_seconds
        self._channels[piece.channel] = topics
        return "kept"

    def _live(self, channel: ChannelName) -> dict[TopicName, _Kept]:
        """Return a channel's topics that have not run out, having forgotten the others."""
        now = self._now()
        if now >= self._sweep_at:
            self._sweep_at = now + self._ttl_seconds
            for name in list(self._channels):
                self._forget(name, now)
        self._forget(channel, now)
        return self._channels.get(channel, {})

    def _forget(self, channel: ChannelName, now: float) -> None:
        live = {name: kept for name, kept in self._channels.pop(channel, {}).items() if now < kept.until}
        if live:
            self._channels[channel] = live
