"""A call: every state with every event, and every race between those who act on it at once."""

from itertools import permutations

import pytest

from sessions.call_deadlines import deadline_ms
from sessions.call_effects import Notice, Notify, Refuse, SettleCall
from sessions.call_events import (
    BlockPlaced,
    CancelRequested,
    ConnectionFound,
    ConnectionLost,
    DeadlinePassed,
    DeclineRequested,
    EndRequested,
    Event,
    FundsChanged,
    HeartbeatSeen,
    MediaJoined,
    MediaLeft,
)
from sessions.call_records import Call, EndReason, State, Terms
from sessions.calls import AlreadyAnswered, CallOver, InvitationExpired, NotInCall, WrongSide, step
from sessions.credits import InsufficientBalance
from sessions.invitations import UserBusy
from sessions.lifetimes import NEVER_MS
from sessions.privacy import NotAllowed
from sessions.texts import TextRefused
from tests.sessions.call_cases import (
    ACCEPTED,
    BOTH_JOIN,
    BOUNDS,
    CALLS,
    CONNECTED,
    LIVE,
    OVER,
    PLENTY,
    RATE,
    RINGING,
    SECOND,
    START,
    accepting,
    after,
    heard,
    rung,
    told,
)

REFUSALS = {
    refusal.__name__: refusal
    for refusal in (
        NotInCall, WrongSide, AlreadyAnswered, InvitationExpired, CallOver, NotAllowed, UserBusy,
        InsufficientBalance,
    )
}  # fmt: skip

NEW = "ACCEPTED hold:1 cara:accepted finn:answered_elsewhere"
LATE = "CallOver | AlreadyAnswered | InvitationExpired | CallOver | CallOver"
MANY = " | ".join(["AlreadyAnswered"] * 6)
END = "hung_up settle:{} close both:ended"
ADMIN = "ended_by_admin settle:{} close both:ended"
BLOCK = "blocked settle:{} close both:ended"
NOTHING = "= | = | = | = | ="


def all_six(form: str) -> str:
    """Nothing is billed of what was accepted or half in, nor when the fan has left; else the minute begun."""
    return " | ".join(form.format(seconds) for seconds in (0, 0, 60, 60, 60, 0))


# The columns: ringing, caller lost | accepted, half in, connected, minute over, last minute, fan left |
# ended, declined, missed, cancelled, failed. A tilde: the call has changed, and nobody is told.
TABLE: dict[str, tuple[Event, str]] = {
    "finn accepts": (accepting(), f"{NEW}-phone | {NEW}-phone | = | = | = | hold:3 | = | = | {LATE}"),
    "finn accepts on another device": (
        accepting("tablet"), f"{NEW}-tablet | {NEW}-tablet | {MANY} | {LATE}",
    ),
    "finn accepts on a device without a name": (accepting(None), f"{NEW} | {NEW} | {MANY} | {LATE}"),
    "finn accepts what is not allowed": (
        accepting("tablet", allowed=False), f"NotAllowed | NotAllowed | {MANY} | {LATE}",
    ),
    "finn accepts in another call": (
        accepting("tablet", busy=True), f"UserBusy | UserBusy | {MANY} | {LATE}",
    ),
    "cara accepts": (accepting(by="cara"), " | ".join(["WrongSide"] * 13)),
    "sam accepts": (accepting(by="sam"), " | ".join(["NotInCall"] * 13)),
    "finn declines": (
        DeclineRequested("finn"),
        f"declined both:declined | declined both:declined | {MANY} | AlreadyAnswered | = | = | = | "
        "AlreadyAnswered",
    ),
    "cara declines": (DeclineRequested("cara"), " | ".join(["WrongSide"] * 13)),
    "cara cancels": (
        CancelRequested("cara"),
        f"cancelled both:cancelled | cancelled both:cancelled | {all_six(END)} | {NOTHING}",
    ),
    "finn cancels": (CancelRequested("finn"), " | ".join(["WrongSide"] * 13)),
    "cara ends": (
        EndRequested("cara"),
        f"cancelled both:cancelled | cancelled both:cancelled | {all_six(END)} | {NOTHING}",
    ),
    "finn ends": (
        EndRequested("finn"),
        f"declined both:declined | declined both:declined | {all_six(END)} | {NOTHING}",
    ),
    "sam ends": (EndRequested("sam"), " | ".join(["NotInCall"] * 13)),
    "an admin ends": (
        EndRequested("ada", admin=True),
        "ended_by_admin both:cancelled | ended_by_admin both:cancelled | "
        f"{all_six(ADMIN)} | {NOTHING}",
    ),
    "cara is in": (MediaJoined("cara"), f"= | = | ~ | ~ | ~ | hold:3 | ~ | ~ | {NOTHING}"),
    "finn is in": (
        MediaJoined("finn"),
        f"= | = | ~ | CONNECTED contact both:connected hold:2 | ~ | hold:3 | ~ | ~ | {NOTHING}",
    ),
    "finn's other device is in": (MediaJoined("finn", "tablet"), f"= | = | {MANY} | {NOTHING}"),
    "cara is out": (MediaLeft("cara"), f"= | = | = | ~ | ~ | hold:3 | ~ | ~ | {NOTHING}"),
    "finn is out": (MediaLeft("finn"), f"= | = | = | = | ~ | hold:3 | ~ | = | {NOTHING}"),
    "cara is there": (HeartbeatSeen("cara"), f"= | ~ | ~ | ~ | ~ | hold:3 | ~ | ~ | {NOTHING}"),
    "finn is there": (HeartbeatSeen("finn"), f"= | = | ~ | ~ | ~ | hold:3 | ~ | ~ | {NOTHING}"),
    "finn's other device is there": (HeartbeatSeen("finn", "tablet"), f"= | = | {MANY} | {NOTHING}"),
    "cara is lost": (ConnectionLost("cara"), f"~ | = | = | = | = | hold:3 | = | = | {NOTHING}"),
    "finn is lost": (ConnectionLost("finn"), f"= | = | = | = | = | hold:3 | = | = | {NOTHING}"),
    "cara is found": (ConnectionFound("cara"), f"= | ~ | = | = | = | hold:3 | = | = | {NOTHING}"),
    "finn is found": (ConnectionFound("finn"), f"= | = | = | = | = | hold:3 | = | = | {NOTHING}"),
    "cara blocks": (
        BlockPlaced("cara"),
        f"blocked both:cancelled | blocked both:cancelled | {all_six(BLOCK)} | {NOTHING}",
    ),
    "finn blocks": (
        BlockPlaced("finn"),
        f"blocked both:declined | blocked both:declined | {all_six(BLOCK)} | {NOTHING}",
    ),
    "funds change": (FundsChanged(), f"= | = | = | = | = | hold:3 | = | = | {NOTHING}"),
    "a deadline": (DeadlinePassed(), f"= | = | = | = | = | hold:3 | = | = | {NOTHING}"),
}  # fmt: skip
FUNDS = {"last minute": 0}


def expected(event: str) -> dict[str, str]:
    outcomes = [outcome.strip() for outcome in TABLE[event][1].split("|")]
    return dict(zip(CALLS, outcomes, strict=True))


@pytest.mark.parametrize("event", TABLE)
@pytest.mark.parametrize("state", CALLS)
def test_every_state_with_every_event(state: str, event: str) -> None:
    call, now_ms = CALLS[state]
    outcome = expected(event)[state]
    funds = FUNDS.get(state, PLENTY)
    if refusal := REFUSALS.get(outcome):
        with pytest.raises(refusal):
            step(call, TABLE[event][0], now_ms, BOUNDS, funds)
        return
    then, effects = step(call, TABLE[event][0], now_ms, BOUNDS, funds)
    assert then.version == call.version + (outcome != "=")
    if outcome in "=~":
        assert effects == ()
        assert (then is call) == (outcome == "=")
    else:
        assert told(call, then, effects) == outcome


OVERDUE = {
    "MISSED": (RINGING, START + 45 * SECOND, "expired both:missed", "missed"),
    "CANCELLED": (
        LIVE["caller lost"][0], START + 20 * SECOND, "caller_lost both:cancelled", "cancelled",
    ),
    "FAILED": (LIVE["half in"][0], START + 30 * SECOND, "media_failed settle:0 close both:ended", "failed"),
    "ENDED": (CONNECTED, START + 30 * SECOND, "connection_lost settle:0 close both:ended", "ended"),
}  # fmt: skip


@pytest.mark.parametrize("event", [event for event in TABLE if not event.startswith("sam")])
@pytest.mark.parametrize("state", OVERDUE)
def test_whatever_comes_ends_what_is_overdue_and_then_gets_the_answer_of_what_is_over(
    state: str, event: str
) -> None:
    call, at_ms, outcome, as_in = OVERDUE[state]
    assert deadline_ms(call, BOUNDS) == at_ms
    refusal = expected(event)[as_in]
    for late_ms in (0, 1, 3_600_000):
        then, effects = step(call, TABLE[event][0], at_ms + late_ms, BOUNDS, PLENTY)
        assert then.state is State(state)
        assert told(call, then, effects) == outcome + (f" !{refusal}" if refusal != "=" else "")
        assert step(then, DeadlinePassed(), at_ms + late_ms, BOUNDS, PLENTY) == (then, ())


@pytest.mark.parametrize("state", [state for state in OVERDUE if state != "ENDED"])
def test_what_is_not_overdue_by_a_millisecond_is_not_ended(state: str) -> None:
    call, at_ms, *_ = OVERDUE[state]
    assert step(call, DeadlinePassed(), at_ms - 1, BOUNDS, PLENTY) == (call, ())


@pytest.mark.parametrize("state", OVER)
def test_what_is_over_has_no_deadline(state: str) -> None:
    assert deadline_ms(OVER[state][0], BOUNDS) == NEVER_MS


CONTENDERS: dict[str, Event] = {
    "accept": accepting(),
    "accept on the tablet": accepting("tablet"),
    "decline": DeclineRequested("finn"),
    "cancel": CancelRequested("cara"),
    "expiry": DeadlinePassed(),
    "block": BlockPlaced("finn"),
    "hang up": EndRequested("finn"),
    "the other hangs up": EndRequested("cara"),
}


class TestRaces:
    """Whatever order the store puts them in, one wins, and everybody else is told how it stands."""

    def run(self, order: tuple[str, ...]) -> tuple[Call, list[str], list[SettleCall]]:
        """Step through them at the last moment of the ring, the expiry at the moment after."""
        call, won, settlements = RINGING, [], []
        now_ms = START + 45 * SECOND - 1
        for name in order:
            now_ms = START + 45 * SECOND if name == "expiry" else now_ms
            before = call
            try:
                call, effects = step(before, CONTENDERS[name], now_ms, BOUNDS, PLENTY)
            except tuple(REFUSALS.values()):
                continue
            settlements += [effect for effect in effects if isinstance(effect, SettleCall)]
            if before.state is State.RINGING is not call.state:
                won.append(name)
        return call, won, settlements

    @pytest.mark.parametrize("order", list(permutations(CONTENDERS, 3)), ids=" ".join)
    def test_one_wins_whichever_three_come_at_once(self, order: tuple[str, ...]) -> None:
        call, won, settlements = self.run(order)
        assert len(won) == 1
        assert len(settlements) == (call.accepted_at_ms is not None and call.state.over)
        assert call.cost_micro == 0

    def test_two_devices_accept_at_once_and_the_other_is_told(self) -> None:
        call, effects = step(RINGING, accepting("phone"), START + 1, BOUNDS, PLENTY)
        assert Notify("finn", Notice.ANSWERED_ELSEWHERE, except_device="phone") in effects
        with pytest.raises(AlreadyAnswered) as refusal:
            step(call, accepting("tablet"), START + 1, BOUNDS, PLENTY)
        assert refusal.value.call is call
        assert call.fan_device == "phone"

    def test_a_retry_on_the_device_that_won_gets_the_same_call_also_when_it_has_connected(self) -> None:
        assert step(ACCEPTED, accepting("phone"), START + 1, BOUNDS, PLENTY) == (ACCEPTED, ())
        assert step(CONNECTED, accepting("phone"), START + 1, BOUNDS, PLENTY) == (CONNECTED, ())

    def test_a_device_without_a_name_is_the_same_as_no_other(self) -> None:
        nameless = after(RINGING, accepting(None))
        with pytest.raises(AlreadyAnswered):
            step(nameless, accepting(None), START, BOUNDS, PLENTY)

    def test_a_cancel_after_the_accept_hangs_up_for_nothing(self) -> None:
        call, effects = step(ACCEPTED, CancelRequested("cara"), START + 9 * SECOND, BOUNDS, PLENTY)
        assert (call.state, call.end_reason, call.ended_by) == (State.ENDED, EndReason.HUNG_UP, "cara")
        assert SettleCall(billed_ms=0, cost_micro=0, held_micro=RATE) in effects

    def test_an_accept_after_the_cancel_is_told_that_it_is_over(self) -> None:
        cancelled = OVER["cancelled"][0]
        with pytest.raises(CallOver) as refusal:
            step(cancelled, accepting(), START + 1, BOUNDS, PLENTY)
        assert refusal.value.call.state is State.CANCELLED

    def test_a_late_accept_is_refused_by_the_clock_and_misses_the_call_itself(self) -> None:
        in_time, _ = step(RINGING, accepting(), START + 45 * SECOND - 1, BOUNDS, PLENTY)
        assert in_time.state is State.ACCEPTED
        call, effects = step(RINGING, accepting(), START + 45 * SECOND, BOUNDS, PLENTY)
        assert (call.state, call.ended_at_ms) == (State.MISSED, START + 45 * SECOND)
        last = effects[-1]
        assert isinstance(last, Refuse)
        assert isinstance(last.refusal, InvitationExpired)
        assert last.refusal.call.state is State.MISSED

    def test_both_hang_up_and_both_see_the_same_end(self) -> None:
        first = after(CONNECTED, EndRequested("cara"), at_ms=START + 9 * SECOND)
        again, effects = step(first, EndRequested("finn"), START + 9 * SECOND, BOUNDS, PLENTY)
        assert (again, effects) == (first, ())
        assert first.ended_by == "cara"

    def test_a_caller_who_is_back_in_time_goes_on_ringing(self) -> None:
        lost = after(RINGING, ConnectionLost("cara"), at_ms=START + SECOND)
        assert deadline_ms(lost, BOUNDS) == START + 21 * SECOND
        back = after(lost, ConnectionFound("cara"), at_ms=START + 20 * SECOND)
        assert deadline_ms(back, BOUNDS) == START + 45 * SECOND
        assert after(back, accepting(), at_ms=START + 44 * SECOND).state is State.ACCEPTED

    def test_a_caller_who_is_lost_near_the_end_of_the_ring_has_it_missed(self) -> None:
        lost = after(RINGING, ConnectionLost("cara"), at_ms=START + 30 * SECOND)
        call, _ = step(lost, DeadlinePassed(), START + 50 * SECOND, BOUNDS, PLENTY)
        assert (call.state, call.ended_at_ms) == (State.MISSED, START + 45 * SECOND)

    def test_one_who_was_found_late_ends_when_they_would_have_ended(self) -> None:
        lost = after(RINGING, ConnectionLost("cara"), at_ms=START + SECOND)
        call, _ = step(lost, accepting(), START + 40 * SECOND, BOUNDS, PLENTY)
        assert (call.state, call.end_reason) == (State.CANCELLED, EndReason.CALLER_LOST)
        assert call.ended_at_ms == START + 21 * SECOND


class TestAccepting:
    def test_what_is_refused_goes_on_ringing(self) -> None:
        with pytest.raises(NotAllowed):
            step(RINGING, accepting(allowed=False), START, BOUNDS, PLENTY)
        with pytest.raises(InsufficientBalance) as refusal:
            step(RINGING, accepting(), START, BOUNDS, RATE - 1)
        assert (refusal.value.needed_micro, refusal.value.spendable_micro) == (RATE, RATE - 1)
        assert after(RINGING, accepting(), funds=RATE).state is State.ACCEPTED

    def test_the_fan_pays_the_rate_at_the_accept_but_never_more_than_was_shown(self) -> None:
        dearer = after(RINGING, accepting(rate_micro_per_minute=2 * RATE))
        cheaper = after(RINGING, accepting(rate_micro_per_minute=RATE // 2))
        assert (dearer.terms, cheaper.terms) == (Terms(RATE), Terms(RATE // 2))
        assert (dearer.held_micro, cheaper.held_micro) == (RATE, RATE // 2)

    def test_a_call_that_costs_nothing_needs_no_credits_and_holds_none(self) -> None:
        call, effects = step(rung(Terms()), accepting(), START, BOUNDS, 0)
        assert told(RINGING, call, effects) == "ACCEPTED cara:accepted finn:answered_elsewhere-phone"

    @pytest.mark.parametrize("device", ["", "a\0", "x" * 129])
    def test_a_name_that_no_device_has_is_refused(self, device: str) -> None:
        with pytest.raises(TextRefused, match="deviceId"):
            step(RINGING, accepting(device), START, BOUNDS, PLENTY)


class TestMedia:
    def test_it_connects_when_both_are_in_whoever_is_first(self) -> None:
        for first, second in permutations(BOTH_JOIN):
            call = after(after(ACCEPTED, first, at_ms=START + SECOND), second, at_ms=START + 9 * SECOND)
            assert (call.state, call.connected_at_ms) == (State.CONNECTED, START + 9 * SECOND)

    def test_who_left_before_the_other_came_has_to_come_again(self) -> None:
        call = after(ACCEPTED, MediaJoined("cara"), MediaLeft("cara"), MediaJoined("finn"))
        assert call.state is State.ACCEPTED
        assert after(call, MediaJoined("cara")).state is State.CONNECTED

    def test_heartbeats_alone_do_not_connect_a_call_or_put_off_its_failure(self) -> None:
        call = heard(ACCEPTED, *range(START, START + 30 * SECOND, 5 * SECOND))
        assert call.state is State.ACCEPTED
        assert after(call, HeartbeatSeen("cara"), at_ms=START + 30 * SECOND).state is State.FAILED

    def test_another_device_cannot_stand_in_for_the_one_that_is_in_the_call(self) -> None:
        with pytest.raises(AlreadyAnswered):
            step(CONNECTED, HeartbeatSeen("cara", "laptop"), START, BOUNDS, PLENTY)
        assert after(CONNECTED, HeartbeatSeen("cara", "studio"), at_ms=START + 1).version > CONNECTED.version


def test_each_side_is_told_of_every_change_of_state_once() -> None:
    for state, (call, now_ms) in LIVE.items():
        for name, (event, _) in TABLE.items():
            try:
                then, effects = step(call, event, now_ms, BOUNDS, PLENTY)
            except tuple(REFUSALS.values()):
                continue
            told_to = [effect.user for effect in effects if isinstance(effect, Notify)]
            assert sorted(told_to) == (["cara", "finn"] if then.state is not call.state else []), (
                state,
                name,
            )
