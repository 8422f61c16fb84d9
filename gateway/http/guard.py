"""Who makes this request: its bearer token, and how often that user, or that address, may ask."""

import logging

from starlette.requests import HTTPConnection

from auth.principal import Principal
from auth.rate_limits import Rate
from auth.tokens import KeyRing, TokenRefused, verify
from gateway import clock
from gateway.http.errors import Refused
from gateway.http.limited import ADMITTED
from gateway.limits import DoorLimits

log = logging.getLogger(__name__)

LIVE_API = "/api/v1/live/"
"""Where LIVE_QUOTA_API_RATE_LIMIT is the limit; anywhere else it is USER_RATE_LIMIT."""


class Guard:
    """Checks requests to the API. Each method counts the request, so a route calls one of them, once."""

    def __init__(self, keys: KeyRing, door: DoorLimits) -> None:
        self._keys = keys
        self._door = door

    async def limited(self, request: HTTPConnection) -> Principal:
        """Return who makes the request, counted against the limit of its path. Raises Refused with 401, and
        RateLimited."""
        return await self._counted(request)

    async def quota_check(self, request: HTTPConnection) -> Principal:
        """Return who asks what is left, counted against the limit of that too. Raises as `limited`."""
        return await self._counted(request, self._door.check)

    async def admin(self, request: HTTPConnection) -> Principal:
        """Return the admin who makes the request. Raises as `limited`, and Refused with 403."""
        principal = await self._counted(request)
        if not principal.is_admin:
            raise Refused(403, "NOT_ALLOWED", "This needs the role admin")
        return principal

    async def creator(self, request: HTTPConnection) -> Principal:
        """Return the creator, or admin, who makes the request. Raises as `admin`."""
        principal = await self._counted(request)
        if not principal.may_publish:
            raise Refused(403, "NOT_ALLOWED", "This needs the role creator")
        return principal

    async def anybody(self, request: HTTPConnection) -> Principal | None:
        """Return who makes the request, None if they have no token; those are counted by address. Raises as
        `limited`."""
        if "authorization" in request.headers:
            return await self._counted(request)
        address = request.client.host if request.client else ""
        request.scope[ADMITTED] = await self._door.count_stranger(address)
        return None

    async def _counted(self, request: HTTPConnection, *also: Rate) -> Principal:
        principal = await self._principal(request)
        door, scope = self._door, request.scope
        rate = door.api if scope["path"].startswith(LIVE_API) else door.user
        scope[ADMITTED] = await door.count_request(principal, rate, *also)
        return principal

    async def _principal(self, request: HTTPConnection) -> Principal:
        """Return whom the token names. One who has none is counted by address; a wrong one is none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        refused = Refused(401, "NOT_AUTHENTICATED", "Send an access token: Authorization: Bearer ...")
        if scheme.lower() == "bearer" and token:
            try:
                return verify(self._keys, token.strip(), now=clock.wall())
            except TokenRefused as refusal:
                log.info("Authentication failed", extra={"reason": refusal.reason, "status_code": 401})
                refused = Refused(401, "INVALID_TOKEN", "Invalid or expired token")
        address = request.client.host if request.client else ""
        request.scope[ADMITTED] = await self._door.count_stranger(address)
        raise refused
