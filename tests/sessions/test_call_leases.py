"""Leases: who may be in the media, since when and until when."""

import pytest

from sessions.call_events import EndRequested, FundsChanged, MediaJoined
from sessions.call_leases import AFTER_MS, NoLease, lease_until_ms
from sessions.call_records import Call, Terms
from sessions.calls import NotInCall
from tests.sessions.call_cases import (
    ACCEPTED,
    BOTH_JOIN,
    BOUNDS,
    CONNECTED,
    LAST_MINUTE,
    MINUTE,
    OVER,
    RATE,
    RINGING,
    SECOND,
    START,
    accepting,
    after,
    heard,
    rung,
)


def until(call: Call, at_ms: int = START, user: str = "finn", device: str | None = "phone") -> int:
    return lease_until_ms(call, user, device, at_ms, BOUNDS) - START


def test_the_first_is_for_the_time_to_join_and_the_minute_that_is_held() -> None:
    assert until(ACCEPTED, START + 5 * SECOND) == BOUNDS.join_ms + MINUTE + AFTER_MS


def test_of_a_call_that_costs_nothing_each_is_of_the_same_length() -> None:
    free = after(rung(Terms()), accepting())
    assert until(free, START + SECOND) == SECOND + BOUNDS.lease_ms
    connected = after(free, *BOTH_JOIN)
    assert until(connected, START + 9 * SECOND) == 9 * SECOND + BOUNDS.lease_ms


def test_once_connected_it_ends_a_little_after_what_is_held() -> None:
    assert until(CONNECTED) == 2 * MINUTE + AFTER_MS
    assert until(LAST_MINUTE) == MINUTE + AFTER_MS


def test_it_is_never_longer_than_a_lease_however_much_is_held() -> None:
    call = CONNECTED
    for minute in range(1, 9):
        call = heard(call, *(START + minute * MINUTE - ms * SECOND for ms in (40, 20, 0)))
    assert until(call, START + 8 * MINUTE) == 10 * MINUTE + AFTER_MS
    long = after(rung(Terms(RATE)), accepting(), *BOTH_JOIN)
    assert all(until(long, START + ms) <= ms + BOUNDS.lease_ms for ms in range(0, 29 * SECOND, SECOND))


def test_more_credits_make_the_next_one_longer() -> None:
    richer = after(LAST_MINUTE, FundsChanged(), at_ms=START + SECOND)
    assert until(richer, START + SECOND) == 2 * MINUTE + AFTER_MS


def test_there_is_none_while_it_rings_nor_when_it_is_over() -> None:
    for call in (RINGING, *(call for call, _ in OVER.values())):
        for user in ("cara", "finn"):
            with pytest.raises(NoLease) as refusal:
                lease_until_ms(call, user, None if user == "finn" else "studio", START, BOUNDS)
            assert refusal.value.call is call


def test_there_is_none_for_what_is_over_by_the_clock_alone() -> None:
    for call, at_ms in ((ACCEPTED, START + BOUNDS.join_ms), (CONNECTED, START + BOUNDS.lost_ms)):
        assert until(call, at_ms - 1) > 0
        with pytest.raises(NoLease):
            until(call, at_ms)


def test_it_is_for_the_devices_that_called_and_accepted() -> None:
    for device in (None, "tablet", "studio"):
        with pytest.raises(NoLease, match="the device that called or accepted"):
            until(CONNECTED, device=device)
    assert until(CONNECTED, user="cara", device="studio") > 0
    with pytest.raises(NoLease):
        until(CONNECTED, user="cara", device="phone")


def test_where_the_devices_have_no_names_it_is_for_each_of_a_side() -> None:
    call = after(rung(device=None), accepting(None), MediaJoined("cara"))
    assert until(call, device="phone") == until(call, user="cara", device=None) > 0


def test_who_is_not_in_the_call_learns_nothing_of_it() -> None:
    for call in (RINGING, CONNECTED, after(CONNECTED, EndRequested("cara"))):
        with pytest.raises(NotInCall):
            until(call, user="sam")
