"""Rooms by their codes, for those who may look for them.

Invariant: a room of another tenant is as one that is not there, and whoever guesses too often finds none.
"""

from auth.principal import Principal
from gateway.rooms.guesses import Guesses
from gateway.rooms.rooms import Rooms
from gateway.stores.rooms.operations import UnknownRoom
from sessions.room_codes import normalise
from sessions.room_records import Room


class Finder:
    """Looks rooms up by what somebody typed."""

    def __init__(self, rooms: Rooms, guesses: Guesses) -> None:
        self._rooms = rooms
        self._guesses = guesses

    async def find(self, principal: Principal, address: str, typed: str) -> Room:
        """Return the open room with a code, without participants. Raises NotARoomCode, UnknownRoom,
        RateLimited, StoreDown."""
        code = normalise(typed)
        local = self._rooms.known(principal.tenant, code)
        if local is not None and local.inside(principal.user):
            return local.room
        self._guesses.check(principal, address)
        if local is not None:
            return local.room
        room = await self._rooms.store.by_code(principal.tenant, code)
        if room is None:
            await self._guesses.wrong(principal, address)
            raise UnknownRoom
        return room
