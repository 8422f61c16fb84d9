"""The polls that one group touches: locked in the order of their ids, changed in memory, each saved once.

Invariant: the tally of a poll and its ballots are written in one transaction, under the poll's lock; a poll
is closed with what counting its ballots in the database gives.
"""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from gateway.stores.columns import is_uuid
from gateway.stores.prepared import ForEach, Listed, Places
from gateway.stores.rooms.rows import (
    POLL,
    POLL_CHANGES,
    ROOM,
    ballot_row,
    options_of,
    poll_changes,
    poll_of,
    poll_row,
    room_of,
)
from gateway.stores.rooms.schema import poll_votes, rooms
from gateway.stores.rooms.schema import polls as table
from sessions import polls
from sessions.ballots import Ballot, Tally, count_alike
from sessions.poll_records import Poll, State, voter_of
from sessions.room_records import Room

_OWN = poll_votes.c
_IN_ORDER = (
    select(*POLL, *ROOM)
    .join(rooms, rooms.c.id == table.c.room_id)
    .order_by(table.c.id)
    .with_for_update(of=table)
)


def _locked(ids: Places) -> Select[Any]:
    return _IN_ORDER.where(table.c.id.in_(ids))


def _open_in(rooms: Places) -> Select[Any]:
    return _IN_ORDER.where(table.c.room_id.in_(rooms), table.c.state == State.OPEN.value)


def _counted(ids: Places) -> Select[Any]:
    return select(_OWN.option_ids, func.count()).where(_OWN.poll_id.in_(ids)).group_by(_OWN.option_ids)


_LOCK = Listed(_locked, ids=table.c.id.type)
_LOCK_OPEN = Listed(_open_in, rooms=table.c.room_id.type)
_COUNT = Listed(_counted, ids=_OWN.poll_id.type)
_CREATE = ForEach(
    insert(table).inline(), "id", "tenant_id", "room_id", "author", "author_user_id", "created_at",
    *POLL_CHANGES,
)  # fmt: skip
_SAVE = ForEach(
    update(table)
    .where(table.c.id == bindparam("of_poll"))
    .values({name: bindparam(f"new_{name}") for name in POLL_CHANGES})
)
_CAST = ForEach(insert(poll_votes).inline(), "poll_id", "voter", "user_id", "option_ids", "seq", "voted_at")
_RECAST = ForEach(
    update(poll_votes)
    .where(_OWN.poll_id == bindparam("of_poll"), _OWN.voter == bindparam("of_voter"))
    .values(option_ids=bindparam("chosen"), seq=bindparam("number"), voted_at=bindparam("at"))
)


class LoadedPoll:
    """One of them, with the ballots that are known of it, and its room without anybody, which is not
    locked by it."""

    def __init__(self, poll: Poll, room: Room) -> None:
        self.poll = self.before = poll
        self.room = room
        self.ballots: dict[str, Ballot] = {}
        self.stored: set[str] = set()
        self.cast: dict[str, int] = {}

    def know(self, ballot: Ballot) -> None:
        """Take a ballot from the store, before any change."""
        self.ballots[ballot.voter] = ballot
        self.stored.add(ballot.voter)

    def ballot(self, user: str) -> Ballot | None:
        """Return a user's ballot, if it is known and anybody can tell."""
        voter = voter_of(self.poll, user)
        return None if voter is None else self.ballots.get(voter)


class LoadedPolls:
    """All of them."""

    def __init__(self, connection: Connection, bounds: polls.Bounds) -> None:
        self._connection = connection
        self._bounds = bounds
        self._polls: dict[str, LoadedPoll] = {}

    def lock(self, ids: Collection[str]) -> None:
        """Load polls, and keep other writers from them and their ballots until the end of the transaction."""
        self._take(_LOCK.rows(self._connection, ids=sorted({one for one in ids if is_uuid(one)})))

    def lock_open_in(self, room_ids: Collection[str]) -> None:
        """Do the same with the polls that are open in these rooms, whose own locks are held."""
        self._take(_LOCK_OPEN.rows(self._connection, rooms=sorted(set(room_ids))))

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            if row[0] not in self._polls:
                self._polls[row[0]] = LoadedPoll(poll_of(row), room_of(row[len(POLL) :]))

    def get(self, poll_id: str) -> LoadedPoll | None:
        """Return a poll that is locked, None if there is none."""
        return self._polls.get(poll_id)

    def open_in(self, room_id: str) -> list[LoadedPoll]:
        """Return the open polls of a room, of those that are locked."""
        return [
            loaded
            for loaded in self._polls.values()
            if loaded.poll.room_id == room_id and loaded.poll.state is State.OPEN
        ]

    def create(self, poll: Poll, room: Room) -> None:
        """Write a new poll of a room."""
        deadline_ms = polls.deadline_ms(poll, self._bounds)
        _CREATE.run(self._connection, [poll_row(room.tenant_id, poll, deadline_ms)])
        self._polls[poll.id] = LoadedPoll(poll, room)

    def step(self, loaded: LoadedPoll, event: polls.Event, now_ms: int) -> tuple[polls.Effect, ...]:
        """Step a poll by its rule; return the effects. Raises what the rule raises."""
        poll, ballots = loaded.poll, loaded.ballots
        closing = isinstance(event, polls.CloseRequested | polls.DeadlinePassed)
        if closing and poll.state is State.OPEN:
            after, effects = polls.step(poll, self._count(loaded), event, now_ms, self._bounds)
        else:
            after, effects = polls.step(poll, ballots, event, now_ms, self._bounds)
        for effect in effects:
            if isinstance(effect, polls.StoreBallot):
                ballots[effect.ballot.voter] = effect.ballot
                loaded.cast[effect.ballot.voter] = now_ms
        loaded.poll = after
        return effects

    def _count(self, loaded: LoadedPoll) -> Tally:
        self._save_ballots([loaded])
        alike = _COUNT.rows(self._connection, ids=[loaded.poll.id])
        return count_alike(
            loaded.poll.option_ids, {options_of(option_ids): number for option_ids, number in alike}
        )

    def save(self) -> None:
        """Write what changed."""
        self._save_ballots(self._polls.values())
        changed = [loaded for loaded in self._polls.values() if loaded.poll is not loaded.before]
        if changed:
            _SAVE.run(self._connection, [self._row(loaded.poll) for loaded in changed])
        for loaded in changed:
            loaded.before = loaded.poll

    def _row(self, poll: Poll) -> dict[str, object]:
        values = poll_changes(poll, polls.deadline_ms(poll, self._bounds))
        return {"of_poll": poll.id} | {f"new_{name}": value for name, value in values.items()}

    def _save_ballots(self, changed: Iterable[LoadedPoll]) -> None:
        new, again = [], []
        for loaded in changed:
            for voter, now_ms in loaded.cast.items():
                row = ballot_row(loaded.room.tenant_id, loaded.poll, loaded.ballots[voter], now_ms)
                if voter in loaded.stored:
                    again.append(row)
                else:
                    new.append(row)
            loaded.stored.update(loaded.cast)
            loaded.cast.clear()
        if new:
            _CAST.run(self._connection, new)
        if again:
            _RECAST.run(
                self._connection,
                [
                    {
                        "of_poll": row["poll_id"], "of_voter": row["voter"], "chosen": row["option_ids"],
                        "number": row["seq"], "at": row["voted_at"],
                    }
                    for row in again
                ],
            )  # fmt: skip
