"""Prepared statements do what SQLAlchemy does with the same statement, on both databases."""

from typing import Any
from uuid import UUID, uuid5

import pytest
from sqlalchemy import Connection, Select, bindparam, insert, literal_column, select, union_all, update
from sqlalchemy.sql import CompoundSelect

from gateway.stores.interface import Database
from gateway.stores.prepared import ForEach, Listed, Places
from gateway.stores.schema import outbox, quota_slices

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
    ForEach(insert(quota_slices).inline(), *ROWS[0]).run(connection, ROWS)


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
    await database.write(lambda c: close.run(c, changes))
    closed = select(HELD.id, HELD.closed_at, HELD.settled_ms).where(HELD.state == "closed").order_by(HELD.id)
    found = await database.read(lambda c: [tuple(row) for row in c.execute(closed)])
    assert found == [("slice_3", NOON_MS + 3, 3), ("slice_5", NOON_MS + 5, 5)]


async def test_json_and_numbers_of_the_database_itself_are_written(database: Database) -> None:
    told = ForEach(insert(outbox).inline(), "event_id", "tenant_id", "payload", "occurred_at")
    payload = {"user": "o'hara", "late": False, "quantity_ms": 1}
    rows = [
        {"event_id": f"e{n}", "tenant_id": "", "payload": payload, "occurred_at": NOON_MS} for n in (1, 2)
    ]
    await database.write(lambda c: told.run(c, rows))
    found = await database.read(
        lambda c: c.execute(select(outbox).order_by(outbox.c.sequence)).mappings().all()
    )
    assert [(row["event_id"], row["payload"]) for row in found] == [("e1", payload), ("e2", payload)]
    assert found[0]["sequence"] < found[1]["sequence"]
