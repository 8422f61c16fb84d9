"""A connection that polls: bounded, one request each way at a time, and over when it is not heard."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.http.errors import Refused
from gateway.socketio import packets
from gateway.socketio.interface import Ack, Client
from gateway.socketio.packets import Encoded
from gateway.socketio.polled import LAST_SECONDS, RECORDS_MAX, Polled
from gateway.socketio.wired import PING_FRAME, PROBE_FRAME, UPGRADE_SECONDS, Wired
from gateway.wire.frames import split_frames
from sessions import endings
from tests.gateway.rehearsal import Clockwork, PaperWire
from tests.gateway.socketio.paper import clockwork, hall
from tests.gateway.socketio.test_connection import Desk

__all__ = ["clockwork"]

INTERVAL_SECONDS = 20.0


class Wire(PaperWire):
    """A wire of paper that may be told how to ping."""

    ping = b""

    def keep_alive(self, ping: bytes) -> None:
        self.ping = ping

    def taken(self) -> list[Any]:
        """Return the texts written since the last call."""
        texts = [payload.decode() for _, payload in split_frames(b"".join(self.writes))]
        self.writes.clear()
        return texts


class Cloakroom:
    """One client that polls."""

    def __init__(self, clockwork: Clockwork, **changes: Any) -> None:
        self.clockwork = clockwork
        self.hall = hall(clockwork, **changes)
        self.hall.register(self, "do:")
        self.hall.door.arrive("192.0.2.7")
        self.known: dict[str, Polled] = {}
        self.polled = Polled("192.0.2.7", self.hall, self.known.pop)
        self.known[self.polled.sid] = self.polled
        self.left = asyncio.Event()
        self.lost: list[int] = []
        self.gate = asyncio.Event()
        self.log: list[str] = []

    def connected(self, client: Client) -> None:
        self.log.append("connected")

    def gone(self, client: Client) -> None:
        self.log.append("gone")

    async def receive(self, client: Client, event: str, payload: Any) -> Ack:
        await self.gate.wait()
        return {"ok": True}

    async def enters(self) -> None:
        auth = Desk.auth(self)  # type: ignore[arg-type] # it needs nothing of a desk but the clock
        await self.polled.post("40" + auth)
        await turns()
        assert (await self.fetch()).startswith("40{")

    @property
    def now(self) -> float:
        return self.clockwork.now_ms() / 1000

    async def receives(self) -> dict[str, Any]:
        """ASGI's receive of a client that stays until `left` is set."""
        await self.left.wait()
        return {"type": "http.disconnect"}

    def fetch(self) -> Coroutine[Any, Any, str]:
        return self.polled.fetch(self.receives)

    def fetching(self) -> "asyncio.Task[str]":
        return asyncio.get_running_loop().create_task(self.fetch())


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def room(clockwork: Clockwork) -> Cloakroom:
    return Cloakroom(clockwork)


async def refused(work: Coroutine[Any, Any, Any]) -> str:
    with pytest.raises(Refused) as caught:
        await work
    assert caught.value.status == 400
    return caught.value.code


async def test_what_waits_is_fetched_together(room: Cloakroom) -> None:
    room.polled.send(packets.event("a", ()))
    room.polled.send(packets.event("b", (b"\x01",)))
    assert await room.fetch() == '42["a"]\x1e451-["b",{"_placeholder":true,"num":0}]\x1ebAQ=='


async def test_a_request_waits_for_what_comes(room: Cloakroom) -> None:
    fetching = room.fetching()
    await turns()
    room.polled.send(packets.event("a", ()))
    assert await fetching == '42["a"]'
    assert len(room.hall.tasks) == 1  # the watch, cancelled and not yet seen to be so
    await turns()
    assert len(room.hall.tasks) == 0


async def test_two_requests_that_fetch_at_once_end_it(room: Cloakroom) -> None:
    fetching = room.fetching()
    await turns()
    assert await refused(room.fetch()) == "BAD_PAYLOAD"
    assert await fetching == packets.CLOSE
    assert room.known == {}


async def test_a_request_that_is_broken_off_ends_it(room: Cloakroom) -> None:
    fetching = room.fetching()
    await turns()
    room.left.set()
    assert await refused(_of(fetching)) == "UNKNOWN_SESSION"
    assert room.known == {}


async def _of(task: "asyncio.Task[str]") -> str:
    return await task


@pytest.mark.parametrize(
    "body",
    [
        "",
        "abc",
        "4abc",
        "b!!!",
        "bA",
        "b\u00e9",
        "b" + "QUJD",
        '42["do:it"]',
        "2",
        "6\x1e",
        "\x1e",
        "6\x1e" * RECORDS_MAX + "6",
    ],
)
async def test_what_cannot_be_read_ends_it(room: Cloakroom, body: str) -> None:
    assert await refused(room.polled.post(body)) == "BAD_PAYLOAD"
    assert room.known == {}
    assert await refused(room.fetch()) == "UNKNOWN_SESSION"


async def test_the_client_may_end_it(room: Cloakroom) -> None:
    fetching = room.fetching()
    await turns()
    await room.polled.post(packets.CLOSE + "\x1e6")
    assert await fetching == packets.NOOP
    assert room.known == {}


async def test_who_does_not_fetch_is_dropped_and_costs_no_more(clockwork: Clockwork) -> None:
    room = Cloakroom(clockwork, viewer_buffer_bytes_max=65536)
    await room.enters()
    for _ in range(100):
        room.polled.send(packets.event("a", ("x" * 1000,)))
    assert await room.fetch() == packets.CLOSE
    clockwork.turn()
    assert room.log == ["connected", "gone"]
    assert room.known == {}


async def test_pings_come_and_are_answered(room: Cloakroom) -> None:
    await room.enters()
    for _ in range(3):
        room.clockwork.advance(INTERVAL_SECONDS + 1)
        assert await room.fetch() == packets.PING
        await room.polled.post(packets.PONG)


async def test_who_is_not_heard_for_the_time_of_two_pings_is_gone(room: Cloakroom) -> None:
    await room.enters()
    room.clockwork.advance(3 * INTERVAL_SECONDS)
    assert room.known == {}
    assert room.log == ["connected", "gone"]


async def test_its_last_packets_are_fetched_and_then_it_is_over(room: Cloakroom) -> None:
    await room.enters()
    (client,) = [room.polled.connection.client]
    assert client is not None
    client.disconnect("bye", 1)
    assert await room.fetch() == '42["bye",1]\x1e41'
    assert await room.fetch() == packets.CLOSE
    assert await refused(room.fetch()) == "UNKNOWN_SESSION"


async def test_its_last_packets_wait_for_a_while_only(room: Cloakroom) -> None:
    room.polled.close(endings.RESTARTING)
    room.clockwork.advance(LAST_SECONDS + 1)
    assert room.known == {}
    assert await refused(room.fetch()) == "UNKNOWN_SESSION"


async def test_who_sends_too_much_waits_for_the_answer_of_the_post(room: Cloakroom) -> None:
    await room.enters()
    posting = asyncio.get_running_loop().create_task(room.polled.post("\x1e".join(['42["do:it"]'] * 40)))
    await turns()
    assert not posting.done()
    assert await refused(room.polled.post("6")) == "BAD_PAYLOAD"
    await posting
    assert room.known == {}


async def test_it_reads_on_when_its_events_are_handled(room: Cloakroom) -> None:
    await room.enters()
    posting = asyncio.get_running_loop().create_task(room.polled.post("\x1e".join(['42["do:it"]'] * 40)))
    await turns()
    room.gate.set()
    await posting
    assert room.known


# --- moving to a wire --------------------------------------------------------------------------------


def upgrade(room: Cloakroom) -> tuple[Wire, Wired]:
    wire = Wire()
    return wire, Wired(wire, room.hall, room.polled)


async def test_it_moves_to_a_wire_with_what_was_not_fetched(room: Cloakroom) -> None:
    await room.enters()
    room.hall.audience("all").add(client := room.polled.connection.client)  # type: ignore[arg-type]
    fetching = room.fetching()
    await turns()
    wire, wired = upgrade(room)
    wired.receive_text("2probe")
    assert wire.writes == [PROBE_FRAME]
    assert await fetching == packets.NOOP
    assert await room.fetch() == packets.NOOP
    assert client is not None
    client.emit("a")
    room.hall.audience("all").emit("b", 1)
    assert wire.writes == [PROBE_FRAME]
    wired.receive_text("5")
    assert wire.taken() == ["3probe", '42["a"]', '42["b",1]']
    assert wire.ping == PING_FRAME
    assert room.known == {}
    wired.receive_text('421["no:body"]')
    room.hall.audience("all").emit("c", 2)
    room.clockwork.turn()
    first, second = wire.taken()
    assert first.startswith("431[")
    assert second == '42["c",2]'
    wired.closed(1000)
    assert room.log == ["connected", "gone"]
    assert len(room.hall.alarms) == 0


@pytest.mark.parametrize("texts", [["2"], ["5"], ["40"], ["2probe", "2probe"], ["2probe", "6"], ["3probe"]])
async def test_what_is_no_upgrade_leaves_it_polling(room: Cloakroom, texts: list[str]) -> None:
    await room.enters()
    wire, wired = upgrade(room)
    for text in texts:
        wired.receive_text(text)
    assert wire.close_code == endings.POLICY.code
    wired.closed(1008)
    room.polled.send(Encoded("4x"))
    assert await room.fetch() == "4x"
    assert room.log == ["connected"]


async def test_bytes_are_no_upgrade(room: Cloakroom) -> None:
    wire, wired = upgrade(room)
    wired.receive_binary([b"2probe"])
    assert wire.close_code == endings.POLICY.code


async def test_an_upgrade_that_takes_too_long_leaves_it_polling(room: Cloakroom) -> None:
    await room.enters()
    wire, wired = upgrade(room)
    wired.receive_text("2probe")
    room.clockwork.advance(UPGRADE_SECONDS + 1)
    assert wire.close_code == endings.POLICY.code
    wired.closed(1008)
    again, wired = upgrade(room)
    wired.receive_text("2probe")
    wired.receive_text("5")
    assert again.writes[0] == PROBE_FRAME
    assert room.known == {}


async def test_a_connection_that_is_over_does_not_move(room: Cloakroom) -> None:
    wire, wired = upgrade(room)
    wired.receive_text("2probe")
    await room.polled.post(packets.CLOSE)
    wired.receive_text("5")
    assert wire.close_code == endings.POLICY.code
