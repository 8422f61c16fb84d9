"""What is kept of calls for whoever runs this: the figures and the lines of the log.

Invariant: a step is counted and logged by the process that wrote it, and so once; nothing here tells a block
from what it looks like.
"""

import logging

from gateway.metrics import CALL_CONNECT_SECONDS, CALL_RING_SECONDS, CALL_SECONDS, CALLS
from sessions.call_effects import Effect, Notice, Notify
from sessions.call_records import Call, EndReason, State

log = logging.getLogger(__name__)


def record(call: Call, effects: tuple[Effect, ...]) -> None:
    """Count and log what a step has come to."""
    notices = {effect.notice for effect in effects if isinstance(effect, Notify)}
    if Notice.INCOMING in notices:
        log.info("Call initiated", extra=_named(call))
    if Notice.ACCEPTED in notices and call.accepted_at_ms is not None:
        CALL_RING_SECONDS.observe((call.accepted_at_ms - call.created_at_ms) / 1000)
    if Notice.CONNECTED in notices and call.connected_at_ms is not None and call.accepted_at_ms is not None:
        CALL_CONNECT_SECONDS.observe((call.connected_at_ms - call.accepted_at_ms) / 1000)
    if notices and call.state.over:
        outcome = outcome_of(call)
        CALLS.labels(outcome).inc()
        if call.connected_at_ms is not None and call.ended_at_ms is not None:
            CALL_SECONDS.observe((call.ended_at_ms - call.connected_at_ms) / 1000)
        log.info(
            "Call over", extra=_named(call) | {"outcome": outcome, "billedSeconds": call.billed_ms / 1000}
        )


def _named(call: Call) -> dict[str, str]:
    return {
        "callId": call.id, "creatorId": call.creator, "fanId": call.fan, "callType": call.call_type.value,
    }  # fmt: skip


def outcome_of(call: Call) -> str:
    """Return in which of few ways a call is over: `completed` was connected and came to an end that somebody
    or its funds had chosen, `abandoned` was accepted and hung up before it was connected."""
    match call.state, call.end_reason:
        case State.MISSED, EndReason.BUSY:
            return "busy"
        case State.ENDED, _ if call.connected_at_ms is None:
            return "abandoned"
        case State.ENDED, EndReason.CONNECTION_LOST:
            return "lost"
        case State.ENDED, _:
            return "completed"
        case state, _:
            return state.value.lower()
