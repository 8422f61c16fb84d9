"""A server's rooms and polls on a real database, through its group-commit writer, for tests."""

import asyncio
import itertools
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from gateway.ids import new_uuid
from gateway.stores.interface import Database, Refusal
from gateway.stores.rooms import poll_reads, reads
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.operations import (
    ActInPoll,
    ActInRoom,
    CreatePoll,
    CreateRoom,
    LoseSeats,
    PollDone,
    RoomDone,
    RuleRefused,
)
from gateway.stores.rooms.poll_changes import PollChanges
from gateway.stores.rooms.reads import Whole
from gateway.stores.rooms.room_changes import RoomChanges
from gateway.stores.rooms.rows import ballot_of
from gateway.stores.rooms.schema import poll_votes, room_events, room_messages, room_participants, room_seats
from gateway.stores.rooms.schema import polls as poll_table
from gateway.stores.rooms.schema import rooms as room_table
from gateway.stores.writer import GroupWriter
from sessions import poll_records, polls, room_records
from sessions.ballots import Ballot, count
from sessions.poll_records import Poll, PollWanted
from sessions.room_effects import Publish
from sessions.room_events import Event, JoinRequested, MessageSent
from sessions.room_records import Room, RoomWanted
from sessions.room_snapshots import after, snapshot

TENANT = "acme"
NOW_MS = 1_795_185_000_250
CODES = ("XJ9K2M", "ABCDEF", "GHJKMN", "PQRSTU", "VWXYZ2")
QUESTION = PollWanted("Which take?", ("First", "Second", "Third"))


class Lobby:
    """What one process does to rooms and polls, at `now_ms`, as `boot`."""

    def __init__(self, database: Database, boot: str = "boot_1", bounds: RoomBounds | None = None) -> None:
        self.database = database
        self.boot = boot
        self.bounds = bounds or RoomBounds()
        self.writer = GroupWriter(database)
        self.rooms = RoomChanges(self.bounds)
        self.polls = PollChanges(self.bounds)
        self.now_ms = NOW_MS
        self._codes = iter(CODES)
        self._numbers = itertools.count(1)

    async def do(self, *operations: Any) -> list[Any]:
        """Submit all at once; return each one's result, or refusal: that of the rule, if it was one."""
        futures = []
        for operation in operations:
            of_polls = isinstance(operation, CreatePoll | ActInPoll)
            journal: Any = self.polls if of_polls else self.rooms
            futures.append(self.writer.submit(journal, operation, patience_seconds=20))
        answers = await asyncio.gather(*futures, return_exceptions=True)
        return [answer.error if isinstance(answer, RuleRefused) else answer for answer in answers]

    async def one(self, operation: Any) -> Any:
        """Return what became of one operation. Raises what it was refused with."""
        (answer,) = await self.do(operation)
        if isinstance(answer, Exception):
            raise answer
        return answer

    # --- rooms ----------------------------------------------------------------------------------------

    def new_room(self, participants_max: int = 5, *, code: str | None = None, **wanted: Any) -> Room:
        facts: dict[str, Any] = {
            "owner": "olga",
            "tenant_id": TENANT,
            "epoch": "e1",
            "now_ms": self.now_ms,
        } | wanted
        is_private = facts.pop("is_private", False)
        return room_records.create(
            RoomWanted("Premiere", participants_max, is_private), room_id=new_uuid(),
            code=code or next(self._codes), **facts,
        )  # fmt: skip

    async def room(self, *users: str, participants_max: int = 5, **wanted: Any) -> str:
        """Make a room that these have joined; return its id."""
        made: RoomDone = await self.one(CreateRoom(self.new_room(participants_max, **wanted)))
        for user in users:
            await self.act(made.room.id, JoinRequested(user))
        return made.room.id

    def event(self, room_id: str, event: Event, *, tenant: str = TENANT) -> ActInRoom:
        return ActInRoom(tenant, room_id, event, self.boot, self.now_ms)

    async def act(self, room_id: str, event: Event, *, tenant: str = TENANT) -> RoomDone:
        done: RoomDone = await self.one(self.event(room_id, event, tenant=tenant))
        return done

    def message(self, user: str, text: str = "Hi", client_id: str | None = None) -> MessageSent:
        return MessageSent(user, client_id or f"c{next(self._numbers)}", new_uuid(), text)

    async def lose(self, room_id: str, *users: str) -> RoomDone:
        done: RoomDone = await self.one(LoseSeats(room_id, self.boot, users, self.now_ms))
        return done

    async def whole(self, room_id: str) -> Whole:
        """Return a room as it is now; it must be sound."""

        def read(connection: Connection) -> Whole:
            found = reads.whole(connection, TENANT, room_id)
            assert found is not None
            assert_sound(connection, found)
            return found

        return await self.database.read(read)

    async def people(self, room_id: str) -> list[str]:
        return list((await self.whole(room_id)).room.participants)

    # --- polls ----------------------------------------------------------------------------------------

    def new_poll(self, room_id: str, wanted: PollWanted = QUESTION, author: str = "olga") -> Poll:
        key = b"sixteen bytes of" if wanted.visibility is poll_records.Visibility.ANONYMOUS else b""
        return poll_records.create(
            wanted, poll_id=new_uuid(), room_id=room_id, author=author, key=key, now_ms=self.now_ms
        )

    async def poll(
        self, room_id: str, wanted: PollWanted = QUESTION, author: str = "olga", **options: Any
    ) -> str:
        """Open a poll; return its id."""
        made: PollDone = await self.one(
            CreatePoll(TENANT, self.new_poll(room_id, wanted, author), self.now_ms, **options)
        )
        return made.poll.id

    def vote(self, poll_id: str, user: str, *option_ids: str, seq: int = 1) -> ActInPoll:
        return ActInPoll(TENANT, poll_id, polls.VoteCast(user, option_ids, seq), self.now_ms)

    def closing(self, poll_id: str, by: str = "olga") -> ActInPoll:
        return ActInPoll(TENANT, poll_id, polls.CloseRequested(by, host=False), self.now_ms)

    async def polled(self, poll_id: str) -> Poll:
        """Return a poll as it is now; its tally must be that of its ballots."""
        found = await self.database.read(lambda c: poll_reads.poll(c, TENANT, poll_id, None))
        assert found is not None
        poll = found[0]
        assert poll.tally == count(poll.option_ids, (await self.ballots(poll_id)).values())
        return poll

    async def ballots(self, poll_id: str) -> dict[str, Ballot]:
        query = select(poll_votes).where(poll_votes.c.poll_id == poll_id)
        rows = await self.database.read(lambda c: c.execute(query).mappings().all())
        return {row["voter"]: ballot_of(row["voter"], row["option_ids"], row["seq"]) for row in rows}

    async def stored(self) -> list[list[Any]]:
        """Return every row of every table of rooms."""
        tables = (
            room_table, room_participants, room_seats, room_events, room_messages, poll_table, poll_votes,
        )  # fmt: skip

        def read(connection: Connection) -> list[list[Any]]:
            return [sorted(map(repr, connection.execute(select(table)))) for table in tables]

        return await self.database.read(read)

    async def aclose(self) -> None:
        await self.writer.aclose(10)


def assert_sound(connection: Connection, found: Whole) -> None:
    """Assert what must be true of a stored room: its people, its seats, its history without a gap, which
    leads from an empty room to this one."""
    room = found.room
    assert len(room.participants) <= room.participants_max
    assert len({at.place for at in room.participants.values()}) == len(room.participants)
    if room.participants:
        assert room.host in room.participants
    query = select(room_seats.c.subject).where(room_seats.c.room_id == room.id)
    assert set(connection.execute(query).scalars()) <= set(room.participants)
    missed = reads.events_since(connection, room.tenant_id, room.id, 0, room.offset)
    assert missed is not None
    assert missed.complete
    assert [one.offset for one in missed.events] == list(range(1, room.offset + 1))
    seen, fresh = follow(room, missed.events), snapshot(room, found.messages)
    assert seen == fresh, f"{seen}\n{fresh}\n{missed.events}"


def follow(room: Room, events: Iterable[Publish]) -> Any:
    """Return what somebody sees who has looked on since a room of olga's was made."""
    begun = Room(
        room.id, room.tenant_id, room.code, room.name, "olga", "olga", room.participants_max,
        room.is_private, room.epoch, room.created_at_ms, room.active_at_ms,
    )  # fmt: skip
    seen = snapshot(begun, [])
    for published in events:
        seen = after(seen, published)
    return seen


def refusals(answers: Iterable[Any]) -> list[str]:
    """Return by what each of those was refused that were."""
    return [type(answer).__name__ for answer in answers if isinstance(answer, Exception | Refusal)]
