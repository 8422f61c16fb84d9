"""The journal of polls: made, opened, voted in and closed, each as its rule says.

Invariant: a group of votes locks their polls and no room; whatever else happens locks the rooms first, in the
order of their ids. A vote counts only for who is in the room then.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from gateway.stores.interface import Refusal
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.electorate import Electorate
from gateway.stores.rooms.loaded_polls import LoadedPoll, LoadedPolls
from gateway.stores.rooms.operations import (
    POLLS_MAX,
    ActInPoll,
    CreatePoll,
    PollDone,
    RuleRefused,
    TooManyPolls,
    UnknownPoll,
    UnknownRoom,
)
from sessions import polls, rooms
from sessions.poll_records import BadPoll
from sessions.room_records import Room
from sessions.texts import TextRefused

REFUSALS = (
    rooms.RoomOver, rooms.KickedOut, rooms.NotInRoom, polls.PollNotDraft, polls.PollNotOpen, polls.PollClosed,
    polls.AnotherPollOpen, polls.NotPollHost, polls.BadBallot, polls.VoteFixed, BadPoll, TextRefused,
)  # fmt: skip
"""What the rules of polls, and of rooms for who may vote, refuse with."""

PollOperation = CreatePoll | ActInPoll


class PollChanges:
    """Journal of everything that happens to polls, in one so that their order holds."""

    name = "polls"

    def __init__(self, bounds: RoomBounds) -> None:
        self._bounds = bounds

    def apply(self, connection: Connection, operations: Sequence[PollOperation]) -> list[PollDone | Refusal]:
        """Apply each in order. One that was applied before changes nothing."""
        group = _Group(connection, self._bounds)
        group.load(operations)
        answers = [group.apply(operation) for operation in operations]
        group.save()
        return answers


class _Group:
    """One group, and what it has loaded."""

    def __init__(self, connection: Connection, bounds: RoomBounds) -> None:
        self._bounds = bounds
        self._polls = LoadedPolls(connection, bounds.poll)
        self._electorate = Electorate(connection, bounds)

    def load(self, operations: Sequence[PollOperation]) -> None:
        ids = [poll_id_of(operation) for operation in operations]
        others = [own for own, operation in zip(ids, operations, strict=True) if not is_vote(operation)]
        made_in = {one.poll.id: one.poll.room_id for one in operations if isinstance(one, CreatePoll)}
        if others:
            self._electorate.lock_rooms(others, made_in.values())
        self._polls.lock(ids)
        asked: list[tuple[str, LoadedPoll | None, str]] = []
        for own, operation in zip(ids, operations, strict=True):
            loaded = self._polls.get(own)
            if loaded is not None:
                asked.append((loaded.poll.room_id, loaded, user_of(operation)))
            if own in made_in:
                asked.append((made_in[own], None, user_of(operation)))
        self._electorate.look(asked)

    def apply(self, operation: PollOperation) -> PollDone | Refusal:
        loaded = self._polls.get(poll_id_of(operation))
        if loaded is not None and loaded.room.tenant_id != operation.tenant_id:
            loaded = None
        if isinstance(operation, ActInPoll) and operation.room_id and loaded is not None:
            loaded = loaded if loaded.poll.room_id == operation.room_id else None
        try:
            if isinstance(operation, CreatePoll):
                return self._create(operation, loaded)
            return UnknownPoll() if loaded is None else self._act(loaded, operation)
        except REFUSALS as refusal:
            return RuleRefused(refusal)

    def _create(self, operation: CreatePoll, loaded: LoadedPoll | None) -> PollDone | Refusal:
        poll, now_ms = operation.poll, operation.now_ms
        room = self._electorate.room(poll.room_id)
        if room is None or room.tenant_id != operation.tenant_id:
            return UnknownRoom()
        host = rooms.in_charge(room, poll.author)
        if loaded is not None:
            return PollDone(loaded.poll, host=host)
        self._electorate.require(room, poll.author, now_ms)
        if operation.host_only and not host:
            raise polls.NotPollHost
        number, open_already = self._numbers(room)
        if number >= POLLS_MAX:
            return TooManyPolls()
        effects: tuple[polls.Effect, ...] = ()
        if operation.opened:
            opening = polls.OpenRequested(poll.author, host, open_already)
            poll, effects = polls.step(poll, {}, opening, now_ms, self._bounds.poll)
        self._polls.create(poll, room)
        self._electorate.active(room, now_ms)
        return PollDone(poll, effects, host=host)

    def _act(self, loaded: LoadedPoll, operation: ActInPoll) -> PollDone:
        room = self._electorate.room(loaded.poll.room_id)
        assert room is not None, "a poll without a room"
        event, user, now_ms = operation.event, user_of(operation), operation.now_ms
        host = bool(user) and rooms.in_charge(room, user)
        if isinstance(event, polls.VoteCast | polls.OpenRequested) or (operation.room_id and user):
            self._electorate.require(room, user, now_ms)
        match event:
            case polls.Edited():
                event = polls.Edited(event.by, host, event.wanted)
            case polls.OpenRequested():
                event = polls.OpenRequested(event.by, host, self._numbers(room)[1])
            case polls.CloseRequested():
                event = polls.CloseRequested(event.by, host)
            case polls.VoteCast() | polls.DeadlinePassed():
                pass
        effects = self._polls.step(loaded, event, now_ms)
        if effects and user:
            self._electorate.active(room, now_ms)
        return PollDone(loaded.poll, effects, loaded.ballot(user) if user else None, host)

    def _numbers(self, room: Room) -> tuple[int, int]:
        # What this group has changed so far counts.
        self._polls.save()
        return self._electorate.numbers(room.id)

    def save(self) -> None:
        self._polls.save()
        self._electorate.save()


def is_vote(operation: PollOperation) -> bool:
    """Return whether an operation is a vote."""
    return isinstance(operation, ActInPoll) and isinstance(operation.event, polls.VoteCast)


def poll_id_of(operation: PollOperation) -> str:
    """Return which poll an operation is about."""
    return operation.poll.id if isinstance(operation, CreatePoll) else operation.poll_id


def user_of(operation: PollOperation) -> str:
    """Return who acts, an empty text if nobody does."""
    if isinstance(operation, CreatePoll):
        return operation.poll.author
    match operation.event:
        case polls.VoteCast():
            return operation.event.user
        case polls.DeadlinePassed():
            return ""
        case _:
            return operation.event.by
