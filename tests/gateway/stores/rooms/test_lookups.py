"""What a group looks at is found row by row through indexes, however large the tables are."""

from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from gateway.ids import new_uuid
from gateway.stores.interface import Database
from gateway.stores.prepared import Listed
from gateway.stores.rooms import electorate, lookups
from gateway.stores.rooms.rows import ballot_row, message_row, participant_row
from gateway.stores.rooms.schema import poll_votes, room_messages, room_participants, room_seats
from sessions.ballots import Ballot
from sessions.room_effects import Message
from sessions.room_records import Participant
from tests.gateway.stores.rooms.lobby import NOW_MS, Lobby

USERS = [f"user{number}" for number in range(2000)]


async def filled(lobby: Lobby) -> tuple[str, str]:
    """A room and a poll with rows of everybody; return their ids."""
    room = lobby.new_room(10_000)
    poll = lobby.new_poll(room.id)

    def fill(connection: Connection) -> None:
        people = [participant_row(room, Participant(user, n, NOW_MS)) for n, user in enumerate(USERS)]
        said = [
            message_row(room, Message(new_uuid(), n, user, "Hi", NOW_MS), "c1")
            for n, user in enumerate(USERS)
        ]
        cast = [ballot_row("acme", poll, Ballot(user, ("1",), 1), NOW_MS) for user in USERS]
        seats = [{"room_id": room.id, "subject": user, "boot_id": "boot_1"} for user in USERS]
        for table, rows in (
            (room_participants, people), (room_messages, said), (poll_votes, cast), (room_seats, seats),
        ):  # fmt: skip
            connection.execute(insert(table), rows)

    await lobby.database.write(fill)
    if lobby.database.dialect == "postgresql":
        await lobby.database.write(lambda c: c.execute(text("ANALYZE")).close())
    return room.id, poll.id


def plan_of(connection: Connection, listed: Listed, **lists: list[Any]) -> str:
    """Run a query, and return how the database says that it does so."""
    assert len(listed.rows(connection, **lists)) >= 50
    ((written, names),) = listed._written.values()
    values = {
        place: own for name, places in names for place, own in zip(places, [*lists[name]] * 2, strict=False)
    }
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    parameters = written.parameters(values)
    rows = connection.exec_driver_sql(f"{explain} {written.text}", parameters)
    return "\n".join(str(tuple(row)) for row in rows)


@pytest.mark.parametrize("what", ["people", "senders", "acting"])
async def test_a_lookup_scans_no_table_of_many(database: Database, lobby: Lobby, what: str) -> None:
    room_id, poll_id = await filled(lobby)
    users, rooms = USERS[:50], [room_id] * 50
    fresh: dict[str, tuple[Listed, dict[str, list[Any]]]] = {
        "people": (lookups._PEOPLE, {"rooms": rooms, "users": users, "cutoffs": [0]}),
        "senders": (lookups._SENDERS, {"rooms": rooms, "users": users, "names": ["c1"] * 50}),
        "acting": (
            electorate._ACTING,
            {"rooms": rooms, "users": users, "polls": [poll_id] * 50, "voters": users},
        ),
    }
    listed, lists = fresh[what]
    own = Listed(listed._build, **listed._types)
    plan = await database.read(lambda connection: plan_of(connection, own, **lists))
    for table in ("room_participants", "room_messages", "poll_votes", "room_seats"):
        assert f"Seq Scan on {table}" not in plan
        assert f"SCAN {table}" not in plan
    assert "room_participants" in plan
