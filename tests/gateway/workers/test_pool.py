import asyncio
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.workers.pool import BATCH_SECONDS, PoolSettings, WorkerPool
from gateway.workers.relay import RelayLimits
from gateway.workers.stream import Stream
from media import link
from media.link import BYTES_PER_SECOND
from media.link_format import encode
from tests.gateway.workers.fakes import EN, Listener, speech, texts_of

CHILD = (sys.executable, "-m", "tests.gateway.workers.child")
QUICK = PoolSettings(
    data_dir=Path(),
    workers_max=2,
    heartbeat_seconds=0.5,
    young_seconds=0.0,
    tick_seconds=0.02,
    wait_seconds_max=20.0,
)

Start = Callable[..., Awaitable[WorkerPool]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a pool in this test's folder, whose children have the pipelines of `kind`."""
    pools: list[WorkerPool] = []

    async def started(
        kind: str = "poisoned", command: Sequence[str] = (), ready: bool = True, **changes: Any
    ) -> WorkerPool:
        settings = replace(QUICK, **{"data_dir": tmp_path, **changes})
        pool = WorkerPool(settings, command or [*CHILD, str(tmp_path), kind])
        pools.append(pool)
        await pool.start()
        if ready:
            async with asyncio.timeout(20):
                await pool.wait_ready()
        return pool

    yield started
    for pool in pools:
        await pool.aclose(deadline_seconds=1)


async def end_of(*pids: int) -> None:
    """Wait until these processes are gone, whoever started them."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for pid in pids:
            try:
                process = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            stack.callback(os.close, process)
            gone = asyncio.Event()
            loop.add_reader(process, gone.set)
            stack.callback(loop.remove_reader, process)
            async with asyncio.timeout(10):
                await gone.wait()


class StoppedLoop:
    """An event loop whose clock stands still, and that does what is called for when it is told."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._called: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.call_at(self.now, callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> "StoppedLoop":
        self._called.append((when, callback))
        return self

    def cancel(self) -> None:
        """What was called for at a time is called for no more."""
        self._called.clear()

    def turn(self, seconds: float = 0.0) -> None:
        self.now += seconds
        due = [entry for entry in self._called if entry[0] <= self.now]
        self._called = [entry for entry in self._called if entry not in due]
        for _, callback in due:
            callback()


def pid_of(stream: Stream) -> int:
    assert stream.connection is not None
    return stream.connection.pid


async def taken(pool: WorkerPool) -> tuple[Stream, Listener]:
    """A stream of which a worker has said something."""
    listener = Listener()
    stream = pool.open_stream("en", EN, listener)
    stream.receive_audio(speech(0.5))
    await listener.until(lambda told: told.interims("en"))
    return stream, listener


async def finish(stream: Stream, listener: Listener, seconds: float = 0.5) -> None:
    """Say the rest of the speech; everything of it must have come in the end."""
    pcm = speech(seconds)
    stream.receive_audio(pcm[BYTES_PER_SECOND // 2 :])
    stream.close()
    await listener.ended()
    assert isinstance(listener.events[-1], link.Ended)
    assert listener.texts("en") == texts_of(pcm)


# --- workers come and go -----------------------------------------------------------------------------


async def test_at_rest_one_worker_is_warm_and_only_this_user_can_connect(start: Start) -> None:
    pool = await start()

    assert (pool.workers, pool.streams, pool.waiting, pool.losses) == (1, 0, 0, 0)
    assert stat.S_IMODE(pool.settings.socket_path.stat().st_mode) == 0o600


async def test_the_first_stream_takes_the_spare_and_another_is_started(start: Start) -> None:
    pool = await start()
    stream, listener = await taken(pool)
    async with asyncio.timeout(20):
        await pool.wait_ready(2)

    assert (pool.workers, pool.streams) == (2, 1)
    await finish(stream, listener)


async def test_streams_are_spread_and_one_spare_stays_on_top_until_all_are_full(start: Start) -> None:
    pool = await start()
    streams = []
    for workers in (2, 3):
        streams.append(await taken(pool))
        async with asyncio.timeout(20):
            await pool.wait_ready(workers)
    streams += [await taken(pool) for _ in range(6)]
    busy = {pid_of(stream) for stream, _ in streams}
    streams.append(await taken(pool))

    assert len(busy) == 2
    assert pid_of(streams[-1][0]) not in busy
    assert (pool.workers, pool.room) == (3, 3)
    for stream, listener in streams:
        await finish(stream, listener)
    assert pool.streams == 0


async def test_surplus_workers_are_let_go_one_spare_apart(start: Start) -> None:
    pool = await start(idle_seconds=0.05)
    stream, listener = await taken(pool)
    async with asyncio.timeout(20):
        await pool.wait_ready(2)
    pids = [connection.pid for connection in pool.crew.warm]
    await finish(stream, listener)
    await end_of(pids[1])

    assert (pool.workers, pool.losses) == (1, 0)


async def test_a_worker_started_by_hand_joins(start: Start) -> None:
    pool = await start()
    by_hand = await asyncio.create_subprocess_exec(*CHILD, str(pool.settings.data_dir))
    async with asyncio.timeout(20):
        await pool.wait_ready(2)
    await pool.aclose(deadline_seconds=5)

    assert await by_hand.wait() == 0


async def test_a_stream_that_comes_before_any_worker_waits_for_it(start: Start) -> None:
    pool = await start(ready=False)
    listener = Listener()
    stream = pool.open_stream("en", EN, listener)
    stream.receive_audio(speech(0.5))
    assert pool.waiting == 1

    await finish(stream, listener, 3.2)


async def test_a_lone_frame_goes_at_once_and_a_crowds_frames_share_a_write(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, loop = await start(), StoppedLoop(asyncio.get_running_loop().time() + 1.0)
    writes: list[list[int]] = []
    streams = [pool.open_stream("en", EN, Listener()) for _ in range(2)]
    async with asyncio.timeout(20):
        while any(stream.connection is None for stream in streams) or pool._touched:
            await asyncio.sleep(0.01)
    for stream in streams:
        assert stream.connection is not None
        monkeypatch.setattr(
            stream.connection, "send", lambda batch: writes.append([len(message.pcm) for message in batch])
        )
    monkeypatch.setattr(pool, "_loop", loop)
    streams[0].receive_audio(bytes(640))
    assert writes == []
    loop.turn()
    assert writes == [[640]]
    streams[0].receive_audio(bytes(320))
    streams[0].receive_audio(bytes(320))
    loop.turn(BATCH_SECONDS / 2)
    assert writes == [[640]]
    loop.turn(BATCH_SECONDS / 2)
    assert writes == [[640], [640]]


# --- faults ------------------------------------------------------------------------------------------


async def test_a_stopped_worker_costs_a_bounded_buffer_and_is_replaced(start: Start) -> None:
    pool = await start(heartbeat_seconds=3.0)
    stream, listener = await taken(pool)
    async with asyncio.timeout(20):
        await pool.wait_ready(2)
    connection, pid = stream.connection, pid_of(stream)
    assert connection is not None
    os.kill(pid, signal.SIGSTOP)
    pcm = speech(40)
    for at in range(BYTES_PER_SECOND // 2, len(pcm), 6400):
        stream.receive_audio(pcm[at : at + 6400])
        stream.set_targets({"en": (), "x" * (at % 30 + 1): ()})
        await asyncio.sleep(0)  # lets the loop write
    assert stream.full
    assert connection.buffered_bytes <= pool.settings.relay.credit_bytes + 300_000

    stream.close()
    await listener.ended()

    assert listener.texts("en") == texts_of(pcm)
    assert pool.losses == 1
    await end_of(pid)


async def test_a_stream_whose_worker_never_answers_is_tried_elsewhere_and_then_fails(start: Start) -> None:
    pool = await start("deaf", stall_seconds=0.1, failures_max=1)
    listener = Listener()
    stream = pool.open_stream("en", EN, listener)
    stream.receive_audio(speech(1))
    stream.close()
    await listener.ended()

    assert listener.events == [link.Failed(stream.number, "nothing came of it for 0 s")]
    assert pool.streams == 0


async def test_a_stream_that_kills_its_workers_is_stopped_before_it_kills_them_all(start: Start) -> None:
    pool = await start(losses_max=2)
    bad, listener = Listener(), Listener()
    poison = pool.open_stream("en", EN, bad)
    poison.send_text("die", 0.0, 1.0)
    await bad.ended()
    stream = pool.open_stream("en", EN, listener)
    stream.receive_audio(speech(0.5))

    assert bad.events == [link.Failed(poison.number, "3 media workers died while they had this stream")]
    assert pool.losses == 3
    await finish(stream, listener, 2.5)


async def test_a_child_that_dies_at_start_does_not_spin_and_streams_are_told(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        pool = await start(
            command=["/bin/sh", "-c", f"echo >> {tmp_path}/started; exit 3"],
            ready=False, young_seconds=10.0, backoff_seconds=0.1, wait_seconds_max=1.0,
        )  # fmt: skip
        listener = Listener()
        pool.open_stream("en", EN, listener)
        await listener.ended()

    (failed,) = listener.events
    assert isinstance(failed, link.Failed)
    assert failed.reason.startswith("there is no media worker: process ")
    assert failed.reason.endswith("ended with status 3; gave up after 1 s")
    # 0.1 + 0.2 + 0.4 + 0.8 s: no more than five fit into a little over a second
    assert 2 <= len((tmp_path / "started").read_text()) <= 5


async def test_a_command_that_does_not_exist_is_named(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        pool = await start(command=["/nowhere/worker"], ready=False, young_seconds=10.0, wait_seconds_max=0.1)
        listener = Listener()
        pool.open_stream("en", EN, listener)
        await listener.ended()

    (failed,) = listener.events
    assert isinstance(failed, link.Failed)
    assert "/nowhere/worker cannot be run: No such file or directory" in failed.reason


async def test_without_a_worker_the_oldest_audio_is_given_up_as_a_gap_when_full(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    limits = RelayLimits(full_bytes=2 * BYTES_PER_SECOND, wait_seconds_max=0.1)
    with caplog.at_level(logging.CRITICAL):
        pool = await start(command=["/nowhere/worker"], ready=False, young_seconds=10.0, relay=limits)
        listener, pcm = Listener(), speech(3)
        stream = pool.open_stream("en", EN, listener)
        stream.receive_audio(pcm)
        assert stream.full
        await listener.until(lambda told: told.writable_count)
        by_hand = await asyncio.create_subprocess_exec(*CHILD, str(pool.settings.data_dir))
        stream.close()
        await listener.ended()

    assert [(gap.from_seconds, gap.to_seconds, gap.reason) for gap in listener.gaps] == [
        (0.0, 2.0, "no_worker")
    ]
    assert listener.texts("en") == texts_of(pcm[2 * BYTES_PER_SECOND :])
    await pool.aclose(deadline_seconds=1)
    assert await by_hand.wait() == 0


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        encode(link.Progress(1, 10)),
        encode(link.Hello(1, 0)),
        encode(link.Hello(1, 1)) * 2,
        encode(link.Close(1)),
        b"\xff\xff\xff\xff",
    ],
)
async def test_whoever_does_not_speak_the_protocol_is_cut_off_alone(start: Start, rubbish: bytes) -> None:
    pool = await start()
    stream, listener = await taken(pool)
    reader, writer = await asyncio.open_unix_connection(pool.settings.socket_path)
    writer.write(rubbish)
    async with asyncio.timeout(10):
        rest = await reader.read()
    writer.close()

    assert rest == b""
    await finish(stream, listener, 2.5)


async def test_a_worker_that_breaks_the_contract_loses_its_streams_to_another(start: Start) -> None:
    """It claims to have heard more than it was sent."""
    pool = await start(ready=False, command=["/bin/false"], backoff_seconds=60.0, young_seconds=10.0)
    reader, writer = await asyncio.open_unix_connection(pool.settings.socket_path)
    writer.write(encode(link.Hello(1, 4)))
    listener = Listener()
    stream = pool.open_stream("en", EN, listener)
    stream.receive_audio(speech(0.5))
    async with asyncio.timeout(10):
        await reader.readexactly(10)
        writer.write(encode(link.Progress(stream.number, 10**9)))
        await reader.read()
    writer.close()
    by_hand = await asyncio.create_subprocess_exec(*CHILD, str(pool.settings.data_dir))

    await finish(stream, listener)
    await pool.aclose(deadline_seconds=1)
    assert await by_hand.wait() == 0


async def test_someone_who_connects_and_says_nothing_is_cut_off(start: Start) -> None:
    pool = await start()
    pool.crew.settings = replace(pool.settings, start_seconds_max=0.1)
    reader, writer = await asyncio.open_unix_connection(pool.settings.socket_path)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    assert pool.ready


# --- the socket --------------------------------------------------------------------------------------


async def test_a_socket_that_a_dead_gateway_left_is_replaced(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(tmp_path / link.SOCKET_NAME))

    assert (await start()).ready


async def test_a_second_server_on_the_same_data_is_refused(start: Start) -> None:
    pool = await start()

    with pytest.raises(OSError, match="Another server uses"):
        await start()
    assert pool.settings.socket_path.exists()


async def test_something_else_in_the_place_of_the_socket_is_left_alone(start: Start, tmp_path: Path) -> None:
    (tmp_path / link.SOCKET_NAME).write_text("precious")

    with pytest.raises(OSError, match="is not a socket: remove it"):
        await start()
    assert (tmp_path / link.SOCKET_NAME).read_text() == "precious"


async def test_a_data_directory_with_too_long_a_path_is_explained(start: Start, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="give a shorter data directory"):
        await start(data_dir=tmp_path / ("x" * 100))


# --- the end -----------------------------------------------------------------------------------------


async def test_workers_end_with_the_pool_and_one_that_does_not_is_killed(start: Start) -> None:
    pool = await start("stuck")
    listener = Listener()
    stream = pool.open_stream("en", EN, listener)
    stream.receive_audio(speech(1))
    async with asyncio.timeout(20):
        await pool.wait_ready(2)
    pids = [connection.pid for connection in pool.crew.warm]
    async with asyncio.timeout(5):
        await pool.aclose(deadline_seconds=0.05)

    await end_of(*pids)
    assert not pool.settings.socket_path.exists()


async def test_what_a_worker_started_dies_with_it(start: Start, tmp_path: Path) -> None:
    script = f'sleep 1000 & echo $! > {tmp_path}/pid; exec "$@"'
    pool = await start(command=["/bin/sh", "-c", script, "sh", *CHILD, str(tmp_path)])
    grandchild = int((tmp_path / "pid").read_text())
    await pool.aclose(deadline_seconds=5)

    await end_of(grandchild)


GATEWAY = """
import asyncio, sys
from pathlib import Path
from gateway.workers.pool import BATCH_SECONDS, PoolSettings, WorkerPool
from tests.gateway.workers.fakes import EN, Listener, speech

async def main():
    data_dir = Path(sys.argv[1])
    command = [sys.executable, "-m", "tests.gateway.workers.child", sys.argv[1], "stuck"]
    pool = WorkerPool(PoolSettings(data_dir=data_dir), command)
    await pool.start()
    await pool.wait_ready()
    stream = pool.open_stream("en", EN, Listener())
    stream.receive_audio(speech(1))
    await pool.wait_ready(2)
    print(*[connection.pid for connection in pool.crew.warm], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_workers_do_not_outlive_a_gateway_that_is_killed(tmp_path: Path, number: int) -> None:
    """Also not one whose engine computes and never looks up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        pids = [int(pid) for pid in (await process.stdout.readline()).split()]
    os.kill(process.pid, number)
    await process.wait()

    assert len(pids) == 2
    await end_of(*pids)
