"""Any order of events at any moments, with money: what must hold of a call whatever happens to it.

The account is the fan's, stepped by the rules of credits with what a call holds and settles, as a store does.
"""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sessions.call_billing import billed_ms, cost_so_far
from sessions.call_deadlines import deadline_ms
from sessions.call_effects import CloseMedia, HoldMinute, RecordContact, Refuse, SettleCall
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
from sessions.call_leases import AFTER_MS, NoLease, lease_until_ms
from sessions.call_records import MINUTE_MS, State, Terms
from sessions.call_views import shown
from sessions.calls import REFUSALS, step
from sessions.credits import Account, InsufficientBalance, Kind, Transaction, allocate, deduct, hold, settle
from sessions.lifetimes import NEVER_MS
from tests.sessions.call_cases import BOUNDS, RATE, START, accepting, rung

USERS = st.sampled_from(["cara", "finn"])
DEVICES = st.sampled_from([None, "phone", "tablet", "studio"])
TERMS = st.builds(
    Terms, st.sampled_from([0, 1, RATE]), st.sampled_from([1000, 6000, MINUTE_MS]), st.integers(0, 90_000)
)
WAITS_MS = st.one_of(st.just(0), st.integers(0, 5_000), st.integers(0, 40_000), st.integers(0, 200_000))
ANSWERS: st.SearchStrategy[Event] = st.one_of(
    st.builds(accepting, DEVICES, allowed=st.booleans(), busy=st.just(False)),
    st.builds(accepting, DEVICES),
    st.builds(DeclineRequested, st.just("finn")),
    st.builds(CancelRequested, st.just("cara")),
    st.builds(EndRequested, USERS),
    st.builds(EndRequested, st.just("ada"), st.just(True)),
    st.builds(BlockPlaced, USERS),
)
SIGNS: st.SearchStrategy[Event] = st.one_of(
    st.builds(MediaJoined, USERS, DEVICES),
    st.builds(MediaLeft, USERS),
    st.builds(HeartbeatSeen, USERS, DEVICES),
    st.builds(ConnectionLost, USERS),
    st.builds(ConnectionFound, USERS),
    st.builds(FundsChanged),
    st.builds(DeadlinePassed),
)
ENDINGS = (EndRequested, CancelRequested, BlockPlaced)


class CallInTheWorld(RuleBasedStateMachine):
    """One call, one account, and everything that anybody could do to them."""

    @initialize(
        terms=TERMS,
        available=st.sampled_from([0, 1, RATE, 2 * RATE, 5 * RATE]),
        begun=st.sampled_from(["ringing", "accepted", "connected", "connected", "connected"]),
    )
    def ring(self, terms: Terms, available: int, begun: str) -> None:
        self.now_ms = START
        self.call = rung(terms)
        self.account = Account("acme", "finn", available_micro=available)
        self.ledger: dict[str, Transaction] = {}
        self.allocated = available
        self.answers: list[State] = []
        self.settlements: list[SettleCall] = []
        self.contacts = 0
        if begun != "ringing":
            self._step(accepting())
        if begun == "connected":
            self._step(MediaJoined("cara"))
            self._step(MediaJoined("finn"))

    @rule(event=ANSWERS, wait_ms=WAITS_MS)
    def answer(self, event: Event, wait_ms: int) -> None:
        self.now_ms += wait_ms
        self._step(event)

    @rule(event=SIGNS, wait_ms=st.integers(0, 15_000))
    def sign(self, event: Event, wait_ms: int) -> None:
        self.now_ms += wait_ms
        self._step(event)

    @precondition(lambda self: not self.call.state.over)
    @rule()
    def reach_the_deadline(self) -> None:
        self.now_ms = max(self.now_ms, min(deadline_ms(self.call, BOUNDS), self.now_ms + 10**9))
        before = self.call
        self._step(DeadlinePassed())
        assert self.call is not before or deadline_ms(before, BOUNDS) > self.now_ms, "a deadline is done with"

    @precondition(lambda self: self.call.state is State.CONNECTED)
    @rule(beats=st.integers(1, 15), beat_ms=st.sampled_from([7_000, BOUNDS.heartbeat_ms]))
    def talk(self, beats: int, beat_ms: int) -> None:
        for _ in range(beats):
            self.now_ms += beat_ms
            self._step(HeartbeatSeen("cara"))
            self._step(HeartbeatSeen("finn"))

    @rule(amount=st.sampled_from([1, RATE, 3 * RATE]))
    def top_up(self, amount: int) -> None:
        self._post(*allocate(self.account, amount, f"gift:{len(self.ledger)}"))
        self.allocated += amount
        self._step(FundsChanged())

    @rule(amount=st.sampled_from([1, RATE, 3 * RATE]))
    def spend_elsewhere(self, amount: int) -> None:
        try:
            self._post(*deduct(self.account, amount, f"spent:{len(self.ledger)}", self.now_ms))
        except InsufficientBalance:
            return
        self.allocated -= amount

    @rule(user=USERS, device=DEVICES)
    def lease(self, user: str, device: str | None) -> None:
        own = self.call.creator_device if user == "cara" else self.call.fan_device
        try:
            until_ms = lease_until_ms(self.call, user, device, self.now_ms, BOUNDS)
        except NoLease:
            return
        assert self.call.state in (State.ACCEPTED, State.CONNECTED)
        assert self.now_ms < until_ms <= self.now_ms + BOUNDS.lease_ms
        assert until_ms <= (self.call.funded_until_ms or NEVER_MS) + AFTER_MS
        assert own in (None, device)

    def _step(self, event: Event) -> None:
        before = self.call
        spendable = self.account.spendable_micro(self.now_ms)
        try:
            self.call, effects = step(before, event, self.now_ms, BOUNDS, spendable)
        except REFUSALS:
            return
        assert self.call.version == before.version + (self.call is not before)
        assert (self.call is before) <= (effects == ()), "who is told of something finds the call changed"
        if before.state is State.RINGING is not self.call.state:
            self.answers.append(self.call.state)
        for effect in effects:
            match effect:
                case HoldMinute(number=number, amount_micro=amount):
                    self._post(*hold(self.account, amount, f"call_1:{number}", self.now_ms))
                case SettleCall(cost_micro=cost_micro, held_micro=held_micro):
                    self.settlements.append(effect)
                    settled = settle(self.account, held_micro, cost_micro, "cara", "call_1", self.now_ms)
                    self._post(*settled)
                case RecordContact():
                    self.contacts += 1
                case Refuse():
                    assert effect is effects[-1]
                    assert self.call.state.over
        assert (CloseMedia() in effects) == any(isinstance(effect, SettleCall) for effect in effects)
        if before.state.over:
            assert self.call is before, "what is over stays as it is"
        if isinstance(event, ENDINGS):
            assert self.call.state.over

    def _post(self, account: Account, transaction: Transaction) -> None:
        assert transaction.id not in self.ledger, "nothing is held or settled twice"
        self.ledger[transaction.id] = transaction
        self.account = account

    @invariant()
    def one_wins(self) -> None:
        assert len(self.answers) == (self.call.state is not State.RINGING)

    @invariant()
    def it_is_settled_once_and_only_if_it_was_accepted(self) -> None:
        assert len(self.settlements) == (self.call.state.over and self.call.accepted_at_ms is not None)

    @invariant()
    def nothing_is_charged_before_both_were_in_the_media(self) -> None:
        assert self.contacts == (self.call.connected_at_ms is not None)
        if self.call.connected_at_ms is None:
            assert self.call.cost_micro == self.call.billed_ms == 0

    @invariant()
    def no_more_is_charged_than_was_held_nor_for_a_time_after_its_end(self) -> None:
        call = self.call
        assert cost_so_far(call, self.now_ms) <= call.held_micro
        if call.state.over and call.connected_at_ms is not None:
            assert call.ended_at_ms is not None
            assert call.connected_at_ms <= call.ended_at_ms <= self.now_ms
            assert call.ended_at_ms - call.connected_at_ms <= BOUNDS.length_ms_max
            assert call.funded_until_ms is None or call.ended_at_ms <= call.funded_until_ms
            assert call.billed_ms == billed_ms(call.terms, call.ended_at_ms - call.connected_at_ms)

    @invariant()
    def a_connected_call_is_funded_a_minute_ahead_or_its_fan_was_warned(self) -> None:
        call = self.call
        if call.state is State.CONNECTED and call.funded_until_ms is not None and not call.warned:
            asked_at_ms = max(leg.heard_at_ms or 0 for leg in call.legs)
            assert call.funded_until_ms > asked_at_ms + MINUTE_MS

    @invariant()
    def the_books_add_up(self) -> None:
        entries = [entry for transaction in self.ledger.values() for entry in transaction.entries]
        sums = dict.fromkeys(("credits:acme/finn", "held:acme/finn", "earned:acme/cara"), 0)
        for entry in entries:
            sums[entry.account] = sums.get(entry.account, 0) + entry.amount_micro
        assert sum(sums.values()) == 0
        held = 0 if self.call.state.over else self.call.held_micro
        assert self.account.held_micro == sums["held:acme/finn"] == held
        assert sums["earned:acme/cara"] == self.call.cost_micro
        assert self.account.available_micro == self.allocated - held - self.call.cost_micro
        settled = [one for one in self.ledger.values() if one.kind is Kind.SETTLEMENT]
        assert len(settled) == len(self.settlements)

    @invariant()
    def what_is_over_has_an_end_a_reason_and_no_deadline(self) -> None:
        call = self.call
        assert call.state.over == (call.ended_at_ms is not None) == (call.end_reason is not None)
        assert call.state.over == (deadline_ms(call, BOUNDS) == NEVER_MS)

    @invariant()
    def a_creator_sees_nothing_of_the_fans_credits(self) -> None:
        rich = replace(self.call, warned=not self.call.warned)
        assert shown(rich, "cara", self.now_ms) == shown(self.call, "cara", self.now_ms)


CallInTheWorld.TestCase.settings = settings(
    max_examples=100, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyOrder = CallInTheWorld.TestCase


@pytest.mark.chaos
def test_any_order_for_long() -> None:
    run_state_machine_as_test(
        CallInTheWorld, settings=settings(max_examples=1500, stateful_step_count=60, deadline=None)
    )
