"""The limits at the door: exact, each a setting, and 0 turns it off."""

from collections.abc import Awaitable, Callable

import pytest

from auth.crowd import TooManyAtOnce
from auth.principal import Plan, Principal, Role
from auth.rate_limits import Admitted, RateLimited
from gateway.limits import DoorLimits, address_key, user_key
from gateway.metrics import REGISTRY
from gateway.stores.memory.rates import MemoryRates
from tests.gateway.rehearsal import settings


def principal(user: str = "dana", plan: Plan = Plan.FREE, tenant: str = "default") -> Principal:
    return Principal(user, tenant, frozenset({Role.FAN}), plan, 2e9, "jti")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Door(DoorLimits):
    """The door on a clock that is turned by hand, with one way to come to it for each rate."""

    def __init__(self, **changes: int) -> None:
        self.clock = Clock()
        super().__init__(settings(**changes), MemoryRates(self.clock))
        self.ways: dict[str, Callable[[str], Awaitable[Admitted]]] = {
            "connections": lambda who: self.count_connection(principal(who)),
            "upgrades": self.count_upgrade,
            "address": self.count_stranger,
            "api": lambda who: self.count_request(principal(who), self.api),
            "check": lambda who: self.count_request(principal(who), self.check),
        }

    async def comes(self, way: str, who: str) -> int:
        """Return how many are left, or how long to wait as a negative number."""
        try:
            return (await self.ways[way](who)).remaining
        except RateLimited as refusal:
            return -refusal.retry_after_seconds


SETTINGS = {
    "connections": "live_quota_websocket_rate_limit",
    "upgrades": "address_upgrade_limit",
    "address": "address_rate_limit",
    "api": "live_quota_api_rate_limit",
    "check": "live_quota_check_rate_limit",
}


class TestRates:
    @pytest.mark.parametrize("way", SETTINGS)
    async def test_exactly_so_many_in_any_minute(self, way: str) -> None:
        door = Door(**{SETTINGS[way]: 3})
        for after, left in ((0, 2), (20, 1), (20, 0), (19, -1)):
            door.clock.now += after
            assert await door.comes(way, "dana") == left
        assert await door.comes(way, "noa") == 2
        door.clock.now += 1
        assert await door.comes(way, "dana") == 0
        assert await door.comes(way, "dana") == -20

    @pytest.mark.parametrize("way", SETTINGS)
    async def test_zero_is_off(self, way: str) -> None:
        door = Door(**{SETTINGS[way]: 0})
        assert {await door.comes(way, "dana") for _ in range(2000)} == {-1}

    async def test_the_defaults_are_those_that_operators_know(self) -> None:
        door = DoorLimits(settings())
        rates = (door.connections, door.api, door.check, door.upgrades, door.address)
        assert [(rate.count_max, rate.window_seconds) for rate in rates] == [
            (5, 60), (100, 60), (20, 60), (600, 60), (60, 60),
        ]  # fmt: skip
        assert (door.user.count_max, door.user.window_seconds) == (20, 2)

    async def test_a_request_counts_with_all_of_its_rates_or_with_none(self) -> None:
        door = Door(live_quota_api_rate_limit=10, live_quota_check_rate_limit=2)
        for _ in range(2):
            await door.count_request(principal(), door.api, door.check)
        for _ in range(3):
            with pytest.raises(RateLimited) as caught:
                await door.count_request(principal(), door.api, door.check)
            assert caught.value.rate is door.check
        assert await door.comes("api", "dana") == 7

    async def test_decisions_are_counted_by_limit_and_outcome(self) -> None:
        def counted(limit: str, outcome: str) -> float:
            labels = {"limit": limit, "outcome": outcome}
            return REGISTRY.get_sample_value("stagedoor_rate_limit_decisions_total", labels) or 0.0

        door = Door(live_quota_api_rate_limit=5, live_quota_check_rate_limit=2)
        kinds = [("api", "admitted"), ("check", "admitted"), ("check", "refused"), ("api", "refused")]
        before = [counted(*kind) for kind in kinds]
        for _ in range(3):
            try:
                await door.count_request(principal(), door.api, door.check)
            except RateLimited:
                continue
        assert [counted(*kind) - was for kind, was in zip(kinds, before, strict=True)] == [2, 2, 1, 0]


class TestCrowds:
    def test_an_address_may_have_so_many_without_a_token_at_once(self) -> None:
        door = Door(address_unauthenticated_max=2)
        door.arrive("192.0.2.1")
        door.arrive("192.0.2.1")
        with pytest.raises(TooManyAtOnce):
            door.arrive("192.0.2.1")
        door.arrive("192.0.2.2")
        door.depart("192.0.2.1")
        door.arrive("192.0.2.1")

    def test_a_site_with_its_own_network_is_one_address(self) -> None:
        door = Door(address_unauthenticated_max=2)
        door.arrive("2001:db8::1")
        door.arrive("2001:db8::2")
        with pytest.raises(TooManyAtOnce):
            door.arrive("2001:db8::3")
        door.depart("2001:db8::1")
        door.arrive("2001:db8::3")

    def test_and_all_addresses_together(self) -> None:
        door = Door(address_unauthenticated_max=0, unauthenticated_max=3)
        for number in range(3):
            door.arrive(f"192.0.2.{number}")
        with pytest.raises(TooManyAtOnce):
            door.arrive("192.0.2.9")

    def test_zero_is_off(self) -> None:
        door = Door(address_unauthenticated_max=0, unauthenticated_max=0)
        for _ in range(5000):
            door.arrive("192.0.2.1")
            door.begin_session(principal(), 0)

    def test_sessions_are_counted_per_user_of_a_tenant(self) -> None:
        door = Door()
        door.begin_session(principal(), 1)
        with pytest.raises(TooManyAtOnce):
            door.begin_session(principal(), 1)
        door.begin_session(principal("noa"), 1)
        door.begin_session(principal(tenant="other"), 1)
        door.end_session(principal())
        door.begin_session(principal(), 1)

    def test_a_plan_that_allows_more_counts_what_is_there(self) -> None:
        door = Door()
        door.begin_session(principal(), 1)
        door.begin_session(principal(plan=Plan.PRO), 2)
        with pytest.raises(TooManyAtOnce):
            door.begin_session(principal(plan=Plan.PRO), 2)
        door.begin_session(principal(plan=Plan.ENTERPRISE), 0)


class TestKeys:
    def test_users_of_two_tenants_are_never_one(self) -> None:
        assert user_key(principal("b", tenant="a")) != user_key(principal("a", tenant="b"))
        assert user_key(principal("x/dana", tenant="t")) != user_key(principal("dana", tenant="t"))

    @pytest.mark.parametrize(
        ("address", "key"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("0:0:0:0:0:FFFF:C000:0201", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::", "2001:db8:1:3::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::1", "::/64"),
            ("", ""),
            ("testclient", "testclient"),
            ("x" * 1000, "x" * 64),
        ],
    )
    def test_what_counts_as_one_address(self, address: str, key: str) -> None:
        assert address_key(address) == key
