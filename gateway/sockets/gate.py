"""What every socket's door has in common: no credential in the URL, whose pages may come, how it refuses."""

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from gateway.http.errors import Refused, respond

CREDENTIAL_NAMES = frozenset({"token", "access_token", "auth", "authorization", "jwt", "api_key", "apikey"})


def refuse_credentials(names: Iterable[str], instead: str) -> None:
    """Raise Refused if the names in a query are those of credentials; `instead` says where these belong."""
    if not CREDENTIAL_NAMES.isdisjoint(map(str.lower, names)):
        sentence = f"A URL must not carry a credential; connect without it and {instead}"
        raise Refused(401, "TOKEN_IN_URL", sentence)


def check_origin(scope: Scope, allowed: Collection[str]) -> None:
    """Raise Refused if a page of another origin connects with a cookie. Without one it has but what it was
    given, which is its token: no page can connect in the name of somebody who only looks at it."""
    headers = dict(scope["headers"])
    if b"origin" in headers and b"cookie" in headers and not is_allowed(scope, allowed):
        origin = headers[b"origin"].decode("latin-1")
        raise Refused(403, "ORIGIN_NOT_ALLOWED", f"Pages of {origin} may not connect here with a cookie; "
                      "add the origin to ALLOWED_ORIGINS")  # fmt: skip


def is_allowed(scope: Scope, allowed: Collection[str]) -> bool:
    """Whether the origin of a request is this server's own, or in `allowed`."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    named = _host_of(origin)
    own = named != "" and named == headers.get(b"host", b"").decode("latin-1")
    return own or origin in allowed


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def deny(refusal: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the upgrade with an HTTP error where the server can (ASGI's denial response), else close."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
        return
    response = respond(refusal)
    await receive()
    await send(
        {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    await send({"type": "websocket.http.response.body", "body": response.body})
