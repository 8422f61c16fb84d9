"""What is asked of polls and ballots: each is a function of a connection, for `Database.read`.

Invariant: a poll of another tenant is as one that is not there, and nobody gets another's ballot but by
`named_ballots`.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, or_, select

from gateway.stores.columns import is_uuid
from gateway.stores.rooms.rows import BALLOT, POLL, ballot_of, poll_of
from gateway.stores.rooms.schema import poll_votes, polls
from gateway.stores.statements import at_one_moment
from sessions.ballots import Ballot
from sessions.poll_records import Poll, State, voter_of

CLOSED_MAX = 20
"""Closed polls of a room that are listed."""

_POLL, _CAST = polls.c, poll_votes.c
_POLLS = select(*POLL)
Seen = tuple[Poll, Ballot | None]


def poll(connection: Connection, tenant_id: str, poll_id: str, user: str | None) -> Seen | None:
    """Return a poll, with the ballot of a user if they have one and anybody can tell."""
    if not is_uuid(poll_id):
        return None
    at_one_moment(connection)
    row = connection.execute(_POLLS.where(_POLL.id == poll_id, _POLL.tenant_id == tenant_id)).first()
    return None if row is None else _with_ballots(connection, [poll_of(row)], user)[0]


def polls_of(
    connection: Connection, room_id: str, user: str | None, closed_max: int = CLOSED_MAX
) -> list[Seen]:
    """Return the polls of a room, the oldest first, each with the ballot of a user: drafts, those that are
    open, and the newest that are closed. Whether a draft is shown, `poll_snapshots.listed` says."""
    if not is_uuid(room_id):
        return []
    at_one_moment(connection)
    closed = (
        select(_POLL.id)
        .where(_POLL.room_id == room_id, _POLL.state == State.CLOSED.value)
        .order_by(_POLL.created_at.desc(), _POLL.id)
        .limit(closed_max)
    )
    going_on = _POLL.state.in_([State.DRAFT.value, State.OPEN.value])
    query = _POLLS.where(_POLL.room_id == room_id, or_(going_on, _POLL.id.in_(closed)))
    rows = connection.execute(query.order_by(_POLL.created_at, _POLL.id))
    return _with_ballots(connection, [poll_of(row) for row in rows], user)


def _with_ballots(connection: Connection, found: Sequence[Poll], user: str | None) -> list[Seen]:
    voters = {each.id: voter_of(each, user) if user else None for each in found}
    asked = {voter for voter in voters.values() if voter is not None}
    ballots: dict[tuple[str, str], Ballot] = {}
    if asked:
        ids = [poll_id for poll_id, voter in voters.items() if voter is not None]
        query: Any = select(_CAST.poll_id, *BALLOT).where(_CAST.poll_id.in_(ids), _CAST.voter.in_(asked))
        ballots = {(row[0], row[1]): ballot_of(*row[1:]) for row in connection.execute(query)}
    return [(each, ballots.get((each.id, voters[each.id] or ""))) for each in found]


def named_ballots(connection: Connection, poll_id: str, most: int, after: str = "") -> list[Ballot]:
    """Return ballots of a poll by voter, from behind `after`; who may see them, `named_votes` says."""
    if not is_uuid(poll_id):
        return []
    query = select(*BALLOT).where(_CAST.poll_id == poll_id, _CAST.voter > after)
    return [ballot_of(*row) for row in connection.execute(query.order_by(_CAST.voter).limit(most))]
