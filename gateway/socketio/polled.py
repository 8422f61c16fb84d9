"""A connection that long polling carries: what waits to be fetched, and what is posted.

Invariant: what waits is bounded in bytes; one request fetches and one posts at a time, or the connection ends
(https://github.com/socketio/engine.io-protocol, "HTTP long-polling"); one that is not heard for the time of
two pings ends as well.
"""

import asyncio
import base64
from collections import deque
from collections.abc import Callable
from typing import Final

from starlette.types import Receive

from gateway.http.errors import Refused
from gateway.ids import new_id
from gateway.socketio import packets
from gateway.socketio.carrier import Transport
from gateway.socketio.connection import Connection
from gateway.socketio.hall import Hall
from gateway.socketio.packets import Encoded
from gateway.socketio.wired import Wired
from gateway.wire.frames import ABNORMAL
from sessions import endings
from sessions.endings import Ending

RECORDS_MAX: Final = 256
"""Packets in one body; a client that was busy has a few dozen at most."""
LAST_SECONDS: Final = 5.0
"""For the last packets to be fetched."""

_PING = Encoded(packets.PING)
_NOOP = Encoded(packets.NOOP)
_CLOSE = Encoded(packets.CLOSE)


def unknown_session() -> Refused:
    """Return the refusal of a session that never was, or is over, or has moved to a WebSocket."""
    return Refused(400, "UNKNOWN_SESSION", "There is no such session any more; connect again", param="sid")


class Polled:
    """The `Carrier` of a connection that polls; `sid` is what its requests name, and a secret."""

    __slots__ = (
        "_bytes", "_code", "_ending", "_fetching", "_forget", "_hall", "_heard", "_moving",
        "_pinged", "_posting", "_reading", "_waiting", "address", "connection", "sid",
    )  # fmt: skip

    transport: Transport = "polling"
    wire = None

    def __init__(self, address: str, hall: Hall, forget: Callable[[str], object]) -> None:
        """Begin; `forget` is called with the sid when no request may name it any more."""
        self.sid = new_id("eio")
        self.address = address
        self._hall = hall
        self._forget = forget
        self._waiting: deque[Encoded] = deque()
        self._bytes = 0
        self._fetching: asyncio.Future[None] | None = None
        self._reading: asyncio.Future[None] | None = None
        """Made while nothing is to be taken from the client; done when it may go on."""
        self._posting = self._moving = self._pinged = False
        self._heard = True
        self._ending: Ending | None = None
        """How it is to end once its last packets are fetched."""
        self._code = 0
        """How it has ended."""
        self.connection = Connection(hall, self)
        self._await_ping()

    def _await_ping(self) -> None:
        self._hall.alarms.set(self, self._hall.loop.time() + self._hall.limits.ping_interval_seconds)

    # --- what its connection sends --------------------------------------------------------------------

    def send(self, sent: Encoded) -> None:
        """Keep packets until they are fetched; see `Carrier`."""
        if self._code or self._ending is not None:
            return
        self._bytes += len(sent.record)
        if self._bytes > self._hall.limits.buffer_bytes_max:
            self._waiting.clear()
            self.close(endings.TOO_SLOW)
        else:
            self._waiting.append(sent)
            self._wake()

    def close(self, ending: Ending) -> None:
        """End the connection after what was sent; for what breaks the protocol at once."""
        if self._code or self._ending is not None:
            return
        if ending is endings.POLICY:
            self._end(ending.code)
            return
        self._ending = ending
        self._hall.alarms.set(self, self._hall.loop.time() + LAST_SECONDS)
        self._resume()
        self._wake()

    def ended(self) -> None:
        """The client has said that it ends the connection: a request that waits gets nothing any more."""
        self._waiting = deque((_NOOP,))
        self._end(endings.DONE.code)

    def pause_reading(self) -> None:
        """Let a post wait for its answer."""
        if self._reading is None and not self._code:
            self._reading = self._hall.loop.create_future()

    def resume_reading(self) -> None:
        """Let it have its answer."""
        self._heard = True
        self._resume()

    def _resume(self) -> None:
        if self._reading is not None:
            reading, self._reading = self._reading, None
            if not reading.done():  # who waited may have been cancelled
                reading.set_result(None)

    def _wake(self) -> None:
        if self._fetching is not None and not self._fetching.done():
            self._fetching.set_result(None)

    def _end(self, code: int) -> None:
        if self._code:
            return
        self._code = code
        self._forget(self.sid)
        self._hall.alarms.clear(self)
        self._resume()
        self._wake()
        # Later, for the connection may be in the middle of something.
        self._hall.loop.call_soon(self.connection.lost, code)

    def alarm(self, now: float) -> None:
        """Ping; or end what did not answer, or did not fetch its last packets."""
        if self._ending is not None:
            self._end(self._ending.code)
        elif self._pinged and not self._heard and self._reading is None:
            self._end(endings.OUR_FAULT.code)
        else:
            self._pinged, self._heard = True, False
            self._await_ping()
            self.send(_PING)

    # --- its requests ---------------------------------------------------------------------------------

    async def fetch(self, receive: Receive) -> str:
        """Return what waits, once something does. Raises Refused."""
        if self._fetching is not None:
            self._waiting = deque((_CLOSE,))
            self._end(endings.POLICY.code)
            raise Refused(400, "BAD_PAYLOAD", "One request at a time fetches; connect again")
        if not self._waiting and not self._moving and not self._code and self._ending is None:
            self._fetching = self._hall.loop.create_future()
            watching = self._hall.tasks.start(self._watch(receive), name="polling client")
            try:
                await self._fetching
            finally:
                watching.cancel()
                self._fetching = None
        return self._take()

    async def _watch(self, receive: Receive) -> None:
        """End the connection when the client goes away while its request waits: the answer would be lost."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end(ABNORMAL)

    def _take(self) -> str:
        if self._code and not self._waiting:
            raise unknown_session()
        if self._ending is not None and not self._waiting:
            self._end(self._ending.code)
            return _CLOSE.record
        # A close apart from what was sent before: socket.io-client takes it first when they come together.
        waiting, self._waiting, self._bytes = self._waiting, deque(), 0
        return packets.SEPARATOR.join(sent.record for sent in waiting or (_NOOP,))

    async def post(self, body: str) -> None:
        """Take the packets of a body, and return when more may come. Raises Refused."""
        records = body.split(packets.SEPARATOR)
        if self._posting or len(records) > RECORDS_MAX:
            self._end(endings.POLICY.code)
            sentence = f"One request at a time posts, at most {RECORDS_MAX} packets; connect again"
            raise Refused(400, "BAD_PAYLOAD", sentence)
        self._posting = self._heard = True
        try:
            for record in records:
                self._receive(record)
            if self._reading is not None:
                await self._reading
        finally:
            self._posting = False

    def _receive(self, record: str) -> None:
        if record[:1] != "b":
            self.connection.receive_text(record)
        else:
            try:
                payload = base64.b64decode(record[1:], validate=True)
            except ValueError as error:  # also what is not ASCII, which is no binascii.Error
                self._end(endings.POLICY.code)
                raise Refused(400, "BAD_PAYLOAD", "Binary packets are base64; connect again") from error
            self.connection.receive_binary(payload)
        if self._code == endings.POLICY.code:
            raise Refused(400, "BAD_PAYLOAD", "This breaks the protocol; connect again")

    # --- moving to a wire -----------------------------------------------------------------------------

    def begin_move(self) -> bool:
        """Answer a request that waits, so that the client may stop polling; False if it is over."""
        if self._moving or self._code or self._ending is not None:
            return False
        self._moving = True
        self._wake()
        return True

    def finish_move(self, wired: Wired) -> bool:
        """Hand over what was not fetched, and the connection; False if it is over."""
        if self._code or self._ending is not None:
            return False
        self._hall.crowds.flush()
        self._code = endings.DONE.code
        self._forget(self.sid)
        self._hall.alarms.clear(self)
        for sent in self._waiting:
            wired.send(sent)
        self._waiting = deque((_NOOP,))
        if self._reading is not None:
            wired.pause_reading()
            self._resume()
        self._wake()
        self.connection.moved(wired)
        return True

    def stay(self) -> None:
        """Go on polling: the wire came to nothing."""
        self._moving = False
