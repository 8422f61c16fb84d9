"""Seats: how many live sessions each user has over all processes, where several share a Redis.

Invariant: a seat that was taken is given back once, by its socket; that of a killed process runs out.
"""

from gateway.ids import new_id
from gateway.stores.presence import Place, Presence
from gateway.tasks import Starts


class Seat:
    """One live session's place among those of its user."""

    __slots__ = ("_connection", "_place", "_seats")

    def __init__(self, seats: "Seats", place: Place, connection: str) -> None:
        self._seats = seats
        self._place = place
        self._connection = connection

    def leave(self) -> None:
        """Give it back."""
        self._seats.give_back(self._place, self._connection)


class Seats:
    """The seats of every user."""

    def __init__(self, presence: Presence, tasks: Starts) -> None:
        self._presence = presence
        self._tasks = tasks

    async def take(self, tenant: str, user: str, session: str, count_max: int) -> Seat | None:
        """Return a seat for a session, which has one however many connections it has; None when the user
        has `count_max` other sessions."""
        place, connection = ("live_sessions", tenant, user), new_id("conn")
        if not await self._presence.enter_bounded(place, session, connection, count_max):
            return None
        return Seat(self, place, connection)

    def give_back(self, place: Place, connection: str) -> None:
        """Let a connection's seat go."""
        self._tasks.start(self._presence.leave(place, connection), name="seat")
