"""What clients are told when a rule says no: the one table of the rules' refusals.

Invariant: a refusal of a rule in here is answered the same way over HTTP and on a socket. What it says is its
own sentence; the table adds the status, the code, and those of its fields that a client can use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from auth.agora import BadSeat
from gateway.stores.calls.operations import UnknownCall
from gateway.stores.people.changes import UsernameTaken
from gateway.stores.people.pairs import TooManyBlocks
from gateway.stores.rooms.operations import TooManyPolls, TooManyRooms, UnknownPoll, UnknownRoom
from sessions.call_leases import NoLease
from sessions.calls import AlreadyAnswered, CallOver, InvitationExpired, NotInCall, WrongSide
from sessions.credits import BadAmount, InsufficientBalance, MonthlyCapReached
from sessions.invitations import BalanceTooLow, CallsDisabled, CannotCallYourself, CoolingDown, UserBusy
from sessions.poll_records import BadPoll
from sessions.polls import (
    AnotherPollOpen,
    BadBallot,
    NotPollHost,
    PollClosed,
    PollNotDraft,
    PollNotOpen,
    VoteFixed,
)
from sessions.privacy import NotAllowed, NotLasting
from sessions.profiles import NotShared
from sessions.room_codes import NotARoomCode
from sessions.room_records import BadCapacity
from sessions.rooms import CannotKick, KickedOut, NotHost, NotInRoom, RoomFull, RoomOver
from sessions.texts import TextRefused


@dataclass(frozen=True, slots=True)
class Told:
    """HTTP status and error code; `fields` are the refusal's own, or of what it has, under the names that
    clients know, `param` the name of what was wrong where the refusal does not say it."""

    status: int
    code: str
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    param: str | None = None

    def of(self, refusal: Exception) -> dict[str, Any]:
        """Return the fields that go with a refusal."""
        fields = {name: attrgetter(own)(refusal) for name, own in self.fields.items()}
        return fields | ({} if self.param is None else {"param": self.param})


_NAMED = MappingProxyType({"param": "param"})
_STANDS = MappingProxyType({"state": "call.state", "version": "call.version"})

RULES: Mapping[type[Exception], Told] = {
    TextRefused: Told(422, "INVALID", _NAMED),
    NotARoomCode: Told(422, "INVALID", param="roomCode"),
    BadCapacity: Told(422, "INVALID", param="max_participants"),
    BadPoll: Told(422, "INVALID", _NAMED),
    BadBallot: Told(422, "INVALID", _NAMED),
    UnknownRoom: Told(404, "NOT_FOUND"),
    UnknownPoll: Told(404, "NOT_FOUND"),
    TooManyRooms: Told(409, "TOO_MANY_ROOMS"),
    TooManyPolls: Told(409, "TOO_MANY_POLLS"),
    RoomOver: Told(410, "ROOM_CLOSED", MappingProxyType({"reason": "closed_by"})),
    RoomFull: Told(409, "ROOM_FULL", MappingProxyType({"max_participants": "participants_max"})),
    KickedOut: Told(403, "KICKED_OUT"),
    NotInRoom: Told(403, "NOT_IN_ROOM"),
    NotHost: Told(403, "NOT_HOST"),
    CannotKick: Told(409, "CANNOT_KICK", MappingProxyType({"reason": "reason"})),
    NotPollHost: Told(403, "NOT_HOST"),
    PollClosed: Told(409, "POLL_CLOSED"),
    PollNotOpen: Told(409, "POLL_NOT_OPEN"),
    PollNotDraft: Told(409, "POLL_NOT_DRAFT"),
    AnotherPollOpen: Told(409, "ANOTHER_POLL_OPEN"),
    VoteFixed: Told(409, "VOTE_FIXED"),
    UnknownCall: Told(404, "NOT_FOUND"),
    NotInCall: Told(404, "NOT_FOUND"),
    CallsDisabled: Told(403, "FEATURE_DISABLED", MappingProxyType({"feature": "feature"})),
    CannotCallYourself: Told(422, "INVALID", param="fanId"),
    NotAllowed: Told(403, "NOT_ALLOWED"),
    WrongSide: Told(403, "NOT_ALLOWED"),
    UserBusy: Told(409, "USER_BUSY", MappingProxyType({"who": "who"})),
    CoolingDown: Told(429, "COOLDOWN", MappingProxyType({"retry_after_seconds": "retry_after_seconds"})),
    BalanceTooLow: Told(402, "INSUFFICIENT_BALANCE"),
    InsufficientBalance: Told(402, "INSUFFICIENT_BALANCE"),
    MonthlyCapReached: Told(402, "INSUFFICIENT_BALANCE"),
    BadAmount: Told(422, "INVALID", param="amount"),
    AlreadyAnswered: Told(409, "ALREADY_ANSWERED", _STANDS),
    InvitationExpired: Told(410, "INVITATION_EXPIRED", _STANDS),
    CallOver: Told(409, "CALL_OVER", _STANDS),
    NoLease: Told(409, "CALL_NOT_OPEN", _STANDS),
    BadSeat: Told(422, "INVALID", _NAMED),
    NotLasting: Told(422, "INVALID", param="kind"),
    NotShared: Told(404, "NOT_FOUND"),
    UsernameTaken: Told(409, "USERNAME_TAKEN", _NAMED),
    TooManyBlocks: Told(409, "TOO_MANY_BLOCKS"),
}
"""By the class of the refusal."""
