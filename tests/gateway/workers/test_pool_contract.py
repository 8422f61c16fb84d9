import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.workers.pool import PoolSettings, WorkerPool
from gateway.workers.stream import Stream
from tests.gateway.workers.contract import LinkContract


class Processes(WorkerPool):
    """A pool whose workers can be killed."""

    async def lose_worker(self, stream: Stream) -> None:
        async with asyncio.timeout(20):
            await self.wait_ready(2)
        assert stream.connection is not None
        os.kill(stream.connection.pid, signal.SIGKILL)


class TestUnixSocket(LinkContract):
    @pytest.fixture
    async def crew(self, tmp_path: Path) -> AsyncIterator[Processes]:
        settings = PoolSettings(data_dir=tmp_path, workers_max=2, young_seconds=0.0)
        command = [sys.executable, "-m", "tests.gateway.workers.child", str(tmp_path)]
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
