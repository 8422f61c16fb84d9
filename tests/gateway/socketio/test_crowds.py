"""Audiences: in the order of the calls, once, to whoever is in; one write for a turn of the loop."""

from typing import Any

import pytest

from gateway.socketio.client import SocketClient
from gateway.socketio.crowds import JOINED_BYTES_MAX
from gateway.socketio.hall import Hall
from gateway.wire.frames import split_frames
from tests.gateway.rehearsal import Clockwork, PaperWire
from tests.gateway.socketio.fakes import principal
from tests.gateway.socketio.paper import Carrier, clockwork, hall

__all__ = ["clockwork"]


class Theatre:
    """A hall with clients on wires of paper."""

    def __init__(self, clockwork: Clockwork) -> None:
        self.clockwork = clockwork
        self.hall: Hall = hall(clockwork)
        self.wires: dict[SocketClient, PaperWire] = {}

    def wired(self, user: str = "dana") -> SocketClient:
        wire = PaperWire()
        carrier = Carrier(wire)
        client = SocketClient(f"sid_{user}", principal(user), carrier, self.hall)
        carrier.send = lambda sent: wire.write(sent.frames)  # type: ignore[method-assign]
        self.wires[client] = wire
        return client

    def polling(self, user: str = "dana") -> SocketClient:
        return SocketClient(f"sid_{user}", principal(user), Carrier(), self.hall)

    def heard(self, client: SocketClient) -> list[str]:
        """Return the packets that a client got since the last call."""
        if client not in self.wires:
            assert isinstance(client.carrier, Carrier)
            return client.carrier.taken()
        wire = self.wires[client]
        texts = [payload.decode() for _, payload in split_frames(b"".join(wire.writes))]
        wire.writes.clear()
        return texts


@pytest.fixture
def theatre(clockwork: Clockwork) -> Theatre:
    return Theatre(clockwork)


def said(*payloads: Any) -> list[str]:
    return [f'42["said",{payload}]' for payload in payloads]


def test_everybody_in_it_hears_an_event_at_the_end_of_the_turn(theatre: Theatre) -> None:
    ann, bob, eve = theatre.wired("ann"), theatre.polling("bob"), theatre.wired("eve")
    room = theatre.hall.audience("room:1")
    room.add(ann)
    room.add(bob)
    room.emit("said", 1)
    assert theatre.heard(ann) == []
    theatre.clockwork.turn()
    assert [theatre.heard(client) for client in (ann, bob, eve)] == [said(1), said(1), []]
    assert set(room.clients) == {ann, bob}


def test_the_events_of_a_turn_are_one_write(theatre: Theatre) -> None:
    ann = theatre.wired()
    room = theatre.hall.audience("room:1")
    room.add(ann)
    for number in range(5):
        room.emit("said", number)
    theatre.clockwork.turn()
    assert len(theatre.wires[ann].writes) == 1
    assert theatre.heard(ann) == said(*range(5))


def test_a_burst_is_not_kept_without_bound(theatre: Theatre) -> None:
    ann = theatre.wired()
    room = theatre.hall.audience("room:1")
    room.add(ann)
    for _ in range(10):
        room.emit("said", "x" * (JOINED_BYTES_MAX // 4))
    assert len(theatre.wires[ann].writes) == 2
    theatre.clockwork.turn()
    assert len(theatre.heard(ann)) == 10


def test_who_is_skipped_hears_the_others(theatre: Theatre) -> None:
    ann, bob, eve = theatre.wired("ann"), theatre.polling("bob"), theatre.wired("eve")
    room = theatre.hall.audience("room:1")
    for client in (ann, bob, eve):
        room.add(client)
    room.emit("said", 1, skip=ann)
    room.emit("said", 2, skip=bob)
    theatre.clockwork.turn()
    assert [theatre.heard(client) for client in (ann, bob, eve)] == [said(2), said(1), said(1, 2)]
    room.emit("said", 3, skip=ann)
    theatre.clockwork.turn()
    assert [theatre.heard(client) for client in (ann, bob, eve)] == [[], said(3), said(3)]


def test_whatever_is_emitted_keeps_its_order(theatre: Theatre) -> None:
    ann, bob = theatre.wired("ann"), theatre.wired("bob")
    room, stage = theatre.hall.audience("room:1"), theatre.hall.audience("stage:1")
    for audience in (room, stage):
        audience.add(ann)
    room.add(bob)
    room.emit("said", 1)
    stage.emit("said", 2)
    room.emit("said", 3)
    ann.emit("said", 4)
    bob.emit("said", 5)
    room.emit("said", 6)
    theatre.clockwork.turn()
    assert theatre.heard(ann) == said(1, 2, 3, 4, 6)
    assert theatre.heard(bob) == said(1, 3, 5, 6)


def test_who_comes_hears_nothing_from_before_and_who_leaves_all_of_it(theatre: Theatre) -> None:
    ann, bob = theatre.wired("ann"), theatre.wired("bob")
    room = theatre.hall.audience("room:1")
    room.add(ann)
    room.emit("said", 1)
    room.add(bob)
    room.emit("said", 2)
    room.discard(ann)
    room.discard(ann)
    room.emit("said", 3)
    theatre.clockwork.turn()
    assert [theatre.heard(client) for client in (ann, bob)] == [said(1, 2), said(2, 3)]


def test_a_disconnect_is_the_last_thing_that_is_heard(theatre: Theatre) -> None:
    ann = theatre.wired()
    room = theatre.hall.audience("room:1")
    room.add(ann)
    room.emit("said", 1)
    ann.disconnect("bye", 2)
    room.emit("said", 3)
    ann.emit("said", 4)
    theatre.clockwork.turn()
    assert theatre.heard(ann) == [*said(1), '42["bye",2]', "41"]


def test_an_audience_without_members_costs_nothing(theatre: Theatre) -> None:
    ann, bob = theatre.wired("ann"), theatre.polling("bob")
    for number in range(100):
        theatre.hall.audience(f"room:{number}").add(ann)
    theatre.hall.audience("room:1").add(bob)
    ann.leave()
    assert len(theatre.hall.crowds) == 1
    theatre.hall.audience("room:1").emit("said", 1)
    bob.leave()
    assert len(theatre.hall.crowds) == 0
    theatre.clockwork.turn()
    theatre.hall.audience("room:1").add(ann)
    assert len(theatre.hall.audience("room:1")) == 0


def test_who_moves_to_a_wire_hears_the_rest_there(theatre: Theatre) -> None:
    bob = theatre.polling("bob")
    room = theatre.hall.audience("room:1")
    room.add(bob)
    room.emit("said", 1)
    theatre.clockwork.turn()
    assert theatre.heard(bob) == said(1)
    wire = PaperWire()
    bob.move(Carrier(wire))
    room.emit("said", 2)
    theatre.clockwork.turn()
    assert len(wire.writes) == 1
    assert room.clients == [bob]
