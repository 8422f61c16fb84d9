"""What clients are told when a rule says no: the one table of the rules' refusals.

Invariant: a refusal of a rule in here is answered the same way over HTTP and on a socket. What it says is its
own sentence; the table adds the status, the code, and those of its fields that a client can use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gateway.stores.rooms.operations import TooManyPolls, TooManyRooms, UnknownPoll, UnknownRoom
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
from sessions.room_codes import NotARoomCode
from sessions.room_records import BadCapacity
from sessions.rooms import CannotKick, KickedOut, NotHost, NotInRoom, RoomFull, RoomOver
from sessions.texts import TextRefused


@dataclass(frozen=True, slots=True)
class Told:
    """HTTP status and error code; `fields` are the refusal's own under the names that clients know, `param`
    the name of what was wrong where the refusal does not say it."""

    status: int
    code: str
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    param: str | None = None

    def of(self, refusal: Exception) -> dict[str, Any]:
        """Return the fields that go with a refusal."""
        fields = {name: getattr(refusal, own) for name, own in self.fields.items()}
        return fields | ({} if self.param is None else {"param": self.param})


_NAMED = MappingProxyType({"param": "param"})

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
}
"""By the class of the refusal."""
