"""What a participant sees of a room: snapshot and events, whatever happens in whatever order."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sessions.room_effects import Message, MessagePosted, ParticipantJoined, Publish
from sessions.room_events import (
    ActivitySeen,
    CloseRequested,
    ConnectionLost,
    DeadlinePassed,
    Event,
    HandOverRequested,
    JoinRequested,
    KickRequested,
    LeaveRequested,
    MessageSent,
    TypingSeen,
)
from sessions.room_records import Bounds, State
from sessions.room_snapshots import MESSAGES_SHOWN_MAX, OffsetGap, Present, after, snapshot
from sessions.rooms import (
    CannotKick,
    KickedOut,
    NotHost,
    NotInRoom,
    RoomFull,
    RoomOver,
    deadline_ms,
)
from tests.sessions.test_rooms import NOW, OPEN, START, new_room
from tests.sessions.watchers import WatchedRoom

MESSAGE = Message("m", 5, "ben", "Hi", NOW)


def test_it_shows_who_is_in_in_the_order_they_came() -> None:
    seen = snapshot(OPEN, [])
    assert seen.participants == (Present("olga", START), Present("ben", START), Present("cem", START))
    assert (seen.host, seen.is_active, seen.epoch, seen.offset) == ("olga", True, "e1", OPEN.offset)


def test_it_has_the_newest_messages() -> None:
    messages = [Message(f"m{number}", number, "ben", "Hi", NOW) for number in range(1, 61)]
    seen = snapshot(OPEN, messages)
    assert len(seen.messages) == MESSAGES_SHOWN_MAX
    assert seen.messages[-1] == messages[-1]


def test_what_was_seen_already_changes_nothing_and_what_was_missed_is_found_out() -> None:
    seen = snapshot(OPEN, [])
    again = Publish(seen.offset, ParticipantJoined("cem", START))
    assert after(seen, again) is seen
    with pytest.raises(OffsetGap) as refusal:
        after(seen, Publish(seen.offset + 2, MessagePosted(MESSAGE)))
    assert (refusal.value.expected, refusal.value.offset) == (seen.offset + 1, seen.offset + 2)


USERS = st.sampled_from(["olga", "ben", "cem", "dan", "eva"])
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(JoinRequested, USERS),
    st.builds(JoinRequested, USERS),
    st.builds(LeaveRequested, USERS),
    st.builds(ConnectionLost, USERS),
    st.builds(HandOverRequested, USERS, USERS),
    st.builds(MessageSent, USERS, st.sampled_from(["c1", "c2", "c3"]), st.uuids().map(str), st.just("Hi")),
    st.builds(TypingSeen, USERS),
    st.just(ActivitySeen()),
    st.just(DeadlinePassed()),
)
BOUNDS = Bounds(idle_ms_max=60_000, grace_ms=5_000)
REFUSALS = (RoomFull, RoomOver, KickedOut, NotInRoom, NotHost, CannotKick)


class RoomLife(RuleBasedStateMachine):
    """Anybody does anything at any time; what must hold after each event is in WatchedRoom."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = START
        self.watched = WatchedRoom(new_room(3), BOUNDS)
        self.kicked: set[str] = set()

    @rule(event=EVENTS)
    def happens(self, event: Event) -> None:
        self._do(event)

    @rule(by=USERS, user=USERS)
    def somebody_kicks(self, by: str, user: str) -> None:
        if self._do(KickRequested(by, user)):
            self.kicked.add(user)

    @rule(by=USERS, admin=st.booleans())
    def somebody_closes(self, by: str, admin: bool) -> None:
        if self._do(CloseRequested(by, admin)):
            assert self.watched.room.state is State.CLOSED

    @rule(pause_ms=st.integers(0, 8_000))
    def time_passes(self, pause_ms: int) -> None:
        self.now_ms += pause_ms

    @rule()
    def the_deadline_comes(self) -> None:
        before = self.watched.room
        if before.state is State.OPEN:
            self.now_ms = max(self.now_ms, deadline_ms(before, BOUNDS))
            self._do(DeadlinePassed())
            assert self.watched.room is not before
            assert deadline_ms(self.watched.room, BOUNDS) > self.now_ms

    def _do(self, event: Event) -> bool:
        before = self.watched.room
        try:
            self.watched.do(event, self.now_ms)
        except REFUSALS:
            assert self.watched.room is before
            return False
        assert before.state is State.OPEN or self.watched.room is before
        return True

    @invariant()
    def nobody_comes_in_who_was_kicked(self) -> None:
        assert not self.kicked & set(self.watched.room.participants)

    @invariant()
    def a_message_is_there_once_and_at_its_offset(self) -> None:
        offsets = [message.offset for message in self.watched.messages]
        assert offsets == sorted(set(offsets))
        assert [one.offset for one in self.watched.log] == list(range(1, self.watched.room.offset + 1))


def test_whatever_happens_in_a_room() -> None:
    run_state_machine_as_test(
        RoomLife, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
