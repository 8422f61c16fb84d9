"""The default `Door`: connections that have not yet sent complete headers are counted and bounded.

Pure. It holds one number per address that has such a connection, and nothing for any other.
"""

from collections.abc import Callable

from gateway.wire.limits import WireLimits


class Entrance:
    """Lets connections in until too many of one address, or of all, are waiting with their headers.
    `counted_as` says what an address counts as, where several are one peer's."""

    def __init__(self, limits: WireLimits, counted_as: Callable[[str], str] = str) -> None:
        self._counted_as = counted_as
        self._per_address_max = limits.unheard_per_address_max
        self._all_max = limits.unheard_max
        self._retry_after_seconds = limits.retry_after_seconds
        self._waiting: dict[str, int] = {}
        self._all = 0

    @property
    def waiting(self) -> int:
        """Connections whose headers are not complete."""
        return self._all

    def opened(self, address: str) -> int | None:
        """Count a new connection; return the seconds after which to try again when it is one too many."""
        address = self._counted_as(address)
        mine = self._waiting.get(address, 0)
        if 0 < self._per_address_max <= mine or 0 < self._all_max <= self._all:
            return self._retry_after_seconds
        self._waiting[address] = mine + 1
        self._all += 1
        return None

    def heard(self, address: str) -> None:
        """Count the connection no longer: its first headers are complete, or it ended without."""
        address = self._counted_as(address)
        left = self._waiting.get(address, 0) - 1
        self._all -= 1
        if left > 0:
            self._waiting[address] = left
        else:
            self._waiting.pop(address, None)

    def closed(self, address: str) -> None:
        """Nothing is kept for a connection that was heard."""
