"""What calls look like to clients: the shapes of sessions/call_messages.py, filled with what rules show.

Invariant: whatever leaves about a call has passed `sessions.call_views`, which hides what a side must not
see.
"""

from typing import Any, cast

from gateway import clock
from gateway.http.usage import seconds
from sessions.call_effects import Notice
from sessions.call_messages import (
    AnsweredElsewhere,
    BalanceLow,
    CallAccepted,
    CallBody,
    CallCancelled,
    CallConnected,
    CallDeclined,
    CallEnded,
    CallIncoming,
    CallMissed,
    ShownReason,
)
from sessions.call_records import Call, EndReason
from sessions.call_views import shown
from sessions.credits import to_credits

Json = dict[str, Any]


def credits_of(micro: int) -> int | float:
    """Return micro-credits as credits for JSON: exact to a millionth, for nobody has more than 2^53 of
    them."""
    amount = to_credits(micro)
    return int(amount) if amount == int(amount) else float(amount)


def call_body(call: Call, viewer: str, now_ms: int) -> CallBody:
    """Return a call as one side sees it. Raises NotInCall."""
    seen = shown(call, viewer, now_ms)
    pays = viewer == call.fan
    return CallBody(
        id=seen.id,
        state=seen.state,
        version=seen.version,
        creator_id=seen.creator,
        fan_id=seen.fan,
        call_type=seen.call_type,
        created_at=clock.rfc3339_ms(seen.created_at_ms),
        expires_at=clock.rfc3339_ms(seen.expires_at_ms),
        accepted_at=_moment(seen.accepted_at_ms),
        connected_at=_moment(seen.connected_at_ms),
        ended_at=_moment(seen.ended_at_ms),
        end_reason=_reason(seen.end_reason),
        rate_per_minute=credits_of(seen.rate_micro_per_minute),
        increment_seconds=seconds(seen.increment_ms),
        free_seconds=seconds(seen.free_ms),
        billed_seconds=seconds(seen.billed_ms) if seen.state.over else None,
        amount=credits_of(seen.cost_micro),
        funded_until=_moment(seen.funded_until_ms),
        last_minute=seen.last_minute if pays and not seen.state.over else None,
    )


def _reason(reason: EndReason | None) -> ShownReason | None:
    if reason is None:
        return None
    assert reason is not EndReason.BLOCKED, "what is shown has passed shown()"
    return cast("ShownReason", reason.value)


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else clock.rfc3339_ms(at_ms)


_EVENTS = {
    Notice.ACCEPTED: CallAccepted,
    Notice.DECLINED: CallDeclined,
    Notice.MISSED: CallMissed,
    Notice.CANCELLED: CallCancelled,
    Notice.CONNECTED: CallConnected,
    Notice.ENDED: CallEnded,
    Notice.ANSWERED_ELSEWHERE: AnsweredElsewhere,
    Notice.BALANCE_LOW: BalanceLow,
}


def notice(told: Notice, call: Call, viewer: str, remaining_ms: int | None, now_ms: int) -> tuple[str, Json]:
    """Return name and payload of what a user is told of a call, which, if it is new, still rings so long."""
    body = call_body(call, viewer, now_ms)
    if told is Notice.INCOMING:
        assert remaining_ms is not None
        return CallIncoming.event, CallIncoming(call=body, remaining_ms=remaining_ms).payload()
    event = _EVENTS[told]
    return event.event, event(call=body).payload()
