"""What comes to a call from outside: the events of the table in sessions/calls.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AcceptRequested:
    """Somebody accepts, on `device` (None: one without a name, which no other is the same as).

    What was true when it rang is looked up again: whether block and policy allow the call
    (`privacy.may_call`), whether the fan is in another call, and the creator's rate now.
    """

    by: str
    device: str | None
    allowed: bool
    busy: bool
    rate_micro_per_minute: int


@dataclass(frozen=True, slots=True)
class DeclineRequested:
    """Somebody does not want to be called now."""

    by: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody takes a call back that rings."""

    by: str


@dataclass(frozen=True, slots=True)
class EndRequested:
    """Somebody hangs up; `admin`: as an admin of the tenant, who need not be in the call."""

    by: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class MediaJoined:
    """The client of one side, or the provider of the media, says that this side is in the media. `device`:
    on which, as far as that is known; so for the next two."""

    by: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class MediaLeft:
    """One side is out of the media, and may come back."""

    by: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatSeen:
    """One side is there."""

    by: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The last connection of one side broke, or the process that had it is gone."""

    by: str


@dataclass(frozen=True, slots=True)
class ConnectionFound:
    """One side has a connection again."""

    by: str


@dataclass(frozen=True, slots=True)
class BlockPlaced:
    """One side has blocked the other."""

    by: str


@dataclass(frozen=True, slots=True)
class FundsChanged:
    """The fan's credits may suffice for more minutes now, or for fewer."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Somebody found that the deadline may be over."""


Event = (
    AcceptRequested
    | DeclineRequested
    | CancelRequested
    | EndRequested
    | MediaJoined
    | MediaLeft
    | HeartbeatSeen
    | ConnectionLost
    | ConnectionFound
    | BlockPlaced
    | FundsChanged
    | DeadlinePassed
)
