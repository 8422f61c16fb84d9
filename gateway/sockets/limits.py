"""The door's limits, kept in this process: how often per user and address, how many at once."""

from collections import OrderedDict

from auth.crowd import Crowd, CrowdLimits
from auth.principal import Plan, Principal
from auth.rate_limits import Rate, Window
from gateway.metrics import WAITING
from gateway.settings import Settings

KEYS_MAX = 100_000
"""Windows kept at once; the one idle the longest is forgotten first."""


class Windows:
    """One rate, counted per key."""

    def __init__(self, what: str, rate: Rate) -> None:
        self.rate = rate
        self._what = what
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def admit(self, key: str, now: float) -> int:
        """Count one more for `key`; return how many are left (-1: no limit). Raises RateLimited."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window()
            if len(self._windows) > KEYS_MAX:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        return window.admit(self._what, self.rate, now)


class DoorLimits:
    """Every limit between an address and an authenticated session."""

    def __init__(self, settings: Settings) -> None:
        per_minute = 60.0
        self.connections = Windows(
            "new live connections", Rate(settings.live_quota_websocket_rate_limit, per_minute)
        )
        self.requests = Windows("requests", Rate(settings.live_quota_api_rate_limit, per_minute))
        self.upgrades = Windows(
            "WebSocket upgrades from this address", Rate(settings.address_upgrade_limit, per_minute)
        )
        self._waiting = Crowd(
            "connections without a token",
            CrowdLimits(settings.address_unauthenticated_max, settings.unauthenticated_max),
        )
        WAITING.set_function(lambda: self._waiting.total)
        self._sessions = Crowd("live sessions", CrowdLimits(settings.live_quota_concurrent_sessions))

    def arrive(self, address: str) -> None:
        """Count a connection that has shown no token yet. Raises TooManyAtOnce."""
        self._waiting.enter(address)

    def depart(self, address: str) -> None:
        """Count it no more: it authenticated, or went away."""
        self._waiting.leave(address)

    def begin_session(self, principal: Principal) -> None:
        """Count a live session of its user. Raises TooManyAtOnce."""
        if principal.plan is not Plan.ENTERPRISE:
            self._sessions.enter(user_key(principal))

    def end_session(self, principal: Principal) -> None:
        """Count it no more."""
        if principal.plan is not Plan.ENTERPRISE:
            self._sessions.leave(user_key(principal))


def user_key(principal: Principal) -> str:
    """Return what names a user within the server."""
    return f"{principal.tenant}/{principal.user}"
