"""What a response says of limits: `RateLimit` and `RateLimit-Policy`, whatever else becomes of the request.

Structured fields of draft-ietf-httpapi-ratelimit-headers (10): a policy has `q`, what may be accepted in any
`w` seconds; a limit has `r`, how many more are accepted at once, and `t`, in how many seconds that grows.
"""

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth.rate_limits import Admitted, RateLimited, Standing, seconds_up

ADMITTED = "stagedoor.admitted"
"""Where in its scope a request has what the guard counted it with."""


def admitted_headers(admitted: Admitted) -> dict[str, str]:
    """Return the headers of a response to what was let in; none where no rate limits it."""
    if not admitted.standings:
        return {}
    limits = ", ".join(
        f'"{standing.rate.name}";r={standing.remaining};t={standing.reset_seconds}'
        for standing in admitted.standings
    )
    return {"RateLimit-Policy": _policy(admitted.standings), "RateLimit": limits}


def limited_headers(refusal: RateLimited) -> dict[str, str]:
    """Return the headers of a 429 besides Retry-After, which is never earlier than a `t` here."""
    refusing = [standing for standing in refusal.standings if standing.wait_micro]
    if not refusing:
        return {}
    limits = ", ".join(
        f'"{standing.rate.name}";r=0;t={seconds_up(standing.wait_micro)}' for standing in refusing
    )
    return {"RateLimit-Policy": _policy(refusal.standings), "RateLimit": limits}


def _policy(standings: Iterable[Standing]) -> str:
    return ", ".join(
        f'"{rate.name}";q={rate.count_max};w={seconds_up(rate.window_micro)}'
        for rate in (standing.rate for standing in standings)
    )


class RateLimitHeaders:
    """ASGI middleware that adds the headers to the response of every request that the guard counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its response with what was noted of it in between."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and (admitted := scope.get(ADMITTED)) is not None:
                headers = MutableHeaders(scope=message)
                for name, value in admitted_headers(admitted).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, told)
