"""A viewer that stops reading costs the others nothing, and itself nothing but a reconnect."""

import time

import pytest

from tests.end_to_end.peers import Crowd, Peer, caption
from tests.house import House

BUFFER_BYTES_MAX = 64 * 1024
KERNEL_BYTES_MAX = 768 * 1024
"""What the two kernels keep on the way, whatever the server does: 2 x SO_SNDBUF, and the peer's own."""
LINE = "the quick brown fox jumps over the lazy dog " * 40
LINES = (KERNEL_BYTES_MAX + 4 * BUFFER_BYTES_MAX) // (2 * len(LINE))
"""More than can wait for anybody on the way."""


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {
        "RECOGNIZERS": "silent", "VIEWER_BUFFER_BYTES_MAX": str(BUFFER_BYTES_MAX), "LOG_LEVEL": "warning",
        "HISTORY_BYTES_MAX": str(16 * 1024 * 1024), "HISTORY_FINALS_MAX": "10000",
    }  # fmt: skip


class Show:
    """A channel whose publisher says a line as soon as one viewer has read the one before."""

    def __init__(self, publisher: Peer, first: Peer) -> None:
        self._publisher = publisher
        self._first = first
        self.said_at: list[float] = []

    async def says(self, count: int) -> None:
        for _ in range(count):
            number = len(self.said_at) + 1
            self.said_at.append(time.perf_counter())
            self._publisher.say(**caption(f"{number} {LINE}", number))
            await self._first.until(self._read_by)

    def _read_by(self, peer: Peer) -> bool:
        return bool(peer.came) and peer.came[-1][1].get("offset") == len(self.said_at)

    def latencies(self, viewers: list[Peer]) -> list[float]:
        """Take what the viewers read; assert that it is everything since the last call; return its delays."""
        delays = []
        for viewer in viewers:
            finals = [(at, m["offset"]) for at, m in viewer.came if m["type"] == "subtitle"]
            viewer.came.clear()
            offsets = [offset for _, offset in finals]
            assert offsets == list(range(offsets[0], len(self.said_at) + 1))
            delays += [at - self.said_at[offset - 1] for at, offset in finals]
        return sorted(delays)


async def stops_reading_among(count: int, house: House, crowd: Crowd) -> None:
    path = f"{count}/subtitles?target_lang=en"
    publisher = await crowd.joins(f"{count}/publish")
    viewers = await crowd.many(count - 1, path)
    show = Show(publisher, viewers[-1])
    slow = await crowd.joins(path, receive_bytes=4096)
    await show.says(60)
    before = show.latencies(viewers)
    position = {name: slow.connected[name] for name in ("session_id", "epoch", "offset")}
    memory, closed = house.memory_bytes, house.metric("stagedoor_live_closes_total", ending="too_slow")

    slow.transport.pause_reading()
    await show.says(LINES)
    during = show.latencies(viewers)
    said_bytes = len(show.said_at) * 2 * len(LINE)
    assert house.memory_bytes - memory < said_bytes + 4_000_000

    slow.transport.resume_reading()
    assert await slow.closed() == 4008
    assert house.metric("stagedoor_live_closes_total", ending="too_slow") == closed + 1
    assert slow.heard_bytes < KERNEL_BYTES_MAX + 2 * BUFFER_BYTES_MAX < said_bytes

    p99 = (before[int(len(before) * 0.99)], during[int(len(during) * 0.99)])
    assert p99[1] < 3 * p99[0] + 0.02, p99

    read = slow.finals_so_far()
    assert 0 < len(read) < len(show.said_at)
    back = await crowd.joins(path, resume=position | {"offset": read[-1][0]})
    assert back.connected["resumed"] is True
    await show.says(1)
    read += [(m["offset"], m["text"]) for m in await back.finals(len(show.said_at) - len(read))]
    assert [(offset, text.split()[0]) for offset, text in read] == [
        (number, str(number)) for number in range(1, len(show.said_at) + 1)
    ]


async def test_one_of_two_hundred_that_stops_reading_is_closed_and_comes_back(
    house: House, crowd: Crowd
) -> None:
    await stops_reading_among(200, house, crowd)


@pytest.mark.chaos
async def test_one_of_a_thousand(house: House, crowd: Crowd) -> None:
    await stops_reading_among(1000, house, crowd)


@pytest.mark.chaos
async def test_one_that_never_reads_again_is_cut_off(house: House, crowd: Crowd) -> None:
    publisher = await crowd.joins("deaf/publish")
    viewer = await crowd.joins("deaf/subtitles?target_lang=en")
    deaf = await crowd.joins("deaf/subtitles?target_lang=en", receive_bytes=4096)
    deaf.transport.pause_reading()
    await Show(publisher, viewer).says(LINES)
    deadline = time.monotonic() + 15
    while house.metric("stagedoor_live_connections", kind="subtitles") > 1:
        assert time.monotonic() < deadline
        publisher.say(type="ping")
        await publisher.take("pong")
