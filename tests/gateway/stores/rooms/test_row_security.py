"""Row level security on PostgreSQL: other roles see one tenant's rooms and polls, and a server everything,
also where it does not own the tables."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from gateway.stores.database import open_database
from sessions.room_events import JoinRequested
from tests.databases import Postgres
from tests.gateway.stores.rooms.lobby import Lobby

CHECK = """
SELECT schemaname, tablename, policyname, permissive, roles, cmd, qual
FROM pg_policies
WHERE tablename IN ('rooms', 'polls', 'clips', 'subscriptions')
ORDER BY tablename, policyname
"""
"""As operators check it."""


@pytest.fixture
async def url(postgres: Postgres) -> AsyncIterator[str]:
    async with postgres.fresh_database() as own:
        await postgres.execute("DROP ROLE IF EXISTS reporter")
        yield own


async def grant(postgres: Postgres, url: str, rights: str) -> str:
    """Make the role `reporter`; return its URL."""
    database = url.rpartition("/")[2]
    await postgres.execute("CREATE ROLE reporter LOGIN")
    await postgres.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO reporter", database)
    return url.replace("postgres@", "reporter@")


async def test_another_role_sees_the_tenant_that_it_names(
    postgres: Postgres, url: str, tmp_path: Path
) -> None:
    database = await open_database(url, tmp_path)
    lobby = Lobby(database)
    room_id = await lobby.room("olga")
    await lobby.poll(room_id)
    await lobby.room(tenant_id="other")
    reporter = await asyncpg.connect(await grant(postgres, url, "SELECT"))
    try:
        for table in ("rooms", "polls"):
            assert await reporter.fetchval(f"SELECT count(*) FROM {table}") == 0
            await reporter.execute("SELECT set_config('stagedoor.tenant', 'acme', false)")
            assert await reporter.fetchval(f"SELECT count(*) FROM {table}") == 1
            await reporter.execute("SELECT set_config('stagedoor.tenant', '', false)")
        assert [row["tablename"] for row in await reporter.fetch(CHECK)] == ["polls", "rooms"]
    finally:
        await reporter.close()
        await lobby.aclose()
        await database.aclose()
        await drop(postgres, url)


async def test_a_server_works_with_a_role_that_does_not_own_the_tables(
    postgres: Postgres, url: str, tmp_path: Path
) -> None:
    database = await open_database(await grant(postgres, url, "SELECT, INSERT, UPDATE, DELETE"), tmp_path)
    lobby = Lobby(database)
    try:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id)
        await lobby.one(lobby.vote(poll_id, "ben", "1"))
        await lobby.act(room_id, JoinRequested("cem"))
        assert await lobby.people(room_id) == ["olga", "ben", "cem"]
    finally:
        await lobby.aclose()
        await database.aclose()
        await drop(postgres, url)


async def drop(postgres: Postgres, url: str) -> None:
    await postgres.execute("DROP OWNED BY reporter", url.rpartition("/")[2])
    await postgres.execute("DROP ROLE reporter")


async def test_what_operators_ask_has_an_answer(postgres: Postgres, url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name "
            "IN ('rooms', 'room_participants', 'room_messages', 'polls', 'poll_votes') ORDER BY table_name"
        )
        assert [row["table_name"] for row in tables] == [
            "poll_votes", "polls", "room_messages", "room_participants", "rooms",
        ]  # fmt: skip
        for query in (
            "SELECT COUNT(*) FROM rooms WHERE is_active = true",
            "SELECT COUNT(*) FROM polls WHERE created_at >= DATE_TRUNC('week', NOW())",
        ):
            assert await connection.fetchval(query) == 0
        types = await connection.fetch(
            "SELECT table_name || '.' || column_name AS name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'uuid'"
        )
        assert {"rooms.id", "room_participants.user_id", "room_messages.id", "polls.id"} <= {
            row["name"] for row in types
        }
    finally:
        await connection.close()
