"""Connections that say nothing, or next to nothing, cost those who are at work nothing."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.end_to_end.peers import Crowd, Peer, caption, crowd_of, none_are_left
from tests.house import NO_LIMITS, House, Opened

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"RECOGNIZERS": "silent", "HEADER_SECONDS": "1"}


class Silence:
    """A process that holds silent connections."""

    def __init__(self, port: int, count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.silence", str(port), str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        self.held = self.refused = 0

    async def settle(self) -> None:
        """Wait until every connection has been answered."""
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        self.held, self.refused = map(int, line.split())

    def end(self) -> None:
        """Let go of them."""
        self._process.communicate(timeout=60)


@asynccontextmanager
async def silence(house: House, count: int) -> AsyncIterator[Silence]:
    crowd = Silence(house.port, count)
    try:
        yield crowd
    finally:
        await asyncio.to_thread(crowd.end)


class Show:
    """A publisher and a viewer of one channel, and how long a caption takes between them."""

    def __init__(self, publisher: Peer, viewer: Peer) -> None:
        self._publisher = publisher
        self._viewer = viewer
        self._count = 0

    async def latency(self, samples: int) -> float:
        """Return the 99th percentile over so many captions, in seconds."""
        taken = []
        for _ in range(samples):
            self._count += 1
            began = time.perf_counter()
            self._publisher.say(**caption(f"line {self._count}"))
            (final,) = await self._viewer.finals(1)
            taken.append(time.perf_counter() - began)
            assert final["offset"] == self._count
        return sorted(taken)[int(samples * 0.99)]


@asynccontextmanager
async def show(house: House) -> AsyncIterator[Show]:
    async with crowd_of(house) as crowd:
        publisher, viewer = (
            await crowd.joins("show/publish"),
            await crowd.joins("show/subtitles?target_lang=en"),
        )
        yield Show(publisher, viewer)


@pytest.mark.alone
async def test_those_beyond_the_bound_are_refused_and_the_rest_is_not_noticed(tmp_path: Path) -> None:
    with Opened(tmp_path, RECOGNIZERS="silent", AUTHENTICATE_SECONDS="20") as house:
        async with show(house) as playing:
            before, memory = await playing.latency(500), house.memory_bytes
            async with silence(house, 2500) as crowd:
                async with asyncio.TaskGroup() as tasks:
                    settling = tasks.create_task(crowd.settle())
                    while not settling.done():
                        await playing.latency(20)
                assert (crowd.held, crowd.refused) == (2000, 500)
                during = await playing.latency(500)
                assert during < 5 * before + 0.005, (before, during)
                assert house.memory_bytes - memory < 2000 * 12_000
                assert house.metric("stagedoor_unauthenticated_connections") == 2000
        await none_are_left(house)


@pytest.mark.chaos
async def test_when_their_time_is_up_they_all_go_although_they_do_not_answer_the_close(
    tmp_path: Path,
) -> None:
    with Opened(tmp_path, RECOGNIZERS="silent", AUTHENTICATE_SECONDS="1") as house:
        async with show(house) as playing, silence(house, 300) as crowd:
            await crowd.settle()
            assert crowd.held == 300
            deadline = time.monotonic() + 20
            while house.metric("stagedoor_unauthenticated_connections"):
                assert time.monotonic() < deadline
                await playing.latency(50)


@pytest.mark.chaos
async def test_ten_thousand_are_not_noticed(tmp_path: Path) -> None:
    changes = {"RECOGNIZERS": "silent", "AUTHENTICATE_SECONDS": "60", "LOG_LEVEL": "warning"}
    with Opened(tmp_path, **(NO_LIMITS | changes)) as house:
        async with show(house) as playing:
            before, memory = await playing.latency(2000), house.memory_bytes
            async with silence(house, 10_000) as crowd:
                await crowd.settle()
                assert (crowd.held, crowd.refused) == (10_000, 0)
                during = await playing.latency(2000)
                assert during < 5 * before + 0.005, (before, during)
                assert house.memory_bytes - memory < 10_000 * 12_000
        await none_are_left(house)


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b""])
async def test_headers_that_come_a_byte_at_a_time_are_cut_off(crowd: Crowd, begun: bytes) -> None:
    began = time.monotonic()
    peer = await crowd.dials()
    if begun:
        peer.send(begun)
        peer.loop_every(0.1, lambda: peer.send(b"x"))
    await peer.closed(within_seconds=6)
    assert 0.9 < time.monotonic() - began < 5
    assert peer.status == (408 if begun else 0)


async def test_so_are_those_of_a_second_request(crowd: Crowd) -> None:
    peer = await crowd.dials()
    peer.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await peer.answered() == 200
    began = time.monotonic()
    peer.send(b"GET / HTTP/1.1\r\nX-Slow: ")
    peer.loop_every(0.1, lambda: peer.send(b"x"))
    await peer.closed(within_seconds=6)
    assert 0.9 < time.monotonic() - began < 5
