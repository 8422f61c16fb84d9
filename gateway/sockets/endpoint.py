"""The way to a live socket: everything that is checked before the upgrade, in HTTP's own words.

Invariant: a credential in the URL is refused before anything else, because URLs end up in logs.
"""

import re
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import get_args
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send

from auth.crowd import TooManyAtOnce
from auth.rate_limits import RateLimited
from gateway.http.errors import Refused, refused_by
from gateway.settings import Settings
from gateway.sockets.gate import check_origin, deny, refuse_credentials
from gateway.sockets.live import LiveSocket
from gateway.sockets.stage import Stage
from gateway.wire.fallback import finished, wire_of
from gateway.wire.interface import ReceiverOf
from media.engines.base import primary
from media.intake import ENCODINGS, RATE_MAX, RATE_MIN
from media.link import SAMPLE_RATE, VoiceEncoding
from sessions.live import Kind, Request
from sessions.messages import LANGUAGE_PATTERN

CHANNEL_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
QUERY_BYTES_REMEMBERED_MAX = 200
_LANGUAGE = re.compile(LANGUAGE_PATTERN)
_BOOLEAN = {"1": True, "true": True, "0": False, "false": False}


class LiveEndpoint:
    """An ASGI application for `/ws/live/{channel_id}/<kind>`."""

    def __init__(self, kind: Kind, stage: Stage, settings: Settings) -> None:
        self.kind = kind
        self._stage = stage
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse before the upgrade, or accept and hand the connection to a LiveSocket."""
        client = scope.get("client")
        address = client[0] if client else ""
        try:
            request = await self._admit(scope, address)
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
            self._stage.door.depart(address)
            raise
        wire = wire_of(scope, receive, send)
        wire.attach(LiveSocket(self._stage, request, wire))
        await finished(wire)

    async def _admit(self, scope: Scope, address: str) -> Request:
        try:
            request = _read(self.kind, scope["path_params"]["channel_id"], scope["query_string"])
        except Refused as refusal:
            if refusal.code != "TOKEN_IN_URL":
                await self._stage.door.count_upgrade(address)
            raise
        await self._stage.door.count_upgrade(address)
        check_origin(scope, self._settings.allowed_origins)
        self._stage.door.arrive(address)
        return request

    def at_once(self, channel_id: str, query: bytes, address: str) -> ReceiverOf | None:
        """Return what takes a connection that was upgraded without a credential of a browser; None, and
        nothing is counted, if it is to be refused, or if that cannot be known without waiting."""
        door = self._stage.door
        try:
            request = _read(self.kind, channel_id, query)
            door.arrive(address)
        except (Refused, TooManyAtOnce):
            return None
        try:
            counted = door.count_upgrade_now(address)
        except RateLimited:
            counted = False
        if not counted:
            door.depart(address)
            return None
        return partial(LiveSocket, self._stage, request)


def _read(kind: Kind, channel_id: str, query_string: bytes) -> Request:
    # A long query is no viewer's: remembering those would let a stranger fill the memory.
    remembered = len(query_string) <= QUERY_BYTES_REMEMBERED_MAX
    return (read_url if remembered else read_url.__wrapped__)(kind, channel_id, query_string)


@lru_cache(maxsize=1024)
def read_url(kind: Kind, channel_id: str, query_string: bytes) -> Request:
    """Return what a URL asks for; the viewers of a channel all ask for the same. Raises Refused."""
    query = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    refuse_credentials(query, 'send {"type":"authenticate","token":"..."} as the first message')
    return parse_request(kind, channel_id, query)


def parse_request(kind: Kind, channel_id: str, query: dict[str, str]) -> Request:
    """Return what a URL asks for. Raises Refused with the parameter to blame."""
    if CHANNEL_PATTERN.match(channel_id) is None:
        raise _bad("channel_id", "A channel is 1 to 64 of the characters A-Z a-z 0-9 _ -")
    target_lang = _language(query, "target_lang")
    if kind is not Kind.PUBLISH and not target_lang:
        raise _bad("target_lang", "Say which language you want, as in ?target_lang=en")
    return Request(
        channel_id=channel_id,
        kind=kind,
        target_lang=target_lang,
        source_lang=_language(query, "source_lang"),
        encoding=_one_of(query, "encoding", ENCODINGS),
        sample_rate=_sample_rate(query),
        interim=_boolean(query, "interim", default=True),
        dub_encoding=_one_of(query, "dub_encoding", get_args(VoiceEncoding)),
        captions=_boolean(query, "captions", default=False),
    )


def _language(query: dict[str, str], name: str) -> str:
    """Return the language asked for, without its region: that is what engines tell apart, and a topic for
    each spelling would be work without bound."""
    value = query.get(name, "")
    if value and _LANGUAGE.fullmatch(value) is None:
        raise _bad(name, f"{name} is a language tag such as en, es or pt-BR")
    return primary(value)


def _sample_rate(query: dict[str, str]) -> int:
    value = query.get("sample_rate", str(SAMPLE_RATE))
    if not (value.isascii() and value.isdigit() and len(value) < 9) or not RATE_MIN <= int(value) <= RATE_MAX:
        raise _bad("sample_rate", f"sample_rate is a number of Hz from {RATE_MIN} to {RATE_MAX}")
    return int(value)


def _one_of(query: dict[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = query.get(name, allowed[0])
    if value not in allowed:
        raise _bad(name, f"{name} is one of: {', '.join(allowed)}")
    return value


def _boolean(query: dict[str, str], name: str, *, default: bool) -> bool:
    value = query.get(name)
    if value is None:
        return default
    if value.lower() not in _BOOLEAN:
        raise _bad(name, f"{name} is 1 or 0")
    return _BOOLEAN[value.lower()]


def _bad(param: str, error: str) -> Refused:
    return Refused(422, "INVALID", error, param=param)


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what no route takes; a WebSocket upgrade like any other request."""
    if scope["type"] != "websocket":
        raise HTTPException(404)
    await deny(Refused(404, "NOT_FOUND", f"There is no socket at {scope['path']}"), scope, receive, send)


def endpoints(routes: Iterable[BaseRoute]) -> list[LiveEndpoint]:
    """Return those of the live paths among the routes of an application."""
    sockets = [route.endpoint for route in routes if isinstance(route, WebSocketRoute)]
    return [endpoint for endpoint in sockets if isinstance(endpoint, LiveEndpoint)]


def routes(stage: Stage, settings: Settings) -> list[WebSocketRoute]:
    """Return the three live paths."""
    return [
        WebSocketRoute(f"/ws/live/{{channel_id}}/{kind}", LiveEndpoint(kind, stage, settings), name=kind)
        for kind in Kind
    ]
