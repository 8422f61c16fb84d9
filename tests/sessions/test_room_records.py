"""How a room is made."""

import pytest

from sessions.room_records import BadCapacity, RoomWanted, create
from sessions.texts import TextRefused
from tests.sessions.test_rooms import START, new_room


@pytest.mark.parametrize("participants_max", [-1, 0, 1, 10_001, 2**63])
def test_a_room_is_for_two_to_ten_thousand(participants_max: int) -> None:
    with pytest.raises(BadCapacity):
        new_room(participants_max)
    assert new_room(2).participants_max == 2
    assert new_room(10_000).participants_max == 10_000


@pytest.mark.parametrize("name", ["", "\u200b", "x" * 81, "a\0b"])
def test_its_name_can_be_read(name: str) -> None:
    with pytest.raises(TextRefused):
        create(
            RoomWanted(name, 5),
            room_id="room_1", tenant_id="acme", code="XJ9K2M", owner="olga", epoch="e1", now_ms=START,
        )  # fmt: skip


def test_nobody_is_in_and_its_owner_is_the_host() -> None:
    room = new_room()
    assert (room.host, room.participants, room.offset, room.version) == ("olga", {}, 0, 1)
