"""Who of a room is told the counts of a poll, and who only that it changed.

Invariant: nobody is on the seeing side whom `poll_snapshots.sees_results` keeps the counts from. Where
everybody sees the same there are no sides, and the room is told as one.
"""

from collections.abc import Iterable
from typing import Protocol

from gateway.rooms.bodies import poll_body
from gateway.socketio.interface import Audience, Audiences, Client
from sessions.poll_records import Poll, State
from sessions.poll_snapshots import alike, broadcast, sees_results


class Crowd(Protocol):
    """Who of a room is in this process."""

    @property
    def everyone(self) -> Audience:
        """All of them."""

    @property
    def host(self) -> str:
        """Who is host of the room."""

    @property
    def users(self) -> Iterable[str]:
        """All users who are in with a connection here."""

    def clients_of(self, user: str) -> Iterable[Client]:
        """Return the connections of one."""


class Sides:
    """Of one poll, in one process. `split`: not everybody sees the same; `voted` are the users here who have
    a vote."""

    def __init__(self, poll_id: str, crowd: Crowd, audiences: Audiences) -> None:
        self._crowd = crowd
        self._seeing = audiences.audience(f"poll:{poll_id}:seeing")
        self._blind = audiences.audience(f"poll:{poll_id}:blind")
        self.split = False
        self.voted: set[str] = set()

    def arrange(self, poll: Poll) -> None:
        """Put everybody where they belong, as the poll and the room are now."""
        self.split = poll.state is not State.DRAFT and not alike(poll)
        if self.split:
            for user in self._crowd.users:
                self.place(poll, user)
        else:
            self.clear()

    def place(self, poll: Poll, user: str) -> None:
        """Put a user where they belong."""
        if not self.split:
            return
        sees = self.sees(poll, user)
        here, there = (self._seeing, self._blind) if sees else (self._blind, self._seeing)
        for client in self._crowd.clients_of(user):
            there.discard(client)
            here.add(client)

    def sees(self, poll: Poll, user: str) -> bool:
        """Whether a user may see the counts."""
        return sees_results(poll, voted=user in self.voted, host=user == self._crowd.host)

    def discard(self, client: Client) -> None:
        """Tell a client nothing more."""
        self._seeing.discard(client)
        self._blind.discard(client)

    def clear(self) -> None:
        """Tell nobody anything."""
        for side in (self._seeing, self._blind):
            for client in side.clients:
                side.discard(client)

    def tell(self, event: str, poll: Poll) -> None:
        """Tell everybody how the poll stands, each as far as they may know it."""
        if not self.split:
            self._crowd.everyone.emit(event, {"poll": poll_body(broadcast(poll, seeing=True))})
            return
        for side, seeing in ((self._seeing, True), (self._blind, False)):
            if len(side):
                side.emit(event, {"poll": poll_body(broadcast(poll, seeing=seeing))})
