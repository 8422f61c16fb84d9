"""The short way to a live socket: past Starlette and its middleware, which do nothing for it.

Invariant: what goes this way is what the route of the same endpoint would take; everything else goes the
long way.
"""

import re

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from gateway.sockets.endpoint import LiveEndpoint

_LIVE = re.compile(r"/ws/live/([^/]+)/([a-z]+)")


class Shortcut:
    """An ASGI application in front of `app`, with the live endpoints among its routes."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._endpoints = {
            route.endpoint.kind.value: route.endpoint
            for route in app.routes
            if isinstance(route, WebSocketRoute) and isinstance(route.endpoint, LiveEndpoint)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the endpoint of a live path have the connection, and the application any other."""
        found = _LIVE.fullmatch(scope["path"]) if scope["type"] == "websocket" else None
        endpoint = self._endpoints.get(found[2]) if found is not None else None
        if found is None or endpoint is None:
            await self._app(scope, receive, send)
        else:
            await endpoint.answer(found[1], scope, receive, send)
