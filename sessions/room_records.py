"""A room as it is stored, and how one is made. What happens in it is decided in sessions/rooms.py.

Invariant: a room that was made has a name that can be shown and a capacity within its bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sessions.room_effects import Closure
from sessions.texts import checked

NAME_CHARACTERS_MAX = 80
PARTICIPANTS_MIN = 2
PARTICIPANTS_MAX = 10_000


class State(StrEnum):
    """Whether a room can be entered."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a room may idle (0: for ever), and how long a place is kept for somebody whose connection was
    lost, in milliseconds."""

    idle_ms_max: int = 24 * 3_600_000
    grace_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Sent:
    """What a message of a participant was stored as, by the name that its sender gave it."""

    client_id: str
    message_id: str
    offset: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in the room; the lowest `place` came first. `lost_at_ms`: without a connection
    since then. `sent` are the newest messages, the newest last."""

    user: str
    place: int
    joined_at_ms: int
    lost_at_ms: int | None = None
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomWanted:
    """What somebody asks for who creates a room. `is_private` is for those who list rooms, not for a rule."""

    name: str
    participants_max: int
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """A room. `offset` is that of the newest event, 0 before the first; `places` how many were given out so
    far; `version` goes up by one whenever anything of it changes, for a compare-and-set. `host` is the one
    of record while nobody is in. `unseen` are in as well, and were left out of `participants` by a store that
    had no need of them (`rooms.concerned`)."""

    id: str
    tenant_id: str
    code: str
    name: str
    owner: str
    host: str
    participants_max: int
    is_private: bool
    epoch: str
    created_at_ms: int
    active_at_ms: int
    state: State = State.OPEN
    closed_at_ms: int | None = None
    closed_by: Closure | None = None
    offset: int = 0
    places: int = 0
    version: int = 1
    participants: Mapping[str, Participant] = field(default_factory=dict)
    kicked: frozenset[str] = frozenset()
    unseen: int = 0

    @property
    def count(self) -> int:
        """How many are in."""
        return len(self.participants) + self.unseen


class BadCapacity(Exception):
    """A room cannot be made for so many."""

    def __init__(self, participants_max: int) -> None:
        super().__init__(f"A room is for {PARTICIPANTS_MIN} to {PARTICIPANTS_MAX} participants")
        self.participants_max = participants_max


def create(
    wanted: RoomWanted, *, room_id: str, tenant_id: str, code: str, owner: str, epoch: str, now_ms: int
) -> Room:
    """Return a room in which nobody is yet. Raises TextRefused, BadCapacity."""
    checked(wanted.name, "name", NAME_CHARACTERS_MAX)
    if not PARTICIPANTS_MIN <= wanted.participants_max <= PARTICIPANTS_MAX:
        raise BadCapacity(wanted.participants_max)
    return Room(
        id=room_id,
        tenant_id=tenant_id,
        code=code,
        name=wanted.name,
        owner=owner,
        host=owner,
        participants_max=wanted.participants_max,
        is_private=wanted.is_private,
        epoch=epoch,
        created_at_ms=now_ms,
        active_at_ms=now_ms,
    )
