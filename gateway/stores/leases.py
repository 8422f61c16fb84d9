"""Leases: of many processes one is the leader, until its time runs out.

Invariant: at no moment have two holders the lease of one name, and whoever gets it after another has a
higher fencing number, by which the one before is known to be late
(https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html).
"""

from collections.abc import Callable
from typing import Protocol


class Leases(Protocol):
    """Who leads what."""

    async def acquire(self, name: str, holder: str, ttl_seconds: float) -> int | None:
        """Return the fencing number with which `holder` has `name` for the next `ttl_seconds`, or None.

        Whoever has it renews it, with the same number; one whose time ran out gets a higher one. None:
        another has it, or nobody can say, because the store is lost. Do not lead then.
        """

    async def release(self, name: str, holder: str) -> None:
        """Let the next one have `name` at once; nothing happens unless `holder` has it. Never raises: what
        could not be released runs out."""


class LeadingAlone:
    """Leases that everybody has while their store is lost: for work that does no harm when two do it."""

    def __init__(self, leases: Leases, up: Callable[[], bool]) -> None:
        self._leases = leases
        self._up = up

    async def acquire(self, name: str, holder: str, ttl_seconds: float) -> int | None:
        """Return the fencing number; 0 while the store is lost."""
        fence = await self._leases.acquire(name, holder, ttl_seconds)
        return 0 if fence is None and not self._up() else fence

    async def release(self, name: str, holder: str) -> None:
        """Let the next one have `name`."""
        await self._leases.release(name, holder)
