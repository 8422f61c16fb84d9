"""HTTP as uvicorn speaks it, with what stock uvicorn lacks: a deadline and a size for headers, and a door.

However slowly or endlessly headers come, a connection without a complete request costs `head_bytes_max` (and
one read) and `head_timeout_seconds` at most, and the door bounds how many there are.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl
from uvicorn.server import ServerState

from gateway.wire import answers
from gateway.wire.handshake import Place, Request
from gateway.wire.house import House
from gateway.wire.protocol import WireProtocol


def end_of(name: Any) -> tuple[str, int] | None:
    """Host and port of one end of a TCP connection (of IPv6 without flow and scope); None for any other."""
    return (name[0], name[1]) if isinstance(name, tuple) and len(name) > 1 else None


class RequestRefused(Exception):
    """Stops the parser: the answer is written already."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's `http=` class (with `house=` given by functools.partial); upgrades go to `WireProtocol`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        house: House,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.house = house
        self.due_tick = 0
        self._in_head = True
        self._head_ended = False
        self._begun = False
        self._head_bytes = 0
        self._read_bytes = 0
        self._upgrading = False
        self._refused = False
        self._last_word: bytes | None = None
        self._unheard = False
        self._address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let the peer in, or turn it away."""
        client = end_of(transport.get_extra_info("peername"))
        address = client[0] if client else ""
        retry_after_seconds = self.house.door.opened(address)
        if retry_after_seconds is not None:
            self.turn_away(transport, retry_after_seconds)
        else:
            self.admit(transport, address, self.house.limits.head_timeout_seconds)

    def turn_away(self, transport: asyncio.Transport, retry_after_seconds: int) -> None:
        """Answer 429 to a connection that the door refuses."""
        self._take_over(transport)
        self._refuse(answers.too_many(retry_after_seconds, self.house.wall()))

    def admit(self, transport: asyncio.Transport, address: str, seconds: float) -> None:
        """Take a connection that the door has let in; the headers of its request have so many seconds."""
        self._take_over(transport)
        self._address = address
        self._unheard = True
        self.house.set_deadline(self, seconds)

    def _take_over(self, transport: asyncio.Transport) -> None:
        """Do what uvicorn's `connection_made` does; but that asks the socket for its ends, by seven system
        calls, where the transport knows them."""
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = end_of(transport.get_extra_info("sockname"))
        self.client = end_of(transport.get_extra_info("peername"))
        self.scheme = "https" if is_ssl(transport) else "http"

    def data_received(self, data: bytes) -> None:
        """Feed the parser, counting what belongs to unfinished headers."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._head_ended = False
        self._read_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._upgrading:
                self._upgrade(data[upgrade.args[0] :])
            else:
                self._unsupported_upgrade_warning()
            return
        except httptools.HttpParserError:
            if not self._refused:
                self._refuse_request(400, "BAD_REQUEST", "This is not an HTTP request.")
            return
        if self._in_head and not self._head_ended:  # else most of this read may be another request's body
            self._head_bytes += len(data)
            if self._head_bytes > self.house.limits.head_bytes_max:
                self._refuse_too_large()

    def on_message_begin(self) -> None:
        """A request starts: its headers have their deadline."""
        super().on_message_begin()
        self._begun = True
        self._in_head = True
        self._head_bytes = 0
        if not self.due_tick:
            self.house.set_deadline(self, self.house.limits.head_timeout_seconds)

    def on_headers_complete(self) -> None:
        """The headers are there, in time; they may still be too many."""
        self._in_head = False
        self._head_ended = True
        self.house.clear_deadline(self)
        if self._unheard:
            self._unheard = False
            self.house.door.heard(self._address)
        head_bytes_max = self.house.limits.head_bytes_max
        if self._head_bytes + self._read_bytes > head_bytes_max:  # else they cannot be too large
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > head_bytes_max:
                self._refuse_too_large()
                raise RequestRefused
        self._upgrading = self.parser.should_upgrade() and self._get_upgrade() == b"websocket"
        running: RequestResponseCycle | None = self.cycle
        if self._upgrading and running is not None and not running.response_complete:
            self._refuse_request(400, "BAD_REQUEST", "Await the response before asking for an upgrade.")
            raise RequestRefused
        super().on_headers_complete()

    def _should_upgrade(self) -> bool:
        return self._upgrading

    def _upgrade(self, early: bytes) -> None:
        """Hand the transport over to a `WireProtocol` and let go of everything this request held."""
        version = self.parser.get_http_version()
        request = Request(self.scope["method"], self.url, version, self.headers)
        scheme = "wss" if self.scheme == "https" else "ws"
        place = Place(self.client, self.server, scheme, self.root_path, self.asgi_version)
        self.connections.discard(self)
        transport, address, self._address = self.transport, self._address, ""
        wire = WireProtocol(self.config, self.server_state, self.app_state, house=self.house)
        wire.connection_made(transport)
        transport.set_protocol(wire)
        for held in ("parser", "scope", "headers", "flow", "cycle", "transport"):
            setattr(self, held, None)
        wire.begin(request, early, lambda: place, address)

    def _refuse_too_large(self) -> None:
        size = self.house.limits.head_bytes_max
        self._refuse_request(431, "HEADERS_TOO_LARGE", f"A request's headers may have {size} bytes.")

    def _refuse_request(self, status: int, code: str, message: str) -> None:
        self._refuse(answers.error(status, code, message, self.house.wall()))

    def _refuse(self, response: bytes) -> None:
        """Answer and end: after the answers to whole requests that came before."""
        self._refused = True
        running: RequestResponseCycle | None = self.cycle
        if running is None or running.response_complete:
            self._end(response)
        elif running.more_body and not self.pipeline:
            # It is the one that is broken: its application has nobody to answer any more.
            running.disconnected = True
            running.message_event.set()
            if running.response_started:
                self.transport.close()
            else:
                self._end(response)
        else:
            if running.more_body:
                self.pipeline.popleft()  # the broken one, which was not begun
            self._last_word = response

    def on_response_complete(self) -> None:
        """An answer is out: the next request has its turn, or what refuses it."""
        response, goes_on = self._last_word, bool(self.pipeline)
        super().on_response_complete()
        if response is not None and not goes_on and not self.transport.is_closing():
            self._last_word = None
            self._unset_keepalive_if_required()
            self._end(response)

    def _end(self, response: bytes) -> None:
        """Say a last word, but read (and forget) for a moment: a reset would take it away."""
        self.transport.write(response)
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.house.set_deadline(self, self.house.limits.linger_seconds)
        else:
            self.transport.close()

    def expire(self, now: float) -> None:
        """The headers, or the peer's end after a refusal, took too long."""
        if self.transport.is_closing():
            return
        if self._in_head and self._begun and not self._refused:
            self._refuse_request(408, "REQUEST_TIMEOUT", "The request's headers took too long.")
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: forget its deadline and tell the door."""
        super().connection_lost(exc)
        self.house.clear_deadline(self)
        if self._address:
            if self._unheard:
                self.house.door.heard(self._address)
            self.house.door.closed(self._address)
