"""Clients that do not read, that flood, that vanish all at once: they cost nobody else anything."""

import asyncio
import socket
import time

import pytest

from gateway.socketio.client import SocketClient
from gateway.wire.frames import split_frames
from tests.gateway.rehearsal import Clockwork, PaperWire
from tests.gateway.socketio.fakes import principal
from tests.gateway.socketio.paper import Carrier, hall
from tests.gateway.socketio.raw import Entered, Polling, auth, query
from tests.gateway.socketio.rig import Stand, standing
from tests.gateway.wire.rig import raw_upgrade, text

BUFFER_BYTES_MAX = 256 * 1024
LINE = "x" * 20_000
LINES = 400
"""Far more than the two kernels and the buffer keep together."""


class Deaf:
    """A client that authenticates and then reads no more."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    async def enter(cls, stand: Stand) -> "Deaf":
        count = len(stand.parrot.here)
        path = query("websocket").encode()
        sock = await raw_upgrade(stand.server.port, text("40" + auth("deaf")), receive_bytes=4096, path=path)
        await stand.parrot.until(lambda: len(stand.parrot.here) > count)
        return cls(sock)

    def close(self) -> None:
        self._sock.close()


async def test_who_stops_reading_is_dropped_and_its_neighbours_hear_everything() -> None:
    async with standing(viewer_buffer_bytes_max=BUFFER_BYTES_MAX) as stand:
        deaf = await Deaf.enter(stand)
        room = stand.hall.audience("all")
        (silent,) = stand.parrot.here
        room.add(silent)
        wire = silent.carrier.wire  # type: ignore[attr-defined] # a SocketClient
        kept = 0
        async with Entered(stand.url, "ann") as ann, Polling(stand.url) as bob:
            await bob.enter("bob")
            for client in stand.parrot.here[1:]:
                room.add(client)
            fetched: list[str] = []
            for number in range(LINES):
                room.emit("said", [number, LINE])
                message = await ann.next()
                assert str(message).startswith(f'42["said",[{number},')
                kept = max(kept, wire.buffered_bytes)
                while len(fetched) <= number:
                    fetched += await bob.poll()
            assert [packet[:16] for packet in fetched] == [f'42["said",[{n},"xxxx'[:16] for n in range(LINES)]
            await stand.parrot.until(lambda: silent not in stand.parrot.here)
            assert len(room) == 2
        assert 0 < kept <= BUFFER_BYTES_MAX + 64 * 1024
        deaf.close()


async def test_who_stops_polling_is_dropped_too() -> None:
    async with standing(viewer_buffer_bytes_max=BUFFER_BYTES_MAX) as stand, Polling(stand.url) as bob:
        await bob.enter("bob")
        room = stand.hall.audience("all")
        room.add(stand.parrot.here[0])
        for _ in range(LINES):
            room.emit("said", LINE)
            await asyncio.sleep(0)
        assert (await bob.get()).text == "1"
        await stand.parrot.until(lambda: not stand.parrot.here)


async def test_who_floods_while_an_event_is_handled_is_not_read() -> None:
    async with standing() as stand, Entered(stand.url) as client:
        await client.send('42["do:wait"]')
        flood = text('42["do:echo","' + "y" * 500 + '"]') * 200
        before = len(stand.parrot.heard)
        transport = client.socket.transport
        for _ in range(400):
            transport.write(flood)
            await asyncio.sleep(0)
        (there,) = stand.parrot.here
        waiting = there._turns._waiting  # type: ignore[attr-defined] # a SocketClient
        assert len(waiting) < 1000  # what one read brought, of 80,000
        assert len(stand.parrot.heard) == before + 1
        stand.parrot.going_on.set()
        await stand.parrot.until(lambda: len(stand.parrot.heard) > before + 1000)
        transport.abort()


def leaves(count: int) -> float:
    """Return the seconds that each of so many takes to leave, in three audiences of everybody."""
    clockwork = Clockwork()
    of = hall(clockwork)
    clients = []
    for number in range(count):
        client = SocketClient(f"sid{number}", principal("dana"), Carrier(PaperWire()), of)
        for name in ("room:1", "user:default/dana", f"client:{number}"):
            of.audience(name).add(client)
        clients.append(client)
    began = time.process_time()
    for client in clients:
        client.leave()
    took = time.process_time() - began
    assert len(of.crowds) == 0
    return took / count


@pytest.mark.alone
def test_leaving_costs_the_same_among_five_thousand_as_among_fifty() -> None:
    few = min(leaves(50) for _ in range(20))
    many = min(leaves(5000) for _ in range(3))
    assert many < 10 * few


def test_an_event_to_a_thousand_is_encoded_once() -> None:
    clockwork = Clockwork()
    of = hall(clockwork)
    wires = [PaperWire() for _ in range(1000)]
    for number, wire in enumerate(wires):
        of.audience("all").add(SocketClient(f"sid{number}", principal(), Carrier(wire), of))
    of.audience("all").emit("said", {"text": "hello"})
    clockwork.turn()
    assert len({id(wire.writes[0]) for wire in wires}) == 1
    assert [payload for _, payload in split_frames(wires[0].writes[0])] == [b'42["said",{"text":"hello"}]']
