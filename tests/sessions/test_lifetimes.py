"""The life of a session: every state with every event, deadlines, and what no order of events may do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.lifetimes import (
    BY_ADMIN,
    IDLE,
    NEVER_MS,
    PROCESS_LOST,
    SESSION_TOO_LONG,
    Bounds,
    DeadlinePassed,
    Ended,
    EndRequested,
    Event,
    LiveSession,
    OwnerGone,
    Resumed,
    SessionOver,
    State,
    Touched,
    deadline_ms,
    step,
)

MINUTE = 60_000
START = 1_795_185_000_000
BOUNDS = Bounds()


def session(**changes: object) -> LiveSession:
    begun = LiveSession(
        "live_1", "acme", "noa", "main", "subtitles", "free", "boot_1", START, START + MINUTE, media_ms=5000
    )
    return replace(begun, **changes)  # type: ignore[arg-type]


def over(state: State, reason: str = "done", at_ms: int = START + 2 * MINUTE) -> LiveSession:
    return session(state=state, end_reason=reason, ended_at_ms=at_ms)


SESSIONS = {
    "ACTIVE": session(),
    "ACTIVE, asked to end": session(end_requested_by="ada"),
    "INTERRUPTED": over(State.INTERRUPTED, "client_lost"),
    "INTERRUPTED, process lost": over(State.INTERRUPTED, PROCESS_LOST),
    "COMPLETED": over(State.COMPLETED),
    "EXPIRED": over(State.EXPIRED, SESSION_TOO_LONG),
    "ENDED_BY_ADMIN": over(State.ENDED_BY_ADMIN, BY_ADMIN),
}
AT = START + 2 * MINUTE + 30_000
LATE = START + 10 * MINUTE
EVENTS: dict[str, Event] = {
    "touched": Touched("boot_2", AT, 9000),
    "resumed": Resumed("boot_2", AT),
    "resumed late": Resumed("boot_2", LATE),
    "completed": Ended(State.COMPLETED, "done", AT, 9000),
    "owner gone": OwnerGone(AT),
    "idled": DeadlinePassed(START + 31 * MINUTE),
    "too long": DeadlinePassed(START + 120 * MINUTE),
    "not due": DeadlinePassed(START + 31 * MINUTE - 1),
    "asked": EndRequested("bea", AT),
}
OVER = "SessionOver"
TABLE = {
    "ACTIVE": "ACTIVE ACTIVE ACTIVE COMPLETED INTERRUPTED INTERRUPTED EXPIRED ACTIVE ACTIVE",
    "ACTIVE, asked to end": "ACTIVE ACTIVE ACTIVE COMPLETED ENDED_BY_ADMIN INTERRUPTED EXPIRED ACTIVE ACTIVE",
    "INTERRUPTED": "INTERRUPTED ACTIVE SessionOver COMPLETED INTERRUPTED INTERRUPTED INTERRUPTED INTERRUPTED "
    "ENDED_BY_ADMIN",
    "INTERRUPTED, process lost": "ACTIVE ACTIVE SessionOver COMPLETED INTERRUPTED INTERRUPTED INTERRUPTED "
    "INTERRUPTED ENDED_BY_ADMIN",
    **{
        state: f"{state} SessionOver SessionOver {state} {state} {state} {state} {state} SessionOver"
        for state in ("COMPLETED", "EXPIRED", "ENDED_BY_ADMIN")
    },
}


@pytest.mark.parametrize("state", SESSIONS)
@pytest.mark.parametrize(("number", "event"), list(enumerate(EVENTS)), ids=list(EVENTS))
def test_every_state_with_every_event(state: str, number: int, event: str) -> None:
    expected = TABLE[state].split()[number]
    if expected == OVER:
        with pytest.raises(SessionOver) as refusal:
            step(SESSIONS[state], EVENTS[event], BOUNDS)
        assert refusal.value.session == SESSIONS[state]
        return
    after = step(SESSIONS[state], EVENTS[event], BOUNDS)
    assert after.state.value == expected
    assert (after.state is State.ACTIVE) == (after.ended_at_ms is None) == (after.end_reason is None)


def test_a_touch_moves_the_deadline_and_the_media() -> None:
    touched = step(session(), Touched("boot_1", START + 5 * MINUTE, 60_000), BOUNDS)
    assert (touched.active_at_ms, touched.media_ms) == (START + 5 * MINUTE, 60_000)
    assert deadline_ms(touched, BOUNDS) == START + 35 * MINUTE


def test_an_old_touch_moves_nothing_back() -> None:
    assert step(session(), Touched("boot_1", START, 10), BOUNDS) == session()


def test_the_media_of_a_session_that_is_over_may_be_reported_late() -> None:
    ended = over(State.EXPIRED, SESSION_TOO_LONG)
    late = step(ended, Ended(State.COMPLETED, "done", AT, 9000), BOUNDS)
    assert late == replace(ended, media_ms=9000)


@pytest.mark.parametrize(
    ("bounds", "expected_ms"),
    [
        (Bounds(), START + 31 * MINUTE),
        (Bounds(length_ms_max=20 * MINUTE), START + 20 * MINUTE),
        (Bounds(idle_ms_max=0), START + 120 * MINUTE),
        (Bounds(length_ms_max=0), START + 31 * MINUTE),
        (Bounds(length_ms_max=0, idle_ms_max=0), NEVER_MS),
    ],
)
def test_the_deadline_is_the_first_of_two_and_0_is_none(bounds: Bounds, expected_ms: int) -> None:
    assert deadline_ms(session(), bounds) == expected_ms
    assert step(session(), DeadlinePassed(expected_ms - 1), bounds).state is State.ACTIVE
    assert step(session(), DeadlinePassed(expected_ms), bounds).state is not State.ACTIVE


def test_idling_and_length_are_told_apart() -> None:
    idle = step(session(), EVENTS["idled"], BOUNDS)
    assert (idle.state, idle.end_reason, idle.ended_at_ms) == (State.INTERRUPTED, IDLE, START + 31 * MINUTE)
    long = step(session(active_at_ms=START + 119 * MINUTE), EVENTS["too long"], BOUNDS)
    assert (long.state, long.end_reason) == (State.EXPIRED, SESSION_TOO_LONG)


def test_a_process_that_was_wrongly_fenced_has_its_session_back_under_its_new_name() -> None:
    fenced = step(session(), OwnerGone(AT), BOUNDS)
    assert (fenced.state, fenced.end_reason) == (State.INTERRUPTED, PROCESS_LOST)
    back = step(fenced, Touched("boot_2", LATE, 9000), BOUNDS)
    assert (back.state, back.boot_id, back.active_at_ms) == (State.ACTIVE, "boot_2", LATE)


def test_the_grace_time_is_exact() -> None:
    lost = SESSIONS["INTERRUPTED"]
    assert lost.ended_at_ms is not None
    last_ms = lost.ended_at_ms + BOUNDS.grace_ms
    assert step(lost, Resumed("boot_2", last_ms), BOUNDS).state is State.ACTIVE
    with pytest.raises(SessionOver):
        step(lost, Resumed("boot_2", last_ms + 1), BOUNDS)


def test_the_first_admin_who_asks_is_the_one_who_ends_it() -> None:
    asked = step(step(session(), EndRequested("ada", AT), BOUNDS), EndRequested("bea", AT), BOUNDS)
    assert (asked.state, asked.end_requested_by) == (State.ACTIVE, "ada")
    lost = step(SESSIONS["INTERRUPTED"], EndRequested("bea", AT), BOUNDS)
    assert (lost.state, lost.end_requested_by, lost.ended_at_ms) == (State.ENDED_BY_ADMIN, "bea", AT)


TIMES = st.integers(START - 1000, START + 200 * MINUTE)
MEDIA = st.integers(0, 10_000_000)
ANY_EVENT = st.one_of(
    st.builds(Touched, st.sampled_from(["boot_1", "boot_2"]), TIMES, MEDIA),
    st.builds(Resumed, st.sampled_from(["boot_1", "boot_2"]), TIMES),
    st.builds(
        Ended, st.sampled_from([s for s in State if s is not State.ACTIVE]), st.just("x"), TIMES, MEDIA
    ),
    st.builds(OwnerGone, TIMES),
    st.builds(DeadlinePassed, TIMES),
    st.builds(EndRequested, st.sampled_from(["ada", "bea"]), TIMES),
)


@given(st.lists(ANY_EVENT, max_size=12))
def test_whatever_happens_the_end_is_final_and_nothing_goes_back(events: list[Event]) -> None:
    now = session()
    for event in events:
        try:
            after = step(now, event, BOUNDS)
        except SessionOver:
            assert now.state is not State.ACTIVE
            continue
        assert not now.state.over or replace(after, media_ms=now.media_ms) == now
        assert after.media_ms >= now.media_ms
        assert after.active_at_ms >= now.active_at_ms
        assert (after.ended_at_ms is None) == (after.state is State.ACTIVE)
        assert after.ended_at_ms is None or after.ended_at_ms >= after.started_at_ms
        assert deadline_ms(after, BOUNDS) <= after.started_at_ms + BOUNDS.length_ms_max
        again = step(after, event, BOUNDS) if not isinstance(event, Resumed | EndRequested) else after
        assert again == after or isinstance(event, Ended)
        now = after
