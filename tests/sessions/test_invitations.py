"""Ringing: who may ring whom, in which order it is refused, and what a refusal leaves behind."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from sessions.call_effects import Notice, Notify, Refuse
from sessions.call_events import CancelRequested
from sessions.call_records import Bounds, Call, CallType, EndReason, State, Terms
from sessions.invitations import (
    BalanceTooLow,
    CallsDisabled,
    CallWanted,
    CannotCallYourself,
    Circumstances,
    CoolingDown,
    UserBusy,
    ring,
    shown_ms,
)
from sessions.privacy import FanSettings, NotAllowed, Policy, Standing
from sessions.texts import TextRefused
from tests.sessions.call_cases import (
    BOUNDS,
    FRIENDS,
    PAID,
    RATE,
    RINGING,
    SECOND,
    START,
    accepting,
    after,
    told,
    wanted,
)

FINE = Circumstances(standing=FRIENDS, funds_micro=RATE)
WRONG: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "calls are off": ({"enabled": False}, CallsDisabled),
    "not allowed": ({"standing": Standing()}, NotAllowed),
    "in a call oneself": ({"self_busy": True}, UserBusy),
    "fan in a call": ({"fan_busy": True, "noted_at_ms": START - SECOND}, UserBusy),
    "rung just now": ({"rung_at_ms": START - 59 * SECOND}, CoolingDown),
    "no credits": ({"funds_micro": RATE - 1}, BalanceTooLow),
}
"""In the order in which they are refused."""


def rings(at: Circumstances = FINE, of: CallWanted | None = None, creator: str = "cara") -> Call:
    call, effects = ring(
        of or wanted(), at, call_id="call_1", tenant_id="acme", creator=creator, now_ms=START, bounds=BOUNDS
    )
    for effect in effects:
        if isinstance(effect, Refuse):
            raise effect.refusal
    return call


def test_a_call_that_rings_has_its_terms_and_its_end() -> None:
    call, effects = ring(
        wanted(),
        FINE,
        call_id="call_1",
        tenant_id="acme",
        creator="cara",
        now_ms=START,
        bounds=Bounds(ring_ms=7),
    )
    assert call == Call(
        "call_1", "acme", "cara", "finn", CallType.VIDEO, PAID, START, START + 7, creator_device="studio"
    )
    assert effects == (Notify("finn", Notice.INCOMING),)


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused(what: str) -> None:
    changes, refusal = WRONG[what]
    with pytest.raises(refusal):
        rings(replace(FINE, **changes))


@pytest.mark.parametrize(("first", "second"), list(combinations(WRONG, 2)))
def test_of_two_wrongs_the_first_is_told_so_that_the_second_shows_nothing(first: str, second: str) -> None:
    with pytest.raises(WRONG[first][1]):
        rings(replace(FINE, **(WRONG[second][0] | WRONG[first][0])))


def test_oneself_comes_after_the_flag_and_before_everything_else() -> None:
    with pytest.raises(CannotCallYourself):
        rings(replace(FINE, standing=Standing(), self_busy=True), creator="finn")
    with pytest.raises(CallsDisabled):
        rings(replace(FINE, enabled=False), creator="finn")


def test_a_block_and_a_policy_are_refused_alike_to_the_last_field() -> None:
    refusals = []
    for standing in (
        replace(FRIENDS, blocked=True),
        replace(FRIENDS, settings=FanSettings(allow_calls=Policy.NOBODY)),
        replace(FRIENDS, settings=FanSettings(allow_calls=Policy.SUBSCRIBED)),
        Standing(),
    ):
        with pytest.raises(NotAllowed) as refusal:
            rings(replace(FINE, standing=standing, fan_busy=True, rung_at_ms=START, funds_micro=0))
        refusals.append((type(refusal.value), refusal.value.args, vars(refusal.value)))
    assert refusals == [refusals[0]] * 4


@pytest.mark.parametrize(("fan", "param"), [("", "fanId"), ("f\0", "fanId"), ("x" * 129, "fanId")])
def test_who_cannot_be_a_user_cannot_be_called(fan: str, param: str) -> None:
    with pytest.raises(TextRefused, match=param):
        rings(of=wanted(fan=fan))


@pytest.mark.parametrize("device", ["", "d\0", "x" * 129])
def test_what_cannot_be_a_device_cannot_call(device: str) -> None:
    with pytest.raises(TextRefused, match="deviceId"):
        rings(of=wanted(device=device))


class TestCooldown:
    @pytest.mark.parametrize(("ago_ms", "left_ms"), [(0, 60_000), (1, 59_999), (59_999, 1)])
    def test_it_says_how_long_to_the_millisecond(self, ago_ms: int, left_ms: int) -> None:
        with pytest.raises(CoolingDown) as refusal:
            rings(replace(FINE, rung_at_ms=START - ago_ms))
        assert refusal.value.retry_after_ms == left_ms
        assert f"in {-(-left_ms // 1000)} s" in str(refusal.value)

    def test_it_is_over_after_a_minute(self) -> None:
        assert rings(replace(FINE, rung_at_ms=START - 60_000)).state is State.RINGING

    def test_a_clock_that_was_set_back_does_not_make_it_longer(self) -> None:
        with pytest.raises(CoolingDown) as refusal:
            rings(replace(FINE, rung_at_ms=START + 3_600_000))
        assert refusal.value.retry_after_ms == 60_000

    def test_without_one_a_fan_can_be_rung_again_at_once(self) -> None:
        ring(
            wanted(), replace(FINE, rung_at_ms=START), call_id="call_2", tenant_id="acme", creator="cara",
            now_ms=START, bounds=Bounds(cooldown_ms=0),
        )  # fmt: skip


class TestBusyFan:
    def test_they_find_a_missed_call_and_the_caller_is_told_that_they_are_busy(self) -> None:
        call, effects = ring(
            wanted(), replace(FINE, fan_busy=True), call_id="call_1", tenant_id="acme", creator="cara",
            now_ms=START, bounds=BOUNDS,
        )  # fmt: skip
        assert (call.state, call.end_reason, call.ended_at_ms) == (State.MISSED, EndReason.BUSY, START)
        assert told(RINGING, call, effects) == "busy finn:missed !UserBusy"

    @pytest.mark.parametrize(
        "noted",
        [
            lambda at_ms: replace(FINE, fan_busy=True, rung_at_ms=at_ms),
            lambda at_ms: replace(FINE, fan_busy=True, noted_at_ms=at_ms),
        ],
        ids=["rung", "noted"],
    )
    def test_they_do_not_find_one_for_every_try(self, noted: Callable[[int], Circumstances]) -> None:
        with pytest.raises(UserBusy) as refusal:
            rings(noted(START - 59_999))
        assert refusal.value.who == "fan"
        _, effects = ring(
            wanted(), noted(START - 60_000), call_id="call_1",
            tenant_id="acme", creator="cara", now_ms=START, bounds=BOUNDS,
        )  # fmt: skip
        assert Notify("finn", Notice.MISSED) in effects

    def test_what_was_noted_does_not_count_as_a_ring(self) -> None:
        assert rings(replace(FINE, noted_at_ms=START - 1)).state is State.RINGING


class TestBalance:
    def test_one_minute_has_to_be_there_and_the_caller_learns_no_amount(self) -> None:
        assert rings().state is State.RINGING
        with pytest.raises(BalanceTooLow) as refusal:
            rings(replace(FINE, funds_micro=RATE - 1))
        assert vars(refusal.value) == {}
        assert not any(character.isdigit() for character in str(refusal.value))

    def test_a_call_that_costs_nothing_needs_none(self) -> None:
        assert rings(replace(FINE, funds_micro=0), wanted(terms=Terms())).state is State.RINGING


class TestShown:
    def test_on_a_device_that_connects_later_it_rings_for_the_rest(self) -> None:
        assert shown_ms(RINGING, START) == 45_000
        assert shown_ms(RINGING, START + 42_000) == 3_000

    def test_with_too_little_left_to_answer_it_is_not_shown(self) -> None:
        assert shown_ms(RINGING, START + 42_001) is None
        assert shown_ms(RINGING, START + 46_000) is None

    def test_what_rings_no_more_is_not(self) -> None:
        for event in (accepting(), CancelRequested("cara")):
            assert shown_ms(after(RINGING, event), START) is None
