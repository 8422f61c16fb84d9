"""The figures and log lines of calls: each end has one outcome, and none of them tells of a block."""

import logging
from dataclasses import replace

import pytest

from gateway.calls.records import outcome_of, record
from sessions.call_effects import Notice, Notify
from sessions.call_records import Call, CallType, EndReason, State, Terms

RINGING = Call("id", "acme", "cleo", "noa", CallType.VOICE, Terms(), 0, 45_000)


def over(state: State, reason: EndReason, *, connected: bool = False) -> Call:
    return replace(
        RINGING,
        state=state,
        end_reason=reason,
        ended_at_ms=90_000,
        connected_at_ms=60_000 if connected else None,
    )


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (over(State.ENDED, EndReason.HUNG_UP, connected=True), "completed"),
        (over(State.ENDED, EndReason.BALANCE_SPENT, connected=True), "completed"),
        (over(State.ENDED, EndReason.BLOCKED, connected=True), "completed"),
        (over(State.ENDED, EndReason.CONNECTION_LOST, connected=True), "lost"),
        (over(State.ENDED, EndReason.HUNG_UP), "abandoned"),
        (over(State.DECLINED, EndReason.DECLINED), "declined"),
        (over(State.DECLINED, EndReason.BLOCKED), "declined"),
        (over(State.CANCELLED, EndReason.BLOCKED), "cancelled"),
        (over(State.MISSED, EndReason.EXPIRED), "missed"),
        (over(State.MISSED, EndReason.BUSY), "busy"),
        (over(State.FAILED, EndReason.MEDIA_FAILED), "failed"),
    ],
)
def test_each_end_has_an_outcome(call: Call, outcome: str, caplog: pytest.LogCaptureFixture) -> None:
    assert outcome_of(call) == outcome
    with caplog.at_level(logging.INFO):
        record(call, (Notify("noa", Notice.ENDED),))
    (line,) = caplog.records
    assert line.getMessage() == "Call over"
    assert line.__dict__["outcome"] == outcome
    assert "blocked" not in str(line.__dict__)


def test_the_line_that_operators_look_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        record(RINGING, (Notify("noa", Notice.INCOMING),))
    (line,) = caplog.records
    assert line.getMessage() == "Call initiated"
    names = ("callId", "creatorId", "fanId", "callType")
    assert [line.__dict__[name] for name in names] == ["id", "cleo", "noa", "voice"]


def test_what_nobody_is_told_of_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        record(over(State.ENDED, EndReason.HUNG_UP, connected=True), ())
    assert caplog.records == []
