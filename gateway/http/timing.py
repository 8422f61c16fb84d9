"""How long HTTP requests take, by route and status."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import clock
from gateway.metrics import REQUEST_SECONDS


class RequestTiming:
    """ASGI middleware that observes every HTTP request under its route's name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and observe when its response starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = clock.steady()

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                REQUEST_SECONDS.labels(route, message["status"]).observe(clock.steady() - began)
            await send(message)

        await self._app(scope, receive, observed)
