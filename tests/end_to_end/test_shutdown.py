"""SIGTERM: everybody is told to come back, over some time; the process is gone in time, with status 0."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.peers import Crowd, Peer, caption, crowd_of
from tests.house import NO_LIMITS, House, Opened, OpenedCold, lines

PATH = "last/subtitles?target_lang=en"
SHUTDOWN_SECONDS = 5
VIEWERS = 500
LINE = "x" * 1900


def opened(data_dir: Path) -> Opened:
    changes = {"RECOGNIZERS": "silent", "SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS)}
    return Opened(data_dir, **(NO_LIMITS | changes))


async def exit_status(house: House, within_seconds: float) -> int:
    return await asyncio.to_thread(house.process.wait, within_seconds)


async def fill(crowd: Crowd, channel: str) -> None:
    """Let a viewer of a channel stop reading, and say more on it than can wait on the way."""
    publisher = await crowd.joins(f"{channel}/publish")
    stuck = await crowd.joins(f"{channel}/subtitles?target_lang=en", receive_bytes=4096)
    stuck.transport.pause_reading()
    for number in range(250):
        publisher.say(**caption(LINE, number))
    publisher.say(type="ping")
    await publisher.take("pong")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_a_clean_log(house: House) -> None:
    assert "Traceback" not in house.log.read_text()
    assert [line for line in lines(house.log) if line["level"] in ("ERROR", "CRITICAL")] == []


async def test_five_hundred_viewers_are_told_one_after_the_other(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        async with crowd_of(house) as crowd:
            viewers = await crowd.many(VIEWERS, PATH)
            publisher = await crowd.joins("last/publish")
            await fill(crowd, "stuck")
            told: list[float] = []

            async def is_told(viewer: Peer) -> None:
                assert await viewer.closed() == 1012
                told.append(time.monotonic())

            began = time.monotonic()
            house.process.send_signal(signal.SIGTERM)
            await asyncio.gather(*map(is_told, [*viewers, publisher]))
            assert await exit_status(house, SHUTDOWN_SECONDS + 1) == 0
            took = time.monotonic() - began
            told.sort()
            assert took < SHUTDOWN_SECONDS + 0.5
            # Not all at once, and no more at any moment than a fair share.
            assert told[-1] - told[0] > 0.5
            assert told[VIEWERS // 2] - told[0] > 0.2
        assert_a_clean_log(house)
        assert "worker.sock" not in names_in(tmp_path)


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        async with crowd_of(house) as crowd:
            viewers = await crowd.many(200, PATH)
            await fill(crowd, "stuck")
            house.process.send_signal(signal.SIGTERM)
            await viewers[0].until(lambda _: any(v.close_code is not None for v in viewers))
            began = time.monotonic()
            house.process.send_signal(signal.SIGTERM)
            assert await exit_status(house, 3) == 0
            assert time.monotonic() - began < 1.5
        assert "Traceback" not in house.log.read_text()


async def test_no_new_session_begins_meanwhile(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        async with crowd_of(house) as crowd:
            await crowd.many(100, PATH)
            waiting = await crowd.dials()
            house.process.send_signal(signal.SIGTERM)
            assert await waiting.closed() in (1006, 1012)
            with pytest.raises(ConnectionRefusedError):
                await crowd.dials()
            assert await exit_status(house, SHUTDOWN_SECONDS + 1) == 0


async def test_workers_go_with_their_server_even_if_it_is_killed(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        workers = house.workers
        assert workers
        house.process.kill()
        await exit_status(house, 5)
        deadline = time.monotonic() + 5
        while any(_runs(pid) for pid in workers):
            assert time.monotonic() < deadline


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_a_second_start_is_ready_quickly_and_knows_the_tokens_of_the_first(tmp_path: Path) -> None:
    changes = NO_LIMITS | {"JWT_SECRET": ""}
    began = time.monotonic()
    with OpenedCold(tmp_path, **changes) as house:
        first_seconds = time.monotonic() - began
        bearer = await signed_in(house)
        house.process.kill()  # as hard as it can be: the socket of the workers stays behind
        await exit_status(house, 5)
    began = time.monotonic()
    with OpenedCold(tmp_path, **changes) as house:
        # However busy the machine is: the first start had to make the database on top.
        assert time.monotonic() - began < max(6, 2 * first_seconds)
        async with crowd_of(house) as crowd:
            await crowd.joins(PATH, bearer)


async def signed_in(house: House) -> str:
    """Return a token that the server has made with the secret that it keeps."""
    crowd = Crowd(house)
    peer = await crowd.dials()
    body = b'{"user":"dana"}'
    peer.send(
        b"POST /api/dev/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    await peer.closed()
    assert peer.status == 200
    return peer.body.decode().split('"token":"')[1].split('"')[0]
