"""The limits at the door: how often each user and each address may come, and how many may be there at once.

Invariant: every limit is a setting, 0 turns it off, and what is refused has used up nothing.
"""

import ipaddress
from collections.abc import Awaitable
from functools import lru_cache

from auth.crowd import Crowd, CrowdLimits
from auth.principal import Principal
from auth.rate_limits import Admitted, Rate, RateLimited
from gateway.metrics import RATE_DECISIONS, WAITING, Between
from gateway.settings import Settings
from gateway.stores.memory.rates import MemoryRates
from gateway.stores.rates import Rates

IPV6_SITE_BITS = 64
"""One site has at least so many bits of addresses to itself (RFC 6177, section 2; RFC 4291, section 2.5.1):
counted one by one, nobody would ever reach a limit."""
ADDRESS_CHARACTERS_MAX = 64
_UNLIMITED = Admitted()


class DoorLimits:
    """Every limit between an address and an authenticated session. `rates` is where the rates are counted;
    how many are there at once is counted here, for this process."""

    def __init__(self, settings: Settings, rates: Rates | None = None) -> None:
        self._rates: Rates = MemoryRates() if rates is None else rates
        self.connections = Rate(
            "connections", "new live connections", settings.live_quota_websocket_rate_limit
        )
        self.participants = Rate(
            "participants", "new Socket.IO connections", settings.socketio_connection_rate_limit
        )
        self.upgrades = Rate(
            "upgrades", "WebSocket upgrades from this address", settings.address_upgrade_limit
        )
        self.api = Rate("api", "requests", settings.live_quota_api_rate_limit)
        self.check = Rate("check", "quota checks", settings.live_quota_check_rate_limit)
        self.user = Rate.steady("user", "requests", settings.user_rate_limit, settings.user_rate_burst)
        self.address = Rate(
            "address", "requests without a valid token from this address", settings.address_rate_limit
        )
        self.call_user = Rate("call_user", "tries to call", settings.call_user_rate_limit)
        self.call_address = Rate(
            "call_address", "tries to call from this address", settings.call_address_rate_limit
        )
        self._waiting = Crowd(
            "connections without a token",
            CrowdLimits(settings.address_unauthenticated_max, settings.unauthenticated_max),
        )
        WAITING.set_function(lambda: self._waiting.total)
        self._sessions = Crowd("live sessions", CrowdLimits(0))

    async def count(self, key: str, *rates: Rate) -> Admitted:
        """Count one more for `key` with every rate, or with none. Raises RateLimited."""
        for rate in rates:
            if rate.count_max:
                return await self._counted(self._rates.admit(key, rates))
        return _UNLIMITED

    @staticmethod
    async def _counted(admitting: Awaitable[Admitted]) -> Admitted:
        try:
            admitted = await admitting
        except RateLimited as refusal:
            for standing in refusal.standings:
                if standing.wait_micro:
                    RATE_DECISIONS.labels(standing.rate.name, "refused").inc()
            raise
        for standing in admitted.standings:
            _let_in(standing.rate.name).inc()
        return admitted

    async def count_call(self, principal: Principal, address: str) -> Admitted:
        """Count a try to call, of a user and from an address, with both or with neither. Raises
        RateLimited."""
        keyed = [(address_key(address), self.call_address), (user_key(principal), self.call_user)]
        return await self._counted(self._rates.admit_together("calls", keyed))

    async def count_connection(self, principal: Principal) -> Admitted:
        """Count a new live connection of a user. Raises RateLimited."""
        return await self.count(user_key(principal), self.connections)

    async def count_participant(self, principal: Principal) -> Admitted:
        """Count a new Socket.IO connection of a user. Raises RateLimited."""
        return await self.count(user_key(principal), self.participants)

    async def count_upgrade(self, address: str) -> Admitted:
        """Count a WebSocket upgrade. Raises RateLimited."""
        return await self.count(address_key(address), self.upgrades)

    def count_upgrade_now(self, address: str) -> bool:
        """Do the same if it can be done without waiting; False if not, and nothing is counted."""
        if not self.upgrades.count_max:
            return True
        if not isinstance(self._rates, MemoryRates):
            return False
        self._rates.admit_now(address_key(address), [self.upgrades])
        _let_in(self.upgrades.name).inc()
        return True

    async def count_request(self, principal: Principal, *rates: Rate) -> Admitted:
        """Count a user's HTTP request with every one of `rates`, or with none. Raises RateLimited."""
        return await self.count(user_key(principal), *rates)

    async def count_stranger(self, address: str) -> Admitted:
        """Count an HTTP request without a valid token. Raises RateLimited."""
        return await self.count(address_key(address), self.address)

    def arrive(self, address: str) -> None:
        """Count a connection that has shown no token yet. Raises TooManyAtOnce."""
        self._waiting.enter(address_key(address))

    def depart(self, address: str) -> None:
        """Count it no more: it authenticated, or went away."""
        self._waiting.leave(address_key(address))

    def begin_session(self, principal: Principal, count_max: int) -> None:
        """Count a live session of its user, who may have `count_max` (0: any). Raises TooManyAtOnce."""
        self._sessions.enter(user_key(principal), count_max)

    def end_session(self, principal: Principal) -> None:
        """Count it no more."""
        self._sessions.leave(user_key(principal))


@lru_cache(maxsize=64)
def _let_in(rate_name: str) -> Between:
    return Between(RATE_DECISIONS.labels(rate_name, "admitted"))


def user_key(principal: Principal) -> str:
    """Return what names a user within the server."""
    return f"{principal.tenant}/{principal.user}"


@lru_cache(maxsize=4096)
def address_key(address: str) -> str:
    """Return what is counted as one address: an IPv4 address, also where it is mapped into IPv6 (RFC 4291,
    section 2.5.5.2), and of IPv6 the network of one site. What is no address counts as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:ADDRESS_CHARACTERS_MAX]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), IPV6_SITE_BITS), strict=False))
