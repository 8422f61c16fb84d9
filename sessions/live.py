"""One live socket as rules: what it may say when, and what follows. No socket, no clock, no audio.

    AWAITING --authenticate--> CHECKING --admitted--> OPEN --end--> ENDING --stream_ended--> CLOSED
        |                         |                     |   spent      |
        +-- deadline, anything    +-- refused           +-- refused    +-- deadline
            else first                deadline              deadline

Invariant: nothing but a token is looked at before `admitted` (what comes while it is checked waits), and
nothing at all after CLOSED. The owner hands in what arrives, with `now`; then takes `effects()` and carries
them out in order.
"""

import math
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from sessions import endings, messages
from sessions.endings import Ending
from sessions.live_effects import (
    AnswerPing,
    Authenticate,
    CloseSocket,
    Effect,
    EndStream,
    FinalizeStream,
    Payloads,
    Retarget,
    Send,
    TakeAudio,
    TakeCaption,
)

__all__ = [
    "AnswerPing",
    "Authenticate",
    "CloseSocket",
    "Effect",
    "EndStream",
    "FinalizeStream",
    "Kind",
    "Limits",
    "LiveSession",
    "Payloads",
    "Request",
    "Retarget",
    "Send",
    "State",
    "TakeAudio",
    "TakeCaption",
]


class Kind(StrEnum):
    """What a socket is for; the last part of its path."""

    SUBTITLES = "subtitles"
    DUBBING = "dubbing"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Request:
    """What the URL asked for; `source_lang` is "" when it did not say."""

    channel_id: str
    kind: Kind
    target_lang: str
    source_lang: str = ""
    encoding: str = "pcm_s16le"
    sample_rate: int = 16_000
    interim: bool = True
    dub_encoding: str = "pcm_s16le"
    captions: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one live socket, in seconds unless named otherwise; 0 turns a bound off."""

    authenticate_seconds: float = 10.0
    session_seconds_max: float = 120 * 60.0
    idle_seconds_max: float = 30 * 60.0
    ending_warning_seconds: float = 5 * 60.0
    finish_seconds_max: float = 30.0
    ack_interval_seconds: float = 1.0
    lag_seconds_min: float = 1.5
    stalled_seconds: float = 10.0
    ahead_seconds_max: float = 10.0
    bad_messages_max: int = 20
    early_bytes_max: int = 256 * 1024


class State(Enum):
    """Where a live socket stands; see the diagram above."""

    AWAITING = "awaiting"
    CHECKING = "checking"
    OPEN = "open"
    ENDING = "ending"
    CLOSED = "closed"


class LiveSession:
    """The rules of one connection to `/publish`, `/subtitles` or `/dubbing`."""

    __slots__ = (
        "_acked_at", "_bad_messages", "_early", "_early_bytes", "_effects", "_ending",
        "_ends_at", "_finish_by", "_first_audio_at", "_heard_at", "_lagging", "_limits", "_stalled",
        "_too_fast", "_warn_at", "active_at", "request", "state",
    )  # fmt: skip

    def __init__(self, request: Request, limits: Limits, now: float) -> None:
        self.request = request
        self.state = State.AWAITING
        self._limits = limits
        self._effects: list[Effect] | None = None
        self._finish_by = now + limits.authenticate_seconds if limits.authenticate_seconds else math.inf
        self._warn_at = self._ends_at = math.inf
        self._first_audio_at = self._heard_at = self._acked_at = -math.inf
        self._stalled = self._too_fast = self._lagging = False
        self._bad_messages = 0
        self.active_at = now
        self._ending = endings.DONE
        self._early: list[str | Payloads] | None = None
        self._early_bytes = 0

    @property
    def ending(self) -> Ending | None:
        """How it will close once everything of its stream is out; None while it goes on."""
        return self._ending if self.state is State.ENDING else None

    def effects(self) -> list[Effect]:
        """Drain what is to be done, in order."""
        effects, self._effects = self._effects or [], None
        return effects

    # --- what arrives ---------------------------------------------------------------------------------

    def receive_text(self, text: str, now: float) -> None:
        """Take one text message."""
        if self.state is State.CLOSED:
            return
        if self.state is State.CHECKING:
            self._keep(text, len(text))
            return
        self.active_at = now
        try:
            message = messages.parse(text)
        except messages.BadMessage as error:
            self._bad_message(error)
            return
        if self.state is State.AWAITING:
            self._first_message(message)
        elif isinstance(message, messages.Authenticate):
            self.refuse("ALREADY_AUTHENTICATED", "This connection is already authenticated",
                        endings.NOT_AUTHENTICATED)  # fmt: skip
        else:
            self._message(message, now)

    def receive_audio(self, payloads: Payloads, now: float) -> None:
        """Take the binary messages of one read, in order."""
        if self.state is State.OPEN:
            self._decide(TakeAudio(payloads))
            self._heard_at = self.active_at = now
            if self._first_audio_at == -math.inf:
                self._first_audio_at = now
        elif self.state is State.CHECKING:
            self._keep(payloads, sum(map(len, payloads)))
        elif self.state is State.AWAITING:
            self.refuse("AUTHENTICATE_FIRST", "Audio came before authentication", endings.NOT_AUTHENTICATED)

    # --- what the owner reports -----------------------------------------------------------------------

    def admitted(self, connected: messages.Connected, started_at: float) -> None:
        """The token was good: tell the client, and count the session's length from `started_at`."""
        assert self.state is State.CHECKING, self.state
        self.state = State.OPEN
        self._finish_by = math.inf
        if self._limits.session_seconds_max:
            self._ends_at = started_at + self._limits.session_seconds_max
            self._warn_at = self._ends_at - self._limits.ending_warning_seconds
        self._send(connected)

    def go_on(self, now: float) -> None:
        """Everything that follows `connected` is sent: take what came while the token was checked."""
        early, self._early, self._early_bytes = self._early or [], None, 0
        for message in early:
            if isinstance(message, str):
                self.receive_text(message, now)
            else:
                self.receive_audio(message, now)

    def active(self, at: float) -> None:
        """Media of the stream that this connection follows moved then."""
        self.active_at = max(self.active_at, at)

    def refuse(self, code: str, message: str, ending: Ending, **fields: Any) -> None:
        """Say why, then close with `ending`; `fields` are added to the error message."""
        if self.state is State.CLOSED:
            return
        self._send(messages.Error(code=code, message=message, recoverable=ending.retry, **fields))
        self._close(ending)

    def finish(self, code: str, message: str, ending: Ending, now: float, **fields: Any) -> None:
        """Say why nothing more is taken, let what was taken become final, then close with `ending`."""
        if self.state is State.OPEN:
            self._send(messages.Error(code=code, message=message, recoverable=ending.retry, **fields))
            self._end(ending, now)
        elif self.state is State.ENDING:
            self._ending = ending

    def object_to(self, code: str, message: str, **fields: Any) -> None:
        """Say that something was refused; the session goes on."""
        self._send(messages.Error(code=code, message=message, recoverable=True, **fields))

    def audio_taken(self, payload_bytes: int, received_seconds: float, processed_seconds: float,
                    now: float) -> None:  # fmt: skip
        """Report totals of the stream: acknowledges once a second, and says when recognition lags."""
        self._stalled = False
        if now - self._acked_at < self._limits.ack_interval_seconds:
            return
        self._acked_at = now
        self._send(messages.AudioAck(bytes=payload_bytes, seconds=round(received_seconds, 3)))
        behind = received_seconds - processed_seconds > self._limits.lag_seconds_min
        if behind or self._lagging:
            self._lagging = behind
            self._send(messages.Lag(received_seconds=round(received_seconds, 3),
                                    processed_seconds=round(processed_seconds, 3)))  # fmt: skip

    def audio_ahead(self, stream_seconds: float, now: float) -> None:
        """Report how many seconds this connection has sent; warns once when it runs ahead of the clock."""
        ahead_seconds = stream_seconds - (now - self._first_audio_at)
        if ahead_seconds > self._limits.ahead_seconds_max and not self._too_fast:
            self._too_fast = True
            self._warn("audio_too_fast", "Audio comes faster than it is spoken; send it in real time")

    def stream_finalized(self, seconds: float) -> None:
        """Everything before the client's `finalize` is final."""
        self._send(messages.Finalized(seconds=round(seconds, 3)))

    def stream_ended(self, audio_seconds: float, billed_seconds: float) -> None:
        """Everything of the stream is out."""
        if self.state is not State.CLOSED:
            self._send(messages.Ended(audio_seconds=round(audio_seconds, 3),
                                      billed_seconds=round(billed_seconds, 3)))  # fmt: skip
            self._close(self._ending)

    def superseded(self) -> None:
        """This session's reconnect has arrived on another socket."""
        self.refuse("SUPERSEDED", "This session went on in another connection", endings.SUPERSEDED)

    def disconnected(self) -> None:
        """The socket is gone."""
        self.state = State.CLOSED
        self._effects = None
        self._early = None

    # --- time -----------------------------------------------------------------------------------------

    def deadline(self) -> float:
        """Return when `handle_deadline` is to be called next; infinity when never."""
        if self.state is State.CLOSED:
            return math.inf
        due = min(self._finish_by, self._warn_at, self._ends_at)
        return min(due, self._stalls_at(), self._idle_at()) if self.state is State.OPEN else due

    def handle_deadline(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        if self.state is State.CLOSED:
            return
        if now >= self._finish_by:
            self._out_of_time()
        elif now >= self._ends_at:
            self.refuse("SESSION_TOO_LONG", "The session has reached its maximum length; start a new one",
                        endings.SESSION_TOO_LONG)  # fmt: skip
        elif now >= self._idle_at():
            minutes = self._limits.idle_seconds_max / 60
            self.refuse("SESSION_IDLE", f"Nothing was sent or received for {minutes:g} min; reconnect when "
                        "there is something", endings.TRY_LATER)  # fmt: skip
        elif now >= self._warn_at:
            self._warn_at = math.inf
            minutes = max(1, round((self._ends_at - now) / 60))
            self._warn("session_ending", f"This session ends in {minutes} min; start a new one before")
        elif now >= self._stalls_at():
            self._stalled = True
            self._warn("audio_stalled", f"No audio for {self._limits.stalled_seconds:g} s; nothing is lost")

    def _out_of_time(self) -> None:
        if self.state is State.ENDING and self._ending is not endings.DONE:
            self._close(self._ending)
        elif self.state is State.ENDING:
            self.refuse("FINISH_TIMEOUT", "The last captions did not come in time", endings.OUR_FAULT)
        elif self.state is State.CHECKING:
            # It did its part: what it waits for is a store that hangs.
            self.refuse("STORE_UNAVAILABLE", "Your token could not be checked in time; try again shortly",
                        endings.TRY_LATER, status=503, retry_after_seconds=5)  # fmt: skip
        else:
            self.refuse("AUTHENTICATE_TIMEOUT", "No token came in time; the first message must be "
                        '{"type":"authenticate","token":"..."}', endings.NOT_AUTHENTICATED)  # fmt: skip

    def _stalls_at(self) -> float:
        if self._heard_at == -math.inf or self._stalled or self.state is not State.OPEN:
            return math.inf
        return self._heard_at + self._limits.stalled_seconds

    def _idle_at(self) -> float:
        if not self._limits.idle_seconds_max or self.state is not State.OPEN:
            return math.inf
        return self.active_at + self._limits.idle_seconds_max

    # --- inside ---------------------------------------------------------------------------------------

    def _decide(self, effect: Effect) -> None:
        if self._effects is None:
            self._effects = []
        self._effects.append(effect)

    def _keep(self, message: str | Payloads, size: int) -> None:
        """Let what comes while the token is checked wait; the owner reads no further meanwhile."""
        self._early = self._early or []
        self._early.append(message)
        self._early_bytes += size
        if self._early_bytes > self._limits.early_bytes_max:
            self.refuse("TOO_EARLY", "Wait for the answer to authenticate before sending so much",
                        endings.POLICY)  # fmt: skip

    def _first_message(self, message: messages.ClientMessage) -> None:
        if not isinstance(message, messages.Authenticate):
            self.refuse("AUTHENTICATE_FIRST", f"A {message.type} message came before authentication",
                        endings.NOT_AUTHENTICATED)  # fmt: skip
            return
        self.state = State.CHECKING
        self._decide(Authenticate(message.token, message.resume))

    def _message(self, message: messages.ClientMessage, now: float) -> None:
        if isinstance(message, messages.Ping):
            self._decide(AnswerPing(message.id))
        elif self.state is not State.OPEN:
            return
        elif isinstance(message, messages.Finalize):
            self._decide(FinalizeStream())
        elif isinstance(message, messages.End):
            self._end(endings.DONE, now)
        elif isinstance(message, messages.SetTarget):
            self._retarget(message)
        elif isinstance(message, messages.Caption):
            self._caption(message, now)

    def _end(self, ending: Ending, now: float) -> None:
        self.state = State.ENDING
        self._ending = ending
        self._finish_by = now + (self._limits.finish_seconds_max or math.inf)
        self._decide(EndStream())

    def _retarget(self, message: messages.SetTarget) -> None:
        if self.request.kind is Kind.PUBLISH:
            self.object_to("NOT_A_VIEWER", "A publisher has no target language", param="target_lang")
        else:
            self._decide(Retarget(message.target_lang))

    def _caption(self, message: messages.Caption, now: float) -> None:
        if self.request.kind is not Kind.PUBLISH:
            self.object_to("NOT_A_PUBLISHER", "Only /publish takes captions", param="type")
        elif message.end < message.start:
            self.object_to("BAD_MESSAGE", "end: a caption cannot end before it starts", param="end")
        else:
            self._decide(TakeCaption(message))

    def _bad_message(self, error: messages.BadMessage) -> None:
        self._bad_messages += 1
        fields = {} if error.param is None else {"param": error.param}
        if self.state is State.AWAITING:
            self.refuse("AUTHENTICATE_FIRST", f"The first message must authenticate. {error}",
                        endings.NOT_AUTHENTICATED, **fields)  # fmt: skip
        elif 0 < self._limits.bad_messages_max <= self._bad_messages:
            self.refuse("BAD_MESSAGE", f"Too many messages that are not of the protocol. {error}",
                        endings.POLICY, **fields)  # fmt: skip
        else:
            self.object_to("BAD_MESSAGE", str(error), **fields)

    def _warn(self, code: Any, message: str) -> None:
        self._send(messages.Warning(code=code, message=message))

    def _send(self, message: messages.ServerMessage) -> None:
        if self.state is not State.CLOSED:
            self._decide(Send(message))

    def _close(self, ending: Ending) -> None:
        self._decide(CloseSocket(ending))
        self.state = State.CLOSED
