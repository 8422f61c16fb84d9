"""Views: what each side is shown of a call, and that a block is nowhere in it."""

from dataclasses import asdict, replace

import pytest

from sessions.call_events import BlockPlaced, CancelRequested, DeclineRequested, EndRequested, Event
from sessions.call_records import Call, EndReason
from sessions.call_views import shown, shown_reason
from sessions.calls import NotInCall
from tests.sessions.call_cases import (
    ACCEPTED,
    CALLS,
    CONNECTED,
    LAST_MINUTE,
    MINUTE,
    RATE,
    RINGING,
    SECOND,
    START,
    after,
)

NOW = START + 5 * SECOND


@pytest.mark.parametrize(
    ("call", "blocked_by", "instead"),
    [
        (RINGING, "finn", DeclineRequested("finn")),
        (RINGING, "cara", CancelRequested("cara")),
        (ACCEPTED, "finn", EndRequested("finn")),
        (ACCEPTED, "cara", EndRequested("cara")),
        (CONNECTED, "finn", EndRequested("finn")),
        (CONNECTED, "cara", EndRequested("cara")),
    ],
)
def test_a_block_looks_to_both_like_what_its_blocker_might_have_done(
    call: Call, blocked_by: str, instead: Event
) -> None:
    blocked, done = (after(call, event, at_ms=NOW) for event in (BlockPlaced(blocked_by), instead))
    assert blocked.end_reason is EndReason.BLOCKED
    for viewer in ("cara", "finn"):
        assert shown(blocked, viewer, NOW) == shown(done, viewer, NOW)


def test_every_other_reason_is_shown_as_it_is() -> None:
    over = after(CONNECTED, EndRequested("finn"))
    for reason in EndReason:
        if reason is not EndReason.BLOCKED:
            assert shown_reason(replace(over, end_reason=reason)) is reason


def test_what_the_fan_has_left_is_for_the_fan_alone() -> None:
    fan, creator = (shown(LAST_MINUTE, viewer, NOW) for viewer in ("finn", "cara"))
    assert (fan.funded_until_ms, fan.last_minute) == (START + MINUTE, True)
    assert (creator.funded_until_ms, creator.last_minute) == (None, False)
    rich = asdict(shown(CONNECTED, "cara", NOW)) | {"version": 0}
    assert rich == asdict(creator) | {"version": 0}


def test_both_see_what_it_costs_so_far_and_then_what_it_did() -> None:
    over = after(CONNECTED, EndRequested("finn"), at_ms=NOW)
    for viewer in ("cara", "finn"):
        assert shown(CONNECTED, viewer, NOW).cost_micro == RATE
        seen = shown(over, viewer, NOW + 9 * MINUTE)
        assert (seen.cost_micro, seen.billed_ms, seen.ended_at_ms) == (RATE, MINUTE, NOW)


@pytest.mark.parametrize("state", CALLS)
def test_who_is_in_neither_is_shown_nothing(state: str) -> None:
    call, now_ms = CALLS[state]
    with pytest.raises(NotInCall):
        shown(call, "sam", now_ms)
    assert shown(call, "cara", now_ms).state is call.state
