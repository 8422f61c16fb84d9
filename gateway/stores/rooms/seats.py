"""Seats: in which lives of processes the participants of a room have connections.

Invariant: who is in no more has no seat; a seat is given back once, however often that is asked.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, bindparam, delete, insert

from gateway.stores.prepared import ForEach
from gateway.stores.rooms.schema import room_seats

_OWN = room_seats.c
_TAKE = ForEach(insert(room_seats).inline(), "room_id", "subject", "boot_id")
_GIVE_BACK = ForEach(
    delete(room_seats).where(
        _OWN.room_id == bindparam("of_room"),
        _OWN.subject == bindparam("of_user"),
        _OWN.boot_id == bindparam("of_boot"),
    )
)
_CLEAR = ForEach(
    delete(room_seats).where(_OWN.room_id == bindparam("of_room"), _OWN.subject == bindparam("of_user"))
)
_EMPTY = ForEach(delete(room_seats).where(_OWN.room_id == bindparam("of_room")))


class Seats:
    """Those of one room, as far as they are loaded, changed in memory."""

    def __init__(self, room_id: str) -> None:
        self._room_id = room_id
        self._stored: set[tuple[str, str]] = set()
        self._boots: dict[str, set[str]] = {}
        self._cleared: set[str] = set()
        self._emptied = False

    def know(self, found: Iterable[tuple[str, str]]) -> None:
        """Take seats from the store, as user and boot; before any change."""
        for user, boot_id in found:
            self._stored.add((user, boot_id))
            self.take(user, boot_id)

    def take(self, user: str, boot_id: str) -> None:
        """Give a user a seat."""
        self._boots.setdefault(user, set()).add(boot_id)

    def give_back(self, user: str, boot_id: str) -> bool:
        """Take a seat from a user, whose seats are loaded; return whether none is left."""
        boots = self._boots.get(user, set())
        boots.discard(boot_id)
        return not boots

    def clear(self, user: str) -> None:
        """Take every seat from a user, loaded or not."""
        self._cleared.add(user)
        self._stored -= {(user, boot_id) for boot_id in self._boots.pop(user, ())}

    def empty(self) -> None:
        """Take every seat from everybody."""
        self._emptied = True
        self._stored.clear()
        self._boots.clear()
        self._cleared.clear()

    def changes(self) -> Iterator[tuple[ForEach, list[dict[str, str]]]]:
        """Yield what is to be written, in order."""
        room_id = self._room_id
        now = {(user, boot_id) for user, boots in self._boots.items() for boot_id in boots}
        if self._emptied:
            yield _EMPTY, [{"of_room": room_id}]
        yield _CLEAR, [{"of_room": room_id, "of_user": user} for user in sorted(self._cleared)]
        yield (
            _GIVE_BACK,
            [
                {"of_room": room_id, "of_user": user, "of_boot": boot_id}
                for user, boot_id in sorted(self._stored - now)
            ],
        )
        yield (
            _TAKE,
            [
                {"room_id": room_id, "subject": user, "boot_id": boot_id}
                for user, boot_id in sorted(now - self._stored)
            ],
        )


def save_seats(connection: Connection, changed: Iterable[Seats]) -> None:
    """Write what changed, each kind of change for all rooms together."""
    steps: dict[ForEach, list[dict[str, str]]] = {s: [] for s in (_EMPTY, _CLEAR, _GIVE_BACK, _TAKE)}
    for seats in changed:
        for statement, rows in seats.changes():
            steps[statement] += rows
    for statement, rows in steps.items():
        if rows:
            statement.run(connection, rows)
