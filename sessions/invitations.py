"""An invitation: whether a creator may ring a fan now, and until when it rings.

    in this order             refusal
    ------------------------  ------------------------------------------------------------------
    calls are turned off      CallsDisabled
    oneself                   CannotCallYourself
    block, or the fan's       NotAllowed, the same for each
    policy
    either is in a call       UserBusy; a fan who is finds a missed call afterwards
    rung within the cooldown  CoolingDown
    the fan's credits         BalanceTooLow

(Who is at the door, their role and how often they come is settled before, in `auth/`.) Invariants: a refusal
does not use up the cooldown, which is that of a pair from one ring to the next; a call that has rung has its
terms, and a time from which on it cannot be accepted, whether or not anybody looks at that moment.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from sessions.call_effects import Effect, Notice, Notify, Refuse
from sessions.call_records import DEVICE_CHARACTERS_MAX, Bounds, Call, CallType, EndReason, State, Terms
from sessions.privacy import NotAllowed, Standing, may_call
from sessions.texts import USER_CHARACTERS_MAX, checked

SHOWN_MS_MIN = 3_000
"""An invitation with less time left is shown to nobody: they could not answer it."""


@dataclass(frozen=True, slots=True)
class CallWanted:
    """What a creator asks for; `terms` are those of the creator's rate and the server's settings now."""

    fan: str
    call_type: CallType
    terms: Terms
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is true as a creator wants to ring, all of it read in one transaction with the call's creation.

    `rung_at_ms` is when the creator last rang this fan, `noted_at_ms` when a missed call of the two was last
    noted because the fan was busy; `funds_micro` is what the fan may spend now. `self_busy` and `fan_busy`
    say whether either is in a call that is not over.
    """

    enabled: bool = True
    standing: Standing = field(default_factory=Standing)
    self_busy: bool = False
    fan_busy: bool = False
    rung_at_ms: int | None = None
    noted_at_ms: int | None = None
    funds_micro: int = 0


class CallsDisabled(Exception):
    """No call can be begun on this server; those that ring or go on are not touched by it."""

    def __init__(self) -> None:
        super().__init__("Calls are turned off on this server")
        self.feature = "FEATURE_CALLS"


class CannotCallYourself(Exception):
    """The one who calls and the one who is called are the same."""

    def __init__(self) -> None:
        super().__init__("You cannot call yourself: name another fanId")


class UserBusy(Exception):
    """One of the two is in a call that is not over: `who`."""

    def __init__(self, who: Literal["you", "fan"]) -> None:
        super().__init__(
            {
                "you": "You are in another call: end it first",
                "fan": "This fan is in another call: try again later",
            }[who]
        )
        self.who = who


class CoolingDown(Exception):
    """The creator has rung this fan only just now; `retry_after_ms` until the next ring is possible."""

    def __init__(self, retry_after_ms: int) -> None:
        self.retry_after_ms = retry_after_ms
        self.retry_after_seconds = -(-retry_after_ms // 1000)
        super().__init__(f"You have just called this fan: try again in {self.retry_after_seconds} s")


class BalanceTooLow(Exception):
    """The fan's credits do not pay for one minute; how many there are is not the creator's to know."""

    def __init__(self) -> None:
        super().__init__("This fan has too few credits for a minute of this call")


def ring(
    wanted: CallWanted,
    at: Circumstances,
    *,
    call_id: str,
    tenant_id: str,
    creator: str,
    now_ms: int,
    bounds: Bounds,
) -> tuple[Call, tuple[Effect, ...]]:
    """Return a call that rings, and what to do about it.

    For a fan who is in another call it is one that is missed already, with `Refuse(UserBusy)` as the last
    effect; where such a one, or a ring, of the two is younger than the cooldown, there is no call and
    UserBusy is raised. Raises the refusals above, and TextRefused.
    """
    if not at.enabled:
        raise CallsDisabled
    checked(wanted.fan, "fanId", USER_CHARACTERS_MAX)
    if wanted.device is not None:
        checked(wanted.device, "deviceId", DEVICE_CHARACTERS_MAX)
    if wanted.fan == creator:
        raise CannotCallYourself
    if not may_call(at.standing):
        raise NotAllowed
    if at.self_busy:
        raise UserBusy("you")
    call = Call(
        id=call_id,
        tenant_id=tenant_id,
        creator=creator,
        fan=wanted.fan,
        call_type=wanted.call_type,
        terms=wanted.terms,
        created_at_ms=now_ms,
        expires_at_ms=now_ms + bounds.ring_ms,
        creator_device=wanted.device,
    )
    rung_ms = _left_ms(at.rung_at_ms, now_ms, bounds)
    if at.fan_busy:
        if rung_ms or _left_ms(at.noted_at_ms, now_ms, bounds):
            raise UserBusy("fan")
        return _missed(call, now_ms)
    if rung_ms:
        raise CoolingDown(rung_ms)
    if at.funds_micro < wanted.terms.rate_micro_per_minute:
        raise BalanceTooLow
    return call, (Notify(wanted.fan, Notice.INCOMING),)


def shown_ms(call: Call, now_ms: int) -> int | None:
    """Return how long an invitation still rings on a device that hears of it only now; None: not at all."""
    left_ms = call.expires_at_ms - now_ms
    return left_ms if call.state is State.RINGING and left_ms >= SHOWN_MS_MIN else None


def _left_ms(last_ms: int | None, now_ms: int, bounds: Bounds) -> int:
    """Return what is left of the cooldown. A clock that was set back does not make it any longer."""
    return 0 if last_ms is None else max(0, min(last_ms, now_ms) + bounds.cooldown_ms - now_ms)


def _missed(call: Call, now_ms: int) -> tuple[Call, tuple[Effect, ...]]:
    missed = replace(
        call, state=State.MISSED, expires_at_ms=now_ms, ended_at_ms=now_ms, end_reason=EndReason.BUSY
    )
    return missed, (Notify(call.fan, Notice.MISSED), Refuse(UserBusy("fan")))
