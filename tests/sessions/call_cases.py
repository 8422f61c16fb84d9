"""Calls for tests: Cara calls Finn, in every state that there is, and words for what the rules have done."""

from dataclasses import replace
from typing import Any

from sessions.call_effects import (
    CloseMedia,
    Effect,
    HoldMinute,
    Notify,
    RecordContact,
    Refuse,
    SettleCall,
)
from sessions.call_events import (
    AcceptRequested,
    CancelRequested,
    ConnectionLost,
    DeadlinePassed,
    DeclineRequested,
    EndRequested,
    Event,
    HeartbeatSeen,
    MediaJoined,
    MediaLeft,
)
from sessions.call_records import Bounds, Call, CallType, Terms
from sessions.calls import step
from sessions.invitations import CallWanted, Circumstances, ring
from sessions.privacy import Kind, Relationship, Standing

SECOND = 1000
MINUTE = 60 * SECOND
START = 1_795_185_000_000
BOUNDS = Bounds()
RATE = 2_000_000
PLENTY = 100 * RATE
PAID = Terms(RATE)
FRIENDS = Standing(relationships={Kind.FOLLOW: Relationship(Kind.FOLLOW, 1, 1)})


def wanted(**changes: Any) -> CallWanted:
    return replace(CallWanted("finn", CallType.VIDEO, PAID, "studio"), **changes)


def rung(terms: Terms = PAID, at_ms: int = START, device: str | None = "studio") -> Call:
    call, _ = ring(
        wanted(terms=terms, device=device), Circumstances(standing=FRIENDS, funds_micro=PLENTY),
        call_id="call_1", tenant_id="acme", creator="cara", now_ms=at_ms, bounds=BOUNDS,
    )  # fmt: skip
    return call


def accepting(device: str | None = "phone", **changes: Any) -> AcceptRequested:
    event = AcceptRequested("finn", device, allowed=True, busy=False, rate_micro_per_minute=RATE)
    return replace(event, **changes)


def after(call: Call, *events: Event, at_ms: int = START, funds: int = PLENTY) -> Call:
    for event in events:
        call, _ = step(call, event, at_ms, BOUNDS, funds)
    return call


def heard(call: Call, *moments_ms: int) -> Call:
    for at_ms in moments_ms:
        call = after(call, HeartbeatSeen("cara"), HeartbeatSeen("finn"), at_ms=at_ms)
    return call


BOTH_JOIN = (MediaJoined("cara"), MediaJoined("finn"))

RINGING = rung()
ACCEPTED = after(RINGING, accepting())
CONNECTED = after(ACCEPTED, *BOTH_JOIN)
LAST_MINUTE = after(ACCEPTED, *BOTH_JOIN, funds=0)
LIVE = {
    "ringing": (RINGING, START + 5 * SECOND),
    "caller lost": (after(RINGING, ConnectionLost("cara")), START + 5 * SECOND),
    "accepted": (ACCEPTED, START + 5 * SECOND),
    "half in": (after(ACCEPTED, MediaJoined("cara")), START + 5 * SECOND),
    "connected": (CONNECTED, START + 5 * SECOND),
    "minute over": (heard(CONNECTED, START + 25 * SECOND, START + 50 * SECOND), START + 60 * SECOND),
    "last minute": (LAST_MINUTE, START + 5 * SECOND),
    "fan left": (after(CONNECTED, MediaLeft("finn")), START + 5 * SECOND),
}
OVER = {
    "ended": (after(CONNECTED, EndRequested("finn"), at_ms=START + SECOND), START + 5 * SECOND),
    "declined": (after(RINGING, DeclineRequested("finn")), START + 5 * SECOND),
    "missed": (after(RINGING, DeadlinePassed(), at_ms=START + 45 * SECOND), START + 50 * SECOND),
    "cancelled": (after(RINGING, CancelRequested("cara")), START + 5 * SECOND),
    "failed": (after(ACCEPTED, DeadlinePassed(), at_ms=START + 30 * SECOND), START + 35 * SECOND),
}
CALLS = LIVE | OVER
"""Each call in its state, with the moment at which something comes to it."""


def told(before: Call, call: Call, effects: tuple[Effect, ...]) -> str:
    """Say what was done in a few words; a notice to both sides is one."""
    words: list[str] = []
    if call.state is not before.state:
        words.append(call.state.value if call.end_reason is None else call.end_reason.value)
    for effect in effects:
        match effect:
            case HoldMinute(number=number):
                words.append(f"hold:{number}")
            case SettleCall(billed_ms=billed):
                words.append(f"settle:{billed // 1000}")
            case RecordContact():
                words.append("contact")
            case CloseMedia():
                words.append("close")
            case Notify(user="cara", notice=notice) if Notify("finn", notice) in effects:
                words.append(f"both:{notice}")
            case Notify(user="finn", notice=notice) if Notify("cara", notice) in effects:
                pass
            case Notify(user=user, notice=notice, except_device=device):
                words.append(f"{user}:{notice}" + (f"-{device}" if device else ""))
            case Refuse(refusal=refusal):
                words.append(f"!{type(refusal).__name__}")
    return " ".join(words)
