"""What the rules of a live socket have its owner do, each an imperative."""

from collections.abc import Sequence
from dataclasses import dataclass

from sessions import messages
from sessions.endings import Ending

Payloads = Sequence[bytes]
"""The binary messages of one read, in order."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check the token, then call `admitted` or `refuse`."""

    token: str
    resume: messages.Resume | None


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message."""

    message: messages.ServerMessage


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close the socket; nothing more comes from this session."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class AnswerPing:
    """Send `pong` with this id, and with where the stream is."""

    ping_id: int | str | None


@dataclass(frozen=True, slots=True)
class TakeAudio:
    """Hand audio payloads to the session's stream, starting it if there is none."""

    payloads: Payloads


@dataclass(frozen=True, slots=True)
class TakeCaption:
    """Publish a caption that came as text, starting the stream if there is none."""

    caption: messages.Caption


@dataclass(frozen=True, slots=True)
class FinalizeStream:
    """Make everything heard so far final, then call `stream_finalized`."""


@dataclass(frozen=True, slots=True)
class EndStream:
    """Finish the session's stream, then call `stream_ended`."""


@dataclass(frozen=True, slots=True)
class Retarget:
    """Follow another language, then send `target`, or an error if nothing serves it."""

    target_lang: str


Effect = (
    Authenticate
    | Send
    | CloseSocket
    | AnswerPing
    | TakeAudio
    | TakeCaption
    | FinalizeStream
    | EndStream
    | Retarget
)
