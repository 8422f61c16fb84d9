"""Who may vote: the rooms of the polls that one group touches, with those participants who act, and what they
have voted so far.

Invariant: that a room is used by voting is noted once in ACTIVITY_MS, not with each vote; and a group of
votes never waits for a room's lock.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    case,
    func,
    literal_column,
    select,
)

from gateway.stores.columns import is_uuid
from gateway.stores.prepared import Listed, Places, side_by_side
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.loaded import LoadedRooms
from gateway.stores.rooms.loaded_polls import LoadedPoll
from gateway.stores.rooms.rows import ROOM, ballot_of, room_of
from gateway.stores.rooms.schema import poll_votes, polls, room_kicked, room_participants
from gateway.stores.rooms.schema import rooms as table
from sessions import rooms
from sessions.lifetimes import NEVER_MS
from sessions.poll_records import State, voter_of
from sessions.room_events import ActivitySeen
from sessions.room_records import Participant, Room
from sessions.texts import is_text

ACTIVITY_MS = 60_000
"""A room that is only voted in has been active within so much of what its row says."""
ACTIVITY_SHARE = 20
"""...and within a twentieth of how long it may idle, if that is less."""
_IN, _KICKED, _CAST, _POLL = room_participants.c, room_kicked.c, poll_votes.c, polls.c
_NOWHERE = "00000000-0000-0000-0000-000000000000"
"""The poll of one who acts in none: RFC 9562, section 5.9."""


def _acting(rooms: Places, users: Places, polls: Places, voters: Places) -> Select[Any]:
    asked = side_by_side("asked", room_id=rooms, subject=users, poll_id=polls, voter=voters).c
    # A value for each that is asked for, not a join: see lookups.py.
    people = [
        select(literal_column("1", Integer))
        .where(own.room_id == asked.room_id, own.subject == asked.subject)
        .scalar_subquery()
        for own in (_IN, _KICKED)
    ]
    ballot = [
        select(column).where(_CAST.poll_id == asked.poll_id, _CAST.voter == asked.voter).scalar_subquery()
        for column in (_CAST.option_ids, _CAST.seq)
    ]
    return select(asked.room_id, asked.subject, asked.poll_id, asked.voter, *people, *ballot)


def _numbers(ids: Places) -> Select[Any]:
    is_open = case((_POLL.state == State.OPEN.value, 1), else_=0)
    return select(func.count(), func.coalesce(func.sum(is_open), literal_column("0", BigInteger))).where(
        _POLL.room_id.in_(ids), _POLL.state != State.ARCHIVED.value
    )


def _free(ids: Places) -> Select[Any]:
    # One that somebody else is at work in is not waited for: its polls are locked already, and whoever closes
    # a room locks in the other order. It is active for what is done there.
    return (
        select(table.c.id).where(table.c.id.in_(ids)).order_by(table.c.id).with_for_update(skip_locked=True)
    )


_ROOMS = Listed(lambda ids: select(*ROOM).where(table.c.id.in_(ids)), ids=table.c.id.type)
_ROOMS_OF = Listed(lambda ids: select(_POLL.room_id).where(_POLL.id.in_(ids)), ids=_POLL.id.type)
_ACTING = Listed(
    _acting, rooms=_IN.room_id.type, users=_IN.subject.type, polls=_CAST.poll_id.type, voters=_CAST.voter.type
)
_NUMBERS = Listed(_numbers, ids=_POLL.room_id.type)
_FREE = Listed(_free, ids=table.c.id.type)


class Electorate:
    """The rooms of one group's polls."""

    def __init__(self, connection: Connection, bounds: RoomBounds) -> None:
        self._connection = connection
        self._bounds = bounds
        self._rooms: dict[str, Room] = {}
        self._active: dict[str, int] = {}

    def lock_rooms(self, poll_ids: Iterable[str], room_ids: Iterable[str]) -> None:
        """Keep other writers from the rooms of these polls, and from these, until the transaction ends."""
        known = {poll_id for poll_id in poll_ids if is_uuid(poll_id)}
        of_polls = [row[0] for row in _ROOMS_OF.rows(self._connection, ids=known)]
        LoadedRooms(self._connection, self._bounds).lock({*of_polls, *room_ids})

    def look(self, asked: Sequence[tuple[str, LoadedPoll | None, str]]) -> None:
        """Load who of the users that act is in or kicked, with their ballots; each is asked for by room, poll
        and user. Rooms come with their polls, or are loaded for those that are yet to be made."""
        by_id = {loaded.poll.id: loaded for _, loaded, _ in asked if loaded is not None}
        self._rooms = {loaded.room.id: loaded.room for loaded in by_id.values()}
        others = {room_id for room_id, _, _ in asked if room_id not in self._rooms and is_uuid(room_id)}
        self._rooms |= {row[0]: room_of(row) for row in _ROOMS.rows(self._connection, ids=others)}
        acting = {
            (room_id, user, *_ballot(loaded, user))
            for room_id, loaded, user in asked
            if room_id in self._rooms and user and is_text(user)
        }
        if acting:
            self._look_at(acting, by_id)

    def _look_at(self, acting: Collection[tuple[str, str, str, str]], by_id: dict[str, LoadedPoll]) -> None:
        inside: dict[str, dict[str, Participant]] = defaultdict(dict)
        kicked: dict[str, set[str]] = defaultdict(set)
        rooms_of, users, polls_of, voters = zip(*acting, strict=True)
        found = _ACTING.rows(self._connection, rooms=rooms_of, users=users, polls=polls_of, voters=voters)
        for room_id, user, poll_id, voter, is_in, is_kicked, option_ids, seq in found:
            if is_in:
                inside[room_id][user] = Participant(user, 0, 0)
            if is_kicked:
                kicked[room_id].add(user)
            if seq is not None:
                by_id[poll_id].know(ballot_of(voter, option_ids, seq))
        for room_id, room in self._rooms.items():
            seen = inside[room_id]
            unseen = room.count - len(seen)
            self._rooms[room_id] = replace(
                room, participants=seen, kicked=frozenset(kicked[room_id]), unseen=unseen
            )

    def room(self, room_id: str) -> Room | None:
        """Return a room with those of its participants who act."""
        return self._rooms.get(room_id)

    def require(self, room: Room, user: str, now_ms: int) -> None:
        """Raise RoomOver, KickedOut or NotInRoom unless a user is in a room."""
        rooms.inside(room, user, now_ms, self._bounds.room)

    def numbers(self, room_id: str) -> tuple[int, int]:
        """Return how many polls a room has that are not archived, and how many of them are open."""
        ((in_all, open_now),) = _NUMBERS.rows(self._connection, ids=[room_id])
        return int(in_all), int(open_now)

    def active(self, room: Room, now_ms: int) -> None:
        """Note that a room is used."""
        idle_ms_max = self._bounds.room.idle_ms_max or NEVER_MS
        if now_ms - room.active_at_ms >= min(ACTIVITY_MS, idle_ms_max // ACTIVITY_SHARE):
            self._active[room.id] = max(now_ms, self._active.get(room.id, 0))

    def save(self) -> None:
        """Write which rooms were used, unless somebody else is at work in them."""
        if not self._active:
            return
        free = [row[0] for row in _FREE.rows(self._connection, ids=sorted(self._active))]
        loaded_rooms = LoadedRooms(self._connection, self._bounds)
        loaded_rooms.lock(free)
        for room_id in free:
            if (loaded := loaded_rooms.get(room_id)) is not None:
                loaded_rooms.step(loaded, ActivitySeen(), self._active[room_id])
        loaded_rooms.save()


def _ballot(loaded: LoadedPoll | None, user: str) -> tuple[str, str]:
    """Return poll and voter of a ballot, nobody's if there can be none."""
    voter = None if loaded is None else voter_of(loaded.poll, user)
    return (_NOWHERE, "") if loaded is None or voter is None else (loaded.poll.id, voter)
