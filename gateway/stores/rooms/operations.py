"""What can be done to rooms and polls in the store, what it answers, and what it refuses.

Invariant: an operation that comes twice changes nothing the second time. Its answer is then the same but for
effects, which may be empty: what a room was told is read by offset (`reads.events_since`), never inferred.
"""

from dataclasses import dataclass, field

from gateway.stores.interface import Refusal
from sessions import polls, room_events
from sessions.ballots import Ballot
from sessions.poll_records import Poll
from sessions.room_effects import Effect
from sessions.room_records import Room

ROOMS_OPEN_MAX = 100
"""Rooms that one user owns and that are open."""
POLLS_MAX = 200
"""Polls of one room that are not archived, drafts included."""
LOST_AT_ONCE_MAX = 50
"""Users in one LoseSeats, and of those whose time is over in one step: it bounds for how long a transaction
of them keeps an event loop from all else."""

# --- rooms: journal `RoomChanges` -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateRoom:
    """Keep a room as `sessions.room_records.create` made it; its id is a UUID. Refused with CodeTaken, then
    draw another code for the same room, and TooManyRooms."""

    room: Room


@dataclass(frozen=True, slots=True)
class ActInRoom:
    """Have something happen in a room. A join takes a seat for `boot_id`, the life of the process that has
    the connection; leaving, being kicked and the end of the room give up the seats of every process.

    Refused with UnknownRoom, also for another tenant's, and RuleRefused. TypingSeen changes nothing and need
    not come here. A `MessageSent.message_id` is a UUID.
    """

    tenant_id: str
    room_id: str
    event: room_events.Event = field(repr=False)  # What people say is in no log.
    boot_id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class LoseSeats:
    """Give back the seats that `boot_id` has for users who have no connection in it any more, at most
    LOST_AT_ONCE_MAX; for those who have none elsewhere either the connection is lost. Submit it at once, in
    the order in which connections come and go: a join that follows must come after it."""

    room_id: str
    boot_id: str
    users: tuple[str, ...]
    now_ms: int

    @property
    def weight(self) -> int:
        """How many other operations it is as much work as."""
        return max(1, len(self.users))


@dataclass(frozen=True, slots=True)
class RoomDone:
    """What became of a room. Of its participants `room` has those that the event was about; `room.count` is
    how many are in. `polls` are those that ended with the room, each with its effects."""

    room: Room
    effects: tuple[Effect, ...] = ()
    polls: tuple["PollDone", ...] = ()


# --- polls: journal `PollChanges` -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreatePoll:
    """Keep a poll as `sessions.poll_records.create` made it, by somebody who is in its room; its id is a
    UUID. `opened`: and open it at once, or not at all. `host_only`: its author must be in charge of the room.

    Refused with UnknownRoom, TooManyPolls, and RuleRefused (RoomOver, KickedOut, NotInRoom, NotPollHost,
    AnotherPollOpen).
    """

    tenant_id: str
    poll: Poll
    now_ms: int
    opened: bool = True
    host_only: bool = False


@dataclass(frozen=True, slots=True)
class ActInPoll:
    """Have something happen to a poll. `host` and `open_already` of an event are found out here, in the same
    transaction, whatever it says. A vote is refused to whoever is not in the room then; with a `room_id`,
    which is that of the connection that asks, so is everything else, and a poll of another room is unknown.

    Refused with UnknownPoll, also for another tenant's, and RuleRefused.
    """

    tenant_id: str
    poll_id: str
    event: polls.Event = field(repr=False)  # Who votes how is in no log.
    now_ms: int
    room_id: str = ""


@dataclass(frozen=True, slots=True)
class PollDone:
    """What became of a poll. `ballot` is that of whoever acted, if they have one and somebody can tell;
    `host`, whether they are in charge of the room: both as `poll_snapshots.snapshot` wants them."""

    poll: Poll
    effects: tuple[polls.Effect, ...] = ()
    ballot: Ballot | None = None
    host: bool = False


# --- refusals -------------------------------------------------------------------------------------------


class UnknownRoom(Refusal):
    """This tenant has no such room."""

    def __init__(self) -> None:
        super().__init__("There is no such room")


class UnknownPoll(Refusal):
    """This tenant has no such poll."""

    def __init__(self) -> None:
        super().__init__("There is no such poll")


class CodeTaken(Refusal):
    """A room that is open in this tenant has the code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Room code {code} is taken")
        self.code = code


class TooManyRooms(Refusal):
    """The owner has as many open rooms as one may."""

    def __init__(self) -> None:
        super().__init__(f"You have {ROOMS_OPEN_MAX} open rooms: close one first")
        self.rooms_max = ROOMS_OPEN_MAX


class TooManyPolls(Refusal):
    """The room has as many polls as one may."""

    def __init__(self) -> None:
        super().__init__(f"This room has had {POLLS_MAX} polls: create another room for more")
        self.polls_max = POLLS_MAX


class RuleRefused(Refusal):
    """A rule of rooms or polls said no: `error` is its refusal (RoomFull, PollClosed, TextRefused ...)."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
