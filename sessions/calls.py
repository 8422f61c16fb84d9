"""A call: from its ring to the one way in which it ends, for both sides the same.

    event                       RINGING                  ACCEPTED           CONNECTED        over
    --------------------------  -----------------------  -----------------  ---------------  ---------------
    AcceptRequested, by fan     ACCEPTED                 for the same device as it was,      a refusal (below)
                                                         else AlreadyAnswered
    DeclineRequested, by fan    DECLINED                 AlreadyAnswered    AlreadyAnswered  as it was (below)
    CancelRequested, by         CANCELLED                ENDED, free        ENDED            as it was
      creator
    EndRequested                CANCELLED; by the fan    ENDED, free        ENDED            as it was
                                DECLINED
    BlockPlaced                 as in EndRequested       ENDED, free        ENDED            as it was
    MediaJoined                 as it was                in; CONNECTED      in again         as it was
                                                         when both are
    MediaLeft                   as it was                out                out, and may     as it was
                                                                            come back
    HeartbeatSeen               as ConnectionFound       heard of           heard of         as it was
    ConnectionLost, of creator  an earlier deadline      as it was          as it was        as it was
    ConnectionFound             as before the loss       as it was          as it was        as it was
    FundsChanged                as it was                as it was          more is held     as it was
    DeadlinePassed              MISSED once it expires,  FAILED, free,      ENDED at the     as it was
                                CANCELLED when the       unless both are    first of loss,
                                caller stays lost        in the media       funds, length

    who accepts when                     gets
    -----------------------------------  -----------------------------------------------------------
    block or policy forbid it by now     NotAllowed, and it goes on ringing, as for the next two
    they are in another call             UserBusy
    the credits pay for no minute        InsufficientBalance
    the device that accepted asks again  the call as it is
    it was accepted or declined          AlreadyAnswered
    it is MISSED                         InvitationExpired
    it is CANCELLED, ENDED or FAILED     CallOver
    and who declines what was accepted   AlreadyAnswered, also when that call is over
    and a side's other device, in media  AlreadyAnswered: it cannot stand in for the one that is in the call

    Whoever is on neither side gets NotInCall (but an admin may end it), who is on the wrong one WrongSide.
    *Every* event first ends what is overdue, as DeadlinePassed does: what is late is refused by the clock and
    not by a job. Then the call has changed and the event is refused all the same, by the effect `Refuse`.

Invariants: of all who accept, decline, cancel and end at once, one wins; a call that is over stays as it is;
a call that was accepted is settled once, in the step that ends it, for at most what is held
(sessions/call_billing.py); its tokens are leases that end with it (sessions/call_leases.py). Times are
milliseconds since the epoch.

A cancel that comes after the answer hangs up, as in SIP a CANCEL has no effect then and the caller sends a
BYE (RFC 3261, section 9); when both hang up, both are told that it worked (RFC 5407 has more such races).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, assert_never

from sessions import call_legs
from sessions.call_billing import first_minute, funded, settled
from sessions.call_deadlines import caller_deadline_ms, deadline_ms, end_ms, join_deadline_ms, reason_to_end
from sessions.call_effects import CloseMedia, Effect, Notice, Notify, RecordContact, Refuse
from sessions.call_events import (
    AcceptRequested,
    BlockPlaced,
    CancelRequested,
    ConnectionFound,
    ConnectionLost,
    DeadlinePassed,
    DeclineRequested,
    EndRequested,
    Event,
    FundsChanged,
    HeartbeatSeen,
    MediaJoined,
    MediaLeft,
)
from sessions.call_legs import Leg
from sessions.call_records import DEVICE_CHARACTERS_MAX, Bounds, Call, EndReason, State
from sessions.credits import InsufficientBalance
from sessions.invitations import UserBusy
from sessions.privacy import NotAllowed
from sessions.texts import TextRefused, checked

# --- refusals -----------------------------------------------------------------------------------------


class NotInCall(Exception):
    """Whoever asks is neither the creator nor the fan of this call: for them there is no such call."""

    def __init__(self) -> None:
        super().__init__("There is no such call")


class WrongSide(Exception):
    """Only the other side may do this: `needed`."""

    def __init__(self, needed: Literal["creator", "fan"]) -> None:
        super().__init__(
            {
                "creator": "Only who called can take the call back: decline it instead",
                "fan": "Only who is called can accept or decline: cancel the call instead",
            }[needed]
        )
        self.needed = needed


class AlreadyAnswered(Exception):
    """The call was accepted or declined before; `call` is how it stands."""

    def __init__(self, call: Call) -> None:
        super().__init__("This call was answered before, perhaps on another device of yours")
        self.call = call


class InvitationExpired(Exception):
    """The call rang until its time was over; `call` is how it stands."""

    def __init__(self, call: Call) -> None:
        super().__init__("This call is not ringing any more")
        self.call = call


class CallOver(Exception):
    """The call is over, and not because it had rung for too long; `call` is how it ended."""

    def __init__(self, call: Call) -> None:
        super().__init__("This call is over")
        self.call = call


REFUSALS = (
    WrongSide, AlreadyAnswered, InvitationExpired, CallOver, NotAllowed, UserBusy, InsufficientBalance,
    TextRefused,
)  # fmt: skip
"""What `step` refuses a party with."""

# --- rules --------------------------------------------------------------------------------------------

Step = tuple[Call, tuple[Effect, ...]]


def step(call: Call, event: Event, now_ms: int, bounds: Bounds, funds_micro: int) -> Step:
    """Return the call after an event, and what to do about it, as the table above has it.

    `funds_micro` is what the fan may spend now (`credits.Account.spendable_micro`), under the lock of the
    transaction that saves the call; for a call that costs nothing it does not matter. Raises NotInCall and
    REFUSALS.
    """
    _must_be_in_it(call, event)
    found, effects = _overdue(call, now_ms, bounds)
    try:
        after, more = _act(found, event, now_ms, bounds, funds_micro)
    except REFUSALS as refusal:
        if found is call:
            raise
        after, more = found, (Refuse(refusal),)
    if after.state is State.CONNECTED:
        after, held = funded(after, now_ms, bounds, funds_micro)
        more += held
    return (call if after is call else replace(after, version=call.version + 1)), effects + more


def _must_be_in_it(call: Call, event: Event) -> None:
    match event:
        case FundsChanged() | DeadlinePassed() | EndRequested(admin=True):
            pass
        case _ if event.by not in call.parties:
            raise NotInCall


def _overdue(call: Call, now_ms: int, bounds: Bounds) -> Step:
    """End a call whose deadline is over, whether or not anybody has found it before."""
    match call.state:
        case State.RINGING if now_ms >= deadline_ms(call, bounds):
            lost_ms = caller_deadline_ms(call, bounds)
            if lost_ms < call.expires_at_ms:
                return _over(call, State.CANCELLED, EndReason.CALLER_LOST, None, lost_ms)
            return _over(call, State.MISSED, EndReason.EXPIRED, None, call.expires_at_ms)
        case State.ACCEPTED if now_ms >= (join_ms := join_deadline_ms(call, bounds)):
            return _over(call, State.FAILED, EndReason.MEDIA_FAILED, None, join_ms)
        case State.CONNECTED:
            reason = reason_to_end(call, now_ms, bounds)
            if reason is not None:
                return _over(call, State.ENDED, reason, None, end_ms(call, now_ms, bounds))
    return call, ()


def _act(call: Call, event: Event, now_ms: int, bounds: Bounds, funds_micro: int) -> Step:
    match event:
        case AcceptRequested():
            return _accepted(call, event, now_ms, funds_micro)
        case DeclineRequested():
            return _declined(call, event, now_ms)
        case CancelRequested() | EndRequested() | BlockPlaced():
            return _ended(call, event, now_ms, bounds)
        case MediaJoined():
            return _joined(call, event, now_ms)
        case MediaLeft():
            return _with_leg(call, event, lambda leg: call_legs.left(leg, now_ms)), ()
        case HeartbeatSeen():
            found = _found(call, event.by)
            return _with_leg(found, event, lambda leg: call_legs.heard(leg, now_ms)), ()
        case ConnectionLost():
            return _lost(call, event.by, now_ms), ()
        case ConnectionFound():
            return _found(call, event.by), ()
        case FundsChanged() | DeadlinePassed():
            return call, ()
        case _:
            assert_never(event)


# --- answers ------------------------------------------------------------------------------------------


def _accepted(call: Call, event: AcceptRequested, now_ms: int, funds_micro: int) -> Step:
    if event.by != call.fan:
        raise WrongSide("fan")
    if event.device is not None:
        checked(event.device, "deviceId", DEVICE_CHARACTERS_MAX)
    if call.state is not State.RINGING:
        return _answered_before(call, event.device), ()
    if not event.allowed:
        raise NotAllowed
    if event.busy:
        raise UserBusy("you")
    after, held = first_minute(call, event.rate_micro_per_minute)
    if after.held_micro > funds_micro:
        raise InsufficientBalance(after.held_micro, funds_micro)
    after = replace(
        after, state=State.ACCEPTED, accepted_at_ms=now_ms, fan_device=event.device, caller_lost_at_ms=None
    )
    return after, (
        *held,
        Notify(call.creator, Notice.ACCEPTED),
        Notify(call.fan, Notice.ANSWERED_ELSEWHERE, except_device=event.device),
    )


def _answered_before(call: Call, device: str | None) -> Call:
    """Return the call as it was for the device that accepted it, which asks again. Raises for any other."""
    if call.state in (State.ACCEPTED, State.CONNECTED) and device is not None and device == call.fan_device:
        return call
    if call.state is State.MISSED:
        raise InvitationExpired(call)
    if call.state.over and call.state is not State.DECLINED:
        raise CallOver(call)
    raise AlreadyAnswered(call)


def _declined(call: Call, event: DeclineRequested, now_ms: int) -> Step:
    if event.by != call.fan:
        raise WrongSide("fan")
    if call.accepted_at_ms is not None:
        raise AlreadyAnswered(call)
    if call.state.over:
        return call, ()
    return _over(call, State.DECLINED, EndReason.DECLINED, event.by, now_ms)


def _ended(
    call: Call, event: CancelRequested | EndRequested | BlockPlaced, now_ms: int, bounds: Bounds
) -> Step:
    if isinstance(event, CancelRequested) and event.by != call.creator:
        raise WrongSide("creator")
    reason = EndReason.BLOCKED if isinstance(event, BlockPlaced) else None
    if isinstance(event, EndRequested) and event.admin:
        reason = EndReason.BY_ADMIN
    match call.state:
        case State.RINGING if event.by == call.fan:
            return _over(call, State.DECLINED, reason or EndReason.DECLINED, event.by, now_ms)
        case State.RINGING:
            return _over(call, State.CANCELLED, reason or EndReason.CANCELLED, event.by, now_ms)
        case State.ACCEPTED:
            return _over(call, State.ENDED, reason or EndReason.HUNG_UP, event.by, now_ms)
        case State.CONNECTED:
            at_ms = end_ms(call, now_ms, bounds)
            return _over(call, State.ENDED, reason or EndReason.HUNG_UP, event.by, at_ms)
        case _:
            return call, ()


_TOLD = {
    State.ENDED: Notice.ENDED,
    State.FAILED: Notice.ENDED,
    State.DECLINED: Notice.DECLINED,
    State.MISSED: Notice.MISSED,
    State.CANCELLED: Notice.CANCELLED,
}


def _over(call: Call, state: State, reason: EndReason, by: str | None, at_ms: int) -> Step:
    # Never before it began, also where a clock was set back or a sign of life is older than the connection.
    at_ms = max(at_ms, call.connected_at_ms or call.accepted_at_ms or call.created_at_ms)
    after = replace(call, state=state, end_reason=reason, ended_by=by, ended_at_ms=at_ms)
    told = tuple(Notify(user, _TOLD[state]) for user in call.parties)
    if call.accepted_at_ms is None:
        return after, told
    after, settlement = settled(after)
    return after, (settlement, CloseMedia(), *told)


# --- signs of life ------------------------------------------------------------------------------------


def _joined(call: Call, event: MediaJoined, now_ms: int) -> Step:
    call = _with_leg(call, event, lambda leg: call_legs.joined(leg, now_ms))
    if call.state is not State.ACCEPTED or not all(leg.in_media for leg in call.legs):
        return call, ()
    after = replace(call, state=State.CONNECTED, connected_at_ms=now_ms)
    told = tuple(Notify(user, Notice.CONNECTED) for user in call.parties)
    return after, (RecordContact(), *told)


def _with_leg(
    call: Call, sign: MediaJoined | MediaLeft | HeartbeatSeen, change: Callable[[Leg], Leg]
) -> Call:
    """Return the call with another leg of one side, once it is accepted and until it is over."""
    if call.state not in (State.ACCEPTED, State.CONNECTED):
        return call
    creator = sign.by == call.creator
    device, leg = (call.creator_device, call.creator_leg) if creator else (call.fan_device, call.fan_leg)
    if device is not None and sign.device is not None and sign.device != device:
        raise AlreadyAnswered(call)
    after = change(leg)
    if after == leg:
        return call
    return replace(call, creator_leg=after) if creator else replace(call, fan_leg=after)


def _lost(call: Call, by: str, now_ms: int) -> Call:
    if call.state is not State.RINGING or by != call.creator or call.caller_lost_at_ms is not None:
        return call
    return replace(call, caller_lost_at_ms=now_ms)


def _found(call: Call, by: str) -> Call:
    if call.state is not State.RINGING or by != call.creator or call.caller_lost_at_ms is None:
        return call
    return replace(call, caller_lost_at_ms=None)
