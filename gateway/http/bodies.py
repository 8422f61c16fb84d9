"""How long a request's body may be, and may take: counted as it comes, whatever its headers say."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.errors import Refused

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS_MAX = 10.0


class BodyLimit:
    """ASGI middleware that ends a request with 413 or 408 once its body passes a bound."""

    def __init__(
        self, app: ASGIApp, bytes_max: int = BODY_BYTES_MAX, seconds_max: float = BODY_SECONDS_MAX
    ) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._seconds_max = seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; whoever reads too much or too long of its body gets the exception."""
        if scope["type"] == "http":
            await self._app(scope, _Body(receive, self._bytes_max, self._seconds_max).receive, send)
        else:
            await self._app(scope, receive, send)


class _Body:
    """The body of one request."""

    def __init__(self, receive: Receive, bytes_max: int, seconds_max: float) -> None:
        self._receive = receive
        self._bytes_max = bytes_max
        self._taken_bytes = 0
        self._complete = False
        self._ends_at = asyncio.get_running_loop().time() + seconds_max
        self._seconds_max = seconds_max

    async def receive(self) -> Message:
        if self._complete:  # what comes now is the client's leaving, for which there is no hurry
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._ends_at):
                message = await self._receive()
        except TimeoutError as error:
            sentence = f"The body did not arrive within {self._seconds_max:g} s; send it again"
            raise Refused(408, "BODY_TIMEOUT", sentence) from error
        self._complete = not message.get("more_body", False)
        self._taken_bytes += len(message.get("body", b""))
        if self._taken_bytes > self._bytes_max:
            raise Refused(413, "BODY_TOO_LARGE", f"A body may have at most {self._bytes_max} bytes")
        return message
