"""How often somebody may be wrong about a room's code, before nothing more is looked up for them.

Invariant: right codes are never counted. Whoever has no wrong guesses left, or whose address has none, is
refused before a room is looked for, so that a refusal says nothing about the code.
"""

import math

from auth.principal import Principal
from auth.rate_limits import Rate, RateLimited
from gateway import clock
from gateway.limits import DoorLimits, address_key, user_key

BLOCKED_MAX = 10_000


class Guesses:
    """Wrong guesses by user and by address, counted with the rest of the limits at the door."""

    def __init__(self, door: DoorLimits, user_max: int, address_max: int) -> None:
        self._door = door
        self._user = Rate("codes", "wrong room codes", user_max)
        self._address = Rate("guesses", "wrong room codes from this address", address_max)
        self._blocked: dict[str, tuple[float, RateLimited]] = {}

    def check(self, principal: Principal, address: str) -> None:
        """Raise RateLimited for whoever has been wrong too often."""
        now = clock.steady()
        for key in (user_key(principal), address_key(address)):
            until, refusal = self._blocked.get(key, (now, None))
            if refusal is not None and until > now:
                raise RateLimited(refusal.rate, max(1, math.ceil(until - now)), refusal.standings)
            self._blocked.pop(key, None)

    async def wrong(self, principal: Principal, address: str) -> None:
        """Count a code that no room has. Raises RateLimited, also for the next ones."""
        for key, rate in ((user_key(principal), self._user), (address_key(address), self._address)):
            try:
                await self._door.count(key, rate)
            except RateLimited as refusal:
                self._block(key, refusal)
                raise

    def _block(self, key: str, refusal: RateLimited) -> None:
        if len(self._blocked) >= BLOCKED_MAX:
            now = clock.steady()
            self._blocked = {name: entry for name, entry in self._blocked.items() if entry[0] > now}
        if len(self._blocked) < BLOCKED_MAX:
            self._blocked[key] = (clock.steady() + refusal.retry_after_seconds, refusal)
