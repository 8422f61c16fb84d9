"""Leases within one process, which is the leader of everything.

Invariant: as in `gateway.stores.leases`; the fencing numbers count from 1 anew with each process.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Lease:
    holder: str
    fence: int
    until: float


class MemoryLeases:
    """Leases by name; `now` returns seconds of a clock that never jumps."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._leases: dict[str, _Lease] = {}

    async def acquire(self, name: str, holder: str, ttl_seconds: float) -> int | None:
        """Return the fencing number, or None while another has it."""
        now = self._now()
        lease = self._leases.get(name)
        if lease is None:
            lease = self._leases[name] = _Lease("", 0, 0.0)
        if now < lease.until and lease.holder != holder:
            return None
        if now >= lease.until:
            lease.fence += 1
        lease.holder, lease.until = holder, now + ttl_seconds
        return lease.fence

    async def release(self, name: str, holder: str) -> None:
        """Let the next one have it, if `holder` has it."""
        lease = self._leases.get(name)
        if lease is not None and lease.holder == holder:
            lease.until = 0.0
