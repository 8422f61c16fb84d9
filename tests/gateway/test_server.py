"""The end of a real process: viewers told 1012, a frozen one cut off, in time, status 0 and no traceback."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets

from gateway.server import Server
from tests.gateway.wire.rig import PLAIN_REQUEST, raw_upgrade, running


@contextlib.asynccontextmanager
async def echo_process() -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.gateway.wire.echo",
        "--port",
        "0",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


VIEWERS = 4
ROUNDS = 20_000
"""Of 224 bytes: more than the kernel keeps for a peer that does not read; the rest is the server's."""


class Watch:
    """A viewer that counts what it is shown."""

    def __init__(self, client: websockets.ClientConnection) -> None:
        self.client = client
        self.full = asyncio.Event()

    async def run(self) -> int | None:
        count = 0
        with contextlib.suppress(websockets.ConnectionClosedError):
            async for _ in self.client:
                count += 1
                if count == ROUNDS:
                    self.full.set()
        return self.client.close_code


async def connect(port: int, path: str) -> websockets.ClientConnection:
    return await websockets.connect(f"ws://127.0.0.1:{port}/{path}", compression=None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_time_whoever_watches(number: signal.Signals) -> None:
    async with echo_process() as (process, port):
        watches = [Watch(await connect(port, "fan")) for _ in range(VIEWERS)]
        frozen = await raw_upgrade(port, receive_bytes=4096, path=b"/fan")
        control = await connect(port, "ctl")
        watching = [asyncio.get_running_loop().create_task(watch.run()) for watch in watches]
        await control.send(f"fan {ROUNDS}")
        for watch in watches:
            await watch.full.wait()
        start = time.monotonic()
        process.send_signal(number)
        codes = await asyncio.gather(*watching)
        output = await asyncio.wait_for(process.communicate(), 10)
        took_seconds = time.monotonic() - start
        frozen.close()
        await control.wait_closed()
    assert codes == [1012] * VIEWERS
    assert (process.returncode, output) == (0, (b"", b""))
    assert took_seconds < 5


async def test_a_second_signal_ends_it_at_once() -> None:
    async with echo_process() as (process, port):
        watch = Watch(await connect(port, "fan"))
        frozen = await raw_upgrade(port, receive_bytes=4096, path=b"/fan")
        control = await connect(port, "ctl")
        await control.send(f"fan {ROUNDS}")
        watching = asyncio.get_running_loop().create_task(watch.run())
        await watch.full.wait()
        process.terminate()
        assert await watching == 1012
        start = time.monotonic()
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert time.monotonic() - start < 0.5
        frozen.close()
        await control.wait_closed()


class App:
    """An application that notes what it lives through."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.requested = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for answer in ("startup", "shutdown"):
                await receive()
                self.steps.append(answer)
                await send({"type": f"lifespan.{answer}.complete"})
        elif scope["type"] == "http":
            self.steps.append("request")
            self.requested.set()
            await asyncio.Event().wait()

    async def drain(self) -> None:
        self.steps.append("drain")


async def test_the_application_drains_before_it_ends() -> None:
    app = App()
    async with running(app, drain=app.drain):
        pass
    assert app.steps == ["startup", "drain", "shutdown"]


async def test_a_drain_that_hangs_or_fails_does_not_stop_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async def fail() -> None:
        raise ZeroDivisionError

    for drain in (hang, fail):
        app = App()
        async with running(app, drain=drain, shutdown_seconds=0.5):
            pass
        assert app.steps == ["startup", "shutdown"]
    assert "The drain did not finish" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_a_request_that_never_ends_is_cancelled_without_noise(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    async with running(app, shutdown_seconds=0.5) as (port, _):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PLAIN_REQUEST)
        await app.requested.wait()
    writer.close()
    assert app.steps == ["startup", "request", "shutdown"]
    assert "CancelledError" not in caplog.text


async def test_the_port_is_the_one_that_was_bound() -> None:
    told: asyncio.Queue[int] = asyncio.Queue(1)
    server = Server(App(), port=0, ready=told.put_nowait)
    serving = asyncio.get_running_loop().create_task(server.serve())
    port = await told.get()
    assert port == server.port > 0
    server.handle_exit(15, None)
    await serving
