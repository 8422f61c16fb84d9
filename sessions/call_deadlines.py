"""When something has to happen to a call, and when it was over if nobody looked until now.

A call that is connected ends at the earliest of: now, when it is funded until, its longest length, when a
side left the media, and the last heartbeat of a side that is silent.

Invariant: what is found late ends as it would have ended in time, so that nobody pays for a time in which the
other was not there. Times are milliseconds since the epoch.
"""

from sessions.call_billing import length_deadline_ms, next_hold_ms
from sessions.call_records import Bounds, Call, EndReason, State
from sessions.lifetimes import NEVER_MS


def deadline_ms(call: Call, bounds: Bounds) -> int:
    """Return when something has to happen to a call unless it is touched."""
    match call.state:
        case State.RINGING:
            return min(call.expires_at_ms, caller_deadline_ms(call, bounds))
        case State.ACCEPTED:
            return join_deadline_ms(call, bounds)
        case State.CONNECTED:
            return min(
                _lost_ms(call) + bounds.lost_ms, end_of_time_ms(call, bounds), next_hold_ms(call, bounds)
            )
        case _:
            return NEVER_MS


def caller_deadline_ms(call: Call, bounds: Bounds) -> int:
    """Return until when a caller without a connection has to be back."""
    return NEVER_MS if call.caller_lost_at_ms is None else call.caller_lost_at_ms + bounds.caller_grace_ms


def join_deadline_ms(call: Call, bounds: Bounds) -> int:
    """Return until when both sides have to be in the media of a call that is accepted."""
    assert call.accepted_at_ms is not None
    return call.accepted_at_ms + bounds.join_ms


def end_of_time_ms(call: Call, bounds: Bounds) -> int:
    """Return when a call that is connected ends also if both sides stay."""
    funded_until_ms = call.funded_until_ms
    return min(length_deadline_ms(call, bounds), NEVER_MS if funded_until_ms is None else funded_until_ms)


def reason_to_end(call: Call, now_ms: int, bounds: Bounds) -> EndReason | None:
    """Return why a call that is connected is over by now; of several reasons the one that came first."""
    reasons = []
    if now_ms >= (lost_ms := _lost_ms(call)) + bounds.lost_ms:
        reasons.append((lost_ms, EndReason.CONNECTION_LOST))
    if (funded_until_ms := call.funded_until_ms) is not None and now_ms >= funded_until_ms:
        reasons.append((funded_until_ms, EndReason.BALANCE_SPENT))
    if now_ms >= (length_ms := length_deadline_ms(call, bounds)):
        reasons.append((length_ms, EndReason.TOO_LONG))
    return min(reasons, key=lambda reason: reason[0])[1] if reasons else None


def end_ms(call: Call, now_ms: int, bounds: Bounds) -> int:
    """Return when a call that is connected was over, given that it ends now at the latest."""
    gone = [
        leg.last_sign_ms
        for leg in call.legs
        if leg.left_at_ms is not None or now_ms - leg.last_sign_ms > bounds.silent_ms
    ]
    return min(now_ms, end_of_time_ms(call, bounds), *gone)


def _lost_ms(call: Call) -> int:
    return min(leg.last_sign_ms for leg in call.legs)
