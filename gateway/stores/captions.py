"""Finals outside the process that made them, so that a new process can go on with its topics.

Invariant: what is loaded was sent by one process, up to the offset it says, without holes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sessions.history import Ancestor, Past

PIECE_BYTES_MAX = 256 * 1024
"""Of one round trip, if one final is not larger by itself: what a slow network carries within the timeout."""
PIECE_FINALS_MAX = 250
TOPICS_MAX = 128
"""Remembered of one channel; more are not, so that a channel's first viewer waits for no more."""


class CaptionsLost(Exception):
    """The store cannot be reached now."""


@dataclass(frozen=True, slots=True)
class ChannelName:
    """A channel of a tenant."""

    tenant: str
    channel_id: str


@dataclass(frozen=True, slots=True)
class TopicName:
    """A topic of a channel; `track` is the encoding of its voices, "" without."""

    lang: str
    track: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Finals of a topic from offset `after + 1` on, sent under `epoch`.

    `anew`: they replace whatever is there. Otherwise they go on with what is there, if that ends at `after`
    and is of `epoch`, or of its newest ancestor. With no finals it keeps what is there from running out.
    """

    channel: ChannelName
    topic: TopicName
    epoch: str
    after: int
    finals: Sequence[bytes]
    ancestors: Sequence[Ancestor] = ()
    anew: bool = False


Outcome = Literal["kept", "missing", "taken"]
"""`kept`; `missing`: what it goes on with is not there (it ran out, or was lost, or is no history at all);
`taken`: another process writes this topic now. Only `kept` changes anything."""


class Captions(Protocol):
    """The newest finals of every topic, within HistoryLimits each, for some time after the last of them."""

    async def topics(self, channel: ChannelName) -> Sequence[TopicName]:
        """Return the topics of a channel of which there may be something. Raises CaptionsLost."""

    async def load(self, channel: ChannelName, topic: TopicName) -> Past | None:
        """Return what is there of a topic; None if nothing is, or nothing that makes sense.

        Raises CaptionsLost.
        """

    async def write(self, pieces: Sequence[Piece]) -> Sequence[Outcome]:
        """Write pieces of different topics, in one round trip; each may be written again with no harm.

        Raises CaptionsLost: then it is not known which were written.
        """
