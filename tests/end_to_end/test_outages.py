"""Redis, the database, the disk go away under load and come back: no minute is lost, and none doubled."""

import asyncio
import contextlib
import os
import resource
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import select

from gateway.stores.schema import quota_slices
from tests.databases import Postgres, apart, postgres_server
from tests.databases import redis_server as run_redis
from tests.end_to_end.minutes import Books, Speaker, connections_are, fan, opened, until
from tests.end_to_end.peers import Crowd, crowd_of
from tests.house import House, token

MAY_MOUNT = (
    os.geteuid() == 0
    and not subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    ).returncode
)
SPEAKERS = 8
VIEWERS = 3
SLICE_SECONDS = 2
PATIENCE_SECONDS = 2.0
"""How long a session waits for a slice from a store that is down."""
HOUR_SECONDS = 3600


class Outage(Protocol):
    """Something that goes away and comes back; `part` is what the server calls it."""

    part: str

    def begins(self, house: House) -> None:
        """Take it away."""

    def ends(self, house: House) -> None:
        """Bring it back."""


class DatabaseKilled:
    """PostgreSQL is killed, and started again."""

    part = "database"

    def __init__(self, server: Postgres) -> None:
        self._server = server

    def begins(self, house: House) -> None:
        self._server.kill()

    def ends(self, house: House) -> None:
        self._server.start()


class DatabaseStalled(DatabaseKilled):
    """PostgreSQL keeps its connections, and answers nothing."""

    def begins(self, house: House) -> None:
        self._server.stall()

    def ends(self, house: House) -> None:
        self._server.resume()


class DiskFull:
    """A file fills what is left of a small disk."""

    part = "disk"

    def __init__(self, disk: Path) -> None:
        self._filler = disk / "filler"

    def begins(self, house: House) -> None:
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def ends(self, house: House) -> None:
        self._filler.unlink()


class FilesMayNotGrow:
    """The server may write no file beyond its first bytes: what the disk of one who is not root does at a
    quota's end."""

    part = "database"

    def begins(self, house: House) -> None:
        resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    def ends(self, house: House) -> None:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of a few MB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def within_the_hour(seconds: float) -> None:
    """Wait for the next hour if this one ends so soon: slices end with it, whether or not they are used."""
    left = HOUR_SECONDS - time.time() % HOUR_SECONDS
    if left < seconds:
        await asyncio.sleep(left)


def degraded(house: House) -> set[str]:
    return set(house.get("/readyz")["degraded"])


async def is_degraded(house: House, *parts: str) -> None:
    """Wait until exactly these parts are said to be lost, by both who ask."""

    def said() -> bool:
        gauges = [house.metric("stagedoor_degraded", part=part) for part in parts]
        return degraded(house) == set(parts) and sum(gauges) == house.metric("stagedoor_degraded") == len(
            parts
        )

    await until(said, f"degraded: {parts}")


class Load:
    """People who talk and people who watch, on one house."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self.speakers = [
            Speaker(crowd, f"own-{number}/subtitles?target_lang=en", fan(f"fan-{number}"))
            for number in range(SPEAKERS)
        ]
        self.publisher = Speaker(crowd, "show/publish", token("creator"))
        self.viewers = [
            Speaker(crowd, "show/subtitles?target_lang=en", fan(f"viewer-{number}"))
            for number in range(VIEWERS)
        ]

    async def begins(self) -> None:
        for each in (*self.speakers, *self.viewers, self.publisher):
            await each.joins()
        for speaker in (*self.speakers, self.publisher):
            speaker.speaks(keep=True)

    async def goes_on(self) -> None:
        """Wait until every stream has been heard again."""
        for speaker in (*self.speakers, self.publisher):
            speaker.peer.came.clear()
        for speaker in (*self.speakers, self.publisher):
            await speaker.peer.take("audio_ack")

    async def ends(self) -> dict[str, int]:
        """End everything in order; return what each session is to be billed."""
        due = {}
        for speaker in self.speakers:
            speaker.stops()
            ended = await speaker.ends()
            assert round(ended["audio_seconds"] * 1000) == speaker.sent_ms
            due[speaker.session_id] = speaker.sent_ms
            assert round(ended["billed_seconds"] * 1000) == speaker.sent_ms
        self.publisher.stops()
        await self.publisher.heard()
        for viewer in self.viewers:
            due[viewer.session_id] = round((await viewer.ends())["billed_seconds"] * 1000)
        await self.publisher.ends()
        return due


async def assert_billed(books: Books, due: dict[str, int]) -> None:
    await books.settled()
    await books.audited()
    billed = await books.billed()
    assert {session_id: billed[session_id] for session_id in due} == due


@asynccontextmanager
async def loaded(house: House) -> AsyncIterator[Load]:
    async with crowd_of(house) as crowd:
        load = Load(crowd)
        await load.begins()
        await load.goes_on()
        yield load


async def newcomer_is_refused(crowd: Crowd) -> None:
    deadline = time.monotonic() + 10
    while True:
        newcomer = await crowd.arrives("own-new/subtitles?target_lang=en")
        answer = await newcomer.authenticate(fan("newcomer"))
        if answer["type"] == "error":
            break
        # The usage log finds a full disk before the database does.
        assert time.monotonic() < deadline
        newcomer.cut()
    assert (answer["code"], answer["status"], answer["recoverable"]) == ("STORE_UNAVAILABLE", 503, True)
    assert answer["retry_after_seconds"] > 0
    assert await newcomer.closed() == 1013


async def lives_to_the_end_of_its_slices(speaker: Speaker) -> None:
    error = await speaker.peer.take("error", within_seconds=4 * SLICE_SECONDS + PATIENCE_SECONDS + 5)
    assert (error["code"], error["status"]) == ("STORE_UNAVAILABLE", 503)
    assert await speaker.peer.closed() == 1013
    speaker.stops()


async def short_and_then_long(house: House, books: Books, outage: Outage) -> None:
    """Let an outage be over before anybody notices, and another last until everybody has."""
    await within_the_hour(60)
    async with crowd_of(house) as crowd, loaded(house) as load:
        outage.begins(house)
        await is_degraded(house, outage.part)
        outage.ends(house)
        await is_degraded(house)
        await load.goes_on()

        outage.begins(house)
        await is_degraded(house, outage.part)
        await newcomer_is_refused(crowd)
        await asyncio.gather(*map(lives_to_the_end_of_its_slices, (*load.speakers, *load.viewers)))
        # Who pays nothing goes on as ever.
        load.publisher.peer.came.clear()
        await load.publisher.peer.take("audio_ack")
        outage.ends(house)
        await is_degraded(house)

        await books.settled()
        granted = await granted_ms(books)
        for each in (*load.speakers, *load.viewers):
            session_id = each.session_id
            await each.joins({"session_id": session_id, "epoch": each.peer.connected["epoch"], "offset": 0})
            assert each.session_id == session_id
        for speaker in load.speakers:
            assert speaker.sent_ms == granted[speaker.session_id]
            speaker.speaks(keep=True)
        await load.goes_on()
        due = await load.ends()
        # All that the publisher sent since the viewers came was sent to them, or replayed afterwards.
        assert [due[viewer.session_id] for viewer in load.viewers] == [load.publisher.sent_ms] * VIEWERS
        await connections_are(house, 0)
        await assert_billed(books, due)


async def granted_ms(books: Books) -> dict[str, int]:
    """Return what all slices of each session had."""
    granted: dict[str, int] = {}
    for row in await books.rows(select(quota_slices)):
        granted[row["session_id"]] = granted.get(row["session_id"], 0) + row["granted_ms"]
    return granted


def long_where_a_disk_can_be_filled(test: Callable[..., Any]) -> Callable[..., Any]:
    """Mark what is in `make test` only for those who cannot fill a disk."""
    return pytest.mark.chaos(test) if MAY_MOUNT else test


class TestDatabase:
    async def killed(self, tmp_path: Path, kind: type[DatabaseKilled]) -> None:
        # What it said to be written has to be there when it is back.
        with postgres_server(synchronous_commit="on") as server:
            url = apart(server.migrated_database())
            books = Books(tmp_path, url)
            with opened(tmp_path, url, LIVE_QUOTA_SLICE_SECONDS=str(SLICE_SECONDS)) as house:
                await short_and_then_long(house, books, kind(server))
            await books.told_once()

    async def test_killed(self, tmp_path: Path) -> None:
        await self.killed(tmp_path, DatabaseKilled)

    @pytest.mark.chaos
    async def test_stalled(self, tmp_path: Path) -> None:
        await self.killed(tmp_path, DatabaseStalled)

    @pytest.mark.skipif(
        not MAY_MOUNT, reason="only who may mount has a disk to fill; no file may grow instead"
    )
    async def test_of_a_disk_that_is_full(self, tmp_path: Path) -> None:
        slices = {"LIVE_QUOTA_SLICE_SECONDS": str(SLICE_SECONDS)}
        with small_disk(tmp_path / "disk") as disk, opened(disk, **slices) as house:
            await short_and_then_long(house, Books(disk), DiskFull(disk))
            await Books(disk).told_once()

    @long_where_a_disk_can_be_filled
    async def test_whose_files_may_not_grow(self, tmp_path: Path) -> None:
        with opened(tmp_path, LIVE_QUOTA_SLICE_SECONDS=str(SLICE_SECONDS)) as house:
            await short_and_then_long(house, Books(tmp_path), FilesMayNotGrow())
        await Books(tmp_path).told_once()


@pytest.mark.parametrize(
    ("begins", "ends"), [("kill", "start"), pytest.param("stall", "resume", marks=pytest.mark.chaos)]
)
async def test_redis_goes_away_and_comes_back(tmp_path: Path, begins: str, ends: str) -> None:
    books = Books(tmp_path)
    with run_redis() as redis, opened(tmp_path, REDIS_URL=redis.url) as house:
        async with crowd_of(house) as crowd, loaded(house) as load:
            assert degraded(house) == set()
            getattr(redis, begins)()
            await is_degraded(house, "redis")
            await load.goes_on()
            late = Speaker(crowd, "late/subtitles?target_lang=en", fan("late"))
            await late.joins()
            late.says_ms(450)
            assert (await late.ends())["billed_seconds"] == 0.45
            getattr(redis, ends)()
            await is_degraded(house)
            await load.goes_on()
            due = await load.ends()
        await assert_billed(books, due | {late.session_id: 450})
    # Without its lease nobody writes the log, and it is not asked for often: at the end of the server it is.
    await books.told_once()
