"""Leases of call tokens: who may be in the media of a call now, and for how long until they ask again.

Invariant: no lease ends later than the call can go on with what is held for it, and a little; there is none
before it is accepted, after it is over, or for another device than the one that called or accepted. A token
cannot be taken back once it is given out, so it is never given for long. Times are milliseconds since the
epoch.
"""

from sessions.call_deadlines import end_of_time_ms, join_deadline_ms, reason_to_end
from sessions.call_records import MINUTE_MS, Bounds, Call, State
from sessions.calls import NotInCall

AFTER_MS = 10_000
"""How much longer than the call a lease may be: the server ends it, not a provider with a fast clock."""


class NoLease(Exception):
    """There is nothing that this device may join now; `call` is how it stands."""

    def __init__(self, call: Call) -> None:
        super().__init__(
            "This call is over"
            if call.state.over
            else "This call has to be accepted first, and is for the device that called or accepted"
        )
        self.call = call


def lease_until_ms(call: Call, user: str, device: str | None, now_ms: int, bounds: Bounds) -> int:
    """Return until when a user may be in the media of a call. Raises NotInCall, NoLease."""
    if user not in call.parties:
        raise NotInCall
    own = call.creator_device if user == call.creator else call.fan_device
    if own is not None and device != own:
        raise NoLease(call)
    match call.state:
        case State.ACCEPTED if now_ms < (join_ms := join_deadline_ms(call, bounds)):
            end_ms = now_ms + bounds.lease_ms if call.terms.free_of_charge else join_ms + MINUTE_MS
        case State.CONNECTED if reason_to_end(call, now_ms, bounds) is None:
            end_ms = end_of_time_ms(call, bounds)
        case _:
            raise NoLease(call)
    return min(now_ms + bounds.lease_ms, end_ms + AFTER_MS)
