"""A room of which only those are loaded whom an event concerns does what the whole room does."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.room_effects import Effect
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
from sessions.room_records import Bounds, Room
from sessions.rooms import NotHost, OthersNeeded, concerned, step
from tests.sessions.test_rooms import NOW, START, new_room

BOUNDS = Bounds()
USERS = ("olga", "ana", "ben", "cem", "dan", "eva")

user = st.sampled_from(USERS)
events = st.one_of(
    user.map(JoinRequested),
    user.map(LeaveRequested),
    user.map(ConnectionLost),
    st.builds(KickRequested, user, user),
    st.builds(HandOverRequested, user, user),
    st.builds(CloseRequested, user, st.booleans()),
    st.builds(MessageSent, user, st.just("c1"), st.just("m1"), st.just("Hi")),
    user.map(TypingSeen),
    st.just(ActivitySeen()),
    st.just(DeadlinePassed()),
)
moments = st.sampled_from([START, START + 100_000, START + 120_000, NOW, START + 86_400_000])


def stepped(room: Room, event: Event, now_ms: int) -> tuple[Room, tuple[Effect, ...]] | str:
    """What came of it, or what the rule said."""
    try:
        return step(room, event, now_ms, BOUNDS)
    except OthersNeeded:
        raise
    except Exception as refusal:  # noqa: BLE001 - whichever it is, it must be the same one
        return f"{type(refusal).__name__}: {refusal}"


def room_after(history: Iterable[tuple[Event, int]]) -> Room:
    room = new_room(4)
    for event, now_ms in history:
        outcome = stepped(room, event, now_ms)
        room = room if isinstance(outcome, str) else outcome[0]
    return room


def part_of(room: Room, event: Event, now_ms: int) -> Room:
    """What a store loads of a room for an event."""
    named = concerned(room, event)
    seen = {
        name: at
        for name, at in room.participants.items()
        if name in named or (at.lost_at_ms is not None and at.lost_at_ms + BOUNDS.grace_ms <= now_ms)
    }
    kicked = room.kicked if isinstance(event, KickRequested) else room.kicked & named
    return replace(room, participants=seen, kicked=kicked, unseen=room.count - len(seen))


@given(st.lists(st.tuples(events, moments), max_size=20), events, moments)
def test_it_does_the_same_or_says_that_it_needs_the_others(
    history: list[tuple[Event, int]], event: Event, now_ms: int
) -> None:
    room = room_after(history)
    part = part_of(room, event, now_ms)
    expected = stepped(room, event, now_ms)
    try:
        outcome = stepped(part, event, now_ms)
    except OthersNeeded:
        assert part.unseen
        return
    if isinstance(expected, str) or isinstance(outcome, str):
        assert outcome == expected
        return
    (after, effects), (whole, same) = outcome, expected
    assert effects == same
    assert after.count == whole.count
    unloaded = {} if isinstance(event, CloseRequested) or not whole.participants else room.participants
    merged = {name: at for name, at in unloaded.items() if name not in part.participants}
    assert merged | dict(after.participants) == whole.participants
    rest = {"participants": {}, "kicked": frozenset(), "unseen": 0}
    assert replace(after, **rest) == replace(whole, **rest)  # type: ignore[arg-type]
    assert after.kicked - part.kicked == whole.kicked - room.kicked


def test_who_becomes_host_cannot_be_said_without_the_others() -> None:
    room = room_after((JoinRequested(name), START) for name in USERS[:3])
    event = LeaveRequested("olga")
    with pytest.raises(OthersNeeded):
        step(part_of(room, event, NOW), event, NOW, BOUNDS)
    assert step(room, event, NOW, BOUNDS)[0].host == "ana"


def test_a_place_that_nobody_looked_at_is_taken() -> None:
    room = room_after((JoinRequested(name), START) for name in USERS[:4])
    part = part_of(room, JoinRequested("eva"), NOW)
    assert (len(part.participants), part.unseen) == (1, 3)
    assert stepped(part, JoinRequested("eva"), NOW) == stepped(room, JoinRequested("eva"), NOW)


def test_a_hand_over_that_is_asked_for_again_is_as_it_was() -> None:
    room = room_after((JoinRequested(name), START) for name in USERS[:3])
    given_away, _ = step(room, HandOverRequested("olga", "ana"), NOW, BOUNDS)
    assert step(given_away, HandOverRequested("olga", "ana"), NOW, BOUNDS) == (given_away, ())
    with pytest.raises(NotHost):
        step(given_away, HandOverRequested("olga", "ben"), NOW, BOUNDS)
