"""What is due in rooms and polls, kind by kind, for the reaper and for admins who will not wait for it.

Invariant: a transaction does a few at a time, and whatever changed in a room that somebody may look at is
told, after it is written.
"""

from collections.abc import Callable, Sequence
from functools import partial

from gateway import clock
from gateway.ids import new_id
from gateway.reaper import Reaper
from gateway.stores.audit_rows import AuditRow, write_audit
from gateway.stores.interface import Database
from gateway.stores.rooms import deadlines
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.deadlines import Key
from gateway.stores.rooms.operations import PollDone, RoomDone
from sessions.poll_records import State as PollState
from sessions.room_effects import ParticipantLeft, Publish
from sessions.room_records import State as RoomState

AT_ONCE = 20
"""Rooms, or polls, of one transaction."""
ROWS_AT_ONCE = 500
"""Events that are forgotten in one transaction."""
BY_HAND_MAX = 1000
"""Rooms, or polls, that one request of an admin ends; what is left is there for the next."""
LOST_SECONDS = 5.0
CLOSING_SECONDS = 1.0
"""Between looks for what people wait for: a place that is free again, a result."""

Done = RoomDone | PollDone
Told = Callable[[Sequence[Done]], None]


class RoomDeadlines:
    """Ends what is due. `told` is called with what became of rooms and polls, in the order of each room."""

    def __init__(self, database: Database, bounds: RoomBounds, told: Told) -> None:
        self._database = database
        self._bounds = bounds
        self._told = told

    def register(self, reaper: Reaper) -> None:
        """Have a reaper do it."""
        reaper.register("room", self.rooms_due)
        reaper.register("participant", self.lost_due, interval_seconds=LOST_SECONDS)
        reaper.register("poll", self.polls_due, interval_seconds=CLOSING_SECONDS)
        if self._bounds.history_ms:
            reaper.register("room_history", self.histories_due)

    async def rooms_due(self, now_ms: int, most: int, /) -> int:
        """Close rooms that have idled for too long; return how many might have."""
        found = await self._database.read(partial(deadlines.idle_rooms, at_ms=now_ms, most=most))
        await self._close(found, now_ms)
        return len(found)

    async def lost_due(self, now_ms: int, most: int, /) -> int:
        """Put out those whose grace time is over; return how many people left."""
        total = 0
        grace_ms = self._bounds.room.grace_ms
        look = partial(deadlines.rooms_with_lost, at_ms=now_ms, most=AT_ONCE, grace_ms=grace_ms)
        while total < most:
            found = await self._database.read(look)
            left = sum(_left(done) for done in await self._close(found, now_ms))
            total += left
            if not left:
                break
        return total

    async def polls_due(self, now_ms: int, most: int, /) -> int:
        """Close polls whose time is over, and archive those that are old; return how many."""
        found = await self._database.read(partial(deadlines.due_polls, at_ms=now_ms, most=most))
        await self._pass_in_polls(found, now_ms)
        return len(found)

    async def histories_due(self, now_ms: int, most: int, /) -> int:
        """Forget what was said in rooms that were closed long ago; return in how many."""
        found = await self._database.read(partial(deadlines.old_histories, at_ms=now_ms, most=most))
        for room_id in found:
            forget = partial(deadlines.forget, room_id=room_id, most=ROWS_AT_ONCE)
            while await self._database.write(forget):
                pass
        return len(found)

    # --- by hand --------------------------------------------------------------------------------------

    async def close_idle_rooms(self, tenant_id: str, actor: str) -> int:
        """Close the rooms of a tenant that have idled for too long, at most BY_HAND_MAX, with a row in the
        audit log; return how many were closed. Raises StoreDown."""
        now_ms = clock.wall_ms()
        look = partial(deadlines.idle_rooms, at_ms=now_ms, most=BY_HAND_MAX, tenant_id=tenant_id)
        done = await self._close(await self._database.read(look), now_ms)
        closed = sum(one.room.state is RoomState.CLOSED for one in done)
        await self._audit(tenant_id, actor, "cleanup_rooms", {"closed": closed}, now_ms)
        return closed

    async def archive_polls(self, tenant_id: str, actor: str) -> int:
        """Archive a tenant's polls that are old, at most BY_HAND_MAX, with a row in the audit log; return how
        many were archived. Raises StoreDown."""
        now_ms = clock.wall_ms()
        look = partial(deadlines.due_polls, at_ms=now_ms, most=BY_HAND_MAX, tenant_id=tenant_id)
        done: list[PollDone] = []
        # Those that were open until now are closed by the first look, and archived by the second.
        for _ in range(2):
            done += await self._pass_in_polls(await self._database.read(look), now_ms)
        archived = sum(one.poll.state is PollState.ARCHIVED for one in done)
        await self._audit(tenant_id, actor, "archive_polls", {"archived": archived}, now_ms)
        return archived

    async def _audit(
        self, tenant_id: str, actor: str, action: str, detail: dict[str, int], now_ms: int
    ) -> None:
        row = AuditRow(new_id("audit"), tenant_id, actor, action, "tenant", dict(detail), now_ms)
        await self._database.write(partial(write_audit, row=row))

    # --- the steps ------------------------------------------------------------------------------------

    async def _close(self, found: Sequence[Key], now_ms: int) -> list[RoomDone]:
        changed: list[RoomDone] = []
        for batch in _batches(found):
            done = await self._database.write(
                partial(deadlines.pass_in_rooms, bounds=self._bounds, found=batch, at_ms=now_ms)
            )
            self._told(done)
            changed += done
        return changed

    async def _pass_in_polls(self, found: Sequence[Key], now_ms: int) -> list[PollDone]:
        changed: list[PollDone] = []
        for batch in _batches(found):
            done = await self._database.write(
                partial(deadlines.pass_in_polls, bounds=self._bounds, found=batch, at_ms=now_ms)
            )
            self._told([each for each in done if each.effects])
            changed += done
        return changed


def _batches(found: Sequence[Key]) -> list[Sequence[Key]]:
    return [found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE)]


def _left(done: RoomDone) -> int:
    return sum(isinstance(one, Publish) and isinstance(one.event, ParticipantLeft) for one in done.effects)
