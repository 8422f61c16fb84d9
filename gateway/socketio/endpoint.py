"""The way to Socket.IO: `/socket.io/`, by WebSocket and by long polling.

Invariant: what is refused is refused before anything is kept for it, in the API's error shape; as the
protocol asks (https://github.com/socketio/engine.io-protocol), with 400 where it is not spoken rightly.
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from auth.crowd import TooManyAtOnce
from auth.rate_limits import RateLimited
from gateway.http.errors import Refused, refused_by, respond
from gateway.ids import new_id
from gateway.settings import Settings
from gateway.socketio import packets
from gateway.socketio.hall import Hall
from gateway.socketio.polled import Polled, unknown_session
from gateway.socketio.wired import Wired
from gateway.sockets.gate import check_origin, deny, is_allowed, refuse_credentials
from gateway.wire.fallback import finished, wire_of
from gateway.wire.limits import WireLimits
from sessions import endings

PATH: Final = "/socket.io"
PROTOCOL: Final = "4"
"""Of Engine.IO, as clients write it into the URL."""
METHODS: Final = ("GET", "POST")


class SocketIO:
    """The ASGI application at `/socket.io/`."""

    def __init__(self, hall: Hall, settings: Settings) -> None:
        self.hall = hall
        self._settings = settings
        self._draining = False
        self._polled: dict[str, Polled] = {}
        limits = hall.limits
        self._wire_limits = WireLimits(
            message_bytes_max=limits.message_bytes_max,
            viewer_buffer_bytes_max=limits.buffer_bytes_max,
            ping_interval_seconds=limits.ping_interval_seconds,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or an upgrade."""
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        try:
            response = await self._respond(scope, receive)
        except Refused as refusal:
            response = respond(refusal)
        except (RateLimited, TooManyAtOnce) as refusal:
            response = respond(refused_by(refusal, scope))
        response.raw_headers.extend(self._cors(scope))
        await response(scope, receive, send)

    def drain(self) -> None:
        """Let nobody in any more, and tell those that poll to come back; wires are told by the server."""
        self._draining = True
        for polled in list(self._polled.values()):
            polled.close(endings.RESTARTING)

    # --- what both transports check -------------------------------------------------------------------

    async def _admit(self, scope: Scope, address: str, *, arrives: bool) -> dict[str, str]:
        """Return the query of a request that may go on; count it if it `arrives`. Raises Refused,
        RateLimited."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        refuse_credentials(query, "give the token as auth, as in io({auth: {token}})")
        if arrives or "sid" not in query:
            await self.hall.door.count_upgrade(address)
        check_origin(scope, self._settings.allowed_origins)
        if scope["path"].removeprefix(scope.get("root_path", "")) != "/":
            raise Refused(404, "NOT_FOUND", f"There is nothing at {scope['path']}; connect to {PATH}/")
        if query.get("EIO") != PROTOCOL or "j" in query:
            sentence = (
                f"Speak Engine.IO {PROTOCOL}, as socket.io-client 3 and 4 do: ?EIO={PROTOCOL}&transport="
            )
            raise Refused(400, "BAD_PROTOCOL", sentence + "websocket (or polling)", param="EIO")
        if self._draining and "sid" not in query:
            raise Refused(503, "RESTARTING", "The server is restarting; try again.", retry_after_seconds=1)
        return query

    def _polled_of(self, query: dict[str, str]) -> Polled:
        polled = self._polled.get(query["sid"])
        if polled is None:
            raise unknown_session()
        return polled

    # --- WebSocket ------------------------------------------------------------------------------------

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = address_of(scope)
        try:
            query = await self._admit(scope, address, arrives=True)
            if query.get("transport") != "websocket":
                raise bad_transport()
            polled = self._polled_of(query) if "sid" in query else None
            if polled is None:
                self.hall.door.arrive(address)
        except Refused as refusal:
            await deny(refusal, scope, receive, send)
            return
        except (RateLimited, TooManyAtOnce) as refusal:
            await deny(refused_by(refusal, scope), scope, receive, send)
            return
        await receive()
        try:
            await send({"type": "websocket.accept"})
        except OSError:
            if polled is None:
                self.hall.door.depart(address)
            raise
        wire = wire_of(scope, receive, send, self._wire_limits)
        wired = Wired(wire, self.hall, polled)
        if polled is None:
            wired.send(self._opening(new_id("eio"), upgradable=False))
        wire.attach(wired)
        await finished(wire)

    def _opening(self, sid: str, *, upgradable: bool) -> packets.Encoded:
        limits = self.hall.limits
        return packets.opening(
            sid, limits.ping_interval_seconds, limits.message_bytes_max, upgradable=upgradable
        )

    # --- polling --------------------------------------------------------------------------------------

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        """Answer a request of the polling transport. Raises Refused, RateLimited, TooManyAtOnce."""
        method = scope["method"]
        if method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT)
        address = address_of(scope)
        query = await self._admit(scope, address, arrives=False)
        if query.get("transport") != "polling":
            raise bad_transport()
        if method not in METHODS or (method == "POST" and "sid" not in query):
            raise Refused(400, "BAD_PROTOCOL", "Begin with GET, then GET what comes and POST what goes")
        if "sid" not in query:
            self.hall.door.arrive(address)
            polled = Polled(address, self.hall, self._polled.pop)
            self._polled[polled.sid] = polled
            return _text(self._opening(polled.sid, upgradable=True).record)
        polled = self._polled_of(query)
        if method == "GET":
            return _text(await polled.fetch(receive))
        await polled.post(await self._body(receive))
        return _text("ok")

    async def _body(self, receive: Receive) -> str:
        """Return the body of a request. Raises Refused, ClientDisconnect."""
        body, bytes_max = bytearray(), self.hall.limits.message_bytes_max
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > bytes_max:
                raise Refused(413, "BODY_TOO_LARGE", f"A message may have {bytes_max} bytes")
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise Refused(400, "BAD_PAYLOAD", "The packets are not UTF-8") from error

    def _cors(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Return the headers that let a page of another origin read the answer: without cookies any page may,
        for it has but the token that it was given; with them those of ALLOWED_ORIGINS."""
        origin = dict(scope["headers"]).get(b"origin")
        if origin is None:
            return []
        headers = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        if is_allowed(scope, self._settings.allowed_origins):
            headers.append((b"access-control-allow-credentials", b"true"))
        if scope["method"] == "OPTIONS":
            headers += [
                (b"access-control-allow-methods", ", ".join(METHODS).encode()),
                (b"access-control-allow-headers", b"Content-Type"),
                (b"access-control-max-age", b"600"),
            ]
        return headers


def bad_transport() -> Refused:
    """Return the refusal of a transport that is not the request's own, or none at all."""
    sentence = "The transport is polling, or websocket with the headers of an upgrade"
    return Refused(400, "BAD_PROTOCOL", sentence, param="transport")


def address_of(scope: Scope) -> str:
    """Return the peer's address, which the server takes through trusted proxies."""
    client = scope.get("client")
    return client[0] if client else ""


def _text(body: str) -> Response:
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="text/plain")


def routes(application: SocketIO) -> list[Mount]:
    """Return the one path."""
    return [Mount(PATH, application, name="socketio")]
