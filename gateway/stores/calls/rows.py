"""Rows of calls, invitations and events as the rules see them, and back."""

from collections.abc import Mapping
from typing import Any

from auth.principal import user_uuid
from sessions.call_deadlines import deadline_ms
from sessions.call_effects import Notify
from sessions.call_legs import Leg
from sessions.call_records import Bounds, Call, CallType, EndReason, State, Terms

_INVITATIONS = {
    State.RINGING: "pending",
    State.DECLINED: "declined",
    State.MISSED: "expired",
    State.CANCELLED: "cancelled",
}
FIXED = (
    "id", "tenant_id", "creator", "creator_id", "fan", "fan_id", "call_type", "increment_ms", "free_ms",
    "created_at", "expires_at", "creator_device",
)  # fmt: skip
"""Columns that never change."""
CHANGING = (
    "state", "version", "rate_micro_per_minute", "deadline_at", "fan_device", "caller_lost_at", "accepted_at",
    "creator_joined_at", "creator_heard_at", "creator_left_at", "fan_joined_at", "fan_heard_at",
    "fan_left_at", "connected_at", "minutes_held", "warned", "ended_at", "end_reason", "ended_by",
    "billed_ms", "cost_micro",
)  # fmt: skip


def call_of(row: Mapping[Any, Any]) -> Call:
    """Return the call that a row stands for."""
    reason = row["end_reason"]
    return Call(
        id=row["id"],
        tenant_id=row["tenant_id"],
        creator=row["creator"],
        fan=row["fan"],
        call_type=CallType(row["call_type"]),
        terms=Terms(row["rate_micro_per_minute"], row["increment_ms"], row["free_ms"]),
        created_at_ms=row["created_at"],
        expires_at_ms=row["expires_at"],
        creator_device=row["creator_device"],
        state=State(row["state"]),
        version=row["version"],
        caller_lost_at_ms=row["caller_lost_at"],
        accepted_at_ms=row["accepted_at"],
        fan_device=row["fan_device"],
        creator_leg=Leg(row["creator_joined_at"], row["creator_heard_at"], row["creator_left_at"]),
        fan_leg=Leg(row["fan_joined_at"], row["fan_heard_at"], row["fan_left_at"]),
        connected_at_ms=row["connected_at"],
        minutes_held=row["minutes_held"],
        warned=row["warned"],
        ended_at_ms=row["ended_at"],
        end_reason=None if reason is None else EndReason(reason),
        ended_by=row["ended_by"],
        billed_ms=row["billed_ms"],
        cost_micro=row["cost_micro"],
    )


def row_of(call: Call, bounds: Bounds) -> dict[str, Any]:
    """Return the row of a call."""
    return {
        "id": call.id,
        "tenant_id": call.tenant_id,
        "creator": call.creator,
        "creator_id": user_uuid(call.tenant_id, call.creator),
        "fan": call.fan,
        "fan_id": user_uuid(call.tenant_id, call.fan),
        "call_type": call.call_type.value,
        "increment_ms": call.terms.increment_ms,
        "free_ms": call.terms.free_ms,
        "created_at": call.created_at_ms,
        "expires_at": call.expires_at_ms,
        "creator_device": call.creator_device,
        **changing(call, bounds),
    }


def changing(call: Call, bounds: Bounds) -> dict[str, Any]:
    """Return the columns of a call that change."""
    return {
        "state": call.state.value,
        "version": call.version,
        "rate_micro_per_minute": call.terms.rate_micro_per_minute,
        "deadline_at": deadline_ms(call, bounds),
        "fan_device": call.fan_device,
        "caller_lost_at": call.caller_lost_at_ms,
        "accepted_at": call.accepted_at_ms,
        "creator_joined_at": call.creator_leg.joined_at_ms,
        "creator_heard_at": call.creator_leg.heard_at_ms,
        "creator_left_at": call.creator_leg.left_at_ms,
        "fan_joined_at": call.fan_leg.joined_at_ms,
        "fan_heard_at": call.fan_leg.heard_at_ms,
        "fan_left_at": call.fan_leg.left_at_ms,
        "connected_at": call.connected_at_ms,
        "minutes_held": call.minutes_held,
        "warned": call.warned,
        "ended_at": call.ended_at_ms,
        "end_reason": None if call.end_reason is None else call.end_reason.value,
        "ended_by": call.ended_by,
        "billed_ms": call.billed_ms,
        "cost_micro": call.cost_micro,
    }


def invitation_of(call: Call) -> dict[str, Any]:
    """Return the row of the invitation of a call that is new."""
    return {
        "call_id": call.id,
        "tenant_id": call.tenant_id,
        "creator_id": user_uuid(call.tenant_id, call.creator),
        "fan_id": user_uuid(call.tenant_id, call.fan),
        "state": _invited(call),
        "created_at": call.created_at_ms,
        "expires_at": call.expires_at_ms,
        "answered_at": call.accepted_at_ms or call.ended_at_ms,
    }


def _invited(call: Call) -> str:
    return "accepted" if call.accepted_at_ms is not None else _INVITATIONS[call.state]


def answered(before: Call, after: Call) -> dict[str, Any] | None:
    """Return how an invitation was answered by a change of its call; None if it was not."""
    if before.state is not State.RINGING or after.state is State.RINGING:
        return None
    return {
        "of_call": after.id,
        "new_state": _invited(after),
        "at": after.accepted_at_ms or after.ended_at_ms,
    }


def event_of(call: Call, notify: Notify, now_ms: int) -> dict[str, Any]:
    """Return the row of the outbox for a notice."""
    return {
        "call_id": call.id,
        "tenant_id": call.tenant_id,
        "subject": notify.user,
        "notice": notify.notice.value,
        "version": call.version,
        "except_device": notify.except_device,
        "occurred_at": now_ms,
    }
