"""What comes to a room from outside: the events of the table in sessions/rooms.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JoinRequested:
    """A connection of a user wants in."""

    user: str


@dataclass(frozen=True, slots=True)
class LeaveRequested:
    """A user goes, with every connection."""

    user: str


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The last connection of a user broke, or the process that had it is gone."""

    user: str


@dataclass(frozen=True, slots=True)
class KickRequested:
    """Somebody wants a user out, for good, whether they are in now or not."""

    by: str
    user: str


@dataclass(frozen=True, slots=True)
class HandOverRequested:
    """Somebody wants another to be host."""

    by: str
    to: str


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """Somebody wants the room to end; `admin`: as an admin of the tenant, in the room or not."""

    by: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A user wrote something. `client_id` is the sender's name for it, the same in each retry; `message_id`
    the one it gets if it is new."""

    by: str
    client_id: str
    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TypingSeen:
    """A user is writing something."""

    by: str


@dataclass(frozen=True, slots=True)
class ActivitySeen:
    """Something happened in the room that has no offset there, such as a vote."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Somebody found that the deadline may be over."""


Event = (
    JoinRequested
    | LeaveRequested
    | ConnectionLost
    | KickRequested
    | HandOverRequested
    | CloseRequested
    | MessageSent
    | TypingSeen
    | ActivitySeen
    | DeadlinePassed
)
