"""What is asked of rooms and polls: each is a function of a connection, for `Database.read`.

Invariant: what one of them returns was so at one moment. A room or poll of another tenant is as one that is
not there.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from sessions.ballots import Ballot
from sessions.poll_records import Poll
from sessions.room_effects import Message, Publish
from sessions.room_records import Room

EVENTS_MAX = 1000
"""Events that `events_since` returns at most."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A room with everybody who is in, and its newest messages, the oldest of them first, as
    `room_snapshots.snapshot` wants them."""

    room: Room
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """The events of a room after an offset, in order. `offset` is the room's newest; `complete` says that
    none of those between was left out: neither because history does not go back so far, nor for `most`."""

    epoch: str
    offset: int
    events: tuple[Publish, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Head:
    """How far a room is: the offset of its newest event, and a number that goes up with each change of any of
    its polls. `lost_at_ms`: since when the first of those in it has had no connection, None if all have one;
    a process with people of the room has that one out in time, also when another noted the loss."""

    offset: int
    polls: int
    lost_at_ms: int | None = None


def room_by_code(connection: Connection, tenant_id: str, code: str) -> Room | None:
    """Return the open room with a code (`room_codes.normalise`), without participants (`Room.unseen`)."""
    raise NotImplementedError


def room(connection: Connection, tenant_id: str, room_id: str) -> Room | None:
    """Return a room, open or closed, without participants."""
    raise NotImplementedError


def rooms_of(connection: Connection, tenant_id: str, user: str, most: int) -> list[Room]:
    """Return the open rooms that a user owns or is in, without participants, the newest first."""
    raise NotImplementedError


def public_rooms(
    connection: Connection, tenant_id: str, limit: int, cursor: str | None
) -> tuple[list[Room], str | None]:
    """Return the open rooms that are not private, without participants, the newest first, and the cursor of
    those that follow (None: there are none). Raises BadCursor."""
    raise NotImplementedError


def is_in(connection: Connection, room_id: str, user: str) -> bool:
    """Return whether a user is in a room."""
    raise NotImplementedError


def whole(connection: Connection, tenant_id: str, room_id: str) -> Whole | None:
    """Return a room as a newcomer sees it. It costs what the room is large: keep it, and apply events."""
    raise NotImplementedError


def events_since(connection: Connection, room_id: str, offset: int, most: int = EVENTS_MAX) -> Missed | None:
    """Return what happened in a room after an offset."""
    raise NotImplementedError


def poll(
    connection: Connection, tenant_id: str, poll_id: str, user: str | None
) -> tuple[Poll, Ballot | None] | None:
    """Return a poll, with the ballot of a user if they have one and anybody can tell."""
    raise NotImplementedError


def polls_of(
    connection: Connection, room_id: str, user: str | None, closed_max: int = 20
) -> list[tuple[Poll, Ballot | None]]:
    """Return the polls of a room, the oldest first, each with the ballot of a user: drafts, those that are
    open, and the newest that are closed. Whether a draft is shown, `poll_snapshots.listed` says."""
    raise NotImplementedError


def named_ballots(connection: Connection, poll_id: str, most: int, after: str = "") -> list[Ballot]:
    """Return ballots of a poll by voter, from behind `after`; who may see them, `named_votes` says."""
    raise NotImplementedError


def heads(connection: Connection, room_ids: Collection[str]) -> dict[str, Head]:
    """Return how far rooms are, by id: one cheap query for a process that nobody tells."""
    raise NotImplementedError
