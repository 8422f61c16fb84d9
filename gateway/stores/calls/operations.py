"""What can be done to calls in the store, what it answers, and what it refuses.

Invariant: an operation that comes twice changes nothing the second time, and is answered as before but for
effects, which may be empty: whoever has to be told is in the outbox, never in an answer alone.
"""

from dataclasses import dataclass

from gateway.stores.interface import Refusal
from sessions.call_effects import Effect
from sessions.call_events import Event
from sessions.call_records import Call, CallType, Terms


@dataclass(frozen=True, slots=True)
class Ring:
    """Have a creator ring a fan, in a call of this id (a UUID). Of `terms` the rate is found out here: the
    creator's own for calls of this type. `enabled`: calls are turned on. Refused with CallRefused."""

    call_id: str
    tenant_id: str
    creator: str
    fan: str
    call_type: CallType
    terms: Terms
    device: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Act:
    """Have something happen to a call. What an AcceptRequested says of the world is found out here, whatever
    it says; `id` is its own, so that one that comes twice is not taken for another device's.

    Refused with UnknownCall, also for another tenant's and for whoever is in neither leg, and CallRefused.
    """

    tenant_id: str
    call_id: str
    event: Event
    id: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Have a user block another; whatever rings or goes on between the two is over with it."""

    tenant_id: str
    by: str
    user: str


@dataclass(frozen=True, slots=True)
class CallDone:
    """What became of a call. `refusal`: the call has changed (it was over, and nobody had found that yet),
    and what was asked is refused all the same, once the effects are performed."""

    call: Call
    effects: tuple[Effect, ...] = ()
    refusal: Exception | None = None


@dataclass(frozen=True, slots=True)
class BlockDone:
    """Blocked since `created_at_ms`; `ended` are the calls that are over by it."""

    created_at_ms: int
    ended: tuple[CallDone, ...] = ()


class UnknownCall(Refusal):
    """There is no such call for whoever asks."""

    def __init__(self) -> None:
        super().__init__("There is no such call")


class CallRefused(Refusal):
    """A rule of calls said no: `error` is its refusal (NotAllowed, UserBusy, AlreadyAnswered ...)."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
