"""What each side is shown of a call.

Invariant: nothing here tells a block from a decline, a cancel or a hang-up, nor a creator what a fan has;
somebody who is in neither is shown nothing. Times are milliseconds since the epoch, money micro-credits.
"""

from dataclasses import dataclass

from sessions.call_billing import cost_so_far
from sessions.call_records import Call, CallType, EndReason, State
from sessions.calls import NotInCall


@dataclass(frozen=True, slots=True)
class CallView:
    """A call as one side sees it. `cost_micro` is what it costs the fan, and earns the creator, so far;
    `funded_until_ms` and `last_minute` are for the fan alone."""

    id: str
    state: State
    version: int
    creator: str
    fan: str
    call_type: CallType
    rate_micro_per_minute: int
    increment_ms: int
    free_ms: int
    created_at_ms: int
    expires_at_ms: int
    accepted_at_ms: int | None
    connected_at_ms: int | None
    ended_at_ms: int | None
    end_reason: EndReason | None
    billed_ms: int
    cost_micro: int
    funded_until_ms: int | None
    last_minute: bool


def shown_reason(call: Call) -> EndReason | None:
    """Return why a call is over, as both are told: a block looks like what its blocker might have done."""
    if call.end_reason is not EndReason.BLOCKED:
        return call.end_reason
    return {State.DECLINED: EndReason.DECLINED, State.CANCELLED: EndReason.CANCELLED}.get(
        call.state, EndReason.HUNG_UP
    )


def shown(call: Call, viewer: str, now_ms: int) -> CallView:
    """Return what a user sees of a call. Raises NotInCall."""
    if viewer not in call.parties:
        raise NotInCall
    pays = viewer == call.fan
    return CallView(
        id=call.id,
        state=call.state,
        version=call.version,
        creator=call.creator,
        fan=call.fan,
        call_type=call.call_type,
        rate_micro_per_minute=call.terms.rate_micro_per_minute,
        increment_ms=call.terms.increment_ms,
        free_ms=call.terms.free_ms,
        created_at_ms=call.created_at_ms,
        expires_at_ms=call.expires_at_ms,
        accepted_at_ms=call.accepted_at_ms,
        connected_at_ms=call.connected_at_ms,
        ended_at_ms=call.ended_at_ms,
        end_reason=shown_reason(call),
        billed_ms=call.billed_ms,
        cost_micro=cost_so_far(call, now_ms),
        funded_until_ms=call.funded_until_ms if pays and not call.state.over else None,
        last_minute=call.warned and pays and not call.state.over,
    )
