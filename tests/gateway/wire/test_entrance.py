"""Connections that have not said what they want are counted per address and in all."""

from gateway.wire.entrance import Entrance
from gateway.wire.limits import WireLimits


def entrance(per_address: int = 0, in_all: int = 0) -> Entrance:
    return Entrance(
        WireLimits(unheard_per_address_max=per_address, unheard_max=in_all, retry_after_seconds=7)
    )


def test_one_address_cannot_hold_more_than_its_share() -> None:
    door = entrance(per_address=2)
    assert [door.opened("192.0.2.1") for _ in range(3)] == [None, None, 7]
    assert door.opened("192.0.2.2") is None


def test_all_addresses_together_are_bounded() -> None:
    door = entrance(in_all=3)
    assert [door.opened(f"192.0.2.{n}") for n in range(5)] == [None, None, None, 7, 7]


def test_a_place_is_free_again_once_the_headers_are_complete() -> None:
    door = entrance(per_address=1)
    assert door.opened("192.0.2.1") is None
    door.heard("192.0.2.1")
    assert door.opened("192.0.2.1") is None
    door.heard("192.0.2.1")
    door.closed("192.0.2.1")
    assert door.waiting == 0
    assert door._waiting == {}


def test_zero_turns_the_limits_off() -> None:
    door = entrance()
    assert all(door.opened("192.0.2.1") is None for _ in range(1000))
