"""Credits: what can be moved, what never can, and books that add up."""

from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sessions.credits import (
    BALANCE_MICRO_MAX,
    Account,
    BadAmount,
    Entry,
    InsufficientBalance,
    Kind,
    MonthlyCapReached,
    Transaction,
    allocate,
    deduct,
    hold,
    settle,
    to_credits,
    to_micro,
)

NOW = 1_795_185_000_000
"""20 November 2026."""
NEXT_MONTH = NOW + 15 * 24 * 3_600_000


def account(available: int = 100, held: int = 0, cap: int | None = None, spent: int = 0) -> Account:
    return Account("acme", "finn", available, held, cap, "2026-11" if spent else "", spent)


class TestEntries:
    def test_an_allocation(self) -> None:
        after, transaction = allocate(account(5), 100, "tx_1")
        assert after.available_micro == 105
        assert transaction == Transaction(
            "tx_1", Kind.ALLOCATION, 100, (Entry("granted:acme", -100), Entry("credits:acme/finn", 100))
        )

    def test_a_deduction(self) -> None:
        after, transaction = deduct(account(), 40, "tx_1", NOW)
        assert (after.available_micro, after.spent_micro, after.month) == (60, 40, "2026-11")
        assert transaction.entries == (Entry("credits:acme/finn", -40), Entry("spent:acme", 40))

    def test_a_hold_and_its_settlement(self) -> None:
        held, transaction = hold(account(), 40, "call_1:1", NOW)
        assert (held.available_micro, held.held_micro, held.spent_micro) == (60, 40, 0)
        assert transaction.entries == (Entry("credits:acme/finn", -40), Entry("held:acme/finn", 40))
        after, transaction = settle(held, 40, 25, "cara", "call_1", NOW)
        assert (after.available_micro, after.held_micro, after.spent_micro) == (75, 0, 25)
        assert transaction == Transaction(
            "call_1", Kind.SETTLEMENT, 15,
            (Entry("held:acme/finn", -40), Entry("credits:acme/finn", 15), Entry("earned:acme/cara", 25)),
        )  # fmt: skip

    def test_a_settlement_at_nothing_gives_all_of_it_back_and_earns_nothing(self) -> None:
        after, transaction = settle(account(60, 40), 40, 0, "cara", "call_1", NOW)
        assert (after.available_micro, after.held_micro) == (100, 0)
        assert transaction.entries == (Entry("held:acme/finn", -40), Entry("credits:acme/finn", 40))

    def test_a_settlement_of_nothing_is_recorded_without_entries(self) -> None:
        assert settle(account(), 0, 0, "cara", "call_1", NOW)[1] == Transaction(
            "call_1", Kind.SETTLEMENT, 0, ()
        )


class TestRefusals:
    @pytest.mark.parametrize("amount", [0, -1, BALANCE_MICRO_MAX + 1])
    def test_amounts_that_are_none(self, amount: int) -> None:
        with pytest.raises(BadAmount):
            allocate(account(), amount, "tx")
        for move in (deduct, hold):
            with pytest.raises(BadAmount):
                move(account(BALANCE_MICRO_MAX), amount, "tx", NOW)

    def test_nobody_can_have_more_than_every_reader_of_json_can_count(self) -> None:
        assert (
            allocate(account(0, 1), BALANCE_MICRO_MAX - 1, "tx")[0].available_micro == BALANCE_MICRO_MAX - 1
        )
        with pytest.raises(BadAmount, match="9007199254"):
            allocate(account(0, 1), BALANCE_MICRO_MAX, "tx")

    def test_more_than_there_is(self) -> None:
        for move in (deduct, hold):
            assert move(account(), 100, "tx", NOW)[0].available_micro == 0
            with pytest.raises(InsufficientBalance) as refusal:
                move(account(), 101, "tx", NOW)
            assert (refusal.value.needed_micro, refusal.value.spendable_micro) == (101, 100)
            assert not isinstance(refusal.value, MonthlyCapReached)

    def test_what_is_held_cannot_be_spent(self) -> None:
        with pytest.raises(InsufficientBalance):
            deduct(account(60, 40), 61, "tx", NOW)

    @pytest.mark.parametrize(("held", "cost"), [(40, 41), (41, 1), (40, -1), (-1, -1)])
    def test_a_settlement_of_more_than_was_held(self, held: int, cost: int) -> None:
        with pytest.raises(BadAmount):
            settle(account(60, 40), held, cost, "cara", "tx", NOW)

    def test_they_say_what_it_takes_and_what_there_is(self) -> None:
        with pytest.raises(InsufficientBalance, match=r"takes 2 credits and you have 1\.5: get more first"):
            hold(account(1_500_000), 2_000_000, "tx", NOW)


class TestMonthlyCap:
    def test_what_was_spent_and_what_is_held_counts(self) -> None:
        assert account(1000, 30, cap=100, spent=50).spendable_micro(NOW) == 20
        assert hold(account(1000, 30, cap=100, spent=50), 20, "tx", NOW)[0].spendable_micro(NOW) == 0
        with pytest.raises(MonthlyCapReached) as refusal:
            deduct(account(1000, 30, cap=100, spent=50), 21, "tx", NOW)
        assert (refusal.value.cap_micro, refusal.value.spendable_micro) == (100, 20)
        assert "monthly cap" in str(refusal.value)

    def test_a_new_month_begins_at_nothing(self) -> None:
        last = account(1000, cap=100, spent=100)
        assert (last.spendable_micro(NOW), last.spendable_micro(NEXT_MONTH)) == (0, 100)
        after, _ = deduct(last, 60, "tx", NEXT_MONTH)
        assert (after.month, after.spent_micro) == ("2026-12", 60)

    def test_who_has_too_little_is_told_that_and_not_of_the_cap(self) -> None:
        with pytest.raises(InsufficientBalance) as refusal:
            deduct(account(10, cap=100), 11, "tx", NOW)
        assert not isinstance(refusal.value, MonthlyCapReached)

    def test_a_cap_below_what_was_spent_leaves_nothing_and_not_less(self) -> None:
        assert account(1000, cap=10, spent=50).spendable_micro(NOW) == 0

    def test_what_is_settled_below_what_was_held_gives_the_rest_of_the_cap_back(self) -> None:
        held, _ = hold(account(1000, cap=100), 100, "tx_1", NOW)
        after, _ = settle(held, 100, 30, "cara", "tx_2", NOW)
        assert after.spendable_micro(NOW) == 70

    def test_without_a_cap_everything_that_is_available_can_be_spent(self) -> None:
        assert account(1000, 30, spent=50).spendable_micro(NOW) == 1000


class TestAmounts:
    @pytest.mark.parametrize(
        ("text", "micro"),
        [
            ("0", 0),
            ("100.0", 100_000_000),
            ("0.000001", 1),
            ("1e2", 100_000_000),
            ("-2.5", -2_500_000),
            ("-0.0", 0),
            ("0E+999999", 0),
        ],
    )
    def test_credits_are_micro_credits(self, text: str, micro: int) -> None:
        assert to_micro(Decimal(text)) == micro

    @pytest.mark.parametrize(
        "text",
        [
            "NaN",
            "sNaN",
            "Infinity",
            "-Infinity",
            "0.0000001",
            "1E+999999",
            "1E-999999",
            "9007199255",
            "1.0000005",
        ],
    )
    def test_what_is_no_amount(self, text: str) -> None:
        with pytest.raises((BadAmount, InvalidOperation)) as refusal:
            to_micro(Decimal(text))
        assert isinstance(refusal.value, BadAmount)

    @given(st.integers(-BALANCE_MICRO_MAX + 10**6, BALANCE_MICRO_MAX - 10**6))
    def test_there_and_back_again(self, micro: int) -> None:
        amount = to_credits(micro)
        assert to_micro(amount) == micro
        assert "E" not in str(amount)


class Books(RuleBasedStateMachine):
    """Whatever is moved, also what is refused: entries add to zero and are what the account says."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account("acme", "finn", cap_micro=700)
        self.now_ms = NOW
        self.entries: list[Entry] = []
        self.holds: list[int] = []
        self.spent: dict[str, int] = {}

    def move(self, after: Account, transaction: Transaction) -> None:
        self.account = after
        self.entries += transaction.entries

    @rule(amount=st.integers(-5, 400))
    def give(self, amount: int) -> None:
        if amount <= 0:
            with pytest.raises(BadAmount):
                allocate(self.account, amount, "tx")
        else:
            self.move(*allocate(self.account, amount, "tx"))

    @rule(amount=st.integers(1, 400))
    def spend(self, amount: int) -> None:
        if amount > self.account.spendable_micro(self.now_ms):
            with pytest.raises(InsufficientBalance):
                deduct(self.account, amount, "tx", self.now_ms)
        else:
            self.move(*deduct(self.account, amount, "tx", self.now_ms))
            self.note(amount)

    @rule(amount=st.integers(1, 400))
    def put_by(self, amount: int) -> None:
        if amount > self.account.spendable_micro(self.now_ms):
            with pytest.raises(InsufficientBalance):
                hold(self.account, amount, "tx", self.now_ms)
        else:
            self.move(*hold(self.account, amount, "tx", self.now_ms))
            self.holds.append(amount)

    @rule(part=st.integers(0, 100))
    def settle_the_oldest(self, part: int) -> None:
        if self.holds:
            held = self.holds.pop(0)
            cost = held * part // 100
            self.move(*settle(self.account, held, cost, "cara", "tx", self.now_ms))
            self.note(cost)

    @rule(days=st.integers(1, 20))
    def wait(self, days: int) -> None:
        self.now_ms += days * 24 * 3_600_000

    def note(self, amount: int) -> None:
        self.spent[self.account.month] = self.spent.get(self.account.month, 0) + amount

    @invariant()
    def they_add_up(self) -> None:
        sums: dict[str, int] = {}
        for entry in self.entries:
            assert entry.amount_micro
            sums[entry.account] = sums.get(entry.account, 0) + entry.amount_micro
        assert sum(sums.values()) == 0
        assert self.account.available_micro == sums.get("credits:acme/finn", 0) >= 0
        assert self.account.held_micro == sums.get("held:acme/finn", 0) == sum(self.holds)
        assert self.account.spent_micro == self.spent.get(self.account.month, 0)
        assert all(spent <= 700 for spent in self.spent.values())


TestBooks = Books.TestCase
