"""The events of polls: made, edited, opened, voted in, closed, each answered with the poll as its viewer sees
it.

Invariant: a vote is answered only once its ballot is stored; one that comes too late with the result that
its voter may see. Who voted how is in no log.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from gateway import clock
from gateway.http.errors import Refused
from gateway.ids import new_key, new_uuid
from gateway.metrics import POLL_VOTES
from gateway.rooms.bodies import Json, poll_body
from gateway.rooms.local import LocalRoom
from gateway.rooms.rooms import Rooms
from gateway.socketio.interface import Ack, Client
from gateway.stores.rooms.operations import ActInPoll, CreatePoll, PollDone
from sessions import poll_records, polls
from sessions.ballots import Ballot
from sessions.payloads import ClientEvent
from sessions.poll_messages import ClosePoll, EditPoll, OpenPoll, Vote
from sessions.poll_messages import CreatePoll as PollAsked
from sessions.poll_records import Poll
from sessions.poll_snapshots import snapshot
from sessions.polls import (
    CloseRequested,
    DeadlinePassed,
    Edited,
    OpenRequested,
    PollClosed,
    VoteCast,
    VoteFixed,
)

Act = Callable[[Client, Any], Awaitable[Ack]]
_POLLS = uuid.UUID("5a0c8b4e-6f0d-5d39-9c55-2f0c1f7d0a77")
"""The namespace (RFC 9562, section 5.5) of polls that clients have named."""


class Voting:
    """Handles `poll:...`; `room_of` returns the room that a client is in, and raises NotInRoom."""

    def __init__(self, rooms: Rooms, room_of: Callable[[Client], LocalRoom]) -> None:
        self._rooms = rooms
        self._room_of = room_of

    @property
    def events(self) -> Sequence[tuple[type[ClientEvent], Act]]:
        """Each event, with what handles it."""
        return (
            (PollAsked, self._create),
            (EditPoll, self._edit),
            (OpenPoll, self._open),
            (Vote, self._vote),
            (ClosePoll, self._close),
        )

    async def _create(self, client: Client, said: PollAsked) -> Ack:
        room, user, now_ms = self._room_of(client), client.principal.user, clock.wall_ms()
        named = said.client_id is not None
        # As JSON, for a user's name may hold any separator.
        name = orjson.dumps([room.id, user, said.client_id]).decode()
        poll_id = str(uuid.uuid5(_POLLS, name)) if named else new_uuid()
        poll = poll_records.create(
            said.wanted(), poll_id=poll_id, room_id=room.id, author=user, key=new_key(), now_ms=now_ms
        )
        operation = CreatePoll(room.tenant, poll, now_ms, opened=not said.draft, host_only=True)
        return _shown(await self._rooms.act_in_poll(operation, user, client))

    async def _edit(self, client: Client, said: EditPoll) -> Ack:
        by = client.principal.user
        return await self._act(client, said.poll_id, Edited(by, False, said.wanted()))

    async def _open(self, client: Client, said: OpenPoll) -> Ack:
        return await self._act(client, said.poll_id, OpenRequested(client.principal.user, False, 0))

    async def _close(self, client: Client, said: ClosePoll) -> Ack:
        return await self._act(client, said.poll_id, CloseRequested(client.principal.user, False))

    async def _act(self, client: Client, poll_id: str, event: polls.Event) -> Ack:
        room = self._room_of(client)
        operation = ActInPoll(room.tenant, poll_id, event, clock.wall_ms(), room.id)
        return _shown(await self._rooms.act_in_poll(operation, client.principal.user, client))

    async def _vote(self, client: Client, said: Vote) -> Ack:
        now_ms = clock.wall_ms()
        room, user = self._room_of(client), client.principal.user
        cast = VoteCast(user, tuple(said.option_ids), said.client_vote_seq)
        try:
            done = await self._rooms.act_in_poll(
                ActInPoll(room.tenant, said.poll_id, cast, now_ms, room.id), user, client
            )
        except PollClosed as late:
            POLL_VOTES.labels("late").inc()
            poll = await self._ended(room, late.poll)
            raise _late(poll, late.ballot, str(late), host=user == room.host) from late
        except VoteFixed as fixed:
            POLL_VOTES.labels("refused").inc()
            raise Refused(409, "VOTE_FIXED", str(fixed), my_vote=list(fixed.ballot.option_ids)) from fixed
        except Exception:
            POLL_VOTES.labels("refused").inc()
            raise
        POLL_VOTES.labels("counted" if done.effects else "repeated").inc()
        return _shown(done)

    async def _ended(self, room: LocalRoom, poll: Poll) -> Poll:
        """Return a poll whose time is over with its result; nobody may have closed it yet."""
        if poll.state.over:
            return poll
        operation = ActInPoll(room.tenant, poll.id, DeadlinePassed(), clock.wall_ms())
        return (await self._rooms.act_in_poll(operation)).poll


def _shown(done: PollDone) -> Json:
    return {"ok": True, "poll": poll_body(snapshot(done.poll, done.ballot, host=done.host))}


def _late(poll: Poll, ballot: Ballot | None, sentence: str, *, host: bool) -> Refused:
    return Refused(409, "POLL_CLOSED", sentence, poll=poll_body(snapshot(poll, ballot, host=host)))
