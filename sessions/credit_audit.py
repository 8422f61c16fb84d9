"""The audit of credits and calls: what has to add up, and a sentence for whatever does not.

Invariant: nothing is found in books that were only ever written as sessions/credits.py and sessions/calls.py
say. Money in micro-credits, times in milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sessions.audit import Finding
from sessions.call_billing import billed_ms, cost
from sessions.call_records import Call
from sessions.credits import BALANCE_MICRO_MAX


@dataclass(frozen=True, slots=True)
class AccountSums:
    """One user's account: what it says (None: there is no such row), what the ledger's entries of its two
    accounts come to, and what calls that are not over hold of it."""

    tenant_id: str
    user: str
    available_micro: int | None
    held_micro: int | None
    available_entries_micro: int
    held_entries_micro: int
    open_calls_micro: int


@dataclass(frozen=True, slots=True)
class TransactionSums:
    """One transaction: what it says that it did to the user, how many entries it has, what they come to, and
    what those of the user's available account do."""

    id: str
    change_micro: int
    entries: int
    balance_micro: int
    available_entries_micro: int


@dataclass(frozen=True, slots=True)
class CallSums:
    """One call, and its transactions: how many minutes were held and at what, how many settlements there are,
    and what of it the creator has got."""

    call: Call
    holds: int
    held_micro: int
    settlements: int
    earned_micro: int


def audit_account(sums: AccountSums) -> Iterator[Finding]:
    """Hold an account to the ledger, and what is held to the calls that hold it."""
    where = f"credits of user {sums.user} in tenant {sums.tenant_id}"
    if sums.available_micro is None or sums.held_micro is None:
        yield Finding("account", where, "there are entries or calls for it, and no such account")
        return
    pairs = (
        ("available", sums.available_micro, sums.available_entries_micro),
        ("held", sums.held_micro, sums.held_entries_micro),
    )
    for name, amount, entries in pairs:
        if amount != entries:
            yield Finding(
                f"credits_{name}", where, f"{amount} are {name}; its ledger entries come to {entries}"
            )
        if not 0 <= amount <= BALANCE_MICRO_MAX:
            yield Finding("negative", where, f"{amount} are {name}, which nobody can have")
    if sums.held_micro != sums.open_calls_micro:
        yield Finding("call_holds", where, f"{sums.held_micro} are held; calls that are not over hold "
                      f"{sums.open_calls_micro}")  # fmt: skip


def audit_transaction(sums: TransactionSums) -> Iterator[Finding]:
    """Hold a transaction to its entries."""
    where = f"transaction {sums.id}"
    if sums.balance_micro:
        yield Finding("ledger_balance", where, f"its entries come to {sums.balance_micro}, not to zero")
    if sums.available_entries_micro != sums.change_micro:
        yield Finding("change", where, f"it says that what is available changed by {sums.change_micro}; its "
                      f"entries say {sums.available_entries_micro}")  # fmt: skip
    if sums.entries == 1:
        yield Finding("ledger_pair", where, "it has one ledger entry, and needs another one")


def audit_call(sums: CallSums) -> Iterator[Finding]:
    """Hold a call to its holds and to its one settlement, and what it cost to the rule of its terms."""
    call = sums.call
    where = f"call {call.id}"
    if (sums.holds, sums.held_micro) != (call.minutes_held, call.held_micro):
        yield Finding("minutes_held", where, f"{call.minutes_held} minutes are held at {call.held_micro}; "
                      f"there are {sums.holds} holds of {sums.held_micro} in all")  # fmt: skip
    due = int(call.state.over and call.accepted_at_ms is not None)
    if sums.settlements != due:
        yield Finding("settlements", where, f"it is {call.state.value}, with {sums.settlements} settlements "
                      f"instead of {due}")  # fmt: skip
    if sums.earned_micro != call.cost_micro:
        yield Finding("earned", where, f"it cost {call.cost_micro}, and its creator got {sums.earned_micro}")
    connected_ms = 0
    if call.connected_at_ms is not None and call.ended_at_ms is not None:
        connected_ms = call.ended_at_ms - call.connected_at_ms
    rule = (billed_ms(call.terms, connected_ms), cost(call.terms, connected_ms))
    if (call.billed_ms, call.cost_micro) != rule:
        yield Finding("cost", where, f"{call.billed_ms} ms are billed at {call.cost_micro}; by its terms "
                      f"{connected_ms} ms are {rule[0]} ms at {rule[1]}")  # fmt: skip
    if call.cost_micro > call.held_micro:
        yield Finding(
            "overcharged", where, f"it cost {call.cost_micro}, and {call.held_micro} were held for it"
        )
