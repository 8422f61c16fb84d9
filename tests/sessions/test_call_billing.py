"""What a call costs: what is rounded, what is held when, and where it ends when there is no more."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.call_billing import billed_ms, cost, cost_so_far
from sessions.call_deadlines import deadline_ms
from sessions.call_effects import Effect, HoldMinute, Notice, Notify, SettleCall
from sessions.call_events import (
    DeadlinePassed,
    EndRequested,
    FundsChanged,
    HeartbeatSeen,
    MediaJoined,
    MediaLeft,
)
from sessions.call_records import Bounds, Call, EndReason, State, Terms
from sessions.calls import step
from tests.sessions.call_cases import (
    BOTH_JOIN,
    BOUNDS,
    CONNECTED,
    LAST_MINUTE,
    MINUTE,
    PLENTY,
    RATE,
    SECOND,
    START,
    accepting,
    after,
    heard,
    rung,
)

LOW = Notify("finn", Notice.BALANCE_LOW)
INCREMENTS_MS = [ms for ms in range(1, MINUTE + 1) if MINUTE % ms == 0]
TERMS = st.builds(Terms, st.integers(0, 10**9), st.sampled_from(INCREMENTS_MS), st.integers(0, 2 * MINUTE))


def settled(effects: tuple[Effect, ...]) -> SettleCall:
    (settlement,) = (effect for effect in effects if isinstance(effect, SettleCall))
    return settlement


def talked(call: Call, until_ms: int, funds: int = PLENTY) -> Call:
    """Both send heartbeats until a moment."""
    for at_ms in range(START + 10 * SECOND, until_ms + 1, 10 * SECOND):
        call = after(call, HeartbeatSeen("cara"), HeartbeatSeen("finn"), at_ms=at_ms, funds=funds)
    return call


class TestRounding:
    @pytest.mark.parametrize(
        ("connected_ms", "billed"),
        [(0, 0), (1, MINUTE), (MINUTE, MINUTE), (MINUTE + 1, 2 * MINUTE), (150_000, 3 * MINUTE)],
    )
    def test_by_the_minute_each_that_was_begun_is_charged(self, connected_ms: int, billed: int) -> None:
        assert billed_ms(Terms(RATE), connected_ms) == billed

    @pytest.mark.parametrize(
        ("connected_ms", "billed"), [(1, 1000), (1000, 1000), (61_001, 62_000), (59_999, 60_000)]
    )
    def test_by_the_second_each_second_that_was_begun_is(self, connected_ms: int, billed: int) -> None:
        assert billed_ms(Terms(RATE, increment_ms=1000), connected_ms) == billed

    def test_a_call_within_the_free_time_costs_nothing_and_a_longer_one_all_of_it(self) -> None:
        terms = Terms(RATE, free_ms=20 * SECOND)
        assert (cost(terms, 20 * SECOND), cost(terms, 20 * SECOND + 1)) == (0, RATE)

    def test_a_part_of_a_minute_is_rounded_half_up_to_a_micro_credit(self) -> None:
        third, half = Terms(1, increment_ms=20 * SECOND), Terms(1, increment_ms=30 * SECOND)
        assert (cost(third, 1), cost(half, 1), cost(Terms(3, 20 * SECOND), 1)) == (0, 1, 1)

    @given(TERMS, st.integers(0, 10**7), st.integers(0, 10**7))
    def test_longer_never_costs_less_and_a_funded_call_never_more_than_was_held(
        self, terms: Terms, one: int, other: int
    ) -> None:
        shorter, longer = sorted((one, other))
        assert cost(terms, shorter) <= cost(terms, longer)
        assert billed_ms(terms, longer) >= longer or longer <= terms.free_ms
        minutes = -(-longer // MINUTE)
        assert cost(terms, longer) <= minutes * terms.rate_micro_per_minute


class TestHolding:
    def test_a_minute_is_held_a_whole_minute_before_it_begins(self) -> None:
        call, held = CONNECTED, []
        for at_ms in range(START + 10 * SECOND, START + 4 * MINUTE + 1, 10 * SECOND):
            for event in (HeartbeatSeen("cara"), HeartbeatSeen("finn")):
                call, effects = step(call, event, at_ms, BOUNDS, PLENTY)
                held += [(e.number, at_ms - START) for e in effects if isinstance(e, HoldMinute)]
        assert held == [(number, (number - 2) * MINUTE) for number in (3, 4, 5, 6)]
        assert call.funded_until_ms == START + 6 * MINUTE

    def test_the_deadline_is_when_the_next_is_to_be_held_so_that_nobody_else_has_to_come(self) -> None:
        call = heard(CONNECTED, START + 20 * SECOND, START + 40 * SECOND, START + 59 * SECOND)
        assert deadline_ms(call, BOUNDS) == START + MINUTE
        then, effects = step(call, DeadlinePassed(), START + MINUTE, BOUNDS, PLENTY)
        assert effects == (HoldMinute(3, RATE),)
        assert deadline_ms(then, BOUNDS) == START + 59 * SECOND + BOUNDS.lost_ms

    def test_who_has_one_minute_is_told_as_it_begins(self) -> None:
        accepted = after(rung(), accepting(), MediaJoined("cara"), funds=RATE)
        call, effects = step(accepted, MediaJoined("finn"), START + SECOND, BOUNDS, 0)
        assert effects[-1] == LOW
        assert call.funded_until_ms == START + SECOND + MINUTE
        assert call.warned

    def test_who_has_two_is_told_as_the_second_begins_and_once(self) -> None:
        call = after(rung(), accepting(), *BOTH_JOIN, funds=2 * RATE)
        told = []
        for at_ms in range(START + 10 * SECOND, START + 2 * MINUTE, 10 * SECOND):
            for event in (HeartbeatSeen("cara"), HeartbeatSeen("finn")):
                call, effects = step(call, event, at_ms, BOUNDS, 0)
                told += [at_ms - START for effect in effects if effect == LOW]
        assert told == [MINUTE]

    def test_it_ends_where_what_is_held_ends_and_is_charged_just_that(self) -> None:
        call = talked(LAST_MINUTE, START + 59 * SECOND, funds=0)
        assert deadline_ms(call, BOUNDS) == START + MINUTE
        over, effects = step(call, DeadlinePassed(), START + MINUTE + 700, BOUNDS, 0)
        assert (over.state, over.end_reason) == (State.ENDED, EndReason.BALANCE_SPENT)
        assert over.ended_at_ms == START + MINUTE
        assert settled(effects) == SettleCall(MINUTE, RATE, RATE)

    @pytest.mark.parametrize("event", [FundsChanged(), HeartbeatSeen("finn"), DeadlinePassed()])
    def test_more_credits_in_the_last_minute_let_it_go_on(self, event: FundsChanged) -> None:
        call, effects = step(LAST_MINUTE, event, START + 20 * SECOND, BOUNDS, RATE)
        assert effects == (HoldMinute(2, RATE),)
        assert (call.funded_until_ms, call.warned) == (START + 2 * MINUTE, False)
        again, effects = step(talked(call, START + MINUTE, 0), FundsChanged(), START + MINUTE, BOUNDS, 0)
        assert again.warned

    def test_more_credits_after_the_end_change_nothing(self) -> None:
        over = after(LAST_MINUTE, FundsChanged(), at_ms=START + MINUTE, funds=PLENTY)
        assert over.state is State.ENDED
        assert after(over, FundsChanged(), at_ms=START + MINUTE, funds=PLENTY) is over

    def test_no_more_is_held_than_the_longest_length_takes(self) -> None:
        bounds = Bounds(length_ms_max=90 * SECOND)
        call = heard(CONNECTED, START + 25 * SECOND, START + 50 * SECOND, START + 75 * SECOND)
        assert call.funded_until_ms == START + 3 * MINUTE
        call = replace(call, minutes_held=2)
        call, effects = step(call, DeadlinePassed(), START + 80 * SECOND, bounds, PLENTY)
        assert (effects, deadline_ms(call, bounds)) == ((), START + 90 * SECOND)
        over, effects = step(call, DeadlinePassed(), START + 91 * SECOND, bounds, PLENTY)
        assert (over.end_reason, over.ended_at_ms) == (EndReason.TOO_LONG, START + 90 * SECOND)
        assert settled(effects).billed_ms == 2 * MINUTE

    def test_a_call_that_costs_nothing_goes_on_and_is_settled_at_nothing(self) -> None:
        free = after(rung(Terms()), accepting(), *BOTH_JOIN, funds=0)
        assert (free.funded_until_ms, free.warned) == (None, False)
        free = talked(free, START + 10 * MINUTE, funds=0)
        _, effects = step(free, EndRequested("cara"), START + 10 * MINUTE, BOUNDS, 0)
        assert settled(effects) == SettleCall(10 * MINUTE, 0, 0)


class TestWhatIsCharged:
    def test_the_ring_and_the_way_into_the_media_are_not(self) -> None:
        accepted = after(rung(), accepting(), at_ms=START + 40 * SECOND)
        call = after(accepted, *BOTH_JOIN, at_ms=START + 60 * SECOND)
        over, effects = step(call, EndRequested("finn"), START + 65 * SECOND, BOUNDS, PLENTY)
        assert settled(effects) == SettleCall(MINUTE, RATE, 2 * RATE)
        assert over.ended_at_ms == START + 65 * SECOND

    @pytest.mark.parametrize("by", ["cara", "finn"])
    def test_who_hangs_up_on_somebody_silent_pays_until_the_last_that_was_heard(self, by: str) -> None:
        call = heard(CONNECTED, START + 28 * SECOND, START + 55 * SECOND)
        call = after(call, HeartbeatSeen(by), at_ms=START + 70 * SECOND)
        silent, _ = step(call, EndRequested(by), START + 76 * SECOND, BOUNDS, PLENTY)
        assert (silent.ended_at_ms, silent.billed_ms) == (START + 55 * SECOND, MINUTE)
        late, _ = step(call, EndRequested(by), START + 75 * SECOND, BOUNDS, PLENTY)
        assert (late.ended_at_ms, late.billed_ms) == (START + 75 * SECOND, 2 * MINUTE)

    def test_it_is_over_since_the_last_heartbeat_of_who_is_lost_however_late_that_is_found(self) -> None:
        call = heard(CONNECTED, START + 25 * SECOND)
        call = after(call, HeartbeatSeen("cara"), at_ms=START + 50 * SECOND)
        assert deadline_ms(call, BOUNDS) == START + 55 * SECOND
        for late_ms in (0, 3_600_000):
            over, effects = step(call, DeadlinePassed(), START + 55 * SECOND + late_ms, BOUNDS, PLENTY)
            assert (over.end_reason, over.ended_at_ms) == (EndReason.CONNECTION_LOST, START + 25 * SECOND)
            assert settled(effects) == SettleCall(MINUTE, RATE, 2 * RATE)

    def test_who_left_the_media_has_until_the_grace_time_is_over_and_it_ends_as_they_left(self) -> None:
        left = after(heard(CONNECTED, START + 20 * SECOND), MediaLeft("finn"), at_ms=START + 30 * SECOND)
        there = after(left, HeartbeatSeen("cara"), HeartbeatSeen("finn"), at_ms=START + 45 * SECOND)
        back = after(there, MediaJoined("finn"), at_ms=START + 59 * SECOND)
        assert back.state is State.CONNECTED
        assert back.fan_leg.in_media
        over = after(there, DeadlinePassed(), at_ms=START + 60 * SECOND)
        assert (over.state, over.ended_at_ms) == (State.ENDED, START + 30 * SECOND)
        hung_up = after(there, EndRequested("cara"), at_ms=START + 50 * SECOND)
        assert (hung_up.end_reason, hung_up.ended_at_ms) == (EndReason.HUNG_UP, START + 30 * SECOND)

    def test_who_was_gone_before_the_other_came_is_not_paid_for(self) -> None:
        accepted = after(rung(), accepting(), MediaJoined("finn"))
        call = after(accepted, MediaJoined("cara"), at_ms=START + 25 * SECOND)
        over, effects = step(call, DeadlinePassed(), START + 30 * SECOND, BOUNDS, PLENTY)
        assert over.ended_at_ms == over.connected_at_ms == START + 25 * SECOND
        assert settled(effects).cost_micro == 0

    def test_of_what_came_while_nobody_looked_the_first_counts(self) -> None:
        call = after(LAST_MINUTE, HeartbeatSeen("cara"), at_ms=START + 55 * SECOND - 26 * SECOND, funds=0)
        call = after(call, HeartbeatSeen("finn"), at_ms=START + 29 * SECOND, funds=0)
        lost, _ = step(call, DeadlinePassed(), START + 10 * MINUTE, BOUNDS, 0)
        assert (lost.end_reason, lost.ended_at_ms) == (EndReason.CONNECTION_LOST, START + 29 * SECOND)
        spent, _ = step(
            talked(LAST_MINUTE, START + 55 * SECOND, 0), DeadlinePassed(), START + MINUTE, BOUNDS, 0
        )
        assert spent.end_reason is EndReason.BALANCE_SPENT

    def test_a_clock_that_is_set_back_charges_nothing_below_zero(self) -> None:
        over, effects = step(CONNECTED, EndRequested("finn"), START - MINUTE, BOUNDS, PLENTY)
        assert over.ended_at_ms == over.connected_at_ms
        assert settled(effects).cost_micro == 0


class TestSoFar:
    def test_it_is_what_it_would_cost_to_end_now_and_at_most_what_is_held(self) -> None:
        assert [cost_so_far(LAST_MINUTE, START + ms) for ms in (0, 1, MINUTE, 5 * MINUTE)] == [
            0,
            RATE,
            RATE,
            RATE,
        ]
        assert cost_so_far(rung(), START + MINUTE) == 0

    def test_once_it_is_over_it_is_what_it_cost(self) -> None:
        over = after(CONNECTED, EndRequested("finn"), at_ms=START + SECOND)
        assert cost_so_far(over, START + 9 * MINUTE) == over.cost_micro == RATE
