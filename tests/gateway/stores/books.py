"""Books of minutes for tests: slices granted, used and settled on a real database, by the journals that
servers write with."""

import itertools
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from gateway.plans import load_plans
from gateway.stores import boots as boot_rows
from gateway.stores.interface import Database, Journal
from gateway.stores.minutes import (
    Acquire,
    Acquisitions,
    Adjust,
    Adjustments,
    Checkpoint,
    Checkpoints,
    Settle,
    Settlements,
)
from gateway.stores.schema import boots, live_sessions, quota_slices, usage_events
from gateway.stores.sessions import Change, Open, SessionChanges
from gateway.stores.statements import now_ms
from sessions.lifetimes import Bounds, Event, LiveSession
from sessions.periods import window_keys
from sessions.slices import MediaKind
from tests.gateway.rehearsal import settings

NOW_MS = 1_795_185_000_250
"""2026-11-20T14:30:00.250Z."""
MINUTE = 60_000
BOUNDS = Bounds()


class Books:
    """What servers write, one operation at a time, at `now_ms`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.plans = load_plans(settings())
        self.settlements = Settlements(self.plans)
        self.now_ms = NOW_MS
        self._numbers = itertools.count(1)

    async def apply(self, journal: Journal[Any, Any], *operations: Any) -> list[Any]:
        return list(await self.database.write(lambda connection: journal.apply(connection, operations)))

    async def hold(
        self, user: str = "noa", boot: str = "boot_1", kind: MediaKind = MediaKind.SUBTITLES,
        session: str | None = None,
    ) -> str:  # fmt: skip
        """Grant a slice; return its id."""
        slice_id = f"slice_{next(self._numbers):05d}"
        operation = Acquire(
            slice_id, "acme", user, kind, session or f"live_{slice_id}", "main", boot, "premium", 0,
            self.now_ms,
        )  # fmt: skip
        await self.apply(Acquisitions(self.plans), operation)
        return slice_id

    async def use(self, slice_id: str, used_ms: int) -> None:
        await self.apply(Checkpoints(), Checkpoint(((slice_id, used_ms),)))

    async def settle(self, slice_id: str, used_ms: int | None) -> Any:
        (settled,) = await self.apply(self.settlements, Settle(slice_id, used_ms, "owner", self.now_ms))
        return settled

    async def spend(self, used_ms: int, user: str = "noa", **options: Any) -> str:
        """Grant a slice and settle it at `used_ms`; return its id."""
        slice_id = await self.hold(user, **options)
        await self.settle(slice_id, used_ms)
        return slice_id

    async def adjust(self, extra_ms: int = 0, used_ms: int = 0, user: str = "noa") -> None:
        windows = tuple((period, key) for period, key in window_keys(self.now_ms).items())
        operation = Adjust(
            f"grant_{next(self._numbers)}", "acme", user, MediaKind.SUBTITLES, windows, extra_ms, used_ms,
            "ada", "because", self.now_ms,
        )  # fmt: skip
        await self.apply(Adjustments(), operation)

    # --- sessions and boots ---------------------------------------------------------------------------

    def session(self, session_id: str = "live_1", **changes: Any) -> LiveSession:
        begun = LiveSession(
            session_id, "acme", "noa", "main", "subtitles", "free", "boot_1", self.now_ms, self.now_ms
        )
        return replace(begun, **changes)

    async def open(self, session: LiveSession) -> Any:
        (opened,) = await self.apply(SessionChanges(BOUNDS), Open(session))
        return opened

    async def change(self, session_id: str, *events: Event) -> Any:
        changes = [Change(session_id, event) for event in events]
        return (await self.apply(SessionChanges(BOUNDS), *changes))[-1]

    async def boot(self, boot_id: str, *, lapsed: bool = False) -> None:
        def begin(connection: Connection) -> None:
            boot_rows.register(connection, boot_id, "here", 30_000)
            if lapsed:
                past = update(boots).where(boots.c.id == boot_id)
                connection.execute(past.values(lease_until=now_ms(connection) - 1000))

        await self.database.write(begin)

    # --- what is there --------------------------------------------------------------------------------

    async def boot_row(self, boot_id: str) -> Any:
        query = select(boots).where(boots.c.id == boot_id)
        return await self.database.read(lambda c: c.execute(query).mappings().one())

    async def states(self) -> dict[str, str]:
        query = select(live_sessions.c.id, live_sessions.c.state)
        return await self.database.read(lambda c: {row[0]: row[1] for row in c.execute(query)})

    async def slice_rows(self) -> dict[str, tuple[str, str | None, int]]:
        """State, who closed it, and at what, by id."""
        held = quota_slices.c
        query = select(held.id, held.state, held.closed_by, held.settled_ms)
        return await self.database.read(
            lambda c: {row[0]: (row[1], row[2], row[3]) for row in c.execute(query)}
        )

    async def billed_ms(self) -> int:
        query = select(func.coalesce(func.sum(usage_events.c.quantity_ms), 0))
        return int(await self.database.read(lambda c: c.execute(query).scalar_one()))

    async def insert(self, table: Any, *rows: dict[str, Any]) -> None:
        await self.database.write(lambda c: c.execute(insert(table), list(rows)).close())
