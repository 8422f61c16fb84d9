"""A call as it is stored: who calls whom, where it stands, and on what terms it is paid for.

Invariant: whatever a call is charged by (rate, increment, free time) is on the call itself, so that no later
change of a setting or a rate changes a call that has rung. What happens to a call is decided in
sessions/calls.py. Times are milliseconds since the epoch, money whole micro-credits.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from sessions.call_legs import Leg

MINUTE_MS = 60_000
RATE_MICRO_MAX = 1_000_000_000
"""A thousand credits a minute: above it a rate is a slip of the keyboard."""
DEVICE_CHARACTERS_MAX = 128


class State(StrEnum):
    """Where a call is in its life."""

    RINGING = "RINGING"
    ACCEPTED = "ACCEPTED"
    CONNECTED = "CONNECTED"
    ENDED = "ENDED"
    DECLINED = "DECLINED"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def over(self) -> bool:
        """Whether nothing happens to the call any more."""
        return self not in (State.RINGING, State.ACCEPTED, State.CONNECTED)


class CallType(StrEnum):
    """What both sides send."""

    VOICE = "voice"
    VIDEO = "video"


class EndReason(StrEnum):
    """Why a call is over. BLOCKED is for the operator's eyes: `call_views` shows it to neither side."""

    DECLINED = "declined"
    EXPIRED = "expired"
    BUSY = "busy"
    CANCELLED = "cancelled"
    CALLER_LOST = "caller_lost"
    HUNG_UP = "hung_up"
    CONNECTION_LOST = "connection_lost"
    BALANCE_SPENT = "balance_spent"
    MEDIA_FAILED = "media_failed"
    TOO_LONG = "too_long"
    BY_ADMIN = "ended_by_admin"
    BLOCKED = "blocked"


class BadTerms(ValueError):
    """Calls cannot be charged like this; `name` is the term that is out of bounds."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call costs: micro-credits a minute; every `increment_ms` that was begun is charged in full; and
    a call that was connected for no longer than `free_ms` costs nothing. Raises BadTerms."""

    rate_micro_per_minute: int = 0
    increment_ms: int = MINUTE_MS
    free_ms: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rate_micro_per_minute <= RATE_MICRO_MAX:
            raise BadTerms("rate", f"A rate is from 0 to {RATE_MICRO_MAX // 1_000_000} credits a minute")
        # Minutes are held whole: an increment that does not divide one could be charged beyond what is held.
        if self.increment_ms < 1 or MINUTE_MS % self.increment_ms:
            raise BadTerms("increment", "What calls are rounded up to has to divide a minute, as 1, 6, 15 or "
                           "60 seconds do")  # fmt: skip
        if self.free_ms < 0:
            raise BadTerms("free", "The time that costs nothing cannot be below zero")

    @property
    def free_of_charge(self) -> bool:
        """Whether the call costs nothing however long it is."""
        return self.rate_micro_per_minute == 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long things may take, in milliseconds: the ring; both sides to be in the media once accepted; the
    caller without a connection while it rings; the time between two heartbeats; a side without one until the
    call is over; one lease of a call token; the next ring of a pair; a call (0: no bound)."""

    ring_ms: int = 45_000
    join_ms: int = 30_000
    caller_grace_ms: int = 20_000
    heartbeat_ms: int = 10_000
    lost_ms: int = 30_000
    lease_ms: int = 300_000
    cooldown_ms: int = 60_000
    length_ms_max: int = 4 * 3_600_000

    @property
    def silent_ms(self) -> int:
        """A side is silent when two heartbeats have not come: whoever then hangs up pays until the last."""
        return 2 * self.heartbeat_ms


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a creator to a fan.

    `creator_device` called and `fan_device` accepted, where the clients named them: the only ones that get
    tokens. `minutes_held` whole minutes of the fan's credits are held for it; `warned` says that the fan was
    told of the last one. `billed_ms` and `cost_micro` are what it was settled at. `version` goes up by one
    whenever anything of the call changes, for a compare-and-set and for clients that hear events twice.
    """

    id: str
    tenant_id: str
    creator: str
    fan: str
    call_type: CallType
    terms: Terms
    created_at_ms: int
    expires_at_ms: int
    creator_device: str | None = None
    state: State = State.RINGING
    version: int = 1
    caller_lost_at_ms: int | None = None
    accepted_at_ms: int | None = None
    fan_device: str | None = None
    creator_leg: Leg = field(default_factory=Leg)
    fan_leg: Leg = field(default_factory=Leg)
    connected_at_ms: int | None = None
    minutes_held: int = 0
    warned: bool = False
    ended_at_ms: int | None = None
    end_reason: EndReason | None = None
    ended_by: str | None = None
    billed_ms: int = 0
    cost_micro: int = 0

    @property
    def parties(self) -> tuple[str, str]:
        """The creator and the fan."""
        return self.creator, self.fan

    @property
    def channel(self) -> str:
        """The name of its media channel: below 64 bytes, of characters that every provider takes."""
        return f"call_{self.id}"

    @property
    def legs(self) -> tuple[Leg, Leg]:
        """The creator's and the fan's way into the media."""
        return self.creator_leg, self.fan_leg

    @property
    def held_micro(self) -> int:
        """What is held of the fan's credits, or was until it was settled."""
        return self.minutes_held * self.terms.rate_micro_per_minute

    @property
    def funded_until_ms(self) -> int | None:
        """When what is held is used up; None before it is connected, and for a call that costs nothing."""
        if self.connected_at_ms is None or self.terms.free_of_charge:
            return None
        return self.connected_at_ms + self.minutes_held * MINUTE_MS
