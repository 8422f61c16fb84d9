"""The events of one client, handled one after the other in the order in which they came.

Invariant: at most `WAITING_MAX` of them wait (and what one read brought beyond), then the client is not read;
a task runs only while a receiver takes its time. What has begun is brought to its end.
"""

import inspect
import logging
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.http.errors import Refused, failure, refusal_of
from gateway.socketio.interface import Ack, Client, Receiver
from gateway.tasks import Starts

log = logging.getLogger(__name__)

WAITING_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Turn:
    """An event that is to be handled; `ack_id` if it is to be answered."""

    receiver: Receiver
    event: str
    payload: Any
    ack_id: int | None


class Speaker(Client, Protocol):
    """The client whose events they are."""

    def answer(self, ack_id: int | None, answer: Ack) -> None:
        """Answer an event."""

    def refuse(self, event: str, ack_id: int | None, refused: Refused) -> None:
        """Answer an event with an error."""

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""

    def resume_reading(self) -> None:
        """Take from it again."""

    def fell_silent(self) -> None:
        """Learn that the client has left and its last event is handled."""


class Turns:
    """Whose turn it is, for one client."""

    __slots__ = ("_handling", "_left", "_paused", "_speaker", "_tasks", "_waiting")

    def __init__(self, speaker: Speaker, tasks: Starts) -> None:
        self._speaker = speaker
        self._tasks = tasks
        self._handling = False
        self._paused = False
        self._left = False
        self._waiting: deque[Turn] | None = None

    def take(self, turn: Turn) -> None:
        """Handle an event, at once unless another is being handled; none of a client that has left."""
        if self._left:
            return
        if not self._handling:
            answer = self._begin(turn)
            if answer is not None:
                self._handling = True
                self._tasks.start(self._go_on(turn, answer), name=f"event {turn.event}")
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(turn)
        if len(self._waiting) >= WAITING_MAX and not self._paused:
            self._paused = True
            self._speaker.pause_reading()

    def leave(self) -> None:
        """Handle nothing more; the client has left."""
        self._left = True
        self._waiting = None
        self._read_on()
        if not self._handling:
            self._speaker.fell_silent()

    def _begin(self, turn: Turn) -> Awaitable[Ack] | None:
        """Give an event to its receiver; return what is still to be awaited, None if that was all."""
        try:
            answer = turn.receiver.receive(self._speaker, turn.event, turn.payload)
            if inspect.isawaitable(answer):
                return answer
            self._speaker.answer(turn.ack_id, answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told, and others go on
            self._fail(turn, error)
        return None

    async def _go_on(self, turn: Turn, answer: Awaitable[Ack] | None) -> None:
        """Handle what takes its time, then what came meanwhile."""
        try:
            while answer is not None:
                await self._finish(turn, answer)
                answer = None
                while self._waiting and answer is None:
                    turn = self._waiting.popleft()
                    self._read_on()
                    answer = self._begin(turn)
        finally:
            self._handling = False
            if self._left:
                self._speaker.fell_silent()

    async def _finish(self, turn: Turn, answer: Awaitable[Ack]) -> None:
        try:
            self._speaker.answer(turn.ack_id, await answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told, and its next event comes
            self._fail(turn, error)

    def _read_on(self) -> None:
        if self._paused and len(self._waiting or ()) <= WAITING_MAX // 2:
            self._paused = False
            self._speaker.resume_reading()

    def _fail(self, turn: Turn, error: Exception) -> None:
        refused = refusal_of(error)
        if refused is None:
            log.error("An event failed", exc_info=error, extra={"event": turn.event, "status_code": 500})
        self._speaker.refuse(turn.event, turn.ack_id, refused or failure())
