"""The wire on real sockets, with the `websockets` client and with peers that misbehave."""

import asyncio
import random
import socket
from typing import Any

import pytest
import websockets

from gateway.wire import frames
from gateway.wire.limits import WireLimits
from tests.gateway.wire.echo import Application
from tests.gateway.wire.rig import Owner, raw_upgrade, running, text

FRAME = frames.text_frame(b"x" * 8188)  # 8,192 bytes


class Stage:
    """An application whose every connection is attached to an owner of its own."""

    def __init__(self) -> None:
        self.wires: list[Any] = []
        self.owners: list[Owner] = []
        self.arrived = asyncio.Condition()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for answer in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{answer}.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        owner = Owner()
        wire = scope["extensions"]["stagedoor.wire"]["wire"]
        wire.attach(owner)
        self.wires.append(wire)
        self.owners.append(owner)
        async with self.arrived:
            self.arrived.notify_all()

    async def viewers(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.wires) == count)


async def test_every_size_of_message_comes_back() -> None:
    async with (
        running(Application(WireLimits())) as (port, _),
        websockets.connect(f"ws://127.0.0.1:{port}/", compression=None) as client,
    ):
        for size in (0, 1, 125, 126, 65_535, 65_536, 1_000_000):
            await client.send(b"\x5a" * size)
            assert await client.recv() == b"\x5a" * size
            await client.send("z" * size)
            assert await client.recv() == "z" * size
        await client.send([b"a" * 100, b"b" * 70_000, b""])
        assert await client.recv() == b"a" * 100 + b"b" * 70_000
        assert await (await client.ping(b"?")) >= 0


async def test_ten_thousand_frames_in_bursts_of_any_size_arrive_in_order() -> None:
    chance = random.Random(5)
    async with (
        running(Application(WireLimits())) as (port, _),
        websockets.connect(f"ws://127.0.0.1:{port}/", compression=None) as client,
    ):
        payloads = [chance.randbytes(chance.choice((0, 3, 126, 640, 5000))) for _ in range(10_000)]

        # Fewer than the server keeps for one who reads slowly, as this client does while it sends.
        under_way = asyncio.Semaphore(200)

        async def send() -> None:
            for payload in payloads:
                await under_way.acquire()
                await client.send(payload)

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            for payload in payloads:
                assert await client.recv() == payload
                under_way.release()


async def test_a_message_in_the_packet_of_the_upgrade_is_answered() -> None:
    async with running(Application(WireLimits())) as (port, _):
        sock = await raw_upgrade(port, early=text("early"))
        received = b""
        while b"early" not in received:
            received += await asyncio.get_running_loop().sock_recv(sock, 4096)
        assert received.endswith(frames.text_frame(b"early"))
        sock.close()


async def test_a_frozen_viewer_gets_4008_and_disturbs_nobody() -> None:
    stage = Stage()
    limits = WireLimits(viewer_buffer_bytes_max=256 << 10)
    async with running(stage, limits) as (port, _):
        frozen = await raw_upgrade(port, receive_bytes=4096)
        await stage.viewers(1)
        async with websockets.connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
            await stage.viewers(2)
            count = 2000
            for number in range(count):
                for wire in stage.wires:
                    wire.write(FRAME)
                assert stage.wires[0].buffered_bytes <= (256 << 10) + 2 * len(FRAME)
                if number % 10 == 9:
                    for _ in range(10):
                        assert len(await client.recv()) == 8188
            assert stage.wires[0].buffered_bytes < 2 * len(FRAME)
            received = await everything(frozen)
        payload = received.partition(b"\r\n\r\n")[2]
        messages = list(frames.split_frames(payload))
        assert messages[-1] == (8, (4008).to_bytes(2, "big") + b"too slow a reader")
        assert set(messages[:-1]) == {(1, b"x" * 8188)}
        frozen.close()
        await asyncio.wait_for(stage.owners[0].gone.wait(), 10)
        assert stage.owners[0].codes == [4008]


async def everything(sock: socket.socket) -> bytes:
    """Read until the close frame at the end of the stream has come."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    async with asyncio.timeout(10):
        while not received.endswith(b"too slow a reader"):
            received += await loop.sock_recv(sock, 1 << 20)
    return bytes(received)


async def test_a_reader_that_stops_and_goes_on_misses_nothing() -> None:
    stage = Stage()
    async with running(stage, WireLimits(viewer_buffer_bytes_max=32 << 20)) as (port, _):
        slow = await raw_upgrade(port, receive_bytes=4096)
        await stage.viewers(1)
        wire, owner = stage.wires[0], stage.owners[0]
        made = [frames.text_frame(b"%08d" % number * 500) for number in range(2000)]
        for frame in made[:1500]:
            wire.write(frame)
        assert wire.buffered_bytes > 0
        received = bytearray()
        expected = b"".join(made)
        left = made[1500:]
        async with asyncio.timeout(20):
            while b"\r\n\r\n" not in received or len(received) - received.index(b"\r\n\r\n") - 4 < len(
                expected
            ):
                received += await asyncio.get_running_loop().sock_recv(slow, 1 << 18)
                for frame in left[:5]:
                    wire.write(frame)
                left = left[5:]
        assert bytes(received).partition(b"\r\n\r\n")[2] == expected
        assert owner.writable_count >= 1
        assert wire.buffered_bytes == 0
        slow.close()


async def test_a_reset_peer_is_noticed_while_writing() -> None:
    stage = Stage()
    async with running(stage) as (port, _):
        sock = await raw_upgrade(port)
        await stage.viewers(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.close()
        for _ in range(10):
            stage.wires[0].write(FRAME)
        await asyncio.wait_for(stage.owners[0].gone.wait(), 10)
        stage.wires[0].write(FRAME)
        assert stage.owners[0].codes == [1006]


async def test_too_large_a_message_is_told_1009() -> None:
    async with running(Application(WireLimits()), WireLimits(message_bytes_max=1000)) as (port, _):
        async with websockets.connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
            await client.send(b"x" * 100_000)
            with pytest.raises(websockets.ConnectionClosedError):
                await client.recv()
        assert client.close_code == 1009


async def test_the_end_of_the_server_is_1012() -> None:
    async with running(Stage()) as (port, server):
        clients = [await websockets.connect(f"ws://127.0.0.1:{port}/", compression=None) for _ in range(5)]
        server.handle_exit(15, None)
        for client in clients:
            await client.wait_closed()
        assert [client.close_code for client in clients] == [1012] * 5
