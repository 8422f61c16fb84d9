"""The polls of one room as this process knows them: told to its people, and closed when their time is over.

Invariant: a room is told of its polls at most four times a second, and after the last change of each; what is
told is a poll as it was last read or written, never older than what was told before.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol, assert_never

from gateway import clock
from gateway.metrics import POLL_SNAPSHOTS
from gateway.rooms.bodies import Json, poll_body
from gateway.rooms.note import PollNews
from gateway.rooms.sides import Crowd, Sides
from gateway.socketio.interface import Audiences, Client
from gateway.stores.rooms.operations import PollDone
from sessions import throttle
from sessions.ballots import Ballot
from sessions.poll_records import Poll, State, voter_of
from sessions.poll_snapshots import broadcast, listed, snapshot
from sessions.polls import AnnounceChanged, AnnounceClosed, AnnounceOpened, ReportMiscount, StoreBallot
from sessions.throttle import Throttle

log = logging.getLogger(__name__)

VOTERS_TOLD_MAX = 1000
"""Names on ballots in one note to other processes."""
LATE_SECONDS = 0.005
"""After a poll's time is over: the clocks of the loop and of the wall differ by as much."""

Found = tuple[Poll, Ballot | None]


class Owner(Protocol):
    """What the polls of a room ask for. None of it fails or waits."""

    def read_poll(self, poll_id: str) -> None:
        """Read a poll, and give it to `refreshed`."""

    def read_ballot(self, poll_id: str, user: str) -> None:
        """Read a poll with the ballot of a user, and give both to `voted_elsewhere`."""

    def end_poll(self, poll_id: str) -> None:
        """Have a poll closed: its time is over."""

    def tell_others(self, news: PollNews) -> None:
        """Tell other processes."""


class _Known:
    """A poll that this process knows. `told` is the version of the count that the room was told last."""

    __slots__ = ("cast", "closing", "names", "ours", "poll", "sides", "told")

    def __init__(self, poll: Poll, sides: Sides) -> None:
        self.poll = poll
        self.sides = sides
        self.told = 0
        self.ours = False
        self.cast: dict[str, None] = {}
        self.names: dict[str, str] = {}
        self.closing: asyncio.TimerHandle | None = None


class RoomPolls:
    """Of one room. Made within an event loop."""

    def __init__(self, crowd: Crowd, audiences: Audiences, owner: Owner) -> None:
        self._crowd = crowd
        self._audiences = audiences
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._known: dict[str, _Known] = {}
        self._versions: dict[str, int] = {}
        self._reading: set[str] = set()
        self._throttle = Throttle()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing left to tell."""
        return not self._throttle.waiting

    def get(self, poll_id: str) -> Poll | None:
        """Return a poll as it is known."""
        known = self._known.get(poll_id)
        return None if known is None else known.poll

    # --- people -------------------------------------------------------------------------------------

    def learn(self, found: Sequence[Found], user: str, *, first: bool) -> list[Json]:
        """Take in the polls that were read for a user who comes in, and return them as that user sees them.
        `first`: nobody was here before, who would have to be told of them."""
        bodies = []
        for poll, ballot in found:
            known = self._take(poll)
            if poll.state is State.DRAFT:
                pass  # The room is told of it when it is opened.
            elif first:
                known.told = max(known.told, poll.shown.version)
            elif known.told < known.poll.shown.version:
                self._changed(poll.id)
            if poll.version >= known.poll.version:
                self._note_vote(known, user, ballot)
            host = user == self._crowd.host
            if listed(known.poll, user, host=host):
                bodies.append(poll_body(snapshot(known.poll, ballot, host=host)))
        return [*bodies, *self._opened_since(found, user)]

    def _opened_since(self, found: Sequence[Found], user: str) -> list[Json]:
        """Return the open polls that the room was told of after `found` was read, in which nobody who was not
        here can have voted."""
        read, host = {poll.id for poll, _ in found}, user == self._crowd.host
        since = [known for known in self._known.values() if known.poll.id not in read]
        return [
            poll_body(snapshot(known.poll, None, host=host))
            for known in since
            if known.poll.state is State.OPEN
        ]

    def shown_to(self, user: str) -> list[Json]:
        """Return the polls as a user sees them, but for what the user voted."""
        host = user == self._crowd.host
        return [
            poll_body(broadcast(known.poll, seeing=known.sides.sees(known.poll, user)))
            for known in self._known.values()
            if listed(known.poll, user, host=host)
        ]

    def came(self, user: str) -> None:
        """Tell a user's new connection from now on as far as the user may know."""
        for known in self._known.values():
            known.sides.place(known.poll, user)

    def went(self, client: Client) -> None:
        """Tell a connection nothing more."""
        for known in self._known.values():
            known.sides.discard(client)

    def host_changed(self) -> None:
        """Show the new host what only a host sees, and the old one no more of it."""
        for known in self._known.values():
            known.sides.arrange(known.poll)
            if known.sides.split:
                self._owner.read_ballot(known.poll.id, self._crowd.host)

    def room_closed(self) -> None:
        """Tell how the polls ended that end with the room."""
        for known in self._known.values():
            if known.poll.state is State.OPEN:
                self._versions[known.poll.id] = known.poll.version + 1
                self._changed(known.poll.id)

    # --- what happens -------------------------------------------------------------------------------

    def done(self, done: PollDone, user: str | None = None, by: Client | None = None) -> None:
        """Perform what something that was done in this process has for effects. `user` did it, on the
        connection `by`."""
        known = self._take(done.poll)
        for effect in done.effects:
            match effect:
                case StoreBallot():  # It is stored: what comes from the store has been done there.
                    if user is not None:
                        self._note_vote(known, user, done.ballot)
                        self._tell_tabs(known, user, done, by)
                        known.cast.update(dict.fromkeys([effect.ballot.voter]))
                case AnnounceOpened() | AnnounceChanged() | AnnounceClosed():
                    known.ours = True
                    self._changed(done.poll.id)
                case ReportMiscount():
                    log.error(
                        "Votes were miscounted, and counted again",
                        extra={"pollId": done.poll.id, "kept": effect.kept.votes,
                               "counted": effect.counted.votes},
                    )  # fmt: skip
                case _:
                    assert_never(effect)
        if done.poll.state is State.DRAFT:
            self._tell_draft(known, by)

    def heard(self, news: PollNews) -> None:
        """Take in what another process tells of a poll."""
        self._versions[news.poll_id] = max(self._versions.get(news.poll_id, 0), news.version)
        known = self._known.get(news.poll_id)
        if known is None or news.version > known.poll.version:
            self._changed(news.poll_id)
        if known is not None:
            for user in self._users_named(known, news.voters):
                self._owner.read_ballot(news.poll_id, user)

    def refreshed(self, poll_id: str, poll: Poll | None) -> None:
        """Take in a poll that was read; None: there is no such poll, or it cannot be read now."""
        self._reading.discard(poll_id)
        if poll is None:
            self._versions.pop(poll_id, None)
            if poll_id not in self._known:
                waiting = tuple(each for each in self._throttle.waiting if each != poll_id)
                self._throttle = Throttle(self._throttle.taken_at_ms, waiting)
        else:
            self._take(poll)
            self._versions[poll_id] = min(self._versions.get(poll_id, 0), poll.version)
        self._look()

    def reloaded(self, found: Iterable[Found]) -> None:
        """Take in every poll of the room as it is now, and tell of those that have changed."""
        for poll, _ in found:
            known = self._take(poll)
            if poll.state is not State.DRAFT and known.told < known.poll.shown.version:
                self._changed(poll.id)

    def voted_elsewhere(self, user: str, poll: Poll, ballot: Ballot | None) -> None:
        """Take in the ballot of a user who may have voted in another process, and show it to them here."""
        known = self._take(poll)
        if poll.version < known.poll.version:
            return
        self._note_vote(known, user, ballot)
        host = user == self._crowd.host
        if listed(known.poll, user, host=host):
            body = {"poll": poll_body(snapshot(known.poll, ballot, host=host))}
            for client in self._crowd.clients_of(user):
                client.emit("poll:updated", body)

    def close(self) -> None:
        """Tell nothing more, and forget every deadline."""
        if self._timer is not None:
            self._timer.cancel()
        for known in self._known.values():
            known.sides.clear()
            if known.closing is not None:
                known.closing.cancel()

    # --- what is known ------------------------------------------------------------------------------

    def _take(self, poll: Poll) -> _Known:
        known = self._known.get(poll.id)
        if known is None:
            sides = Sides(poll.id, self._crowd, self._audiences)
            known = self._known[poll.id] = _Known(poll, sides)
        elif poll.version <= known.poll.version:
            return known
        former, known.poll = known.poll, poll
        if former is poll or former.state is not poll.state:
            known.sides.arrange(poll)
        if former is poll or (former.state, former.closes_at_ms) != (poll.state, poll.closes_at_ms):
            self._arm(known)
        return known

    def _arm(self, known: _Known) -> None:
        poll = known.poll
        if known.closing is not None:
            known.closing.cancel()
            known.closing = None
        if poll.state is State.OPEN and poll.closes_at_ms is not None:
            wait_seconds = max(0.0, (poll.closes_at_ms - clock.wall_ms()) / 1000) + LATE_SECONDS
            known.closing = self._loop.call_later(wait_seconds, self._owner.end_poll, poll.id)

    def _note_vote(self, known: _Known, user: str, ballot: Ballot | None) -> None:
        voted = known.sides.voted
        if ballot is not None and ballot.option_ids:
            voted.add(user)
        else:
            voted.discard(user)
        known.sides.place(known.poll, user)

    def _users_named(self, known: _Known, voters: Sequence[str]) -> list[str]:
        """Return who of this process is meant by names on ballots."""
        users = list(self._crowd.users) if voters else []
        if known.poll.anonymous:
            for user in users:
                if user not in known.names:
                    known.names[user] = voter_of(known.poll, user) or ""
        named = set(voters)
        return [user for user in users if known.names.get(user, user) in named]

    def _tell_tabs(self, known: _Known, user: str, done: PollDone, by: Client | None) -> None:
        others = [client for client in self._crowd.clients_of(user) if client is not by]
        if others:
            body = {"poll": poll_body(snapshot(known.poll, done.ballot, host=done.host))}
            for client in others:
                client.emit("poll:updated", body)

    def _tell_draft(self, known: _Known, by: Client | None) -> None:
        body = {"poll": poll_body(snapshot(known.poll, None, host=True))}
        for user in {self._crowd.host, known.poll.author}:
            for client in self._crowd.clients_of(user):
                if client is not by:
                    client.emit("poll:created", body)

    # --- telling ------------------------------------------------------------------------------------

    def _changed(self, poll_id: str) -> None:
        self._throttle = throttle.changed(self._throttle, poll_id)
        self._look()

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def _look(self) -> None:
        """Tell the room what it may be told now, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_ms = self._now_ms()
        due_ms = throttle.deadline_ms(self._throttle, now_ms)
        if due_ms is None:
            return
        if due_ms > now_ms:
            self._timer = self._loop.call_later((due_ms - now_ms) / 1000, self._look)
            return
        poll_id = self._throttle.waiting[0]
        if self._is_stale(poll_id):
            # Read first: what is told is how the poll is when it is told.
            if poll_id not in self._reading:
                self._reading.add(poll_id)
                self._owner.read_poll(poll_id)
            return
        self._throttle, _ = throttle.take(self._throttle, now_ms)
        self._tell(self._known[poll_id])
        self._look()

    def _is_stale(self, poll_id: str) -> bool:
        known = self._known.get(poll_id)
        return known is None or known.poll.version < self._versions.get(poll_id, 0)

    def _tell(self, known: _Known) -> None:
        poll = known.poll
        if poll.state is State.DRAFT:
            return
        event = "poll:closed" if poll.state.over else "poll:updated" if known.told else "poll:created"
        known.told = poll.shown.version
        known.sides.tell(event, poll)
        POLL_SNAPSHOTS.inc()
        if known.ours:
            known.ours = False
            voters, known.cast = tuple(known.cast)[:VOTERS_TOLD_MAX], {}
            self._owner.tell_others(PollNews(poll.id, poll.version, voters))
