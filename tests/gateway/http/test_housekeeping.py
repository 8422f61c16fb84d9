"""What operators call from cron: for admins, in their own tenant, and as often as they like."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped] # comes with openapi-spec-validator
import pytest

from auth.principal import Role
from gateway import clock
from gateway.http.documents import openapi
from gateway.http.room_operations import HOUSEKEEPING
from gateway.rooms.founding import found
from gateway.stores.rooms.operations import CreatePoll
from gateway.stores.rooms.schema import polls, rooms
from sessions.poll_records import PollWanted, create
from sessions.room_events import JoinRequested
from sessions.room_records import RoomWanted
from tests.gateway.http.desk import Desk, error_of
from tests.gateway.socketio.fakes import principal
from tests.house import token

DOCUMENT = openapi(HOUSEKEEPING)
DAY_MS = 24 * 3_600_000


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path, user_rate_limit=0).open() as desk:
        yield desk


async def post(desk: Desk, name: str, role: Role = Role.ADMIN, **who: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token('ada', role, **who)}"}
    response = await desk.client.post(f"/api/admin/{name}", headers=headers)
    schema = DOCUMENT["paths"][f"/api/admin/{name}"]["post"]["responses"][str(response.status_code)]
    described = schema["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**described, "components": DOCUMENT["components"]})
    return response


async def room(desk: Desk, room_id: str, *, tenant: str = "default", idle_ms: int = 0) -> None:
    """A room in which nothing has happened for so long."""
    store = desk.gateway.rooms.rooms.store
    made = await found(store, principal("noa", tenant=tenant), RoomWanted("Talk", 10), room_id)

    def change(connection: Any) -> None:
        then = dict.fromkeys(("created_at", "active_at", "deadline_at"), made.created_at_ms - idle_ms)
        connection.execute(rooms.update().where(rooms.c.id == room_id).values(**then))

    await desk.gateway.backing.database.write(change)


async def is_open(desk: Desk, room_id: str) -> bool:
    query = rooms.select().where(rooms.c.id == room_id)
    row = await desk.gateway.backing.database.read(lambda connection: connection.execute(query).one())
    return bool(row.is_active)


ROOMS = [f"{digit}a0c8b4e-6f0d-4d39-9c55-2f0c1f7d0a77" for digit in range(1, 5)]


async def test_rooms_that_idle_are_closed_in_ones_own_tenant(desk: Desk) -> None:
    for room_id in ROOMS[:2]:
        await room(desk, room_id, idle_ms=DAY_MS)
    await room(desk, ROOMS[2])
    await room(desk, ROOMS[3], tenant="other", idle_ms=DAY_MS)
    answers = [(await post(desk, "cleanup-rooms")).json() for _ in range(2)]

    assert answers == [
        {"success": True, "data": {"rooms_closed": 2}}, {"success": True, "data": {"rooms_closed": 0}},
    ]  # fmt: skip
    assert [await is_open(desk, room_id) for room_id in ROOMS] == [False, False, True, True]


async def test_polls_that_are_old_are_archived(desk: Desk) -> None:
    await room(desk, ROOMS[0])
    driver = desk.gateway.rooms.rooms
    await driver.act("default", ROOMS[0], JoinRequested("noa"))
    for number, age_ms in enumerate((89 * DAY_MS, 91 * DAY_MS)):
        now_ms = clock.wall_ms()
        wanted = PollWanted("Which?", ("this", "that"))
        poll = create(wanted, poll_id=ROOMS[number], room_id=ROOMS[0], author="noa", now_ms=now_ms - age_ms)
        await driver.store.poll(CreatePoll("default", poll, now_ms, opened=False))
    answers = [(await post(desk, "archive-polls")).json()["data"]["polls_archived"] for _ in range(2)]
    rows = await desk.gateway.backing.database.read(lambda c: c.execute(polls.select()).all())

    assert answers == [1, 0]
    assert {row.id: row.state for row in rows} == {ROOMS[0]: "draft", ROOMS[1]: "archived"}


async def test_quotas_need_no_reset_and_it_is_said_when_they_begin_anew(desk: Desk) -> None:
    body = (await post(desk, "reset-quotas")).json()

    assert body["data"]["quotas_reset"] == 0
    assert body["data"]["resets_at"].endswith("-01T00:00:00Z")


@pytest.mark.parametrize("name", ["cleanup-rooms", "archive-polls", "reset-quotas"])
@pytest.mark.parametrize("role", [Role.FAN, Role.CREATOR])
async def test_it_is_for_admins(desk: Desk, name: str, role: Role) -> None:
    assert error_of(await post(desk, name, role))["code"] == "NOT_ALLOWED"
    assert (await desk.client.post(f"/api/admin/{name}")).status_code == 401


async def test_clips_are_not_cleaned_where_there_are_none(desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {token('ada', Role.ADMIN)}"}
    response = await desk.client.post("/api/admin/cleanup-clips", headers=headers)

    assert (response.status_code, error_of(response)["code"]) == (404, "NOT_FOUND")
