"""The tables: the migrations make what the code knows, on both databases, and nothing is half done."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.stores.database import CannotOpen, migrate_database, open_database
from gateway.stores.interface import Database
from gateway.stores.migrations import REVISIONS, revision, upgrade
from gateway.stores.postgres import PostgresDatabase
from gateway.stores.schema import metadata
from gateway.stores.sqlite import SqliteDatabase
from tests.databases import Postgres, free_port

NOW_MS = 1_795_185_000_250


def upgrade_to(connection: Connection, target: str) -> None:
    """Take the steps up to one, as an older version would have."""
    config = Config()
    config.set_main_option("script_location", "gateway.stores:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, target)


@pytest.fixture(params=["sqlite", "postgresql"])
async def bare(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database without tables."""
    if request.param == "sqlite":
        embedded = SqliteDatabase(tmp_path / "bare.db", alone=True)
        await embedded.open()
        yield embedded
        await embedded.aclose()
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = await server.empty_database()
    shared = PostgresDatabase(url)
    yield shared
    await shared.aclose()
    await server.drop(url)


def shape(connection: Connection) -> dict[str, Any]:
    """Everything that a database tells of its tables."""
    catalogue = inspect(connection)

    def details(table: str) -> dict[str, Any]:
        columns = [
            (column["name"], str(column["type"]), column["nullable"], column["default"])
            for column in catalogue.get_columns(table)
        ]
        return {
            "columns": columns,
            "key": catalogue.get_pk_constraint(table)["constrained_columns"],
            "indexes": sorted((i["name"], i["column_names"]) for i in catalogue.get_indexes(table)),
            "checks": sorted((c["name"], c["sqltext"]) for c in catalogue.get_check_constraints(table)),
            "unique": sorted((u["name"], u["column_names"]) for u in catalogue.get_unique_constraints(table)),
        }

    return {table: details(table) for table in catalogue.get_table_names() if table != "alembic_version"}


async def test_the_migrations_make_the_tables_that_the_code_knows(bare: Database) -> None:
    def made_from_the_schema(connection: Connection) -> dict[str, Any]:
        metadata.create_all(connection)
        found = shape(connection)
        metadata.drop_all(connection)
        return found

    expected = await bare.write(made_from_the_schema)
    assert await bare.write(upgrade) == REVISIONS
    assert await bare.read(shape) == expected
    assert expected.keys() == metadata.tables.keys()


async def test_alembic_finds_no_difference_either(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        # Not its defaults: it takes an empty string on SQLite for none. `shape` compares those.
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    assert await database.read(differences) == []


def test_every_step_is_listed_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", "gateway.stores:migrations")
    steps = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(step.revision for step in steps)[::-1] == REVISIONS


async def test_each_step_keeps_what_the_ones_before_it_left(bare: Database) -> None:
    def row(connection: Connection) -> None:
        values = "'boot_1', 'here', :at, :at"
        at = NOW_MS if connection.dialect.name == "sqlite" else datetime(2026, 11, 20, tzinfo=UTC)
        connection.execute(
            text(f"INSERT INTO boots (id, host, started_at, lease_until) VALUES ({values})"), {"at": at}
        )

    await bare.write(partial(upgrade_to, target="0001"))
    await bare.write(row)
    assert await bare.write(upgrade) == REVISIONS[1:]
    assert await bare.read(lambda c: c.execute(text("SELECT id FROM boots")).scalars().all()) == ["boot_1"]
    assert await bare.write(upgrade) == ()


async def test_a_second_migration_does_nothing(database: Database) -> None:
    assert await database.write(upgrade) == ()
    assert await database.read(revision) == REVISIONS[-1]


async def test_a_step_that_fails_leaves_nothing_behind(bare: Database) -> None:
    await bare.write(lambda connection: connection.execute(text("CREATE TABLE audit_log (id INTEGER)")))
    with pytest.raises(SQLAlchemyError):
        await bare.write(upgrade)
    assert await bare.read(revision) is None
    assert list(await bare.read(shape)) == ["audit_log"]


async def test_many_processes_migrate_at_once_and_one_does_it(postgres: Postgres, tmp_path: Path) -> None:
    url = await postgres.empty_database()
    taken = await asyncio.gather(*(migrate_database(url, tmp_path) for _ in range(5)))
    assert sorted(taken) == [(), (), (), (), REVISIONS]
    await postgres.drop(url)


async def test_a_server_does_not_start_with_older_tables(postgres: Postgres, tmp_path: Path) -> None:
    url = await postgres.empty_database()
    with pytest.raises(CannotOpen, match="run: stagedoor migrate"):
        await open_database(url, tmp_path)
    await migrate_database(url, tmp_path)
    await (await open_database(url, tmp_path)).aclose()
    await postgres.drop(url)


async def test_tables_of_a_newer_version_are_refused(database_url: str, tmp_path: Path) -> None:
    database = await open_database(database_url, tmp_path)
    await database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")).close())
    await database.aclose()
    with pytest.raises(CannotOpen, match=r"made by a newer Stagedoor .*9999"):
        await open_database(database_url, tmp_path)
    with pytest.raises(CannotOpen, match="made by a newer Stagedoor"):
        await migrate_database(database_url, tmp_path)


class TestCommand:
    @pytest.fixture
    def migrate(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str]]:
        monkeypatch.chdir(tmp_path)

        def run(url: str) -> tuple[int, str]:
            environment = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": url, "COLUMNS": "200"}
            result = CliRunner().invoke(cli, ["migrate"], env=environment)
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            return result.exit_code, result.output

        return run

    def test_sqlite(self, migrate: Callable[..., tuple[int, str]]) -> None:
        status, said = migrate("")
        assert status == 0
        assert said.endswith(f"took the steps {', '.join(REVISIONS)}.\n")
        assert migrate("")[1].endswith("is up to date.\n")

    async def test_postgresql(self, migrate: Callable[..., tuple[int, str]], postgres: Postgres) -> None:
        url = await postgres.empty_database()
        done = [await asyncio.to_thread(migrate, url) for _ in range(2)]
        assert done == [
            (0, f"The database (PostgreSQL) took the steps {', '.join(REVISIONS)}.\n"),
            (0, "The database (PostgreSQL) is up to date.\n"),
        ]
        await postgres.drop(url)

    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            (f"postgresql://postgres@127.0.0.1:{free_port()}/none", "PostgreSQL cannot be reached"),
            ("mysql://root@127.0.0.1/none", "DATABASE_URL must be like postgresql://"),
        ],
        ids=["nobody there", "another kind"],
    )
    def test_it_says_why_not(self, migrate: Callable[..., tuple[int, str]], url: str, sentence: str) -> None:
        status, said = migrate(url)
        assert status == 1
        assert said.startswith(f"stagedoor: {sentence}")

    async def test_not_while_a_server_has_the_file(
        self, migrate: Callable[..., tuple[int, str]], tmp_path: Path
    ) -> None:
        async with contextlib.aclosing(await open_database("", tmp_path / "data")):
            status, said = await asyncio.to_thread(migrate, "")
        assert status == 1
        assert "Another Stagedoor (process " in said
