"""The short way past Starlette: what it takes, its route would have taken with the same channel."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from gateway.sockets.endpoint import LiveEndpoint
from gateway.sockets.shortcut import Shortcut
from sessions.live import Kind

PATHS = [
    "/ws/live/main/subtitles", "/ws/live/main/dubbing", "/ws/live/main/publish", "/ws/live/main/other",
    "/ws/live/a b/subtitles", "/ws/live//subtitles", "/ws/live/main/subtitles/", "/ws/live/a/b/subtitles",
    "/ws/live/main/subtitles\n", "/x/ws/live/main/subtitles", "/ws/live/main", "/socket.io/", "/",
]  # fmt: skip


class Told(LiveEndpoint):
    """Says which channel it was asked for, and by which way."""

    def __init__(self, kind: Kind, told: list[tuple[str, str, bool]]) -> None:
        self.kind = kind
        self._told = told

    async def answer(self, channel_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._told.append((self.kind.value, channel_id, "path_params" in scope))


async def _nothing(*_: Any) -> Any:
    return {"type": "websocket.connect"}


def scope_of(path: str, scheme: str = "websocket") -> Scope:
    return {
        "type": scheme, "path": path, "root_path": "", "query_string": b"", "headers": [], "method": "GET",
        "extensions": {},
    }  # fmt: skip


@pytest.fixture
def told() -> list[tuple[str, str, bool]]:
    return []


@pytest.fixture
def app(told: list[tuple[str, str, bool]]) -> Starlette:
    return Starlette(
        routes=[
            *(WebSocketRoute(f"/ws/live/{{channel_id}}/{kind}", Told(kind, told)) for kind in Kind),
            Route("/ws/live/main/subtitles", _nothing),
        ]
    )


@pytest.mark.parametrize("path", PATHS)
async def test_what_goes_the_short_way_would_have_gone_to_the_same_channel(
    app: Starlette, told: list[tuple[str, str, bool]], path: str
) -> None:
    await app(scope_of(path), _nothing, _nothing)
    long_way = [asked[:2] for asked in told]
    told.clear()
    await Shortcut(app)(scope_of(path), _nothing, _nothing)
    assert [asked[:2] for asked in told] == long_way


async def test_live_sockets_go_the_short_way(app: Starlette, told: list[tuple[str, str, bool]]) -> None:
    await Shortcut(app)(scope_of("/ws/live/main/dubbing"), _nothing, _nothing)
    assert told == [("dubbing", "main", False)]


async def test_requests_and_the_lifespan_go_the_long_way(
    told: list[tuple[str, str, bool]], app: Starlette
) -> None:
    sent = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await Shortcut(app)(scope_of("/ws/live/main/nowhere", "http"), _nothing, send)
    assert (told, sent[0]) == ([], "http.response.start")
