"""A database that one test has used is as new for the next, or no other test gets it."""

import asyncio

import asyncpg
import pytest

from tests.databases import Postgres
from tests.spares import state_of


async def after(postgres: Postgres, statements: str) -> tuple[bool, asyncpg.Record]:
    """Run statements in a database and give it back, with the connection still open; return whether the next
    test has the same, and what is in that: rows, events and the next number of the outbox."""
    url = await asyncio.wrap_future(postgres.spares.take())
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await asyncio.wrap_future(postgres.spares.give_back(url))
        connection.terminate()
    async with postgres.fresh_database() as following:
        connection = await asyncpg.connect(following)
        try:
            found = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM boots), (SELECT count(*) FROM outbox), "
                "(SELECT nextval('outbox_sequence_seq'))"
            )
        finally:
            await connection.close()
        return following == url, found


@pytest.mark.parametrize("count", [1, 3000])
async def test_no_row_and_no_number_of_the_one_before_is_left(postgres: Postgres, count: int) -> None:
    same, found = await after(
        postgres,
        "INSERT INTO outbox (event_id, tenant_id, payload, occurred_at) "
        f"SELECT 'e' || n, '', '{{}}', now() FROM generate_series(1, {count}) n;"
        "BEGIN; LOCK TABLE outbox",  # as one that is still at work
    )
    assert same
    assert tuple(found) == (0, 0, 1)


async def test_one_that_is_no_longer_as_it_was_made_is_not_lent_again(postgres: Postgres) -> None:
    same, found = await after(postgres, "ALTER TABLE quota_slices DROP CONSTRAINT ck_quota_slices_amounts")
    assert not same
    assert tuple(found) == (0, 0, 1)


async def test_nor_one_to_which_the_connection_is_lost(postgres: Postgres) -> None:
    same, found = await after(
        postgres,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    assert not same
    assert tuple(found) == (0, 0, 1)


@pytest.mark.parametrize(
    "statements",
    [
        "ALTER TABLE quota_slices ALTER kind TYPE text",
        "CREATE TABLE of_a_test (id integer)",
        "GRANT SELECT ON rooms TO public",
        "DROP POLICY rooms_of_tenant ON rooms",
        "DROP INDEX idx_outbox_logged_at",
        "UPDATE alembic_version SET version_num = '9999'",
        "INSERT INTO outbox (event_id, tenant_id, payload, occurred_at) VALUES ('e', '', '{}', now()); "
        "ANALYZE outbox",
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 1', current_database()); END$$",
    ],
)
async def test_every_change_is_seen(postgres: Postgres, statements: str) -> None:
    async with postgres.fresh_database() as url:
        connection = await asyncpg.connect(url)
        try:
            before = await state_of(connection)
            await connection.execute("BEGIN")
            await connection.execute(statements)
            assert await state_of(connection) != before
            await connection.execute("ROLLBACK")
            assert await state_of(connection) == before
        finally:
            await connection.close()
