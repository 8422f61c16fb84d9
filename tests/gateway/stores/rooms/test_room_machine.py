"""The journals of rooms and polls do what whole rooms with every ballot in memory would do."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import StaticPool, create_engine, select

from gateway.stores.interface import Refusal
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
from gateway.stores.rooms.room_changes import RoomChanges
from gateway.stores.rooms.rows import ballot_of
from gateway.stores.rooms.schema import poll_votes, room_kicked, room_seats
from gateway.stores.schema import metadata
from sessions import poll_records, polls, room_records
from sessions.poll_records import PollWanted, Visibility
from sessions.room_events import (
    CloseRequested,
    DeadlinePassed,
    HandOverRequested,
    JoinRequested,
    KickRequested,
    LeaveRequested,
    MessageSent,
)
from tests.gateway.stores.rooms.model import Model, facts

TENANT = "acme"
START = 1_795_185_000_000
USERS = ("olga", "ana", "ben", "cem", "dan", "eva")
BOUNDS = RoomBounds(
    room_records.Bounds(idle_ms_max=600_000, grace_ms=10_000), polls.Bounds(archive_ms=1_200_000), 0
)
ROOMS = tuple(f"00000000-0000-4000-8000-00000000000{number}" for number in range(3))
POLLS = tuple(f"00000000-0000-4000-9000-00000000000{number}" for number in range(4))

users = st.sampled_from(USERS)
room_ids = st.sampled_from((ROOMS[0], *ROOMS))
poll_ids = st.sampled_from(POLLS)
boots = st.sampled_from(["boot_1", "boot_2"])
tenants = st.sampled_from([TENANT] * 19 + ["other"])
choices = st.sampled_from([("1",), ("2",), ("3",), ("1", "3"), (), ("4",), ("1", "1")])


def often(*likely: st.SearchStrategy[Any], seldom: list[st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.one_of(*(likely * 4), *seldom)


def message(by: str, number: int) -> MessageSent:
    return MessageSent(by, f"c{number}", "", "Hi" if number else "")


room_events = often(
    users.map(JoinRequested),
    users.map(LeaveRequested),
    st.builds(message, users, st.integers(0, 3)),
    seldom=[
        st.builds(KickRequested, users, users),
        st.builds(HandOverRequested, users, users),
        st.builds(CloseRequested, users, st.just(value=False)),
        st.just(DeadlinePassed()),
        st.just(DeadlinePassed()),
    ],
)
poll_events = often(
    st.builds(polls.VoteCast, users, choices, st.integers(0, 5)),
    st.builds(polls.VoteCast, users, choices, st.integers(0, 5)),
    seldom=[
        st.builds(polls.OpenRequested, users, st.just(value=True), st.just(7)),
        st.builds(polls.CloseRequested, users, st.just(value=True)),
        st.builds(polls.Edited, users, st.just(value=True), st.just(PollWanted("Which?", ("A", "B", "C")))),
        st.just(polls.DeadlinePassed()),
        st.just(polls.DeadlinePassed()),
    ],
)
wanted_polls = st.builds(
    PollWanted, st.just("What?"), st.just(("A", "B", "C")), st.booleans(), st.booleans(),
    st.sampled_from([Visibility.HIDDEN, Visibility.ANONYMOUS]),
    open_ms=st.sampled_from([None, 30_000]),
)  # fmt: skip


def new_room(room_id: str, code: str, participants_max: int) -> room_records.Room:
    return room_records.create(
        room_records.RoomWanted("Premiere", participants_max),
        room_id=room_id, tenant_id=TENANT, code=code, owner="olga", epoch="e1", now_ms=START,
    )  # fmt: skip


def new_poll(poll_id: str, room_id: str, author: str, wanted: PollWanted) -> poll_records.Poll:
    key = b"k" * 16 if wanted.visibility is Visibility.ANONYMOUS else b""
    return poll_records.create(wanted, poll_id=poll_id, room_id=room_id, author=author, key=key, now_ms=START)


room_operations = often(
    st.builds(ActInRoom, tenants, room_ids, room_events, boots, st.just(0)),
    seldom=[
        st.builds(
            CreateRoom,
            st.builds(new_room, room_ids, st.sampled_from(["AAAAAA", "BBBBBB"]), st.integers(2, 5)),
        ),
        st.builds(LoseSeats, room_ids, boots, st.lists(users, min_size=1, max_size=3).map(tuple), st.just(0)),
    ],
)
poll_operations = often(
    st.builds(ActInPoll, tenants, poll_ids, poll_events, st.just(0)),
    seldom=[
        st.builds(
            CreatePoll, tenants, st.builds(new_poll, poll_ids, room_ids, users, wanted_polls), st.just(0),
            st.booleans(), st.booleans(),
        )
    ],
)  # fmt: skip


class Journals(RuleBasedStateMachine):
    """Groups of operations against the journals and, one by one, against the model."""

    def __init__(self) -> None:
        super().__init__()
        engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(engine)
        self.engine = engine
        self.model = Model(BOUNDS.room, BOUNDS.poll)
        self.now_ms = START
        self.messages = 0

    @initialize()
    def begin(self) -> None:
        act = [ActInRoom(TENANT, ROOMS[0], JoinRequested(user), "boot_1", START) for user in USERS[:3]]
        self._both(RoomChanges(BOUNDS), [CreateRoom(new_room(ROOMS[0], "AAAAAA", 4)), *act])
        wanted = PollWanted("What?", ("A", "B", "C"), multiple=True)
        poll = new_poll(POLLS[0], ROOMS[0], "olga", wanted)
        self._both(PollChanges(BOUNDS), [CreatePoll(TENANT, poll, START)])

    @rule(group=st.lists(room_operations, min_size=1, max_size=6))
    def act_in_rooms(self, group: list[Any]) -> None:
        # Nobody knows of a room, or tries another code for it, before it is made.
        made = {one.room.id: one for one in group if isinstance(one, CreateRoom)}
        others = [one for one in group if not isinstance(one, CreateRoom)]
        self._both(RoomChanges(BOUNDS), [self._now(operation) for operation in (*made.values(), *others)])

    @rule(group=st.lists(poll_operations, min_size=1, max_size=8))
    def act_in_polls(self, group: list[Any]) -> None:
        made = {one.poll.id: one for one in group if isinstance(one, CreatePoll)}
        group = [one for one in group if not isinstance(one, CreatePoll) or one is made[one.poll.id]]
        self._both(PollChanges(BOUNDS), [self._now(operation) for operation in group])

    def _now(self, operation: Any) -> Any:
        if isinstance(operation, CreateRoom):
            at = {"created_at_ms": self.now_ms, "active_at_ms": self.now_ms}
            return CreateRoom(replace(operation.room, **at))  # type: ignore[arg-type]
        if isinstance(operation, CreatePoll):
            poll = replace(operation.poll, created_at_ms=self.now_ms)
            return replace(operation, poll=poll, now_ms=self.now_ms)
        event = getattr(operation, "event", None)
        if isinstance(event, MessageSent):
            self.messages += 1
            event = replace(event, message_id=f"00000000-0000-4000-a000-{self.messages:012}")
            operation = replace(operation, event=event)
        return replace(operation, now_ms=self.now_ms)

    @rule(passed_ms=st.sampled_from([1, 9_999, 10_000, 60_000, 400_000]))
    def time_passes(self, passed_ms: int) -> None:
        self.now_ms += passed_ms

    def _both(self, journal: Any, operations: list[Any]) -> None:
        with self.engine.begin() as connection:
            answers = journal.apply(connection, operations)
        expected = [self.model.apply(operation) for operation in operations]
        for operation, answer, wanted in zip(operations, answers, expected, strict=True):
            assert outcome(answer) == wanted, (operation, outcome(answer), wanted)
        if len(operations) == 1 and getattr(operations[0], "event", None) != polls.DeadlinePassed():
            before = self._stored()
            with self.engine.begin() as connection:
                (again,) = journal.apply(connection, operations)
            assert self._stored() == before, f"what comes twice changes nothing: {operations}"
            assert isinstance(again, Refusal) == isinstance(answers[0], Refusal)
            self.model.apply(operations[0])

    def _stored(self) -> Any:
        with self.engine.connect() as connection:
            return [connection.execute(select(table)).all() for table in metadata.sorted_tables]

    @invariant()
    def everything_is_stored(self) -> None:
        with self.engine.connect() as connection:
            seats: dict[str, set[tuple[str, str]]] = defaultdict(set)
            for room_id, user, boot_id in connection.execute(select(room_seats)):
                seats[room_id].add((user, boot_id))
            kicked: dict[str, set[str]] = defaultdict(set)
            for room_id, user, *_ in connection.execute(select(room_kicked)):
                kicked[room_id].add(user)
            for room_id, room in self.model.rooms.items():
                whole = reads.whole(connection, TENANT, room_id)
                assert whole is not None
                assert facts(whole.room) == facts(room)
                assert whole.room.participants == room.participants
                assert seats[room_id] == self.model.seats[room_id]
                assert kicked[room_id] == room.kicked
                missed = reads.events_since(connection, TENANT, room_id, 0)
                assert missed is not None
                assert missed.complete
                assert list(missed.events) == self.model.events[room_id]
                messages = sorted(self.model.messages[room_id].values(), key=lambda one: one.offset)
                assert list(whole.messages) == messages[-50:]
            for poll_id, poll in self.model.polls.items():
                found = poll_reads.poll(connection, TENANT, poll_id, None)
                assert found == (poll, None)
                rows = connection.execute(select(poll_votes).where(poll_votes.c.poll_id == poll_id))
                cast = {row.voter: ballot_of(row.voter, row.option_ids, row.seq) for row in rows}
                assert cast == self.model.ballots[poll_id]


def outcome(answer: Any) -> Any:
    match answer:
        case RuleRefused():
            return type(answer.error).__name__, str(answer.error)
        case Refusal():
            return type(answer).__name__, str(answer)
        case RoomDone():
            ended = ((done.effects, done.poll) for done in answer.polls)
            return answer.effects, facts(answer.room), *sorted(ended, key=lambda end: end[1].id)
        case PollDone():
            return answer.effects, answer.poll, answer.ballot
    raise AssertionError(answer)


@pytest.fixture(autouse=True)
def _activity_is_noted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.rooms.electorate.ACTIVITY_MS", 0)


@pytest.mark.timeout(300)
def test_they_do_what_whole_rooms_in_memory_do() -> None:
    few = settings(max_examples=25, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(Journals, settings=few)


@pytest.mark.chaos
def test_they_do_what_whole_rooms_in_memory_do_for_long() -> None:
    many = settings(max_examples=400, stateful_step_count=50, deadline=None)
    run_state_machine_as_test(Journals, settings=many)
