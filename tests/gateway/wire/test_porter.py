"""The porter: what he lets through goes on as if he had not been there."""

from typing import Any

import pytest

from gateway.wire.limits import WireLimits
from gateway.wire.porter import Porter
from gateway.wire.protocol import WireProtocol
from tests.gateway.wire import test_http
from tests.gateway.wire.rig import PLAIN_REQUEST, Rig, request_bytes, text


class Doorway:
    """A connection as its peer has it: bytes go to whichever protocol the transport has now."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        porter = Porter(rig.config, rig.state, {}, house=rig.house)
        rig.transport.protocol = porter
        porter.connection_made(rig.transport)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rig.transport.protocol, name)


@pytest.fixture(autouse=True)
def _by_the_porter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rig, "http", lambda rig: Doorway(rig))  # noqa: PLW0108 - a class is not bound


class TestHeadersThroughThePorter(test_http.TestHeaders):
    """All that holds for HTTP."""


class Counting:
    """A door that writes down what it is told."""

    def __init__(self, retry_after_seconds: int | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        self.told: list[str] = []

    def opened(self, address: str) -> int | None:
        self.told.append(f"opened {address}")
        return self.retry_after_seconds

    def heard(self, address: str) -> None:
        self.told.append("heard")

    def closed(self, address: str) -> None:
        self.told.append("closed")


def rig_with(door: Counting, limits: WireLimits | None = None) -> Rig:
    rig = Rig(limits=limits)
    rig.house.door = door
    return rig


async def test_a_whole_upgrade_with_what_came_in_its_packet() -> None:
    door = Counting()
    rig = rig_with(door)
    Doorway(rig).data_received(request_bytes() + text("early"))
    await rig.run_tasks()

    assert rig.sent().startswith(b"HTTP/1.1 101 ")
    assert rig.owner.heard == ["early"]
    assert rig.scope["client"] == ("192.0.2.7", 5000)
    assert rig.scope["scheme"] == "wss"
    assert door.told == ["opened 192.0.2.7", "heard"]
    assert list(rig.state.connections) == [rig.transport.protocol]
    rig.transport.abort()
    rig.transport.settle()
    assert door.told[2:] == ["closed"]


@pytest.mark.parametrize("cut", [1, 20, len(request_bytes()) - 1])
async def test_an_upgrade_in_pieces(cut: int) -> None:
    door = Counting()
    rig = rig_with(door)
    doorway = Doorway(rig)
    doorway.data_received(request_bytes()[:cut])
    doorway.data_received(request_bytes()[cut:])
    await rig.run_tasks()

    assert rig.sent().startswith(b"HTTP/1.1 101 ")
    assert isinstance(rig.transport.protocol, WireProtocol)
    assert door.told == ["opened 192.0.2.7", "heard"]
    rig.transport.abort()
    rig.transport.settle()


async def test_whoever_the_door_refuses_is_told_when_to_come_again() -> None:
    door = Counting(retry_after_seconds=7)
    rig = rig_with(door)
    Doorway(rig)

    sent = rig.sent()
    assert sent.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 7\r\n" in sent
    rig.transport.peer_ends()
    assert door.told == ["opened 192.0.2.7"]
    assert not rig.state.connections


async def test_silence_ends_at_the_deadline_and_the_door_knows() -> None:
    door = Counting()
    rig = rig_with(door)
    Doorway(rig)
    rig.after(11)
    rig.transport.settle()

    assert (rig.sent(), rig.transport.aborted) == (b"", True)
    assert door.told == ["opened 192.0.2.7", "heard", "closed"]
    assert not rig.state.connections
    assert not len(rig.house.wheel)


async def test_a_first_byte_buys_no_more_time() -> None:
    rig = rig_with(Counting())
    doorway = Doorway(rig)
    rig.after(8)
    doorway.data_received(PLAIN_REQUEST[:1])
    rig.after(3)

    assert rig.sent().startswith(b"HTTP/1.1 408 ")


async def test_headers_beyond_the_bound_are_refused_also_for_an_upgrade() -> None:
    rig = rig_with(Counting(), WireLimits(head_bytes_max=512))
    Doorway(rig).data_received(request_bytes(path=b"/" + b"x" * 600))

    assert rig.sent().startswith(b"HTTP/1.1 431 ")


async def test_a_server_that_goes_down_owes_nothing_to_who_asked_nothing() -> None:
    rig = rig_with(Counting())
    Doorway(rig).shutdown()
    rig.transport.settle()

    assert (rig.sent(), rig.transport.over) == (b"", True)
    assert not rig.state.connections
