"""The journal of calls: rings, what happens to them, and the blocks that end them.

Invariant: all of it is one journal, so that what is in order in one process is written in that order.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from sqlalchemy import Connection

from gateway.stores.calls.group import Group
from gateway.stores.calls.operations import (
    Act,
    Block,
    BlockDone,
    CallDone,
    CallRefused,
    Ring,
    UnknownCall,
)
from gateway.stores.interface import Refusal
from gateway.stores.people.pairs import TooManyBlocks
from gateway.stores.statements import now_ms
from sessions import calls, invitations, privacy
from sessions.call_effects import Effect, Refuse
from sessions.call_events import AcceptRequested, BlockPlaced, Event
from sessions.call_records import Bounds, Call, EndReason
from sessions.calls import NotInCall
from sessions.credits import InsufficientBalance
from sessions.invitations import CallWanted, UserBusy
from sessions.texts import TextRefused

Operation = Ring | Act | Block
Done = CallDone | BlockDone

_SAID_NO = (
    calls.AlreadyAnswered, calls.CallOver, calls.InvitationExpired, calls.WrongSide,
    InsufficientBalance, invitations.BalanceTooLow, invitations.CallsDisabled,
    invitations.CannotCallYourself, invitations.CoolingDown, invitations.UserBusy, privacy.NotAllowed,
    TextRefused, TooManyBlocks,
)  # fmt: skip


class CallChanges:
    """Changes calls as sessions/calls.py and sessions/invitations.py say. `clock` is the one that every
    process of the database shares: by it a call rings, is connected, and has expired."""

    name = "calls"

    def __init__(self, bounds: Bounds, clock: Callable[[Connection], int] = now_ms) -> None:
        self._bounds = bounds
        self._clock = clock

    def apply(self, connection: Connection, operations: Sequence[Operation]) -> list[Done | Refusal]:
        """Apply each in order."""
        group = Group(connection, self._bounds, self._clock)
        group.load(operations)
        answers = [self._one(group, operation) for operation in operations]
        group.save()
        return answers

    def _one(self, group: Group, operation: Operation) -> Done | Refusal:
        try:
            match operation:
                case Ring():
                    return self._ring(group, operation)
                case Act():
                    return self._act(group, operation)
                case Block():
                    return self._block(group, operation)
                case _:
                    assert_never(operation)
        except NotInCall:
            return UnknownCall()
        except _SAID_NO as refusal:
            return CallRefused(refusal)

    def _ring(self, group: Group, operation: Ring) -> CallDone | Refusal:
        rung = group.call(operation.call_id)
        if rung is not None:
            return _rung_before(rung, operation)
        wanted = CallWanted(
            operation.fan,
            operation.call_type,
            group.terms(operation),
            operation.device,
        )
        call, effects = invitations.ring(
            wanted,
            group.circumstances(operation),
            call_id=operation.call_id,
            tenant_id=operation.tenant_id,
            creator=operation.creator,
            now_ms=group.now_ms,
            bounds=self._bounds,
        )
        group.begin(call)
        return _done(group, call, effects)

    def _act(self, group: Group, operation: Act) -> CallDone:
        call = group.call(operation.call_id)
        if call is None or call.tenant_id != operation.tenant_id:
            raise NotInCall
        event = operation.event
        if isinstance(event, AcceptRequested):
            if operation.id and group.accepted_by(call.id) == operation.id:
                return CallDone(call)
            event = group.accept_facts(call, event)
        return self._step(group, call, event, operation.id)

    def _block(self, group: Group, operation: Block) -> BlockDone:
        created_at_ms = group.block(operation)
        ended = [
            self._step(group, call, BlockPlaced(operation.by))
            for call in group.open_between(operation.tenant_id, operation.by, operation.user)
        ]
        return BlockDone(created_at_ms, tuple(ended))

    def _step(self, group: Group, call: Call, event: Event, operation_id: str = "") -> CallDone:
        after, effects = calls.step(call, event, group.now_ms, self._bounds, group.funds_micro(call))
        accepted = call.accepted_at_ms is None and after.accepted_at_ms is not None
        group.change(after, accepted_by=operation_id if accepted else None)
        return _done(group, after, effects)


def _done(group: Group, call: Call, effects: Sequence[Effect]) -> CallDone:
    """Perform effects within the transaction, and return what is left of them for the world."""
    refusal = None
    for effect in effects:
        if isinstance(effect, Refuse):
            refusal = effect.refusal
        else:
            group.perform(call, effect)
    return CallDone(call, tuple(effects), refusal)


def _rung_before(call: Call, operation: Ring) -> CallDone | Refusal:
    if (call.tenant_id, call.creator) != (operation.tenant_id, operation.creator):
        return UnknownCall()
    if call.end_reason is EndReason.BUSY:
        return CallDone(call, (), UserBusy("fan"))
    return CallDone(call)
