"""The audit of credits and calls: clean sums say nothing, and each wrong one says what and where."""

from dataclasses import replace
from typing import Any

import pytest

from sessions.call_events import EndRequested
from sessions.call_records import Call
from sessions.credit_audit import (
    AccountSums,
    CallSums,
    TransactionSums,
    audit_account,
    audit_call,
    audit_transaction,
)
from sessions.credits import BALANCE_MICRO_MAX
from tests.sessions.call_cases import CALLS, CONNECTED, MINUTE, RATE, SECOND, START, after

ACCOUNT = AccountSums("acme", "finn", 700, 40, 700, 40, 40)
TRANSACTION = TransactionSums("tx_1", -40, 2, 0, -40)
ENDED = after(CONNECTED, EndRequested("finn"), at_ms=START + SECOND)

TOO_DEAR = replace(ENDED, ended_at_ms=START + 3 * MINUTE, billed_ms=3 * MINUTE, cost_micro=3 * RATE)
"""Three minutes, of which two were held."""


def sums(call: Call, **changes: Any) -> CallSums:
    settled = int(call.state.over and call.accepted_at_ms is not None)
    clean = CallSums(call, call.minutes_held, call.held_micro, settled, call.cost_micro)
    return replace(clean, **changes)


@pytest.mark.parametrize("state", CALLS)
def test_what_the_rules_have_written_says_nothing(state: str) -> None:
    assert list(audit_call(sums(CALLS[state][0]))) == []


def test_what_adds_up_says_nothing() -> None:
    assert [*audit_account(ACCOUNT), *audit_transaction(TRANSACTION)] == []
    assert list(audit_transaction(TransactionSums("call_1", 0, 0, 0, 0))) == []


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"available_micro": 701}, {"credits_available"}),
        ({"available_entries_micro": 0}, {"credits_available"}),
        ({"held_entries_micro": 41}, {"credits_held"}),
        ({"open_calls_micro": 0}, {"call_holds"}),
        ({"available_micro": -1, "available_entries_micro": -1}, {"negative"}),
        (
            {"available_micro": BALANCE_MICRO_MAX + 1, "available_entries_micro": BALANCE_MICRO_MAX + 1},
            {"negative"},
        ),
        ({"available_micro": None, "held_micro": None}, {"account"}),
    ],
)
def test_accounts(changes: dict[str, Any], rules: set[str]) -> None:
    found = list(audit_account(replace(ACCOUNT, **changes)))
    assert {finding.rule for finding in found} == rules
    assert all("user finn in tenant acme" in str(finding) for finding in found)


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"balance_micro": 1}, {"ledger_balance"}),
        ({"change_micro": -41}, {"change"}),
        ({"available_entries_micro": 0}, {"change"}),
        ({"entries": 1}, {"ledger_pair"}),
    ],
)
def test_transactions(changes: dict[str, Any], rules: set[str]) -> None:
    found = list(audit_transaction(replace(TRANSACTION, **changes)))
    assert {finding.rule for finding in found} == rules
    assert all(str(finding).startswith("transaction tx_1: ") for finding in found)


@pytest.mark.parametrize(
    ("call", "changes", "rules"),
    [
        (ENDED, {"holds": 1}, {"minutes_held"}),
        (ENDED, {"held_micro": RATE}, {"minutes_held"}),
        (ENDED, {"settlements": 0}, {"settlements"}),
        (ENDED, {"settlements": 2}, {"settlements"}),
        (CONNECTED, {"settlements": 1}, {"settlements"}),
        (ENDED, {"earned_micro": 0}, {"earned"}),
        (replace(ENDED, cost_micro=RATE - 1), {"earned_micro": RATE - 1}, {"cost"}),
        (replace(ENDED, billed_ms=2 * MINUTE), {}, {"cost"}),
        (TOO_DEAR, {}, {"overcharged"}),
        (CALLS["missed"][0], {"settlements": 1}, {"settlements"}),
    ],
)  # fmt: skip
def test_calls(call: Call, changes: dict[str, Any], rules: set[str]) -> None:
    found = list(audit_call(sums(call, **changes)))
    assert {finding.rule for finding in found} == rules
    assert all(str(finding).startswith("call call_1: ") for finding in found)
