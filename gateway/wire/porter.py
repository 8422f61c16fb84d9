"""Who receives a connection: a whole upgrade request goes straight to a `WireProtocol`, all else to HTTP.

Nearly every connection is a WebSocket whose first packet is its request; uvicorn's HTTP objects would be
an eighth of all that it costs. The porter keeps no byte: what it does not understand at once, the HTTP
class reads from the start, with the same door and the same deadline.
"""

import asyncio
from functools import partial
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import is_ssl
from uvicorn.server import ServerState

from gateway.wire.handshake import Place
from gateway.wire.head import read_upgrade
from gateway.wire.house import House
from gateway.wire.http import HttpProtocol, end_of
from gateway.wire.protocol import WireProtocol


class Porter(asyncio.Protocol):
    """uvicorn's `http=` class (with `house=` given by functools.partial), until the first packet comes."""

    __slots__ = (
        "_app_state", "_client", "_config", "_due", "_server_state", "due_tick", "house", "transport",
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        house: House,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self.house = house
        self.due_tick = 0
        self._client: tuple[str, int] | None = None
        self._due = 0.0
        self.transport: asyncio.Transport | None = None

    @property
    def _address(self) -> str:
        return self._client[0] if self._client is not None else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the peer in, or have it turned away with 429."""
        self.transport = cast("asyncio.Transport", transport)
        self._client = end_of(transport.get_extra_info("peername"))
        retry_after_seconds = self.house.door.opened(self._address)
        if retry_after_seconds is not None:
            leaving = self._leave()
            self._http(leaving).turn_away(leaving, retry_after_seconds)
            return
        self._server_state.connections.add(cast("Any", self))
        self._due = self.house.clock() + self.house.limits.head_timeout_seconds
        self.house.set_deadline(self, self.house.limits.head_timeout_seconds)

    def data_received(self, data: bytes) -> None:
        """Give the connection to whom it is for."""
        address = self._address
        upgrade = read_upgrade(data) if len(data) <= self.house.limits.head_bytes_max else None
        transport = self._leave()
        if upgrade is None:
            http = self._http(transport)
            http.admit(transport, address, self._due - self.house.clock())
            http.data_received(data)
            return
        self.house.door.heard(address)
        wire = WireProtocol(self._config, self._server_state, self._app_state, house=self.house)
        wire.connection_made(transport)
        transport.set_protocol(wire)
        request, early = upgrade
        wire.begin(request, early, partial(self._place, transport), address)

    def _place(self, transport: asyncio.Transport) -> Place:
        server = end_of(transport.get_extra_info("sockname"))
        scheme = "wss" if is_ssl(transport) else "ws"
        return Place(self._client, server, scheme, self._config.root_path, self._config.asgi_version)

    def _http(self, transport: asyncio.Transport) -> HttpProtocol:
        http = HttpProtocol(self._config, self._server_state, self._app_state, house=self.house)
        transport.set_protocol(http)
        return http

    def _leave(self) -> asyncio.Transport:
        """Hold the connection no longer; whoever takes it over has it from here."""
        transport, self.transport = self.transport, None
        assert transport is not None
        self.house.clear_deadline(self)
        self._server_state.connections.discard(cast("Any", self))
        return transport

    def shutdown(self) -> None:
        """The server goes down: nothing was asked, so nothing is owed."""
        if self.transport is not None:
            self.transport.close()

    def expire(self, now: float) -> None:
        """Nothing came in time."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer went away without a word."""
        if self.transport is not None:
            self._leave()
            self.house.door.heard(self._address)
            self.house.door.closed(self._address)
