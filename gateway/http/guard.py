"""Who makes this request: its bearer token, and how often that user may ask."""

import logging

from starlette.requests import HTTPConnection

from auth.principal import Principal
from auth.tokens import KeyRing, TokenRefused, verify
from gateway import clock
from gateway.http.errors import Refused
from gateway.sockets.limits import DoorLimits, user_key

log = logging.getLogger(__name__)


class Guard:
    """Checks requests to the API."""

    def __init__(self, keys: KeyRing, door: DoorLimits) -> None:
        self._keys = keys
        self._door = door

    def principal(self, request: HTTPConnection) -> Principal:
        """Return who makes the request. Raises Refused with 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "NOT_AUTHENTICATED", "Send an access token: Authorization: Bearer ...")
        try:
            return verify(self._keys, token.strip(), now=clock.wall())
        except TokenRefused as refusal:
            log.info("Authentication failed", extra={"reason": refusal.reason, "status_code": 401})
            raise Refused(401, "INVALID_TOKEN", "Invalid or expired token") from refusal

    def limited(self, request: HTTPConnection) -> Principal:
        """Return who makes the request, counted against the API limit. Raises Refused, RateLimited."""
        principal = self.principal(request)
        self._door.requests.admit(user_key(principal), clock.steady())
        return principal
