"""Proof that a snapshot and the events after it are the next snapshot, for rooms and for polls.

A watched room (or poll) is stepped by its rules, and its effects are performed as a server would. People look
on who were given a snapshot once and have only heard what was sent since; after each event they must see what
a fresh snapshot shows.
"""

from collections.abc import Iterable

import pytest

from sessions import poll_snapshots, polls, room_snapshots, rooms
from sessions.ballots import Ballot, count
from sessions.poll_records import Poll, voter_of
from sessions.poll_snapshots import PollSnapshot
from sessions.room_effects import Effect, Message, MessagePosted, Publish
from sessions.room_events import Event
from sessions.room_records import Bounds, Room, State
from sessions.room_snapshots import RoomSnapshot

WATCHERS_MAX = 6


class WatchedRoom:
    """A room with its log and its messages. Somebody begins to look on at every offset; when it is crowded,
    every second one goes."""

    def __init__(self, room: Room, bounds: Bounds | None = None) -> None:
        self.room = room
        self.bounds = bounds or Bounds()
        self.log: list[Publish] = []
        self.messages: list[Message] = []
        self.watchers: list[RoomSnapshot] = [self.snapshot()]

    def snapshot(self) -> RoomSnapshot:
        return room_snapshots.snapshot(self.room, self.messages)

    def do(self, event: Event, now_ms: int) -> tuple[Effect, ...]:
        """Step the room and assert what must hold after any event. Raises what the rule raises, and then
        nothing has changed."""
        before = self.room
        self.room, effects = rooms.step(before, event, now_ms, self.bounds)
        assert self.room.version == before.version + (self.room is not before)
        published = [effect for effect in effects if isinstance(effect, Publish)]
        offsets = [effect.offset for effect in published]
        assert offsets == list(range(before.offset + 1, self.room.offset + 1)), "no gap, none twice"
        self.log += published
        for one in published:
            if isinstance(one.event, MessagePosted):
                assert one.event.message.offset == one.offset
                self.messages.append(one.event.message)
        self._assert_seen(published)
        assert_sound(self.room)
        return effects

    def _assert_seen(self, published: Iterable[Publish]) -> None:
        fresh = self.snapshot()
        for one in published:
            self.watchers = [room_snapshots.after(seen, one) for seen in self.watchers]
            # What comes twice changes nothing, what is missed is found out.
            assert self.watchers == [room_snapshots.after(seen, one) for seen in self.watchers]
        for seen in self.watchers:
            assert seen == fresh
            with pytest.raises(room_snapshots.OffsetGap):
                room_snapshots.after(seen, Publish(seen.offset + 2, self.log[0].event if self.log else _ANY))
        self.watchers.append(fresh)
        if len(self.watchers) > WATCHERS_MAX:
            self.watchers = self.watchers[::2]


_ANY = MessagePosted(Message("m", 2, "ben", "Hi", 0))


def assert_sound(room: Room) -> None:
    """What is true of every room at any time."""
    people = room.participants
    assert len(people) <= room.participants_max
    assert all(user == at.user for user, at in people.items())
    assert len({at.place for at in people.values()}) == len(people)
    assert not room.kicked & set(people)
    assert room.owner not in room.kicked
    assert (room.state is State.CLOSED) == (room.closed_at_ms is not None) == (room.closed_by is not None)
    if room.state is State.CLOSED:
        assert not people
    if people:
        assert room.host in people
    if room.owner in people:
        assert room.host == room.owner


class WatchedPoll:
    """A poll with its ballots, and the users who look on: `host` is the host of its room.

    Each is given a snapshot when the poll is opened; then whoever votes gets an answer, and all of them what
    is announced, in the form that is for them.
    """

    def __init__(
        self, poll: Poll, users: Iterable[str], host: str, bounds: polls.Bounds | None = None
    ) -> None:
        self.poll = poll
        self.host = host
        self.bounds = bounds or polls.Bounds()
        self.ballots: dict[str, Ballot] = {}
        self.seen: dict[str, PollSnapshot | None] = dict.fromkeys(users)

    def snapshot(self, user: str) -> PollSnapshot:
        return poll_snapshots.snapshot(self.poll, self.ballot(user), host=user == self.host)

    def ballot(self, user: str) -> Ballot | None:
        voter = voter_of(self.poll, user)
        return None if voter is None else self.ballots.get(voter)

    def do(self, event: polls.Event, now_ms: int) -> tuple[polls.Effect, ...]:
        """Step the poll and assert what must hold after any event. Raises what the rule raises."""
        before = self.poll
        self.poll, effects = polls.step(before, self.ballots, event, now_ms, self.bounds)
        assert self.poll.version == before.version + (self.poll is not before)
        for effect in effects:
            match effect:
                case polls.StoreBallot():
                    self.ballots[effect.ballot.voter] = effect.ballot
                case polls.ReportMiscount():
                    raise AssertionError(effect)
                case polls.AnnounceOpened():
                    self.seen = {user: self.snapshot(user) for user in self.seen}
                case polls.AnnounceChanged() | polls.AnnounceClosed():
                    self._announce()
        if isinstance(event, polls.VoteCast) and event.user in self.seen:
            self._tell(event.user, self.snapshot(event.user))
        self._assert_sound()
        return effects

    def _announce(self) -> None:
        forms = {seeing: poll_snapshots.broadcast(self.poll, seeing=seeing) for seeing in (False, True)}
        for user in self.seen:
            self._tell(user, forms[self._sees(user)])

    def _sees(self, user: str) -> bool:
        ballot = self.ballot(user)
        voted = ballot is not None and bool(ballot.option_ids)
        return poll_snapshots.sees_results(self.poll, voted=voted, host=user == self.host)

    def _tell(self, user: str, told: PollSnapshot) -> None:
        earlier = self.seen[user]
        self.seen[user] = poll_snapshots.after(earlier, told)
        assert earlier is None or poll_snapshots.after(self.seen[user], earlier).version >= earlier.version

    def _assert_sound(self) -> None:
        assert self.poll.tally == count(self.poll.option_ids, self.ballots.values())
        if self.poll.state not in ("draft", "archived"):
            for user, seen in self.seen.items():
                assert seen == self.snapshot(user)
        for user in self.seen:
            self._assert_kept(user, self.snapshot(user))

    def _assert_kept(self, user: str, seen: PollSnapshot) -> None:
        """A viewer sees counts where they may, none elsewhere, and percentages that add to 100."""
        votes = [option.votes for option in seen.options if option.votes is not None]
        percents = [option.percent for option in seen.options if option.percent is not None]
        if not self._sees(user):
            assert (votes, percents, seen.winners) == ([], [], None)
        assert sum(percents) == (100 if sum(votes) else 0)
        assert (seen.winners is not None) == (self._sees(user) and self.poll.state.over)
