"""Rooms and polls as they would be with all the memory in the world: whole rooms, every ballot.

What the journals answer and store has to be this, though they load only what a step needs.
"""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from gateway.stores.rooms.operations import (
    ActInPoll,
    ActInRoom,
    CodeTaken,
    CreatePoll,
    CreateRoom,
    LoseSeats,
    UnknownPoll,
    UnknownRoom,
)
from gateway.stores.rooms.poll_changes import REFUSALS as POLL_REFUSALS
from gateway.stores.rooms.room_changes import REFUSALS as ROOM_REFUSALS
from sessions import polls, rooms
from sessions.ballots import Ballot
from sessions.poll_records import Poll, voter_of
from sessions.poll_records import State as PollState
from sessions.room_effects import EndPolls, Message, MessagePosted, Publish
from sessions.room_events import ActivitySeen, ConnectionLost, JoinRequested, MessageSent
from sessions.room_records import Bounds, Room, Sent, State

Outcome = Any


class Model:
    """Everything, by id."""

    def __init__(self, bounds: Bounds, poll_bounds: polls.Bounds) -> None:
        self._bounds, self._poll_bounds = bounds, poll_bounds
        self.rooms: dict[str, Room] = {}
        self.seats: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self.events: dict[str, list[Publish]] = defaultdict(list)
        self.messages: dict[str, dict[tuple[str, str], Message]] = defaultdict(dict)
        self.polls: dict[str, Poll] = {}
        self.ballots: dict[str, dict[str, Ballot]] = defaultdict(dict)

    def apply(self, operation: Any) -> Outcome:
        """Return a refusal's name and words, or effects and what became of it."""
        try:
            return self._apply(operation)
        except (*ROOM_REFUSALS, *POLL_REFUSALS) as refusal:
            return type(refusal).__name__, str(refusal)

    def _apply(self, operation: Any) -> Outcome:
        match operation:
            case CreateRoom():
                return self._create_room(operation.room)
            case ActInRoom():
                return self._act(operation)
            case LoseSeats():
                return self._lose(operation)
            case CreatePoll():
                return self._create_poll(operation)
            case ActInPoll():
                return self._act_in_poll(operation)
        raise AssertionError(operation)

    # --- rooms ----------------------------------------------------------------------------------------

    def _create_room(self, room: Room) -> Outcome:
        if room.id in self.rooms:
            return (), facts(self.rooms[room.id])
        for other in self.rooms.values():
            if (other.tenant_id, other.code) == (room.tenant_id, room.code) and other.state is State.OPEN:
                return CodeTaken.__name__, f"Room code {room.code} is taken"
        self.rooms[room.id] = room
        return (), facts(room)

    def _act(self, operation: ActInRoom) -> Outcome:
        room, event = self.rooms.get(operation.room_id), operation.event
        if room is None or room.tenant_id != operation.tenant_id:
            return UnknownRoom.__name__, "There is no such room"
        effects = self._step(room, event, operation.now_ms)
        if isinstance(event, JoinRequested):
            self.seats[room.id].add((event.user, operation.boot_id))
        closing = polls.CloseRequested("", host=True, reason="room")
        ended = [
            (self._step_poll(poll, closing, operation.now_ms), self.polls[poll.id])
            for poll in list(self.polls.values())
            if EndPolls() in effects and poll.room_id == room.id and poll.state is PollState.OPEN
        ]
        return effects, facts(self.rooms[room.id]), *sorted(ended, key=lambda end: end[1].id)

    def _step(self, room: Room, event: Any, now_ms: int) -> Outcome:
        whole = room
        if isinstance(event, MessageSent) and event.by in room.participants:
            known = self.messages[room.id].get((event.by, event.client_id))
            sent = (Sent(event.client_id, known.id, known.offset, known.at_ms),) if known else ()
            sender = replace(room.participants[event.by], sent=sent)
            whole = replace(room, participants={**room.participants, event.by: sender})
        after, effects = rooms.step(whole, event, now_ms, self._bounds)
        forgetful = {user: replace(at, sent=()) for user, at in after.participants.items()}
        self.rooms[room.id] = replace(after, participants=forgetful)
        self.seats[room.id] = {seat for seat in self.seats[room.id] if seat[0] in forgetful}
        for effect in effects:
            if isinstance(effect, Publish):
                self.events[room.id].append(effect)
                if isinstance(effect.event, MessagePosted):
                    message = effect.event.message
                    self.messages[room.id][message.user, event.client_id] = message
        return effects

    def _lose(self, operation: LoseSeats) -> Outcome:
        room_id = operation.room_id
        if room_id not in self.rooms:
            return UnknownRoom.__name__, "There is no such room"
        effects: list[Any] = []
        for user in operation.users:
            self.seats[room_id].discard((user, operation.boot_id))
            if not any(own == user for own, _ in self.seats[room_id]):
                effects += self._step(self.rooms[room_id], ConnectionLost(user), operation.now_ms)
        return tuple(effects), facts(self.rooms[room_id])

    # --- polls ----------------------------------------------------------------------------------------

    def _create_poll(self, operation: CreatePoll) -> Outcome:
        poll, now_ms = operation.poll, operation.now_ms
        room = self.rooms.get(poll.room_id)
        if room is None or room.tenant_id != operation.tenant_id:
            return UnknownRoom.__name__, "There is no such room"
        if poll.id in self.polls:
            return (), self.polls[poll.id], None
        rooms.inside(room, poll.author, now_ms, self._bounds)
        if operation.host_only and not rooms.in_charge(room, poll.author):
            raise polls.NotPollHost
        effects: tuple[Any, ...] = ()
        if operation.opened:
            opening = polls.OpenRequested(
                poll.author, rooms.in_charge(room, poll.author), self._open_in(room)
            )
            poll, effects = polls.step(poll, {}, opening, now_ms, self._poll_bounds)
        self.polls[poll.id] = poll
        self._step(room, ActivitySeen(), now_ms)
        return effects, poll, None

    def _open_in(self, room: Room) -> int:
        return sum(poll.room_id == room.id and poll.state is PollState.OPEN for poll in self.polls.values())

    def _act_in_poll(self, operation: ActInPoll) -> Outcome:
        poll, event, now_ms = self.polls.get(operation.poll_id), operation.event, operation.now_ms
        if poll is None:
            return UnknownPoll.__name__, "There is no such poll"
        room = self.rooms[poll.room_id]
        if room.tenant_id != operation.tenant_id:
            return UnknownPoll.__name__, "There is no such poll"
        user = event.user if isinstance(event, polls.VoteCast) else getattr(event, "by", "")
        host = rooms.in_charge(room, user)
        if isinstance(event, polls.VoteCast | polls.OpenRequested):
            rooms.inside(room, user, now_ms, self._bounds)
        if isinstance(event, polls.OpenRequested):
            event = replace(event, host=host, open_already=self._open_in(room))
        elif isinstance(event, polls.Edited | polls.CloseRequested):
            event = replace(event, host=host)
        effects = self._step_poll(poll, event, now_ms)
        if effects and user:
            self._step(room, ActivitySeen(), now_ms)
        poll = self.polls[poll.id]
        voter = voter_of(poll, user)
        return effects, poll, self.ballots[poll.id].get(voter) if voter else None

    def _step_poll(self, poll: Poll, event: polls.Event, now_ms: int) -> Outcome:
        after, effects = polls.step(poll, self.ballots[poll.id], event, now_ms, self._poll_bounds)
        self.polls[poll.id] = after
        for effect in effects:
            if isinstance(effect, polls.StoreBallot):
                self.ballots[poll.id][effect.ballot.voter] = effect.ballot
        return effects


def facts(room: Room) -> Room:
    """A room without its people but for how many they are, and without its version: that a room is voted in
    is noted once for a group of votes."""
    return replace(room, participants={}, kicked=frozenset(), unseen=room.count, version=0)
