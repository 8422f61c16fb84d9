"""The rules of the audit: clean sums say nothing, and each wrong one says what, where and by how much."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sessions.audit import (
    EventSums,
    Sequence,
    SliceSums,
    WindowSums,
    audit_event,
    audit_orphan,
    audit_sequence,
    audit_slice,
    audit_window,
)
from sessions.slices import Slice, cost_micro, settle

WINDOW = WindowSums("acme", "noa", "subtitles", "2026-11", 900, 60, 500, 1000, -100, 60, 500)
CLOSED = SliceSums("slice_1", True, 60_000, 1000, 1000, 1000, 1)
OPEN = SliceSums("slice_1", False, 60_000, 1000, 0, 0, 0)
EVENT = EventSums("slice_1", True, 60_000, 10_000, 10_000, 2, 0, -10_000, 10_000, 60_000)


def test_what_adds_up_says_nothing() -> None:
    assert [*audit_window(WINDOW), *audit_slice(CLOSED), *audit_slice(OPEN), *audit_event(EVENT)] == []
    assert list(audit_sequence(Sequence(3, 12, 10, gapless=True))) == []
    assert list(audit_sequence(Sequence(0, 0, 0, gapless=True))) == []


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"used_ms": 901}, {"used"}),
        ({"events_ms": 0}, {"used"}),
        ({"adjusted_ms": 0}, {"used"}),
        ({"held_ms": 0}, {"held"}),
        ({"open_ms": 61}, {"held"}),
        ({"extra_ms": 0}, {"extra"}),
        ({"used_ms": -1, "events_ms": 99}, {"negative"}),
        ({"held_ms": -1, "open_ms": -1}, {"negative"}),
        ({"used_ms": None, "held_ms": None, "extra_ms": None}, {"window"}),
    ],
)
def test_windows(changes: dict[str, Any], rules: set[str]) -> None:
    found = list(audit_window(replace(WINDOW, **changes)))
    assert {finding.rule for finding in found} == rules
    assert all("2026-11 of subtitles of user noa in tenant acme" in str(finding) for finding in found)


@pytest.mark.parametrize(
    ("held", "changes", "rules"),
    [
        (CLOSED, {"settled_ms": 999}, {"settled"}),
        (CLOSED, {"events_ms": 0, "events": 0}, {"settled"}),
        (CLOSED, {"granted_ms": 999}, {"granted"}),
        (CLOSED, {"cumulative_ms": -1}, {"negative"}),
        (OPEN, {"cumulative_ms": 60_001}, {"granted"}),
        (OPEN, {"events": 1, "events_ms": 10}, {"open_slice"}),
        (OPEN, {"settled_ms": 10}, {"open_slice"}),
    ],
)
def test_slices(held: SliceSums, changes: dict[str, Any], rules: set[str]) -> None:
    assert {finding.rule for finding in audit_slice(replace(held, **changes))} == rules


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"has_slice": False}, {"event_without_slice"}),
        ({"same_windows": False}, {"windows"}),
        ({"rate_micro": 1}, {"cost"}),
        ({"cost_micro": 9999}, {"cost", "ledger_pair"}),
        ({"entries": 3}, {"ledger_pair"}),
        ({"entries": 0, "debit_micro": None, "credit_micro": None}, {"ledger_pair"}),
        ({"credit_micro": 9999, "balance_micro": -1}, {"ledger_pair", "ledger_balance"}),
        ({"debit_micro": None}, {"ledger_pair"}),
        ({"told_ms": None}, {"outbox"}),
        ({"told_ms": 59_999}, {"outbox"}),
    ],
)
def test_events(changes: dict[str, Any], rules: set[str]) -> None:
    assert {finding.rule for finding in audit_event(replace(EVENT, **changes))} == rules


def test_rows_that_belong_to_no_event_and_numbers_that_are_missing() -> None:
    assert str(audit_orphan("ledger", "slice_9")) == "ledger row of event slice_9: there is no such event"
    (finding,) = audit_sequence(Sequence(3, 12, 8, gapless=True))
    assert str(finding) == "outbox: 2 rows are missing between 3 and 12"
    assert list(audit_sequence(Sequence(3, 12, 8, gapless=False))) == []


AMOUNTS = st.integers(0, 10**9)


@given(AMOUNTS, AMOUNTS, st.one_of(st.none(), AMOUNTS), st.integers(0, 10**7))
def test_what_the_rules_of_slices_write_is_clean(
    granted: int, used: int, late: int | None, rate: int
) -> None:
    first = settle(Slice(granted), used)
    last = settle(first.slice, late)
    quantities = [settled.used_ms for settled in (first, last) if settled.used_ms]
    held = last.slice
    sums = SliceSums(
        "s", True, held.granted_ms, held.cumulative_ms, held.settled_ms, sum(quantities), len(quantities)
    )
    assert list(audit_slice(sums)) == []
    for quantity in quantities:
        cost = cost_micro(quantity, rate)
        assert (
            list(audit_event(EventSums("e", True, quantity, rate, cost, 2, 0, -cost, cost, quantity))) == []
        )


@given(st.sampled_from(["used_ms", "held_ms", "extra_ms"]), st.integers(-(10**9), 10**9))
def test_no_window_that_is_off_goes_by(name: str, off_ms: int) -> None:
    assume(off_ms)
    assert list(audit_window(replace(WINDOW, **{name: getattr(WINDOW, name) + off_ms})))
