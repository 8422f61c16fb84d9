"""Prepared statements do what SQLAlchemy does with the same statement, on both databases."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest
from sqlalchemy import Connection, Select, bindparam, insert, literal_column, select, union_all, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import CompoundSelect

from gateway.stores.database import open_database
from gateway.stores.interface import Database
from gateway.stores.prepared import ForEach, Listed, Places, Together
from gateway.stores.schema import outbox, quota_slices
from tests.databases import Postgres

HELD = quota_slices.c
NOON_MS = 1_795_262_400_123
SPACE = UUID(int=7)
ROWS: list[dict[str, Any]] = [
    {
        "id": f"slice_{number}", "tenant_id": "acme", "user_id": uuid5(SPACE, str(number % 3)),
        "subject": f"o'hara {number % 3}", "kind": "subtitles", "session_id": "live", "channel_id": "main",
        "boot_id": "boot", "hour_key": "", "day_key": "", "month_key": "", "granted_ms": number,
        "state": "open", "opened_at": NOON_MS + number, "expires_at": NOON_MS,
        "closed_at": None if number % 2 else NOON_MS - number,
    }
    for number in range(9)
]  # fmt: skip


def query(ids: Places, users: Places) -> Select[Any]:
    return select(quota_slices).where(HELD.id.in_(ids), HELD.user_id.in_(users)).order_by(HELD.id)


SLICES = Listed(query, ids=HELD.id.type, users=HELD.user_id.type)
EVERYBODY = {row["user_id"] for row in ROWS}


def filled(connection: Connection) -> None:
    Together(ForEach(insert(quota_slices).inline(), *ROWS[0])).run(connection, ROWS)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
async def test_a_list_of_any_length_finds_what_sqlalchemy_finds(database: Database, count: int) -> None:
    await database.write(filled)
    ids = [f"slice_{number}" for number in range(count)]
    plain = select(quota_slices).where(HELD.id.in_(ids)).order_by(HELD.id)
    expected = await database.read(lambda c: [tuple(row) for row in c.execute(plain)])
    found = await database.read(lambda c: SLICES.rows(c, ids=ids, users=EVERYBODY))
    assert found == expected
    assert len(found) == count
    assert found[0][HELD.keys().index("user_id")] == ROWS[0]["user_id"]


async def test_several_lists_are_told_apart_and_an_empty_one_finds_nothing(database: Database) -> None:
    await database.write(filled)
    ids = [row["id"] for row in ROWS]
    of_one = await database.read(lambda c: SLICES.rows(c, ids=ids, users=[ROWS[1]["user_id"]]))
    assert [row[0] for row in of_one] == ["slice_1", "slice_4", "slice_7"]
    assert await database.read(lambda c: SLICES.rows(c, ids=[], users=EVERYBODY)) == []
    assert await database.read(lambda c: SLICES.rows(c, ids=ids, users=[])) == []


async def test_what_is_written_with_a_quote_in_it_is_data(database: Database) -> None:
    await database.write(filled)
    hostile = ["slice_1", "x') OR ('1'='1", "?", "$1", ":ids_0"]
    found = await database.read(lambda c: SLICES.rows(c, ids=hostile, users=EVERYBODY))
    assert [row[0] for row in found] == ["slice_1"]


async def test_constants_of_a_statement_are_kept_in_every_part_of_it(database: Database) -> None:
    def both(ids: Places) -> CompoundSelect[Any]:
        even = select(HELD.id, literal_column("0")).where(HELD.id.in_(ids), HELD.closed_at == NOON_MS - 2)
        return union_all(
            even, select(HELD.subject, HELD.granted_ms).where(HELD.id.in_(ids), HELD.kind == "subtitles")
        )

    await database.write(filled)
    listed = Listed(both, ids=HELD.id.type)
    found = await database.read(lambda c: listed.rows(c, ids=["slice_2", "slice_3"]))
    assert sorted(found) == [("o'hara 0", 3), ("o'hara 2", 2), ("slice_2", 0)]


async def test_an_update_changes_each_row_it_names(database: Database) -> None:
    close = ForEach(
        update(quota_slices)
        .where(HELD.id == bindparam("of_slice"))
        .values(state="closed", closed_at=bindparam("at"), settled_ms=bindparam("settled"))
    )
    await database.write(filled)
    changes = [{"of_slice": f"slice_{n}", "at": NOON_MS + n, "settled": n} for n in (3, 5)]
    await database.write(lambda c: Together(close).run(c, changes))
    closed = select(HELD.id, HELD.closed_at, HELD.settled_ms).where(HELD.state == "closed").order_by(HELD.id)
    found = await database.read(lambda c: [tuple(row) for row in c.execute(closed)])
    assert found == [("slice_3", NOON_MS + 3, 3), ("slice_5", NOON_MS + 5, 5)]


async def test_several_statements_are_written_together_or_not_at_all(database: Database) -> None:
    told = ForEach(insert(outbox).inline(), "event_id", "tenant_id", "payload", "occurred_at")
    both = Together(
        ForEach(
            update(quota_slices)
            .where(HELD.id == bindparam("of_slice"))
            .values(granted_ms=bindparam("granted"))
        ),
        told,
    )
    event = {"event_id": "e1", "tenant_id": "acme", "payload": {}, "occurred_at": NOON_MS}

    def state(connection: Connection) -> tuple[list[int], list[str]]:
        granted = select(HELD.granted_ms).where(HELD.granted_ms > 100)
        return (
            list(connection.execute(granted).scalars()),
            list(connection.execute(select(outbox.c.event_id)).scalars()),
        )

    await database.write(filled)
    await database.write(lambda c: both.run(c, [], []))
    assert await database.read(state) == ([], [])
    await database.write(lambda c: both.run(c, [{"of_slice": "slice_1", "granted": 101}], []))
    assert await database.read(state) == ([101], [])
    await database.write(lambda c: both.run(c, [], [event]))
    assert await database.read(state) == ([101], ["e1"])
    with pytest.raises((sqlite3.IntegrityError, IntegrityError, asyncpg.UniqueViolationError)):
        await database.write(lambda c: both.run(c, [{"of_slice": "slice_1", "granted": 102}], [event]))
    assert await database.read(state) == ([101], ["e1"])
    await database.write(
        lambda c: both.run(c, [{"of_slice": "slice_2", "granted": 102}], [event | {"event_id": "e2"}])
    )
    assert await database.read(state) == ([101, 102], ["e1", "e2"])


async def test_postgresql_refuses_what_is_too_long_and_cuts_nothing_off(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with (
        postgres.fresh_database() as url,
        contextlib.aclosing(await open_database(url, tmp_path)) as database,
    ):
        made = Together(ForEach(insert(quota_slices).inline(), *ROWS[0]))
        row = ROWS[0] | {"id": "x" * 65}
        with pytest.raises(asyncpg.StringDataRightTruncationError):
            await database.write(lambda c: made.run(c, [row]))
        await database.write(lambda c: made.run(c, [row | {"id": "x" * 64}]))
        await database.write(filled)
        assert await database.read(lambda c: SLICES.rows(c, ids=["x" * 65], users=EVERYBODY)) == []
        assert len(await database.read(lambda c: SLICES.rows(c, ids=["x" * 64], users=EVERYBODY))) == 1


async def test_a_plan_that_is_out_of_date_is_made_again(postgres: Postgres, tmp_path: Path) -> None:
    async with (
        postgres.fresh_database() as url,
        contextlib.aclosing(await open_database(url, tmp_path)) as database,
    ):
        await database.write(filled)

        def found(connection: Connection) -> list[Any]:
            return [row[0] for row in SLICES.rows(connection, ids=["slice_1"], users=EVERYBODY)]

        assert await database.read(found) == ["slice_1"]
        await postgres.execute("ALTER TABLE quota_slices ALTER kind TYPE text", url.rpartition("/")[2])
        assert await database.read(found) == ["slice_1"]


async def test_json_and_numbers_of_the_database_itself_are_written(database: Database) -> None:
    told = ForEach(insert(outbox).inline(), "event_id", "tenant_id", "payload", "occurred_at")
    payload = {"user": "o'hara", "late": False, "quantity_ms": 1}
    rows = [
        {"event_id": f"e{n}", "tenant_id": "", "payload": payload, "occurred_at": NOON_MS} for n in (1, 2)
    ]
    await database.write(lambda c: Together(told).run(c, rows))
    found = await database.read(
        lambda c: c.execute(select(outbox).order_by(outbox.c.sequence)).mappings().all()
    )
    assert [(row["event_id"], row["payload"]) for row in found] == [("e1", payload), ("e2", payload)]
    assert found[0]["sequence"] < found[1]["sequence"]
