"""The calls that one transaction touches, with all that goes with them: locked, changed, saved once.

Invariant: a call is written with the notices, holds, settlement and relationship of the same step, or not
at all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, assert_never

from sqlalchemy import Connection, bindparam, insert, update

from gateway.stores.calls.loads import lock_calls, parties, rung_lately
from gateway.stores.calls.operations import Act, Block, Ring
from gateway.stores.calls.rows import (
    CHANGING,
    FIXED,
    answered,
    changing,
    event_of,
    invitation_of,
    row_of,
)
from gateway.stores.calls.schema import call_events, call_invitations, calls
from gateway.stores.columns import is_uuid
from gateway.stores.credits.accounts import AccountKey, Accounts
from gateway.stores.people.pairs import PairKey, Pairs
from gateway.stores.people.rows import UserKey, user_key
from gateway.stores.prepared import ForEach
from sessions import privacy
from sessions.call_effects import (
    CloseMedia,
    Effect,
    HoldMinute,
    Notify,
    RecordContact,
    Refuse,
    SettleCall,
)
from sessions.call_events import AcceptRequested, MediaJoined
from sessions.call_records import Bounds, Call, Terms
from sessions.credits import hold, settle
from sessions.invitations import Circumstances
from sessions.privacy import Kind

_INSERT_CALLS = ForEach(insert(calls).inline(), *FIXED, *CHANGING)
_SAVE_CALLS = ForEach(
    update(calls)
    .where(calls.c.id == bindparam("of_call"), calls.c.version == bindparam("of_version"))
    .values({name: bindparam(f"new_{name}") for name in (*CHANGING, "accepted_by")})
)
_INSERT_INVITATIONS = ForEach(
    insert(call_invitations).inline(), "call_id", "tenant_id", "creator_id", "fan_id", "state", "created_at",
    "expires_at", "answered_at",
)  # fmt: skip
_ANSWER_INVITATIONS = ForEach(
    update(call_invitations)
    .where(call_invitations.c.call_id == bindparam("of_call"))
    .values(state=bindparam("new_state"), answered_at=bindparam("at"))
)
_INSERT_EVENTS = ForEach(
    insert(call_events).inline(), "call_id", "tenant_id", "subject", "notice", "version", "except_device",
    "occurred_at",
)  # fmt: skip


class Group:
    """What one group of operations reads and changes. `now_ms` is taken once the locks are."""

    def __init__(self, connection: Connection, bounds: Bounds, clock: Callable[[Connection], int]) -> None:
        self._connection = connection
        self._bounds = bounds
        self._clock = clock
        self.now_ms = 0
        self._stored: dict[str, Call] = {}
        self._calls: dict[str, Call] = {}
        self._accepted_by: dict[str, str | None] = {}
        self._events: list[dict[str, Any]] = []
        self._lately: dict[tuple[PairKey, bool], int] = {}

    # --- what is known --------------------------------------------------------------------------------

    def load(self, operations: Sequence[Ring | Act | Block]) -> None:
        """Lock and read everything that these operations are about."""
        ids = {op.call_id for op in operations if not isinstance(op, Block) and is_uuid(op.call_id)}
        sides = parties(self._connection, ids)
        pairs = _pairs_of(operations, sides)
        blocking = [
            (user_key(op.tenant_id, op.by), user_key(op.tenant_id, op.user))
            for op in operations
            if isinstance(op, Block)
        ]
        self._pairs = Pairs(self._connection, self._clock(self._connection))
        self._pairs.lock({key for pair in (*pairs, *blocking) for key in pair})
        self._pairs.make(_to_make(operations))
        concerned = {key for pair in (*_begun(operations, sides), *blocking) for key in pair}
        for call_id, (call, accepted_by) in lock_calls(self._connection, ids, concerned).items():
            self._stored[call_id] = self._calls[call_id] = call
            self._accepted_by[call_id] = accepted_by
        # Only now: what was waited for has happened by then.
        self.now_ms = self._clock(self._connection)
        self._pairs.load([*pairs, *blocking])
        self._accounts = Accounts(self._connection, self.now_ms)
        self._accounts.lock(self._payers(operations))
        rings = [_pair(op.tenant_id, op.creator, op.fan) for op in operations if isinstance(op, Ring)]
        since_ms = self.now_ms - self._bounds.cooldown_ms
        self._lately = rung_lately(self._connection, rings, since_ms)

    def _payers(self, operations: Sequence[Ring | Act | Block]) -> set[AccountKey]:
        """Return whose credits may be asked for or moved."""
        fans = {user_key(call.tenant_id, call.fan) for call in self._calls.values()}
        return fans | {user_key(op.tenant_id, op.fan) for op in operations if isinstance(op, Ring)}

    def call(self, call_id: str) -> Call | None:
        """Return a call as it stands in this transaction."""
        return self._calls.get(call_id)

    def accepted_by(self, call_id: str) -> str | None:
        """Return the id of the operation that accepted a call."""
        return self._accepted_by.get(call_id)

    def open_between(self, tenant_id: str, one: str, other: str) -> list[Call]:
        """Return the calls between two users that are not over."""
        both = {one, other}
        return [call for call in self._open(tenant_id) if set(call.parties) == both]

    def _open(self, tenant_id: str) -> Iterator[Call]:
        return (call for call in self._calls.values() if call.tenant_id == tenant_id and not call.state.over)

    def _busy(self, tenant_id: str, user: str, but: str = "") -> bool:
        return any(user in call.parties and call.id != but for call in self._open(tenant_id))

    def terms(self, operation: Ring) -> Terms:
        """Return the terms of a ring with the creator's rate."""
        creator = self._pairs.person(operation.tenant_id, operation.creator)
        return replace(operation.terms, rate_micro_per_minute=creator.rate_micro(operation.call_type))

    def circumstances(self, operation: Ring) -> Circumstances:
        """Return what is true as a creator wants to ring."""
        tenant_id, fan = operation.tenant_id, operation.fan
        pair = _pair(tenant_id, operation.creator, fan)
        people = [self._pairs.person(tenant_id, user) for user in (operation.creator, fan)]
        return Circumstances(
            enabled=operation.enabled,
            standing=self._pairs.standing(*people),
            self_busy=self._busy(tenant_id, operation.creator),
            fan_busy=self._busy(tenant_id, fan),
            rung_at_ms=self._lately.get((pair, False)),
            noted_at_ms=self._lately.get((pair, True)),
            funds_micro=self._spendable(tenant_id, fan),
        )

    def accept_facts(self, call: Call, event: AcceptRequested) -> AcceptRequested:
        """Return the event with what is true as a call is accepted."""
        creator, fan = (self._pairs.person(call.tenant_id, user) for user in call.parties)
        return replace(
            event,
            allowed=privacy.may_call(self._pairs.standing(creator, fan)),
            busy=self._busy(call.tenant_id, call.fan, but=call.id),
            rate_micro_per_minute=creator.rate_micro(call.call_type),
        )

    def funds_micro(self, call: Call) -> int:
        """Return what the fan of a call may spend now."""
        return self._spendable(call.tenant_id, call.fan)

    def _spendable(self, tenant_id: str, user: str) -> int:
        return self._accounts.account(user_key(tenant_id, user), user).spendable_micro(self.now_ms)

    # --- what is changed ------------------------------------------------------------------------------

    def begin(self, call: Call) -> None:
        """Note a call that is new."""
        self._calls[call.id] = call
        pair = _pair(call.tenant_id, call.creator, call.fan)
        self._lately[pair, call.state.over] = call.created_at_ms

    def change(self, call: Call, accepted_by: str | None = None) -> None:
        """Note a call that is otherwise now."""
        self._calls[call.id] = call
        if accepted_by is not None:
            self._accepted_by[call.id] = accepted_by or None

    def block(self, operation: Block) -> int:
        """Note a block; return since when it is there."""
        by, user = user_key(operation.tenant_id, operation.by), user_key(operation.tenant_id, operation.user)
        return self._pairs.block(by, user)

    def perform(self, call: Call, effect: Effect) -> None:
        """Do what belongs to the transaction of an effect."""
        match effect:
            case Notify():
                self._events.append(event_of(call, effect, self.now_ms))
            case HoldMinute():
                self._hold(call, effect)
            case SettleCall():
                self._settle(call, effect)
            case RecordContact():
                pair = _pair(call.tenant_id, call.creator, call.fan)
                known = self._pairs.relationship(pair, Kind.CALL)
                self._pairs.record(pair, privacy.recorded(known, Kind.CALL, self.now_ms))
            case CloseMedia() | Refuse():
                pass
            case _:
                assert_never(effect)

    def _hold(self, call: Call, effect: HoldMinute) -> None:
        key = user_key(call.tenant_id, call.fan)
        account = self._accounts.account(key, call.fan)
        step = hold(account, effect.amount_micro, hold_id(call.id, effect.number), self.now_ms)
        self._accounts.carry_out(key, step, call.fan, {"minute": effect.number}, call.id)

    def _settle(self, call: Call, effect: SettleCall) -> None:
        key = user_key(call.tenant_id, call.fan)
        account = self._accounts.account(key, call.fan)
        step = settle(
            account, effect.held_micro, effect.cost_micro, call.creator, settlement_id(call.id), self.now_ms
        )
        detail = {"billed_ms": effect.billed_ms, "cost_micro": effect.cost_micro}
        self._accounts.carry_out(key, step, call.fan, detail, call.id)

    # --- and written ----------------------------------------------------------------------------------

    def save(self) -> None:
        """Write what changed."""
        begun = [call for call_id, call in sorted(self._calls.items()) if call_id not in self._stored]
        changed = [
            call for call_id, call in sorted(self._calls.items()) if self._stored.get(call_id, call) != call
        ]
        if begun:
            _INSERT_CALLS.run(self._connection, [row_of(call, self._bounds) for call in begun])
            _INSERT_INVITATIONS.run(self._connection, [invitation_of(call) for call in begun])
        if changed:
            _SAVE_CALLS.run(self._connection, [self._parameters(call) for call in changed])
            answers = [answered(self._stored[call.id], call) for call in changed]
            if rows := [row for row in answers if row is not None]:
                _ANSWER_INVITATIONS.run(self._connection, rows)
        if self._events:
            _INSERT_EVENTS.run(self._connection, self._events)
        self._pairs.save()
        self._accounts.save()

    def _parameters(self, call: Call) -> dict[str, Any]:
        given = {f"new_{name}": value for name, value in changing(call, self._bounds).items()}
        given |= {"of_call": call.id, "of_version": self._stored[call.id].version}
        return given | {"new_accepted_by": self._accepted_by.get(call.id)}


def hold_id(call_id: str, number: int) -> str:
    """Return the name of the transaction that holds a minute of a call."""
    return f"{call_id}:hold:{number}"


def settlement_id(call_id: str) -> str:
    """Return the name of the transaction that settles a call: one, whoever ends it."""
    return f"{call_id}:settled"


def _pair(tenant_id: str, creator: str, fan: str) -> PairKey:
    return user_key(tenant_id, creator), user_key(tenant_id, fan)


def _begun(operations: Sequence[Ring | Act | Block], sides: dict[str, tuple[str, str, str]]) -> list[PairKey]:
    """Return the pairs of which a call begins or is accepted: then no other call of theirs may be open."""
    pairs = [_pair(op.tenant_id, op.creator, op.fan) for op in operations if isinstance(op, Ring)]
    return pairs + [
        _pair(*sides[op.call_id])
        for op in operations
        if isinstance(op, Act) and isinstance(op.event, AcceptRequested) and op.call_id in sides
    ]


def _pairs_of(
    operations: Sequence[Ring | Act | Block], sides: dict[str, tuple[str, str, str]]
) -> list[PairKey]:
    """Return the pairs whose standing is asked for or changed."""
    met = [
        _pair(*sides[op.call_id])
        for op in operations
        if isinstance(op, Act) and isinstance(op.event, MediaJoined) and op.call_id in sides
    ]
    return _begun(operations, sides) + met


def _to_make(operations: Sequence[Ring | Act | Block]) -> dict[UserKey, str]:
    """Return the users whose rows have to be there: creators who ring, and both sides of a block."""
    subjects = {}
    for op in operations:
        if isinstance(op, Ring):
            subjects[user_key(op.tenant_id, op.creator)] = op.creator
        elif isinstance(op, Block):
            subjects |= {user_key(op.tenant_id, user): user for user in (op.by, op.user)}
    return subjects
