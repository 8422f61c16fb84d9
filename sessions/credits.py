"""Credits: what a user has, what is held of it, and the double entry of every change.

    transaction  available    held         other account
    -----------  -----------  -----------  -----------------------------------
    ALLOCATION   + amount                  granted:{tenant}           - amount
    DEDUCTION    - amount                  spent:{tenant}             + amount
    HOLD         - amount     + amount
    SETTLEMENT   + the rest   - amount     earned:{tenant}/{creator}  + cost

Invariants: the entries of a transaction add to zero; neither what is available nor what is held is ever
below zero; a transaction has a name (an event id of the ledger), under which it is carried out once. What a
user has is what the entries of two accounts come to, `credits:{tenant}/{user}` and `held:{tenant}/{user}`:
the stored `Account` only saves adding them up. (`user:{tenant}/{user}` is another account of the same ledger:
what a user's minutes cost whoever runs this server.)

Amounts are whole micro-credits. A plan of postings is made here; a store that holds the account's lock writes
it.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from sessions.periods import Period, window_key

MICRO = 1_000_000
BALANCE_MICRO_MAX = 2**53 - 1
"""Nine billion credits: the largest number that every reader of JSON has exactly."""


class Kind(StrEnum):
    """What a transaction is."""

    ALLOCATION = "allocation"
    DEDUCTION = "deduction"
    HOLD = "hold"
    SETTLEMENT = "settlement"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger; a negative amount is a debit."""

    account: str
    amount_micro: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """Entries that belong together and add to zero; none has the amount zero. `change_micro` is what it did
    to what the user has available."""

    id: str
    kind: Kind
    change_micro: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What a user has. `cap_micro` (None: no cap) is how much may be spent in one calendar month (UTC);
    `spent_micro` was spent in `month`, `2026-11` or an empty text before anything was."""

    tenant_id: str
    user: str
    available_micro: int = 0
    held_micro: int = 0
    cap_micro: int | None = None
    month: str = ""
    spent_micro: int = 0

    def spent_in_micro(self, now_ms: int) -> int:
        """Return what was spent in the month that holds a moment."""
        return self.spent_micro if self.month == window_key(Period.MONTH, now_ms) else 0

    def spendable_micro(self, now_ms: int) -> int:
        """Return what may be held or deducted now. What is held counts towards the cap as if spent."""
        if self.cap_micro is None:
            return self.available_micro
        left = self.cap_micro - self.spent_in_micro(now_ms) - self.held_micro
        return max(0, min(self.available_micro, left))


class BadAmount(ValueError):
    """This is no amount of credits that can be moved."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class InsufficientBalance(Exception):
    """There are too few credits; `spendable_micro` is what there is for it, `needed_micro` what it takes."""

    def __init__(self, needed_micro: int, spendable_micro: int) -> None:
        super().__init__(
            f"This takes {to_credits(needed_micro)} credits and you have {to_credits(spendable_micro)}: "
            "get more first"
        )
        self.needed_micro = needed_micro
        self.spendable_micro = spendable_micro


class MonthlyCapReached(InsufficientBalance):
    """There are credits enough, and the cap of this month does not let them be spent."""

    def __init__(self, needed_micro: int, spendable_micro: int, cap_micro: int) -> None:
        super().__init__(needed_micro, spendable_micro)
        self.args = (
            f"This takes {to_credits(needed_micro)} credits and your monthly cap of {to_credits(cap_micro)} "
            f"leaves {to_credits(spendable_micro)}: wait for the next month, or have the cap raised",
        )
        self.cap_micro = cap_micro


Step = tuple[Account, Transaction]


def to_micro(amount: Decimal) -> int:
    """Return an amount of credits in micro-credits. Raises BadAmount for what is none, or finer than that.

    A number of JSON that was read as a float is first to be made a Decimal of its shortest text.
    """
    # Bounded before anything is calculated: 1E+999999 is a short text and a very large integer.
    if not amount.is_finite() or abs(amount) > BALANCE_MICRO_MAX // MICRO:
        raise BadAmount(f"An amount is a number of credits, at most {BALANCE_MICRO_MAX // MICRO}")
    micro = amount.scaleb(6).to_integral_value()
    if micro.scaleb(-6) != amount:
        raise BadAmount("An amount has at most six digits after the point")
    return int(micro)


def to_credits(micro: int) -> Decimal:
    """Return micro-credits in credits, without needless zeros."""
    amount = Decimal(micro).scaleb(-6).normalize()
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount


def available_account(tenant_id: str, user: str) -> str:
    """Return the name of the account of what a user has and may spend."""
    return f"credits:{tenant_id}/{user}"


def held_account(tenant_id: str, user: str) -> str:
    """Return the name of the account of what is held of a user's credits."""
    return f"held:{tenant_id}/{user}"


def earned_account(tenant_id: str, creator: str) -> str:
    """Return the name of the account of what a creator has earned by calls."""
    return f"earned:{tenant_id}/{creator}"


def allocate(account: Account, amount_micro: int, transaction_id: str) -> Step:
    """Give credits to a user. Raises BadAmount, also where it would be more than anybody can have."""
    _must_be_amount(amount_micro)
    if account.available_micro + account.held_micro + amount_micro > BALANCE_MICRO_MAX:
        raise BadAmount(f"Nobody can have more than {to_credits(BALANCE_MICRO_MAX)} credits")
    return _moved(
        account,
        Transaction(
            transaction_id,
            Kind.ALLOCATION,
            amount_micro,
            _entries(
                (f"granted:{account.tenant_id}", -amount_micro),
                (available_account(account.tenant_id, account.user), amount_micro),
            ),
        ),
    )


def deduct(account: Account, amount_micro: int, transaction_id: str, now_ms: int) -> Step:
    """Take credits for something that was used. Raises BadAmount, InsufficientBalance, MonthlyCapReached."""
    _must_be_amount(amount_micro)
    _must_suffice(account, amount_micro, now_ms)
    return _moved(
        _spent(account, amount_micro, now_ms),
        Transaction(
            transaction_id,
            Kind.DEDUCTION,
            -amount_micro,
            _entries(
                (available_account(account.tenant_id, account.user), -amount_micro),
                (f"spent:{account.tenant_id}", amount_micro),
            ),
        ),
    )


def hold(account: Account, amount_micro: int, transaction_id: str, now_ms: int) -> Step:
    """Hold credits for something that goes on. Raises BadAmount, InsufficientBalance, MonthlyCapReached."""
    _must_be_amount(amount_micro)
    _must_suffice(account, amount_micro, now_ms)
    return _moved(
        replace(account, held_micro=account.held_micro + amount_micro),
        Transaction(
            transaction_id,
            Kind.HOLD,
            -amount_micro,
            _entries(
                (available_account(account.tenant_id, account.user), -amount_micro),
                (held_account(account.tenant_id, account.user), amount_micro),
            ),
        ),
    )


def settle(
    account: Account, held_micro: int, cost_micro: int, creator: str, transaction_id: str, now_ms: int
) -> Step:
    """Give `cost_micro` of what was held to a creator and release the rest. Raises BadAmount for a cost above
    what was held, or more held than the account holds: nothing is ever taken that was not held before.

    With nothing held the transaction has no entries, and records only that there was nothing to pay.
    """
    if not 0 <= cost_micro <= held_micro <= account.held_micro:
        raise BadAmount(f"{cost_micro} of {held_micro} held cannot be settled: {account.held_micro} are held")
    rest_micro = held_micro - cost_micro
    return _moved(
        _spent(replace(account, held_micro=account.held_micro - held_micro), cost_micro, now_ms),
        Transaction(
            transaction_id,
            Kind.SETTLEMENT,
            rest_micro,
            _entries(
                (held_account(account.tenant_id, account.user), -held_micro),
                (available_account(account.tenant_id, account.user), rest_micro),
                (earned_account(account.tenant_id, creator), cost_micro),
            ),
        ),
    )


def _entries(*lines: tuple[str, int]) -> tuple[Entry, ...]:
    return tuple(Entry(account, amount) for account, amount in lines if amount)


def _moved(account: Account, transaction: Transaction) -> Step:
    assert sum(entry.amount_micro for entry in transaction.entries) == 0
    after = replace(account, available_micro=account.available_micro + transaction.change_micro)
    assert after.available_micro >= 0 <= after.held_micro
    return after, transaction


def _spent(account: Account, amount_micro: int, now_ms: int) -> Account:
    spent_micro = account.spent_in_micro(now_ms) + amount_micro
    return replace(account, month=window_key(Period.MONTH, now_ms), spent_micro=spent_micro)


def _must_be_amount(amount_micro: int) -> None:
    if not 0 < amount_micro <= BALANCE_MICRO_MAX:
        raise BadAmount(f"An amount is more than 0 and at most {to_credits(BALANCE_MICRO_MAX)} credits")


def _must_suffice(account: Account, needed_micro: int, now_ms: int) -> None:
    spendable_micro = account.spendable_micro(now_ms)
    if needed_micro <= spendable_micro:
        return
    if account.cap_micro is not None and needed_micro <= account.available_micro:
        raise MonthlyCapReached(needed_micro, spendable_micro, account.cap_micro)
    raise InsufficientBalance(needed_micro, spendable_micro)
