"""This life of the server process among others: its lease, and the taking over of those that are gone.

Invariant: while `boot_id` has a lease nobody else settles what this process holds; a process that was taken
for gone goes on under a new id.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from gateway.ids import new_id
from gateway.metrics import RECOVERED
from gateway.stores import boots
from gateway.stores.boots import GivingBack, Left, Settling, no_seats
from gateway.stores.interface import Database, StoreDown
from sessions.lifetimes import Bounds

log = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3
BATCH_MAX = 200


class Boot:
    """The boot of this process. `fenced` is called with the new id when the old one was taken over."""

    def __init__(
        self, database: Database, host: str, lease_seconds: float, fenced: Callable[[str], None]
    ) -> None:
        self.id = new_id("boot")
        self._database = database
        self._host = host
        self._lease_ms = int(lease_seconds * 1000)
        self._fenced = fenced

    async def register(self) -> None:
        """Begin. Raises StoreDown."""
        await self._register(self.id)

    async def _register(self, boot_id: str) -> None:
        begin = partial(boots.register, boot_id=boot_id, host=self._host, lease_ms=self._lease_ms)
        await self._database.write(begin)

    async def run(self) -> None:
        """Renew the lease until cancelled."""
        while True:
            await asyncio.sleep(self._lease_ms / 1000 / RENEWALS_PER_LEASE)
            try:
                await self.renew()
            except StoreDown as down:
                log.warning("The lease of this process is not renewed", extra={"reason": str(down)})

    async def renew(self) -> None:
        """Renew the lease, or begin anew if another process took this one for gone. Raises StoreDown."""
        renewed = await self._database.write(partial(boots.renew, boot_id=self.id, lease_ms=self._lease_ms))
        if renewed:
            return
        lost, boot_id = self.id, new_id("boot")
        await self._register(boot_id)
        self.id = boot_id
        log.warning("This process was taken for gone, and goes on", extra={"boot": boot_id, "lost": lost})
        self._fenced(boot_id)

    async def aclose(self) -> None:
        """End in order, after the last settlement was written. What is open all the same is taken over."""
        try:
            ended = await self._database.write(partial(boots.end, boot_id=self.id))
        except StoreDown as down:
            log.warning("The end of this process is not noted", extra={"reason": str(down)})
            return
        if not ended:
            log.warning("This process ends with minutes or sessions open; another settles them")


class Recovery:
    """Takes over what processes left that are gone; `alone` (SQLite) says that all others are. `recovered` is
    called with what was found, if anything was: the books are to be audited then."""

    def __init__(
        self, database: Database, settling: Settling, bounds: Bounds, boot: Boot, *, alone: bool,
        recovered: Callable[[Left], object] = lambda left: None, giving_back: GivingBack = no_seats,
    ) -> None:  # fmt: skip
        self._database = database
        self._settling = settling
        self._bounds = bounds
        self._boot = boot
        self._alone = alone
        self._recovered = recovered
        self._giving_back = giving_back

    async def run_once(self) -> Left:
        """Settle the slices, end the sessions and give back the seats of every boot that is gone. Raises
        StoreDown.

        It may be broken off anywhere and run again, and run in several processes at once.
        """
        found = Left()
        own = partial(boots.abandoned, own_id=self._boot.id, alone=self._alone)
        for boot_id in await self._database.read(own):
            more = True
            while more:
                left, more = await self._database.write(partial(self._take_over, boot_id=boot_id))
                found += left
                await asyncio.sleep(0)
        if found:
            RECOVERED.labels("slices").inc(found.slices)
            RECOVERED.labels("sessions").inc(found.sessions)
            RECOVERED.labels("seats").inc(found.seats)
            log.warning(
                "Took over from processes that are gone",
                extra={
                    "boots": found.boots,
                    "slices": found.slices,
                    "settled_seconds": found.settled_ms / 1000,
                    "sessions": found.sessions,
                    "seats": found.seats,
                },
            )
            self._recovered(found)
        return found

    async def due(self, _now_ms: int, _most: int, /) -> int:
        """Register this with the reaper, in a cluster; return how many boots were taken over."""
        return min((await self.run_once()).boots, _most - 1)

    def _take_over(self, connection: Connection, boot_id: str) -> tuple[Left, bool]:
        return boots.take_over(
            connection, self._settling, boot_id, BATCH_MAX, self._bounds, alone=self._alone,
            giving_back=self._giving_back,
        )  # fmt: skip
