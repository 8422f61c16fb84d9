"""Finals in Redis: one hash and one list for each topic, and one hash for each channel.

Invariant: every key has a time to live; what is found under our keys is checked before it is believed.
"""

import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, cast
from urllib.parse import unquote

import orjson
from redis.exceptions import ResponseError

from gateway.stores.captions import (
    PIECE_BYTES_MAX,
    PIECE_FINALS_MAX,
    TOPICS_MAX,
    CaptionsLost,
    ChannelName,
    Outcome,
    Piece,
    TopicName,
)
from gateway.stores.names import joined
from gateway.stores.redis.batches import Batch, Run
from gateway.stores.redis.link import RedisLink, RedisLost
from sessions.history import ANCESTORS_MAX, Ancestor, HistoryLimits, Past

log = logging.getLogger(__name__)

SOURCE = files("gateway.stores.redis").joinpath("captions.lua").read_text("utf-8")
OFFSET_MAX = 1 << 53
EPOCH_CHARACTERS_MAX = 64
PIECES_MAX = 4096
"""Read of one topic at most: no history of ours has more."""


class RedisCaptions:
    """Histories by channel and topic, which Redis forgets `ttl_seconds` after they were last written."""

    def __init__(self, link: RedisLink, limits: HistoryLimits, ttl_seconds: float) -> None:
        self._link = link
        self._limits = limits
        self._ttl_ms = max(1, int(ttl_seconds * 1000))
        self._batch = Batch(link, SOURCE)

    async def topics(self, channel: ChannelName) -> Sequence[TopicName]:
        """Return the topics of a channel of which there may be something. Raises CaptionsLost."""
        try:
            fields = await self._link.call("HKEYS", keys_of(channel)[0])
        except ResponseError:
            return []
        except RedisLost as lost:
            raise CaptionsLost(str(lost)) from lost
        return [topic for field in fields if (topic := _topic_of(field)) is not None]

    async def load(self, channel: ChannelName, topic: TopicName) -> Past | None:
        """Return what is there of a topic, read in pieces. Raises CaptionsLost."""
        keys = keys_of(channel, topic)
        head: tuple[str, int, tuple[Ancestor, ...]] | None = None
        oldest, finals = 0, list[bytes]()
        for _ in range(PIECES_MAX):
            answer = await self._ask(keys, ["load", oldest + len(finals), PIECE_FINALS_MAX, PIECE_BYTES_MAX])
            read = _read(answer)
            if read is None or (head is not None and read[0][0] != head[0]):
                return None  # nothing, or another process has taken the topic in between
            head, first, more = read
            if first != oldest + len(finals):
                finals = []
            oldest = first - len(finals)
            finals += more
            if oldest + len(finals) > head[1]:
                return Past(*head, tuple(finals))
            if not more:
                return None
        return None

    async def write(self, pieces: Sequence[Piece]) -> Sequence[Outcome]:
        """Write pieces of different topics in one round trip. Raises CaptionsLost."""
        try:
            answers = await self._batch([self._run(piece) for piece in pieces])
        except RedisLost as lost:
            raise CaptionsLost(str(lost)) from lost
        return [_outcome(answer) for answer in answers]

    def _run(self, piece: Piece) -> Run:
        parent, parent_offset = piece.ancestors[-1] if piece.ancestors else ("", -1)
        limits = self._limits
        return keys_of(piece.channel, piece.topic), [
            "write", joined(piece.topic.lang, piece.topic.track), TOPICS_MAX, piece.epoch, piece.after,
            int(piece.anew), parent, parent_offset, orjson.dumps(piece.ancestors), self._ttl_ms,
            limits.entries_max, limits.bytes_max, *piece.finals,
        ]  # fmt: skip

    async def _ask(self, keys: Sequence[str], arguments: list[str | int]) -> Any:
        try:
            (answer,) = await self._batch([(keys, arguments)])
        except RedisLost as lost:
            raise CaptionsLost(str(lost)) from lost
        return answer


def keys_of(channel: ChannelName, topic: TopicName | None = None) -> list[str]:
    """Return where Redis has a channel's topics, and the position and the finals of one. The braces keep them
    on one node of a cluster."""
    tag = f"stagedoor:captions:{{{joined(channel.tenant, channel.channel_id)}}}"
    if topic is None:
        return [tag]
    name = joined(topic.lang, topic.track)
    return [tag, f"{tag}:{name}", f"{tag}:{name}:finals"]


def _topic_of(field: bytes) -> TopicName | None:
    lang, colon, track = field.decode("ascii", "replace").partition(":")
    topic = TopicName(unquote(lang), unquote(track))
    return topic if colon and joined(topic.lang, topic.track).encode() == field else None


def _outcome(answer: Any) -> Outcome:
    if answer in (b"kept", b"missing", b"taken"):
        return cast("Outcome", answer.decode())
    log.warning("What Redis has of a topic is not ours and is written anew: %s", answer)
    return "missing"


def _read(answer: Any) -> tuple[tuple[str, int, tuple[Ancestor, ...]], int, list[bytes]] | None:
    """Return epoch, offset and ancestors, the offset of the first final, and finals; None if it is nothing of
    the kind."""
    if not isinstance(answer, list) or len(answer) < 4:
        return None
    try:
        epoch, offset, first = answer[0].decode("ascii"), int(answer[1]), int(answer[3])
        ancestors = tuple((str(name), int(upto)) for name, upto in orjson.loads(answer[2]))
    except (ValueError, TypeError):  # what orjson and unicode raise are ValueErrors
        return None
    if not 0 < len(epoch) <= EPOCH_CHARACTERS_MAX or len(ancestors) > ANCESTORS_MAX:
        return None
    if not (0 <= offset < OFFSET_MAX and 1 <= first <= offset + 1):
        return None
    if any(not 0 <= upto <= offset for _, upto in ancestors):
        return None
    return (epoch, offset, ancestors), first, answer[4:]
