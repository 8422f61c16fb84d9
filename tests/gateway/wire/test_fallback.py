"""The same application on a stock server: the wire over plain ASGI receive and send."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
import websockets

from gateway.wire import frames
from gateway.wire.fallback import FallbackWire, finished, wire_of
from gateway.wire.limits import WireLimits
from tests.gateway.wire.echo import Application
from tests.gateway.wire.rig import Owner

FRAME = frames.text_frame(b"x" * 998)


class Peer:
    """The server's side of ASGI: messages to receive, and a `send` that can be held up."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue(100)
        self.sent: list[dict[str, Any]] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.gone = False

    async def send(self, message: Any) -> None:
        await self.taking.wait()
        if self.gone:
            raise OSError
        self.sent.append(dict(message))

    def says(self, **message: Any) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", **message})

    def ends(self, code: int) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": code})


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def with_wire(
    story: Callable[[Peer, FallbackWire, Owner], Awaitable[None]], limits: WireLimits | None = None
) -> tuple[Peer, Owner]:
    peer, owner = Peer(), Owner()
    wire = wire_of({"client": ("192.0.2.7", 5000)}, peer.incoming.get, peer.send, limits)
    assert isinstance(wire, FallbackWire)
    wire.attach(owner)
    async with asyncio.TaskGroup() as group:
        group.create_task(finished(wire))
        await turns()
        await story(peer, wire, owner)
    return peer, owner


async def test_messages_go_both_ways_in_order() -> None:
    async def story(peer: Peer, wire: FallbackWire, owner: Owner) -> None:
        peer.says(text="one", bytes=None)
        peer.says(bytes=b"two")
        wire.write(frames.text_frame(b"a") + frames.binary_frame(b"b"))
        wire.write(frames.text_frame("ü".encode()))
        await turns()
        peer.ends(1001)

    peer, owner = await with_wire(story)
    assert owner.heard == ["one", [b"two"]]
    assert owner.codes == [1001]
    assert [message.get("text", message.get("bytes")) for message in peer.sent] == ["a", b"b", "ü"]


async def test_a_frozen_reader_gets_4008_and_bounded_memory() -> None:
    async def story(peer: Peer, wire: FallbackWire, owner: Owner) -> None:
        peer.taking.clear()
        wire.write(FRAME)
        await turns()
        for _ in range(1000):
            wire.write(FRAME)
        assert wire.buffered_bytes < 20_000
        peer.taking.set()
        await turns()
        peer.ends(4008)

    peer, owner = await with_wire(story, WireLimits(viewer_buffer_bytes_max=10_000))
    assert [message["type"] for message in peer.sent] == ["websocket.send", "websocket.close"]
    assert peer.sent[-1]["code"] == 4008
    assert owner.codes == [4008]


async def test_a_reader_that_stays_frozen_ends_within_the_bound() -> None:
    async def story(peer: Peer, wire: FallbackWire, owner: Owner) -> None:
        peer.taking.clear()
        wire.write(FRAME)
        await turns()
        wire.close(1000)

    _, owner = await with_wire(story, WireLimits(close_timeout_seconds=0.01))
    assert owner.codes == [1000]


async def test_interims_give_way_and_the_owner_learns_that_it_may_go_on() -> None:
    async def story(peer: Peer, wire: FallbackWire, owner: Owner) -> None:
        peer.taking.clear()
        wire.write(frames.text_frame(b"final"))
        await turns()
        for number in range(5):
            wire.write_latest(frames.text_frame(b"interim %d" % number))
        peer.taking.set()
        await turns()
        assert owner.writable_count == 1
        peer.ends(1000)

    peer, _ = await with_wire(story)
    assert [message["text"] for message in peer.sent] == ["final", "interim 4"]


async def test_reading_pauses() -> None:
    async def story(peer: Peer, wire: FallbackWire, owner: Owner) -> None:
        wire.pause_reading()
        for number in range(5):
            peer.says(text=str(number))
        await turns()
        assert len(owner.heard) <= 1
        wire.resume_reading()
        await turns()
        assert len(owner.heard) == 5
        peer.ends(1000)

    await with_wire(story)


async def test_a_peer_that_is_gone_while_we_write() -> None:
    async def story(peer: Peer, wire: FallbackWire, owner: Owner) -> None:
        peer.gone = True
        wire.write(FRAME)

    _, owner = await with_wire(story)
    assert owner.codes == [1006]


class StockServer(uvicorn.Server):
    """uvicorn as it comes, started without its signals."""

    async def startup_alone(self) -> None:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets", "ignore::DeprecationWarning:uvicorn")
async def test_the_echo_application_on_stock_uvicorn() -> None:
    config = uvicorn.Config(
        Application(WireLimits()),
        port=0,
        ws="websockets-sansio",
        interface="asgi3",
        log_config=None,
        lifespan="on",
    )
    server = StockServer(config)
    await server.startup_alone()
    port = server.servers[0].sockets[0].getsockname()[1]
    async with websockets.connect(f"ws://127.0.0.1:{port}/echo", compression=None) as client:
        await client.send("grüß dich")
        assert await client.recv() == "grüß dich"
        await client.send(b"\x00" * 70_000)
        assert await client.recv() == b"\x00" * 70_000
    await server.shutdown()


async def test_a_protocol_on_top_is_pinged_with_its_own_frame_until_it_does_not_answer() -> None:
    async def story(peer: Peer, wire: FallbackWire, owner: Owner) -> None:
        wire.keep_alive(frames.text_frame(b"2"))
        for count in range(1, 4):
            await until(lambda count=count: len(peer.sent) == count)  # type: ignore[misc]
            peer.says(text="3")
        await until(lambda: peer.sent[-1]["type"] == "websocket.close")
        peer.ends(1011)

    peer, owner = await with_wire(story, WireLimits(ping_interval_seconds=0.05))
    pings, close = peer.sent[:-1], peer.sent[-1]
    assert pings == [{"type": "websocket.send", "text": "2"}] * 4
    assert close["code"] == 1011
    assert owner.heard == ["3"] * 3


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0)
