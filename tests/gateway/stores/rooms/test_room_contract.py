"""Long random histories of rooms and polls on a real database, against the model that knows everything."""

import random
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.stores.interface import Database
from gateway.stores.rooms import poll_reads, reads
from gateway.stores.rooms.operations import ActInPoll, ActInRoom, CreatePoll, CreateRoom, LoseSeats
from gateway.stores.rooms.poll_changes import PollChanges
from gateway.stores.rooms.room_changes import RoomChanges
from sessions import polls
from sessions.poll_records import PollWanted, Visibility
from sessions.room_events import (
    CloseRequested,
    DeadlinePassed,
    Event,
    HandOverRequested,
    JoinRequested,
    KickRequested,
    LeaveRequested,
    MessageSent,
)
from tests.gateway.stores.rooms.model import Model, facts
from tests.gateway.stores.rooms.test_room_machine import (
    BOUNDS,
    POLLS,
    ROOMS,
    START,
    TENANT,
    USERS,
    new_poll,
    new_room,
    outcome,
)

GROUPS = 120


class History:
    """Groups of operations, drawn by a chance that is the same each time."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now_ms = START
        self.messages = 0

    def group(self) -> tuple[Any, list[Any]]:
        self.now_ms += self.chance.choice([0, 1, 1000, 10_000, 30_000])
        journal: Any = self.chance.choice([RoomChanges(BOUNDS), RoomChanges(BOUNDS), PollChanges(BOUNDS)])
        draw = self._in_room if isinstance(journal, RoomChanges) else self._in_poll
        operations = [draw() for _ in range(self.chance.randint(1, 12))]
        made: dict[str, Any] = {}
        for operation in operations:
            if isinstance(operation, CreateRoom):
                made.setdefault(operation.room.id, operation)
            elif isinstance(operation, CreatePoll):
                made.setdefault(operation.poll.id, operation)
        others = [one for one in operations if not isinstance(one, CreateRoom | CreatePoll)]
        return journal, [*made.values(), *others]

    def _in_room(self) -> Any:
        chance = self.chance
        user, second = chance.choice(USERS), chance.choice(USERS)
        room_id, boot = chance.choice(ROOMS), chance.choice(["boot_1", "boot_2"])
        self.messages += 1
        message_id = f"00000000-0000-4000-a000-{self.messages:012}"
        number = chance.randrange(20)
        if number == 0:
            room = new_room(room_id, chance.choice(["AAAAAA", "BBBBBB"]), chance.randint(2, 5))
            return CreateRoom(replace(room, created_at_ms=self.now_ms, active_at_ms=self.now_ms))
        if number in (1, 2):
            return LoseSeats(room_id, boot, (user, second), self.now_ms)
        events: list[Event] = [
            KickRequested(user, second), HandOverRequested(user, second), CloseRequested(user),
            DeadlinePassed(), LeaveRequested(user), LeaveRequested(user), JoinRequested(user),
            JoinRequested(user), JoinRequested(second), JoinRequested(second),
            *[MessageSent(user, f"c{chance.randrange(9)}", message_id, "Hi")] * 4,
        ]  # fmt: skip
        return ActInRoom(TENANT, room_id, chance.choice(events), boot, self.now_ms)

    def _in_poll(self) -> Any:
        chance = self.chance
        user, poll_id = chance.choice(USERS), chance.choice(POLLS)
        if not chance.randrange(6):
            wanted = PollWanted(
                "What?", ("A", "B", "C"), multiple=chance.random() < 0.5, allow_change=chance.random() < 0.5,
                visibility=chance.choice([Visibility.PUBLIC, Visibility.ANONYMOUS]),
                open_ms=chance.choice([None, 30_000]),
            )  # fmt: skip
            poll = replace(new_poll(poll_id, chance.choice(ROOMS), user, wanted), created_at_ms=self.now_ms)
            return CreatePoll(TENANT, poll, self.now_ms, opened=chance.random() < 0.8)
        votes = [
            polls.VoteCast(user, chance.choice([("1",), ("2",), ("1", "3"), (), ("9",)]), chance.randrange(9))
            for _ in range(5)
        ]
        events: list[polls.Event] = [
            *votes, polls.CloseRequested(user, host=True), polls.DeadlinePassed(),
            polls.OpenRequested(user, host=False, open_already=9),
        ]  # fmt: skip
        return ActInPoll(TENANT, poll_id, chance.choice(events), self.now_ms)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_answer_and_every_row_is_that_of_the_model(
    database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.rooms.electorate.ACTIVITY_MS", 0)
    model, history = Model(BOUNDS.room, BOUNDS.poll), History(seed)
    kinds: set[str] = set()
    for _ in range(GROUPS):
        journal, operations = history.group()
        answers = await database.write(partial(journal.apply, operations=operations))
        for operation, answer in zip(operations, answers, strict=True):
            expected = model.apply(operation)
            assert outcome(answer) == expected, operation
            kinds.add(expected[0] if isinstance(expected[0], str) else "done")
    assert len(kinds) > 8, "histories meet most refusals"
    await database.read(partial(assert_same, model=model))


def assert_same(connection: Connection, model: Model) -> None:
    for room_id, room in model.rooms.items():
        whole = reads.whole(connection, TENANT, room_id)
        assert whole is not None
        assert (facts(whole.room), whole.room.participants) == (facts(room), room.participants)
        missed = reads.events_since(connection, TENANT, room_id, 0)
        assert missed is not None
        assert list(missed.events) == model.events[room_id]
    for poll_id, poll in model.polls.items():
        assert poll_reads.poll(connection, TENANT, poll_id, None) == (poll, None)
        ballots = poll_reads.named_ballots(connection, poll_id, 100)
        assert {ballot.voter: ballot for ballot in ballots} == model.ballots[poll_id]
