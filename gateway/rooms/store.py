"""The way of rooms to the database: what is submitted to the group-commit writer, and what is read.

Invariant: a rule that says no is raised as the rule raised it. What is submitted is submitted when it is
called, in the order of the calls, whoever waits for it.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from gateway.stores.interface import Database, Journal, Writer
from gateway.stores.rooms import poll_reads, reads
from gateway.stores.rooms.operations import (
    ActInPoll,
    ActInRoom,
    CreatePoll,
    CreateRoom,
    LoseSeats,
    PollDone,
    RoomDone,
    RuleRefused,
    UnknownRoom,
)
from gateway.stores.rooms.reads import Head, Missed
from sessions.ballots import Ballot
from sessions.poll_records import Poll
from sessions.room_records import Room
from sessions.room_snapshots import RoomSnapshot, snapshot

PATIENCE_SECONDS = 5.0
"""Of somebody who waits, for a database that is away for a moment."""
HEADS_MAX = 500
"""Rooms asked for in one query."""

RoomOperation = CreateRoom | ActInRoom | LoseSeats
PollOperation = CreatePoll | ActInPoll


@dataclass(frozen=True, slots=True)
class RoomStore:
    """Rooms and polls in the database. Everything that waits raises StoreDown."""

    database: Database
    writer: Writer
    rooms: Journal[RoomOperation, RoomDone]
    polls: Journal[PollOperation, PollDone]

    async def room(self, operation: CreateRoom | ActInRoom) -> RoomDone:
        """Return what became of a room. Raises what its rule refuses, and the refusals of operations.py."""
        try:
            return await self.writer.submit(self.rooms, operation, patience_seconds=PATIENCE_SECONDS)
        except RuleRefused as refused:
            raise refused.error from None

    def lose(self, operation: LoseSeats) -> "asyncio.Future[RoomDone]":
        """Submit the loss of seats; it is written whenever the database is back."""
        return self.writer.submit(self.rooms, operation, patience_seconds=float("inf"))

    async def poll(self, operation: CreatePoll | ActInPoll) -> PollDone:
        """Return what became of a poll. Raises what its rule refuses, and the refusals of operations.py."""
        try:
            return await self.writer.submit(self.polls, operation, patience_seconds=PATIENCE_SECONDS)
        except RuleRefused as refused:
            raise refused.error from None

    async def by_code(self, tenant_id: str, code: str) -> Room | None:
        """Return the open room with a code, without participants."""
        return await self.database.read(lambda c: reads.room_by_code(c, tenant_id, code))

    async def one(self, tenant_id: str, room_id: str) -> Room | None:
        """Return a room, open or closed, without participants."""
        return await self.database.read(lambda c: reads.room(c, tenant_id, room_id))

    async def rooms_of(self, tenant_id: str, user: str, most: int) -> list[Room]:
        """Return the open rooms that a user owns or is in."""
        return await self.database.read(lambda c: reads.rooms_of(c, tenant_id, user, most))

    async def public_rooms(
        self, tenant_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Room], str | None]:
        """Return a page of the rooms that are not private. Raises BadCursor."""
        return await self.database.read(lambda c: reads.public_rooms(c, tenant_id, limit, cursor))

    async def is_in(self, room_id: str, user: str) -> bool:
        """Return whether a user is in a room."""
        return await self.database.read(lambda c: reads.is_in(c, room_id, user))

    async def whole(self, tenant_id: str, room_id: str) -> RoomSnapshot:
        """Return a room as a newcomer sees it. Raises UnknownRoom."""
        found = await self.database.read(lambda c: reads.whole(c, tenant_id, room_id))
        if found is None:
            raise UnknownRoom
        return snapshot(found.room, found.messages)

    async def since(
        self, tenant_id: str, room_id: str, offset: int, most: int = reads.EVENTS_MAX
    ) -> Missed | None:
        """Return what happened in a room after an offset, at most the next `most` events."""
        return await self.database.read(lambda c: reads.events_since(c, tenant_id, room_id, offset, most))

    async def one_poll(
        self, tenant_id: str, poll_id: str, user: str | None
    ) -> tuple[Poll, Ballot | None] | None:
        """Return a poll with a user's ballot."""
        return await self.database.read(lambda c: poll_reads.poll(c, tenant_id, poll_id, user))

    async def polls_of(self, room_id: str, user: str | None) -> list[tuple[Poll, Ballot | None]]:
        """Return the polls of a room, the oldest first, each with the ballot of a user."""
        return await self.database.read(lambda c: poll_reads.polls_of(c, room_id, user))

    async def ballots(self, poll_id: str, most: int, after: str) -> list[Ballot]:
        """Return ballots by voter, from behind `after`."""
        return await self.database.read(lambda c: poll_reads.named_ballots(c, poll_id, most, after))

    async def heads(self, room_ids: Collection[str]) -> dict[str, Head]:
        """Return how far rooms are."""
        ids, found = list(room_ids), dict[str, Head]()
        for first in range(0, len(ids), HEADS_MAX):
            found |= await self.database.read(partial(reads.heads, room_ids=ids[first : first + HEADS_MAX]))
        return found


@dataclass(frozen=True, slots=True)
class RoomSource:
    """Where one room is read; see `stream.Source`."""

    store: RoomStore
    tenant: str
    room_id: str

    async def whole(self) -> RoomSnapshot:
        """Return the room as a newcomer sees it. Raises UnknownRoom."""
        return await self.store.whole(self.tenant, self.room_id)

    async def since(self, offset: int) -> Missed | None:
        """Return what happened after an offset."""
        return await self.store.since(self.tenant, self.room_id, offset)
