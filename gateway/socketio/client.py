"""One authenticated client: who it is, what it is sent, what it is asked, and how it leaves."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol

from auth.principal import Principal
from gateway.http.errors import Refused, shape_of
from gateway.metrics import REFUSALS, SOCKETIO_CLIENTS, SOCKETIO_PACKETS
from gateway.socketio import packets
from gateway.socketio.carrier import Carrier
from gateway.socketio.crowds import Crowd, Crowds
from gateway.socketio.interface import Ack, NoAnswer, Receiver
from gateway.socketio.packets import Encoded
from gateway.socketio.turns import Turn, Turns
from gateway.tasks import Starts
from sessions import endings

log = logging.getLogger(__name__)

QUESTIONS_MAX: Final = 32
"""Asked of one client and not answered yet."""

_SENT = SOCKETIO_PACKETS.labels("sent")


class Surroundings(Protocol):
    """What all clients of a server share."""

    loop: asyncio.AbstractEventLoop
    crowds: Crowds

    @property
    def tasks(self) -> Starts:
        """Background tasks."""

    @property
    def receivers(self) -> Sequence[Receiver]:
        """Who learns of every client."""


class SocketClient:
    """A `Client`. What carries it changes once at most, from polling to a wire."""

    __slots__ = (
        "__weakref__", "_around", "_asked", "_questions", "_turns", "carrier", "connected", "crowds",
        "principal", "sid",
    )  # fmt: skip

    def __init__(self, sid: str, principal: Principal, carrier: Carrier, around: Surroundings) -> None:
        self.sid = sid
        self.principal = principal
        self.carrier = carrier
        self.connected = True
        self.crowds: set[Crowd] = set()
        self._around = around
        self._turns = Turns(self, around.tasks)
        self._asked: dict[int, asyncio.Future[Sequence[Any]]] | None = None
        self._questions = 0
        SOCKETIO_CLIENTS.labels(carrier.transport).inc()

    @property
    def expires_at_ms(self) -> int:
        """When the latest token ends."""
        return int(self.principal.expires_at * 1000)

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self.carrier.address

    # --- what it is sent ------------------------------------------------------------------------------

    def emit(self, event: str, *payloads: Any) -> None:
        """Send an event; see `Client`."""
        if self.connected:
            self._send(packets.event(event, payloads))

    def _send(self, sent: Encoded) -> None:
        self._around.crowds.settle(self)
        self.carrier.send(sent)
        _SENT.inc(sent.count)

    def answer(self, ack_id: int | None, answer: Ack) -> None:
        """Answer an event, if it is to be answered.

        That may overtake what was emitted in this turn of the loop: to wait for it, each of a crowd that talk
        at once would cost a write of its own to everybody.
        """
        if ack_id is not None and self.connected:
            self.carrier.send(packets.answer(ack_id, answer))
            _SENT.inc()

    def refuse(self, event: str, ack_id: int | None, refused: Refused) -> None:
        """Answer an event with an error; if it is not to be answered, by the event `error`."""
        REFUSALS.labels(refused.code).inc()
        shape = shape_of(refused)
        if ack_id is None:
            self.emit("error", shape | {"event": event})
        else:
            self.answer(ack_id, shape)

    async def ask(self, event: str, *payloads: Any, within_seconds: float = 10.0) -> Sequence[Any]:
        """Send an event and return its answer; see `Client`. Raises NoAnswer."""
        asked = self._asked
        if asked is None:
            asked = self._asked = {}
        if not self.connected or len(asked) >= QUESTIONS_MAX:
            raise NoAnswer("The client has gone, or is asked too much already")
        self._questions = number = self._questions + 1
        answered: asyncio.Future[Sequence[Any]] = self._around.loop.create_future()
        asked[number] = answered
        try:
            self._send(packets.event(event, payloads, number))
            async with asyncio.timeout(within_seconds):
                return await answered
        except TimeoutError as error:
            raise NoAnswer(f"The client did not answer within {within_seconds:g} s") from error
        finally:
            del asked[number]

    def answered(self, number: int, payloads: Sequence[Any]) -> None:
        """Take the answer to a question; to one that was not asked, or too late, is none."""
        waiting = self._asked.get(number) if self._asked is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(payloads)

    # --- what it sends --------------------------------------------------------------------------------

    def take(self, turn: Turn) -> None:
        """Handle an event when it is its turn."""
        self._turns.take(turn)

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""
        self.carrier.pause_reading()

    def resume_reading(self) -> None:
        """Take from it again."""
        self.carrier.resume_reading()

    # --- coming, moving and leaving -------------------------------------------------------------------

    def begin(self) -> None:
        """Tell everyone that it is there."""
        for receiver in self._around.receivers:
            try:
                receiver.connected(self)
            except Exception:
                # Broad, for one receiver that fails must not keep the others from knowing.
                log.exception("A receiver failed at a client's beginning")

    def move(self, carrier: Carrier) -> None:
        """Be carried by `carrier` from now on."""
        SOCKETIO_CLIENTS.labels(self.carrier.transport).dec()
        self.carrier = carrier
        SOCKETIO_CLIENTS.labels(carrier.transport).inc()
        self._around.crowds.move(self)

    def disconnect(self, event: str = "", payload: Any = None) -> None:
        """Send a last event, if one is named, and end for good; see `Client`."""
        if not self.connected:
            return
        if event:
            self.emit(event, payload)
        self._send(packets.disconnecting())
        self.carrier.close(endings.DONE)
        self._part()
        # Later, for who calls this may be in the middle of what `gone` changes.
        self._around.loop.call_soon(self._turns.leave)

    def leave(self) -> None:
        """Be no longer there. Never called from inside a receiver."""
        if self.connected:
            self._part()
            self._turns.leave()

    def _part(self) -> None:
        self.connected = False
        SOCKETIO_CLIENTS.labels(self.carrier.transport).dec()
        self._around.crowds.leave_all(self)
        for waiting in (self._asked or {}).values():
            if not waiting.done():
                waiting.set_exception(NoAnswer("The client has gone"))

    def fell_silent(self) -> None:
        """Tell everyone that it is gone: it has left, and nothing of it is handled any more."""
        for receiver in self._around.receivers:
            try:
                receiver.gone(self)
            except Exception:
                # Broad, for one receiver that fails must not keep the others from knowing.
                log.exception("A receiver failed at a client's end")
