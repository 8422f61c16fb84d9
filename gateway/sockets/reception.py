"""The short way to a live socket: an upgrade request that its endpoint would accept is accepted at once.

Invariant: what is taken here the application would have taken, for the same channel and address; whatever is
to be refused, or cannot be known without waiting, goes to the application and is answered there.
"""

import re
from collections.abc import Iterable

from gateway.sockets.endpoint import LiveEndpoint
from gateway.wire.interface import ReceiverOf

_LIVE = re.compile(rb"/ws/live/([A-Za-z0-9_-]{1,64})/([a-z]+)(?:\?(.*))?", re.DOTALL)
_NOT_HERE = (b"cookie", b"x-forwarded-for")
"""Who comes with a cookie has an origin to be checked; who comes by way of a proxy has another address."""


class LiveReception:
    """The wire's `Reception` for these endpoints."""

    def __init__(self, endpoints: Iterable[LiveEndpoint]) -> None:
        self._endpoints = {endpoint.kind.value.encode(): endpoint for endpoint in endpoints}

    def receiver_of(
        self, target: bytes, headers: list[tuple[bytes, bytes]], address: str
    ) -> ReceiverOf | None:
        """Return what takes a connection to a live path."""
        found = _LIVE.fullmatch(target)
        endpoint = self._endpoints.get(found[2]) if found is not None else None
        if found is None or endpoint is None:
            return None
        for name, _ in headers:
            if name in _NOT_HERE:
                return None
        return endpoint.at_once(found[1].decode(), found[3] or b"", address)
