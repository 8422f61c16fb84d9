import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from gateway.workers.pool import PoolSettings, WorkerPool
from gateway.workers.stream import Stream
from tests.gateway.workers.contract import Crew, LinkContract


class Processes(WorkerPool):
    """A pool whose workers can be killed."""

    async def lose_worker(self, stream: Stream) -> None:
        async with asyncio.timeout(20):
            await self.wait_ready(2)
        assert stream.connection is not None
        os.kill(stream.connection.pid, signal.SIGKILL)


@asynccontextmanager
async def processes(data_dir: Path) -> AsyncIterator[Processes]:
    settings = PoolSettings(data_dir=data_dir, workers_max=2, young_seconds=0.0)
    command = [sys.executable, "-m", "tests.gateway.workers.child", str(data_dir)]
    pool = Processes(settings, command)
    await pool.start()
    by_hand = await asyncio.create_subprocess_exec(*command)
    async with asyncio.timeout(20):
        await pool.wait_ready(2)
    yield pool
    await pool.aclose(deadline_seconds=5)
    async with asyncio.timeout(5):
        await by_hand.wait()
    assert not settings.socket_path.exists()


class TestUnixSocket(LinkContract):
    @pytest.fixture
    async def crew(self, tmp_path: Path) -> AsyncIterator[Processes]:
        async with processes(tmp_path) as pool:
            yield pool


CONTRACT = LinkContract()


@pytest.mark.parametrize(
    "promise",
    [
        CONTRACT.test_what_is_said_comes_back_in_order_in_every_language,
        CONTRACT.test_a_caption_that_came_as_text_is_translated_once,
        CONTRACT.test_a_mark_and_the_end_survive_a_loss,
        CONTRACT.test_a_dropped_stream_says_nothing_more,
        CONTRACT.test_more_audio_than_the_credit_is_taken_as_fast_as_it_is_heard,
    ],
)
def test_the_same_holds_on_the_event_loop_that_serves(
    tmp_path: Path, promise: Callable[[Crew], Awaitable[None]]
) -> None:
    async def kept() -> None:
        async with processes(tmp_path) as pool:
            await promise(pool)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(kept())
