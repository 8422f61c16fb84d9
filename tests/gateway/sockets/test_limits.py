"""The limits at the door: exact, each a setting, and 0 turns it off."""

import pytest

from auth.crowd import TooManyAtOnce
from auth.principal import Plan, Principal, Role
from auth.rate_limits import Rate, RateLimited
from gateway.sockets import limits
from gateway.sockets.limits import DoorLimits, Windows, user_key
from tests.gateway.rehearsal import settings


def principal(user: str = "dana", plan: Plan = Plan.FREE, tenant: str = "default") -> Principal:
    return Principal(user, tenant, frozenset({Role.FAN}), plan, 2e9, "jti")


class TestRates:
    @pytest.mark.parametrize(
        ("rate", "setting"),
        [
            ("connections", "live_quota_websocket_rate_limit"),
            ("requests", "live_quota_api_rate_limit"),
            ("upgrades", "address_upgrade_limit"),
        ],
    )
    def test_exactly_so_many_in_any_minute(self, rate: str, setting: str) -> None:
        windows: Windows = getattr(DoorLimits(settings(**{setting: 3})), rate)
        assert [windows.admit("dana", now) for now in (0.0, 20.0, 40.0)] == [2, 1, 0]
        with pytest.raises(RateLimited) as caught:
            windows.admit("dana", 59.0)
        assert caught.value.retry_after_seconds == 1
        assert windows.admit("noa", 59.0) == 2
        assert windows.admit("dana", 60.0) == 0
        with pytest.raises(RateLimited):
            windows.admit("dana", 79.9)

    @pytest.mark.parametrize(
        ("rate", "setting"),
        [
            ("connections", "live_quota_websocket_rate_limit"),
            ("requests", "live_quota_api_rate_limit"),
            ("upgrades", "address_upgrade_limit"),
        ],
    )
    def test_zero_is_off(self, rate: str, setting: str) -> None:
        windows: Windows = getattr(DoorLimits(settings(**{setting: 0})), rate)
        assert {windows.admit("dana", 0.0) for _ in range(5000)} == {-1}

    def test_the_defaults_are_those_that_operators_know(self) -> None:
        door = DoorLimits(settings())
        counts = [windows.rate.count_max for windows in (door.connections, door.requests, door.upgrades)]
        assert counts == [5, 100, 600]

    def test_however_many_keys_there_are_memory_is_bounded_and_the_busy_are_remembered(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "KEYS_MAX", 10)
        windows = Windows("knocks", Rate(1000))
        for number in range(100):
            windows.admit("busy", 0.0)
            windows.admit(f"passer-by {number}", 0.0)
        assert windows.admit("busy", 0.0) == 1000 - 101
        assert windows.admit("passer-by 0", 0.0) == 999


class TestCrowds:
    def test_an_address_may_have_so_many_without_a_token_at_once(self) -> None:
        door = DoorLimits(settings(address_unauthenticated_max=2))
        door.arrive("192.0.2.1")
        door.arrive("192.0.2.1")
        with pytest.raises(TooManyAtOnce):
            door.arrive("192.0.2.1")
        door.arrive("192.0.2.2")
        door.depart("192.0.2.1")
        door.arrive("192.0.2.1")

    def test_and_all_addresses_together(self) -> None:
        door = DoorLimits(settings(address_unauthenticated_max=0, unauthenticated_max=3))
        for number in range(3):
            door.arrive(f"192.0.2.{number}")
        with pytest.raises(TooManyAtOnce):
            door.arrive("192.0.2.9")

    def test_zero_is_off(self) -> None:
        door = DoorLimits(
            settings(address_unauthenticated_max=0, unauthenticated_max=0, live_quota_concurrent_sessions=0)
        )
        for _ in range(5000):
            door.arrive("192.0.2.1")
            door.begin_session(principal())

    def test_sessions_are_counted_per_user_of_a_tenant(self) -> None:
        door = DoorLimits(settings(live_quota_concurrent_sessions=1))
        door.begin_session(principal())
        with pytest.raises(TooManyAtOnce):
            door.begin_session(principal())
        door.begin_session(principal("noa"))
        door.begin_session(principal(tenant="other"))
        door.end_session(principal())
        door.begin_session(principal())

    def test_enterprise_is_not_counted(self) -> None:
        door = DoorLimits(settings(live_quota_concurrent_sessions=1))
        for _ in range(100):
            door.begin_session(principal(plan=Plan.ENTERPRISE))
        for _ in range(100):
            door.end_session(principal(plan=Plan.ENTERPRISE))


def test_users_of_two_tenants_are_never_one() -> None:
    assert user_key(principal("b", tenant="a")) != user_key(principal("a", tenant="b"))
    assert user_key(principal("x/dana", tenant="t")) != user_key(principal("dana", tenant="t"))
