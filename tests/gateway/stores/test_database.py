"""An open database: transactions on SQLite and PostgreSQL alike, and what each says when it is not there."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.stores import postgres as postgres_module
from gateway.stores import sqlite as sqlite_module
from gateway.stores.database import SQLITE_FILE, CannotOpen, now_ms, open_database
from gateway.stores.interface import Database, StoreDown
from gateway.stores.schema import boots
from gateway.stores.statements import insert_new, insert_or_update
from tests.databases import Postgres, free_port, postgres_server


def boot(name: str, lease_until: int = 0) -> dict[str, Any]:
    return {"id": name, "host": "here", "started_at": 0, "lease_until": lease_until}


def leases(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(boots.c.id, boots.c.lease_until).order_by(boots.c.id))
    return {row.id: row.lease_until for row in rows}


class TestBoth:
    async def test_what_was_written_is_read(self, database: Database) -> None:
        await database.write(lambda connection: connection.execute(insert(boots), [boot("a", 1234)]).close())
        assert await database.read(leases) == {"a": 1234}

    async def test_an_error_says_nothing_of_what_was_to_be_written(self, database: Database) -> None:
        twice = [boot("a"), boot("a")]
        with pytest.raises(IntegrityError) as refused:
            await database.write(lambda connection: connection.execute(insert(boots), twice).close())
        assert "hidden" in str(refused.value)
        assert "'host'" not in str(refused.value)

    async def test_an_error_undoes_the_transaction_and_is_raised_as_it_is(self, database: Database) -> None:
        def fails(connection: Connection) -> None:
            connection.execute(insert(boots), [boot("a")])
            raise KeyError("a mistake of ours")

        with pytest.raises(KeyError, match="a mistake of ours"):
            await database.write(fails)
        assert await database.read(leases) == {}

    async def test_what_the_database_refuses_is_no_outage(self, database: Database) -> None:
        with pytest.raises(IntegrityError):
            await database.write(lambda c: c.execute(insert(boots), [boot("a"), boot("a")]).close())
        assert await database.read(leases) == {}

    async def test_of_forty_deductions_only_those_that_fit_pass(self, database: Database) -> None:
        await database.write(lambda connection: connection.execute(insert(boots), [boot("a", 100)]).close())

        def deduct(connection: Connection) -> bool:
            row = select(boots.c.lease_until).where(boots.c.id == "a").with_for_update()
            balance = connection.execute(row).scalar_one()
            if balance < 10:
                return False
            connection.execute(update(boots).values(lease_until=balance - 10))
            return True

        passed = await asyncio.gather(*(database.write(deduct) for _ in range(40)))
        assert sum(passed) == 10
        assert await database.read(leases) == {"a": 0}

    async def test_inserts_that_meet_a_row(self, database: Database) -> None:
        def twice(connection: Connection) -> None:
            connection.execute(insert(boots), [boot("a", 1), boot("b", 1)])
            connection.execute(insert_new(connection, boots), [boot("a", 2), boot("c", 2)])
            statement = insert_or_update(connection, boots, ["lease_until"])
            connection.execute(statement, [boot("b", 3), boot("d", 3)])

        await database.write(twice)
        assert await database.read(leases) == {"a": 1, "b": 3, "c": 2, "d": 3}

    async def test_its_clock_is_in_milliseconds(self, database: Database) -> None:
        before = time.time() * 1000
        now = await database.read(now_ms)
        assert before - 1 <= now <= time.time() * 1000 + 1

    async def test_it_goes_on_after_a_waiter_was_cancelled(self, database: Database) -> None:
        waits = [asyncio.ensure_future(database.read(leases)) for _ in range(20)]  # noqa: TID251 - cancelled below
        await asyncio.sleep(0)
        for waiting in waits:
            waiting.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await database.write(lambda connection: connection.execute(insert(boots), [boot("a")]).close())
        assert await database.read(leases) == {"a": 0}


class TestSqlite:
    async def test_a_commit_is_on_the_disk_and_readers_do_not_wait(self, tmp_path: Path) -> None:
        async with contextlib.aclosing(await open_database("", tmp_path)) as database:
            pragmas = ("journal_mode", "synchronous", "foreign_keys")

            def read(connection: Connection) -> list[Any]:
                return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]

            assert await database.write(read) == ["wal", 2, 1]

    async def test_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        async with contextlib.aclosing(await open_database("", tmp_path)) as database:
            await database.write(leases)
            files = [entry for entry in os.scandir(tmp_path) if entry.name != f"{SQLITE_FILE}.lock"]
            assert {entry.name for entry in files} >= {SQLITE_FILE, f"{SQLITE_FILE}-wal"}
            assert {entry.stat().st_mode & 0o777 for entry in files} == {0o600}

    async def test_a_second_server_is_refused_and_told_by_whom(self, tmp_path: Path) -> None:
        async with contextlib.aclosing(await open_database("", tmp_path)):
            code = (
                "import asyncio, pathlib, sys\n"
                "from gateway.stores.database import open_database\n"
                "asyncio.run(open_database('', pathlib.Path(sys.argv[1])))\n"
            )
            other = await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert other.returncode == 1
            assert f"CannotOpen: Another Stagedoor (process {os.getpid()}) uses {tmp_path}" in other.stderr
            with pytest.raises(CannotOpen, match="Another Stagedoor"):
                await open_database("", tmp_path)

    async def test_the_lock_ends_with_the_server(self, tmp_path: Path) -> None:
        for _ in range(2):
            await (await open_database("", tmp_path)).aclose()

    async def test_a_command_reads_beside_a_server(self, tmp_path: Path) -> None:
        async with contextlib.aclosing(await open_database("", tmp_path)) as server:
            await server.write(lambda connection: connection.execute(insert(boots), [boot("a", 5)]).close())
            async with contextlib.aclosing(await open_database("", tmp_path, alone=False)) as command:
                assert await command.read(leases) == {"a": 5}

    async def test_a_command_makes_no_database(self, tmp_path: Path) -> None:
        with pytest.raises(CannotOpen, match="There is no database in"):
            await open_database("", tmp_path, alone=False)
        assert not any(os.scandir(tmp_path))

    async def test_reading_cannot_write(self, tmp_path: Path) -> None:
        async with contextlib.aclosing(await open_database("", tmp_path)) as database:
            with pytest.raises(StoreDown, match="cannot be written"):
                await database.read(lambda connection: connection.execute(insert(boots), [boot("a")]).close())
            assert await database.read(leases) == {}

    async def test_a_file_that_is_no_database_is_said_to_be_none(self, tmp_path: Path) -> None:
        (tmp_path / SQLITE_FILE).write_bytes(b"something else entirely, and long enough to be read" * 100)
        with pytest.raises(StoreDown, match="is no SQLite database"):
            await open_database("", tmp_path)

    async def test_a_folder_that_cannot_be_had_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CannotOpen, match=r"Cannot keep a database in .*--data-dir"):
            await open_database("", tmp_path / "file" / "data")

    async def test_another_programs_lock_is_an_outage_after_a_while(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_module, "BUSY_SECONDS", 0.05)
        async with (
            contextlib.aclosing(await open_database("", tmp_path)) as server,
            contextlib.aclosing(await open_database("", tmp_path, alone=False)) as command,
        ):
            asked, answered = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()

            def hold(_connection: Connection) -> None:
                loop.call_soon_threadsafe(asked.set)
                asyncio.run_coroutine_threadsafe(answered.wait(), loop).result()

            holding = asyncio.ensure_future(command.write(hold))  # noqa: TID251 - awaited below
            await asked.wait()
            with pytest.raises(StoreDown, match="locked by another program"):
                await server.write(leases)
            answered.set()
            await holding
            assert await server.write(leases) == {}

    async def test_too_many_transactions_are_refused_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_module, "WAITING_MAX", 3)
        async with contextlib.aclosing(await open_database("", tmp_path)) as database:
            ends = await asyncio.gather(*(database.write(leases) for _ in range(5)), return_exceptions=True)
            assert ends[:3] == [{}] * 3
            assert all(isinstance(end, StoreDown) for end in ends[3:])


class TestPostgresql:
    @pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
    async def test_every_spelling_of_the_url(self, postgres: Postgres, tmp_path: Path, scheme: str) -> None:
        async with postgres.fresh_database() as url:
            spelled = f"{scheme}://{url.partition('://')[2]}?sslmode=disable"
            await (await open_database(spelled, tmp_path)).aclose()
            assert not any(os.scandir(tmp_path))

    @pytest.mark.parametrize("url", ["sqlite:///x.db", "postgresql", "host/name", "http://localhost/x"])
    async def test_a_url_of_something_else(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(CannotOpen, match="DATABASE_URL must be like"):
            await open_database(url, tmp_path)

    @pytest.mark.parametrize("wrong", ["127.0.0.1:high/x", "127.0.0.1:5432/x?sslmode=sometimes"])
    async def test_a_url_that_makes_no_sense(self, tmp_path: Path, wrong: str) -> None:
        with pytest.raises(CannotOpen, match="DATABASE_URL is not right"):
            await open_database(f"postgresql://postgres@{wrong}", tmp_path)

    async def test_an_option_that_the_server_does_not_know(self, postgres: Postgres, tmp_path: Path) -> None:
        with pytest.raises(StoreDown, match='unrecognized configuration parameter "colour"'):
            await open_database(f"{postgres.url()}?colour=blue", tmp_path)

    async def test_nobody_listens(self, tmp_path: Path) -> None:
        with pytest.raises(StoreDown, match="cannot be reached"):
            await open_database(f"postgresql://postgres@127.0.0.1:{free_port()}/x", tmp_path)

    async def test_no_such_database_and_no_such_user(self, postgres: Postgres, tmp_path: Path) -> None:
        with pytest.raises(StoreDown, match='database "nowhere" does not exist'):
            await open_database(postgres.url("nowhere"), tmp_path)
        with pytest.raises(StoreDown, match='role "nobody" does not exist'):
            await open_database(postgres.url().replace("postgres@", "nobody@"), tmp_path)

    async def test_a_deadlock_is_run_again_and_both_pass(self, postgres: Postgres, tmp_path: Path) -> None:
        async with (
            postgres.fresh_database() as url,
            contextlib.aclosing(await open_database(url, tmp_path)) as database,
        ):
            rows = [boot("a", 0), boot("b", 0)]
            await database.write(lambda connection: connection.execute(insert(boots), rows).close())
            runs: list[str] = []
            pair = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")

            def both(first: str, second: str) -> Any:
                def change(connection: Connection) -> None:
                    runs.append(first)
                    for name in (first, second):
                        add = update(boots).where(boots.c.id == name)
                        connection.execute(add.values(host=boots.c.host + "+"))
                        # Each waits until the other has its first row too, so that the first runs must meet.
                        if len(runs) <= 2 and name == first:
                            connection.execute(text("SELECT pg_advisory_xact_lock_shared(1)"))
                            while connection.execute(pair).scalar_one() < 2:
                                connection.execute(text("SELECT pg_sleep(0.002)"))

                return change

            await asyncio.gather(database.write(both("a", "b")), database.write(both("b", "a")))
            assert len(runs) == 3
            hosts = await database.read(lambda c: c.execute(select(boots.c.host)).scalars().all())
            assert hosts == ["here++", "here++"]

    async def test_a_restart_is_not_noticed_afterwards(self, tmp_path: Path) -> None:
        with postgres_server() as server:
            url = await server.migrated_database()
            async with contextlib.aclosing(await open_database(url, tmp_path)) as database:
                await asyncio.gather(*(database.read(leases) for _ in range(4)))
                server.stop()
                with pytest.raises(StoreDown, match="cannot be reached"):
                    await database.read(leases)
                server.start()
                assert await asyncio.gather(*(database.read(leases) for _ in range(4))) == [{}] * 4
                server.kill()
                with pytest.raises(StoreDown, match="cannot be reached"):
                    await database.write(leases)
                server.start()
                assert await database.write(leases) == {}

    async def test_a_server_that_stalls_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_module, "TRANSACTION_SECONDS", 0.3)
        monkeypatch.setattr(postgres_module, "CONNECT_SECONDS", 0.3)
        with postgres_server() as server:
            url = await server.migrated_database()
            async with contextlib.aclosing(await open_database(url, tmp_path)) as database:
                server.stall()
                for _ in range(2):
                    with pytest.raises(StoreDown):
                        await database.read(leases)
                server.resume()
                monkeypatch.undo()
                assert await database.read(leases) == {}

    async def test_a_read_only_server_is_down_for_writing(self, postgres: Postgres, tmp_path: Path) -> None:
        async with postgres.fresh_database() as url:
            name = url.rpartition("/")[2]
            await postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            async with contextlib.aclosing(await open_database(url, tmp_path)) as database:
                assert await database.read(leases) == {}
                with pytest.raises(StoreDown, match="read-only transaction"):
                    await database.write(lambda c: c.execute(insert(boots), [boot("a")]).close())
