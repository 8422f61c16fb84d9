"""`stagedoor audit`: what it prints, how it exits, beside a server that writes."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from sqlalchemy import update

from gateway.stores.interface import Database
from gateway.stores.schema import usage_quotas
from tests.gateway.stores.books import Books

LOOKED_AT = "1 events, 1 slices, 3 windows, 0 transactions of credits, 0 calls"
ROOT = Path(__file__).parent.parent.parent


async def stagedoor(*arguments: str, **environment: str) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "gateway.cli", "audit", *arguments], capture_output=True,
        env={**kept, "COLUMNS": "200", "PYTHONPATH": str(ROOT), **environment}, text=True, timeout=60,
        cwd=environment["DATA_DIR"], check=False,
    )  # fmt: skip
    return run.returncode, run.stdout, run.stderr


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
def where(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path)}


async def test_books_that_add_up(database: Database, where: dict[str, str]) -> None:
    books = Books(database)
    await books.spend(1234)
    assert await stagedoor(**where) == (0, f"Nothing to find: {LOOKED_AT}.\n", "")
    status, out, _ = await stagedoor("--json", **where)
    assert status == 0
    assert orjson.loads(out) == {
        "events": 1, "slices": 1, "windows": 3, "transactions": 0, "calls": 0, "complete": True,
        "findings": [],
    }  # fmt: skip
    await books.spend(1)  # the server writes on


async def test_books_that_do_not_are_named_with_exit_code_1(
    database: Database, where: dict[str, str]
) -> None:
    books = Books(database)
    await books.spend(1234)
    wrong = update(usage_quotas).where(usage_quotas.c.period == "day").values(used_ms=1000)
    await database.write(lambda connection: connection.execute(wrong).close())
    status, out, err = await stagedoor(**where)
    assert (status, err) == (1, "")
    first, last = out.splitlines()
    assert first.startswith("window 2026-11-20 of subtitles of user noa in tenant acme: 1000 ms are used")
    assert last == f"1 findings in {LOOKED_AT}."
    status, out, _ = await stagedoor("--json", **where)
    assert status == 1
    assert [finding["rule"] for finding in orjson.loads(out)["findings"]] == ["used"]


async def test_where_there_is_no_database_it_says_so(tmp_path: Path) -> None:
    status, out, err = await stagedoor(DATA_DIR=str(tmp_path))
    assert (status, out) == (2, "")
    assert "There is no database" in err
    assert "Traceback" not in err
    assert files(tmp_path) == []
