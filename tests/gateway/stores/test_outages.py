"""Outages of a real server and of a real file under the writer: nothing is lost, and all recovers."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from gateway.stores import writer
from gateway.stores.database import SQLITE_FILE, open_database
from gateway.stores.interface import StoreDown
from tests.databases import Postgres, postgres_server
from tests.gateway.stores.takings import ends, load, nothing_lost, opened_desk


class TestOutages:
    """A real server that goes, and a real file that is full."""

    @pytest.mark.parametrize("how", ["stop", "kill", "stall"])
    async def test_postgresql_goes_and_comes_back_underload(
        self, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "STALLED_SECONDS", 0.2)
        with postgres_server(fsync="on", synchronous_commit="on") as server:
            database = await open_database(await server.migrated_database(), tmp_path)
            async with contextlib.aclosing(database), opened_desk(database) as desk:
                futures = await load(desk, 100, "a")
                await futures[20]
                getattr(server, how)()
                futures += await load(desk, 100, "b")
                await desk.news.down.wait()
                with pytest.raises(StoreDown):
                    await desk.take("impatient", patience=0)
                server.resume() if how == "stall" else server.start()
                await nothing_lost(desk, futures, 200)
                assert desk.news.heard == ["down", "up"]

    @pytest.mark.parametrize("at", ["before", "after"])
    async def test_postgresql_loses_the_connection_within_a_transaction(
        self, postgres: Postgres, tmp_path: Path, at: str
    ) -> None:
        kill = text("SELECT pg_terminate_backend(pg_backend_pid())")
        async with postgres.fresh_database() as url:
            database = await open_database(url, tmp_path)
            async with contextlib.aclosing(database), opened_desk(database) as desk:

                def once(connection: Connection) -> None:
                    setattr(desk.journal, at, lambda connection: None)
                    connection.execute(kill)

                setattr(desk.journal, at, once)
                assert await ends(*(desk.take(f"t{n}", patience=0) for n in range(10))) == list(
                    range(999, 989, -1)
                )
                assert desk.journal.groups[0] == desk.journal.groups[1]
                assert desk.news.heard == []

    async def test_postgresql_loses_its_connections_again_and_again(
        self, postgres: Postgres, tmp_path: Path
    ) -> None:
        async with postgres.fresh_database() as url:
            database = await open_database(url, tmp_path)
            async with contextlib.aclosing(database), opened_desk(database) as desk:
                futures = []
                for turn in range(20):
                    futures += await load(desk, 10, f"t{turn}-")
                    await postgres.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        f"WHERE datname = '{url.rpartition('/')[2]}'"
                    )
                await nothing_lost(desk, futures, 200)

    async def test_sqlite_may_not_grow_and_then_it_may(self, tmp_path: Path) -> None:
        database = await open_database("", tmp_path)
        async with contextlib.aclosing(database), opened_desk(database) as desk:
            futures = await load(desk, 10, "a")
            await futures[-1]

            def limit(pages: int) -> Callable[[Connection], None]:
                return lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}").close()

            await database.write(limit(1))  # as few as it has
            futures += await load(desk, 400, "b")
            await desk.news.down.wait()
            with pytest.raises(StoreDown, match="the disk is full"):
                await desk.take("impatient", patience=0)
            await database.write(limit(2**30))
            await nothing_lost(desk, futures, 410)
            assert desk.news.heard == ["full", "up"]

    async def test_sqlite_on_a_file_system_that_fails_and_recovers(self, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        database = await open_database("", tmp_path)
        async with contextlib.aclosing(database), opened_desk(database) as desk:
            futures = await load(desk, 10, "a")
            await futures[-1]
            wal = tmp_path / f"{SQLITE_FILE}-wal"
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(wal).st_size + 20_000, hard))  # noqa: PTH116 - within a coroutine
                futures += await load(desk, 400, "b")
                await desk.news.down.wait()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await nothing_lost(desk, futures, 410)
            assert desk.news.heard == ["down", "up"]

    async def test_sqlite_on_a_disk_that_is_full_for_a_while(self, tiny_disk: Path) -> None:
        database = await open_database("", tiny_disk)
        async with contextlib.aclosing(database), opened_desk(database) as desk:
            futures = await load(desk, 10, "a")
            await futures[-1]
            filler = tiny_disk / "filler"
            with contextlib.suppress(OSError):
                filler.write_bytes(b"x" * 2**23)
            futures += await load(desk, 400, "b")
            await desk.news.down.wait()
            with pytest.raises(StoreDown, match="the disk is full"):
                await desk.take("impatient", patience=0)
            filler.unlink()
            await nothing_lost(desk, futures, 410)
            assert desk.news.heard == ["full", "up"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount has a disk to fill; the tests before this one fill it otherwise")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
