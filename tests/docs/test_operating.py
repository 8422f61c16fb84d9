"""What operators are told to type at psql is understood by a database of ours."""

from pathlib import Path

import asyncpg
import pytest

from tests.databases import Postgres
from tests.docs.markdown import DOCS, blocks


def statements() -> list[str]:
    text = "\n".join(block.text for block in blocks(DOCS / "operating.md", "sql"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


async def test_every_statement_is_one(postgres: Postgres, tmp_path: Path) -> None:
    assert len(statements()) > 10
    async with postgres.fresh_database() as url:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements():
                await connection.execute(statement)
        finally:
            await connection.close()


async def test_a_slip_would_be_seen(postgres: Postgres) -> None:
    async with postgres.fresh_database() as url:
        connection = await asyncpg.connect(url)
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.execute("SELECT * FROM colls")
        await connection.close()
