"""A call with what goes with it for the device that asks: what it may join, and how long it still rings."""

from gateway import clock
from gateway.calls.bodies import call_body
from gateway.calls.calls import Calls
from sessions.call_messages import CallView
from sessions.call_records import Call
from sessions.invitations import shown_ms


async def call_view(calls: Calls, call: Call, user: str, device: str | None) -> CallView:
    """Return a call as a device of one side is shown it. Raises NotInCall, StoreDown."""
    now_ms = clock.wall_ms()
    return CallView(
        call=call_body(call, user, now_ms),
        media=await calls.media(call, user, device),
        remaining_ms=shown_ms(call, now_ms),
    )
