"""Sign-in for development: a token for whoever asks from this machine, and nowhere else.

Invariant: the route exists only when the environment is development, and answers only a loopback client
that names the server by a loopback host (so that no web page elsewhere can ask through DNS rebinding).
"""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.principal import TENANT_CHARACTERS_MAX, USER_CHARACTERS_MAX, Plan, Principal, Role
from auth.tokens import KeyRing, issue
from gateway import clock
from gateway.http.errors import Refused
from gateway.ids import new_id
from gateway.settings import Settings

FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
"""Headers that proxies add: behind one, a loopback address proves nothing."""


class SignIn(BaseModel):
    """Who to be."""

    user: Annotated[str, Field(min_length=1, max_length=USER_CHARACTERS_MAX, pattern=r"^[^\x00]*$")]
    role: Role = Role.FAN
    plan: Plan = Plan.FREE
    tenant: Annotated[str, Field(pattern=rf"^[A-Za-z0-9_-]{{1,{TENANT_CHARACTERS_MAX}}}$")] = "default"


class SignedIn(BaseModel):
    """A token, and when it expires (RFC 3339)."""

    token: str
    expires_at: str


def routes(settings: Settings, keys: KeyRing) -> list[Route]:
    """Return the sign-in route in development, and nothing in production."""
    if settings.environment != "development":
        return []

    async def token(request: Request) -> Response:
        if not _is_local(request):
            raise Refused(403, "NOT_ALLOWED", "Signing in without a credential works on this machine only; "
                          "elsewhere paste a token made with: stagedoor token")  # fmt: skip
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON, with Content-Type: application/json")
        try:
            body = SignIn.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            param = ".".join(map(str, first["loc"])) or "body"
            raise Refused(422, "INVALID", f"{param}: {first['msg']}", param=param) from error
        now = clock.wall()
        principal = Principal(
            user=body.user,
            tenant=body.tenant,
            roles=frozenset({body.role}),
            plan=body.plan,
            expires_at=now + 60 * settings.access_token_expire_minutes,
            token_id=new_id("jti"),
        )
        signed_in = SignedIn(
            token=issue(keys, principal, now=now), expires_at=clock.rfc3339(principal.expires_at)
        )
        return Response(
            orjson.dumps(signed_in.model_dump()),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return [Route("/api/dev/token", token, methods=["POST"], name="dev_token")]


def _is_local(request: Request) -> bool:
    if not FORWARDED.isdisjoint(request.headers.keys()):
        return False
    # Not from request.url, which puts our own address where the header names nobody.
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return _is_loopback(request.client.host if request.client else "") and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
