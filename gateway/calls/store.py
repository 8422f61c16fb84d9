"""The way of calls to the database: what is submitted to the group-commit writer, and what is read.

Invariant: a rule that says no is raised as the rule raised it. What is submitted is submitted when it is
called, in the order of the calls, whoever waits for it.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.stores.calls import reads
from gateway.stores.calls.changes import CallChanges
from gateway.stores.calls.operations import Act, Block, BlockDone, CallDone, CallRefused, Ring
from gateway.stores.calls.reads import Told
from gateway.stores.interface import Database, Writer
from gateway.stores.people.changes import draw_media_uid
from gateway.stores.people.reads import media_uid
from gateway.stores.statements import now_ms
from sessions.call_events import DeadlinePassed
from sessions.call_records import Call

PATIENCE_SECONDS = 5.0
"""Of somebody who waits, for a database that is away for a moment."""


@dataclass(frozen=True, slots=True)
class CallStore:
    """Calls in the database. Everything that waits raises StoreDown."""

    database: Database
    writer: Writer
    changes: CallChanges

    async def call(self, operation: Ring | Act) -> CallDone:
        """Return what became of a call. Raises what its rule refuses, and UnknownCall."""
        done = await self._written(operation)
        assert isinstance(done, CallDone)
        return done

    async def block(self, operation: Block) -> BlockDone:
        """Block somebody. Raises TooManyBlocks."""
        done = await self._written(operation)
        assert isinstance(done, BlockDone)
        return done

    async def _written(self, operation: Ring | Act | Block) -> CallDone | BlockDone:
        try:
            return await self.writer.submit(self.changes, operation, patience_seconds=PATIENCE_SECONDS)
        except CallRefused as refused:
            raise refused.error from None

    async def sweep(self, most: int) -> tuple[int, list[CallDone]]:
        """Do what deadlines have left to do, of at most `most` calls, the oldest first; return how many were
        due by the clock that all processes share, and what became of them."""

        def ended(connection: Connection) -> tuple[int, list[CallDone]]:
            due = reads.due(connection, now_ms(connection), most)
            acts = [Act(tenant_id, call_id, DeadlinePassed()) for tenant_id, call_id in due]
            done = self.changes.apply(connection, acts) if acts else []
            return len(due), [one for one in done if isinstance(one, CallDone)]

        return await self.database.write(ended)

    async def one(self, tenant_id: str, call_id: str) -> Call | None:
        """Return a tenant's call."""
        return await self.database.read(lambda c: reads.call(c, tenant_id, call_id))

    async def open_calls(self, users: Collection[tuple[str, str]]) -> dict[tuple[str, str], Call]:
        """Return the call that is not over of each user that has one."""
        return await self.database.read(lambda c: reads.open_calls(c, users))

    async def page(
        self, tenant_id: str, user: str, limit: int, cursor: str | None
    ) -> tuple[list[Call], str | None]:
        """Return a page of a user's calls. Raises BadCursor."""
        return await self.database.read(lambda c: reads.page(c, tenant_id, user, limit, cursor))

    async def told_lately(self, lately_ms: int, most: int) -> list[Told]:
        """Return what was written to the outbox in this time, the newest `most` of it, in order."""
        return await self.database.read(lambda c: reads.told_lately(c, now_ms(c) - lately_ms, most))

    async def lost_callers(self, most: int) -> list[Call]:
        """Return calls that ring while nobody knows of a connection of their caller."""
        return await self.database.read(lambda c: reads.lost_callers(c, most))

    async def some(self, ids: Collection[str]) -> dict[str, Call]:
        """Return calls by their ids."""
        return await self.database.read(lambda c: reads.calls_of(c, ids))

    async def forget_events(self, older_ms: int, most: int) -> int:
        """Remove what was told longer ago than this; return how many rows."""
        return await self.database.write(lambda c: reads.forget_events(c, now_ms(c) - older_ms, most))

    async def uid(self, tenant_id: str, user: str) -> int:
        """Return the number that stands for a user in media channels."""
        drawn = await self.database.read(lambda c: media_uid(c, tenant_id, user))
        if drawn is not None:
            return drawn
        return await self.database.write(lambda c: draw_media_uid(c, tenant_id, user))
