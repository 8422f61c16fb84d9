"""What `docs/calls.md` says of states, reasons and times is what the rules of calls say."""

import re

import pytest

from sessions.call_records import Bounds, EndReason, State
from sessions.calls import step
from sessions.credits import Kind
from sessions.privacy import FanSettings, Policy, Visibility
from tests.docs.markdown import DOCS, code, rows
from tests.sessions.call_cases import BOUNDS, CALLS, PLENTY
from tests.sessions.test_calls import OVERDUE, REFUSALS, TABLE

PAGE = DOCS / "calls.md"


def changes() -> set[tuple[str, str]]:
    """Every change of state that any event brings about in any state."""
    found = set()
    cases = [*CALLS.values(), *((call, at_ms) for call, at_ms, *_ in OVERDUE.values())]
    for call, now_ms in cases:
        for event, _ in TABLE.values():
            try:
                then, _ = step(call, event, now_ms, BOUNDS, PLENTY)
            except tuple(REFUSALS.values()):
                continue
            if then.state is not call.state:
                found.add((call.state.value, then.state.value))
    return found


def test_every_change_of_state_is_in_the_table_and_no_other() -> None:
    told, state = set(), ""
    for before, after, _ in rows(PAGE, "State", "Goes on to", "When"):
        state = code(before) if before else state
        told.add((state, code(after)))
    assert told == changes()
    assert {name for pair in told for name in pair} == set(State)


def test_every_reason_that_is_shown_is_named_and_the_one_that_is_not_beside_them() -> None:
    named = {code(reason) for reason, _ in rows(PAGE, "Reason", "Means")}
    assert named == set(EndReason) - {EndReason.BLOCKED}
    assert "`blocked` besides" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "choices", "default"),
    [("Policy", Policy, FanSettings().allow_calls), ("Visibility", Visibility, FanSettings().visibility)],
)
def test_every_choice_of_a_fan_is_named_with_its_default(
    column: str, choices: type[Policy | Visibility], default: str
) -> None:
    headers = {
        "Policy": ("Policy", "Lets in"),
        "Visibility": ("Visibility", "A creator of the tenant sees", "Everybody sees"),
    }[column]
    table = rows(PAGE, *headers)
    assert [code(row[0]) for row in table] == [choice.value for choice in choices]
    assert [code(row[0]) for row in table if "the default" in row[1]] == [default]


def test_the_times_are_those_of_the_rules() -> None:
    told = [by_default for _, by_default in rows(PAGE, "What", "By default")]
    bounds = Bounds()
    seconds = [
        bounds.ring_ms, bounds.join_ms, bounds.caller_grace_ms, bounds.heartbeat_ms, bounds.lost_ms,
        bounds.lease_ms, bounds.cooldown_ms,
    ]  # fmt: skip
    assert told == [*(f"{ms // 1000} s" for ms in seconds), f"{bounds.length_ms_max // 60_000} min"]


def test_every_kind_of_transaction_is_named() -> None:
    table = rows(PAGE, "Transaction", "Available", "Held", "The other side")
    assert [re.split(r"[, ]", row[0])[0] for row in table] == [kind.value for kind in Kind]
