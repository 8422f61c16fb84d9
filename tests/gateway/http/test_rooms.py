"""Rooms over HTTP: by plan, by code, by who is in charge; each answer as the interface's document has it."""

import asyncio
import csv
import io
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from starlette.applications import Starlette

from auth.principal import Plan, Role
from gateway.http import errors, poll_results, rooms
from gateway.http.bodies import BodyLimit
from gateway.http.documents import openapi
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.http.room_operations import ROOM_OPERATIONS
from gateway.http.rooms import RoomDesk
from gateway.limits import DoorLimits
from gateway.plans import load_plans
from gateway.stores.database import open_database
from gateway.stores.idempotency import IdempotencyBook
from tests.databases import migrated_sqlite
from tests.gateway.http.desk import error_of
from tests.gateway.rehearsal import settings
from tests.gateway.rooms.company import Company, Json, Process, company_on
from tests.house import KEYS, token

ROOM = {"name": "Open evening", "max_participants": 10}
DOCUMENT = openapi(ROOM_OPERATIONS)


class Front:
    """The routes of rooms, asked without a server; every answer is held to its description."""

    def __init__(self, company: Company, process: Process) -> None:
        self.company = company
        self.process = process
        given = settings(data_dir=Path("nowhere"), user_rate_limit=0)
        door = DoorLimits(given)
        idempotency = Idempotency(IdempotencyBook(company.database))
        self.desk = RoomDesk(process.rooms, process.finder, load_plans(given), idempotency)
        guard = Guard(KEYS, door)
        app = Starlette(
            routes=[*rooms.routes(guard, self.desk), *poll_results.routes(guard, self.desk)],
            exception_handlers=errors.ANSWERS,
        )
        transport = httpx.ASGITransport(BodyLimit(app), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")

    async def ask(
        self, method: str, path: str, user: str = "olga", *, json: Any = None, plan: Plan = Plan.PREMIUM,
        role: Role = Role.FAN, tenant: str = "default", **options: Any,
    ) -> httpx.Response:  # fmt: skip
        headers = {"Authorization": f"Bearer {token(user, role, plan, tenant=tenant)}"}
        response = await self.client.request(
            method, f"/api/rooms{path}", json=json, headers=headers | options.pop("headers", {}), **options
        )
        self._hold(method, response)
        return response

    def _hold(self, method: str, response: httpx.Response) -> None:
        path = response.request.url.path
        for operation in ROOM_OPERATIONS:
            if operation.method == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", operation.path), path):
                described = DOCUMENT["paths"][operation.path][method.lower()]["responses"]
                content = described[str(response.status_code)]["content"]
                if response.headers["content-type"] == "application/json":
                    schema = content["application/json"]["schema"]
                    jsonschema.validate(response.json(), {**schema, "components": DOCUMENT["components"]})
                return
        raise AssertionError(f"{method} {path} is not described")

    async def made(self, user: str = "olga", **changes: Any) -> Json:
        response = await self.ask("POST", "/create", user, json=ROOM | changes)
        assert response.status_code == 200, response.text
        return dict(response.json()["data"])


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    books = await open_database("", migrated_sqlite(tmp_path))
    async with company_on(books) as company:
        front = Front(company, company.process())
        yield front
        await front.client.aclose()
    await books.aclose()


# --- making and finding -------------------------------------------------------------------------------


async def test_a_room_is_made_with_a_code_and_found_by_it(front: Front) -> None:
    response = await front.ask("POST", "/create", json=ROOM)
    made = response.json()["data"]

    assert response.json()["success"] is True
    assert re.fullmatch(r"[2-9A-HJKMNP-Z]{6}", made["room_code"])
    assert {
        "name": "Open evening", "host_user_id": "olga", "max_participants": 10, "is_active": True,
        "is_private": False, "is_owner": True, "participants": 0,
    }.items() <= made.items()  # fmt: skip
    for typed in (made["room_code"].lower(), f" {made['room_code'][:3]}-{made['room_code'][3:]}", made["id"]):
        found = (await front.ask("GET", f"/{typed}", "ben")).json()["data"]
        assert found == made | {"is_owner": False}


@pytest.mark.parametrize("plan", list(Plan))
async def test_the_plan_decides_who_makes_rooms(front: Front, plan: Plan) -> None:
    response = await front.ask("POST", "/create", json=ROOM, plan=plan)

    if plan is not Plan.FREE:
        assert response.status_code == 200
        return
    refused = error_of(response)
    assert (response.status_code, refused["code"]) == (403, "PLAN_REQUIRED")
    assert refused["plans"] == ["premium", "pro", "enterprise"]
    assert "Premium" in refused["error"]
    assert (await front.ask("GET", "")).json()["data"] == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"name": ""}, "name"), ({"name": "\u200b "}, "name"), ({"name": "x" * 81}, "name"),
        ({"name": "a\0b"}, "name"), ({"max_participants": 1}, "max_participants"),
        ({"max_participants": 10_001}, "max_participants"),
        ({"max_participants": "many"}, "max_participants"),
        ({"is_private": "perhaps"}, "is_private"), ({"color": "red"}, "color"),
    ],
)  # fmt: skip
async def test_a_room_that_cannot_be_is_refused_with_what_is_wrong(
    front: Front, change: Json, param: str
) -> None:
    refused = error_of(await front.ask("POST", "/create", json=ROOM | change))

    assert (refused["code"], refused["param"]) == ("INVALID", param)


async def test_a_request_that_is_sent_again_makes_one_room(front: Front) -> None:
    key = {"Idempotency-Key": '"evening"'}
    answers = [await front.ask("POST", "/create", json=ROOM, headers=key) for _ in range(3)]
    other = await front.ask("POST", "/create", json=ROOM | {"name": "Another"}, headers=key)

    assert len({answer.text for answer in answers}) == 1
    assert (other.status_code, error_of(other)["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len((await front.ask("GET", "")).json()["data"]) == 1


async def test_a_key_whose_request_a_rule_refused_can_be_used_again(front: Front) -> None:
    key = {"Idempotency-Key": '"evening"'}
    for _ in range(2):
        refused = await front.ask("POST", "/create", json=ROOM | {"name": "\u200b"}, headers=key)
        assert (refused.status_code, error_of(refused)["param"]) == (422, "name")


async def test_lists_have_what_is_mine_and_what_is_public(front: Front) -> None:
    public, private = await front.made(), await front.made(is_private=True)
    others = await front.made("ben")
    await front.process.joined("cem", private["room_code"])

    def ids(response: httpx.Response) -> list[str]:
        return [room["id"] for room in response.json()["data"]]

    assert ids(await front.ask("GET", "")) == [private["id"], public["id"]]
    assert ids(await front.ask("GET", "", "cem")) == [private["id"]]
    assert ids(await front.ask("GET", "", "cem", params={"scope": "public"})) == [others["id"], public["id"]]
    assert ids(await front.ask("GET", "", "cem", tenant="other", params={"scope": "public"})) == []
    first = await front.ask("GET", "", params={"scope": "public", "limit": 1})
    cursor = first.json()["next_cursor"]
    second = await front.ask("GET", "", params={"scope": "public", "limit": 1, "cursor": cursor})
    assert ids(first) + ids(second) == [others["id"], public["id"]]
    assert second.json()["next_cursor"] is None
    for query in ({"scope": "all"}, {"scope": "public", "cursor": "x"}, {"scope": "public", "limit": 0}):
        assert (await front.ask("GET", "", params=query)).status_code == 422


async def test_nobody_without_a_token_finds_anything(front: Front) -> None:
    made = await front.made()
    for method, path in [("GET", ""), ("POST", "/create"), ("GET", f"/{made['id']}"), ("POST", "/x/close")]:
        response = await front.client.request(method, f"/api/rooms{path}", json=ROOM)
        assert (response.status_code, error_of(response)["code"]) == (401, "NOT_AUTHENTICATED")


async def test_a_room_of_another_tenant_answers_as_one_that_never_was(front: Front) -> None:
    made = await front.made()
    nowhere = "ZZZZZZ" if made["room_code"] != "ZZZZZZ" else "YYYYYY"
    unknown_id = "7a0c8b4e-6f0d-4d39-9c55-2f0c1f7d0a77"
    users = itertools.count()

    async def told(place: str, method: str, act: str, json: Any = None) -> tuple[int, Json]:
        who = f"ada {next(users)}"  # For each has ten wrong codes.
        response = await front.ask(method, f"/{place}{act}", who, tenant="other", role=Role.ADMIN, json=json)
        return response.status_code, error_of(response) | {"timestamp": ""}

    for method, act, json in [
        ("GET", "", None), ("POST", "/close", None), ("POST", "/kick", {"user_id": "x"}),
        ("POST", "/host", {"user_id": "x"}), ("GET", f"/polls/{unknown_id}/results.json", None),
    ]:  # fmt: skip
        for there, never in ((made["room_code"], nowhere), (made["id"], unknown_id)):
            assert await told(there, method, act, json) == await told(never, method, act, json)
            assert (await told(there, method, act, json))[0] == 404


@pytest.mark.parametrize("typed", ["x", "ABCDEFG", "O0O0O0", "%00", "a" * 200])
async def test_what_is_no_code_is_no_guess(front: Front, typed: str) -> None:
    for _ in range(12):
        response = await front.ask("GET", f"/{typed}")
        assert (response.status_code, error_of(response)["param"]) == (422, "roomCode")


async def test_whoever_guesses_too_often_is_told_nothing_more(front: Front) -> None:
    made = await front.made()
    guesses = [code for code in (f"ZZZZZ{last}" for last in "23456789ABCD") if code != made["room_code"]]
    answers = [await front.ask("GET", f"/{code}", "eve") for code in guesses]
    right = await front.ask("GET", f"/{made['room_code']}", "eve")

    assert [answer.status_code for answer in answers[:10]] == [404] * 10
    assert {answer.status_code for answer in answers[10:]} == {429}
    assert (right.status_code, error_of(right)["retry_after_seconds"] > 0) == (429, True)
    assert (await front.process.page("eve").join(made["room_code"]))["code"] == "RATE_LIMITED"
    assert (await front.ask("GET", f"/{made['room_code']}", "ben")).status_code == 200


async def test_an_address_from_which_many_guess_is_told_nothing_more_but_to_those_who_are_in(
    front: Front,
) -> None:
    made = await front.made()
    ben = await front.process.joined("ben", made["room_code"], address="10.0.0.9")
    codes = [
        code for code in (f"ZZZZ{a}{b}" for a in "2345" for b in "23456789") if code != made["room_code"]
    ]
    tries = [await front.process.page(f"u{n}", address="10.0.0.9").join(code) for n, code in enumerate(codes)]
    stranger = await front.process.page("zoe", address="10.0.0.9").join(made["room_code"])
    elsewhere = await front.process.page("zoe", address="10.0.0.8").join(made["room_code"])
    await ben.reconnect()

    assert {answer["code"] for answer in tries[:30]} == {"NOT_FOUND"}
    assert {answer["code"] for answer in tries[30:]} == {"RATE_LIMITED"}
    assert (stranger["code"], elsewhere["ok"]) == ("RATE_LIMITED", True)
    assert (await ben.join(made["room_code"], resume=True))["ok"]


# --- hosts --------------------------------------------------------------------------------------------


async def test_a_host_puts_out_hands_over_and_closes(front: Front) -> None:
    made = await front.made()
    code = made["room_code"]
    olga, ben = await front.process.joined("olga", code), await front.process.joined("ben", code)
    eve = await front.process.joined("eve", code)

    kicked = await front.ask("POST", f"/{code}/kick", json={"user_id": "eve"})
    assert (kicked.status_code, kicked.json()["data"]["participants"]) == (200, 2)
    assert (await eve.join(code))["code"] == "KICKED_OUT"
    handed = await front.ask("POST", f"/{code}/host", json={"user_id": "ben"})
    assert handed.json()["data"]["host_user_id"] == "ben"
    assert olga.heard("room:host_changed")[-1]["userId"] == "ben"
    refused = await front.ask("POST", f"/{code}/close", "eve")
    assert (refused.status_code, error_of(refused)["code"]) == (403, "NOT_HOST")
    closed = await front.ask("POST", f"/{code}/close", "ben")
    assert (closed.json()["data"]["is_active"], ben.heard("room:closed")[0]["reason"]) == (False, "host")
    assert (await front.ask("GET", f"/{code}")).status_code == 404
    assert (await front.ask("GET", f"/{made['id']}")).json()["data"]["closed_at"] is not None
    assert (await front.ask("POST", f"/{made['id']}/close", "ben")).status_code == 200, "closed already"
    again = await front.ask("POST", f"/{made['id']}/kick", "ben", json={"user_id": "cem"})
    assert (again.status_code, error_of(again)["code"]) == (410, "ROOM_CLOSED")


@pytest.mark.parametrize(
    ("act", "who", "status", "code"),
    [
        ("kick", "olga", 409, "CANNOT_KICK"), ("kick", "", 422, "INVALID"),
        ("host", "nobody", 403, "NOT_IN_ROOM"),
        ("host", "x" * 129, 422, "INVALID"), ("kick", "a\0b", 422, "INVALID"),
    ],
)  # fmt: skip
async def test_what_a_host_cannot_do_is_refused(
    front: Front, act: str, who: str, status: int, code: str
) -> None:
    made = await front.made()
    response = await front.ask("POST", f"/{made['room_code']}/{act}", json={"user_id": who})

    assert (response.status_code, error_of(response)["code"]) == (status, code)


async def test_an_admin_closes_any_room_of_the_tenant(front: Front) -> None:
    made = await front.made()
    olga = await front.process.joined("olga", made["room_code"])
    closed = await front.ask("POST", f"/{made['room_code']}/close", "ada", role=Role.ADMIN)

    assert (closed.status_code, olga.heard("room:closed")[0]["reason"]) == (200, "admin")


async def test_a_user_owns_a_hundred_open_rooms_at_most(front: Front) -> None:
    answers = await asyncio.gather(*(front.ask("POST", "/create", json=ROOM) for _ in range(103)))
    refused = [answer for answer in answers if answer.status_code != 200]

    assert {(answer.status_code, error_of(answer)["code"]) for answer in refused} == {(409, "TOO_MANY_ROOMS")}
    assert len(refused) == 3
    assert len({answer.json()["data"]["room_code"] for answer in answers if answer.status_code == 200}) == 100


# --- results ------------------------------------------------------------------------------------------


async def closed_poll(front: Front, made: Json, **wanted: Any) -> Json:
    """A poll in which three have voted, for which everybody is still in."""
    olga = await front.process.joined("olga", made["room_code"])
    pages = [await front.process.joined(user, made["room_code"]) for user in ("ben", "cem", "dan")]
    given = {"question": "Which?", "options": ["this", "=that"]} | wanted
    poll = (await olga.send("poll:create", **given))["poll"]
    for page, option in zip(pages, "112", strict=True):
        assert (await page.vote(poll, option))["ok"]
    early = await front.ask("GET", f"/{made['room_code']}/polls/{poll['id']}/results.json")
    assert (early.status_code, error_of(early)["code"]) == (409, "POLL_NOT_CLOSED")
    return dict((await olga.send("poll:close", pollId=poll["id"]))["poll"])


@pytest.mark.parametrize(
    ("visibility", "host_sees", "others_see"), [("public", 3, 3), ("hidden", 3, 0), ("anonymous", 0, 0)]
)
async def test_a_result_names_those_who_may_be_named(
    front: Front, visibility: str, host_sees: int, others_see: int
) -> None:
    made = await front.made()
    poll = await closed_poll(front, made, visibility=visibility)
    path = f"/{made['room_code']}/polls/{poll['id']}/results.json"
    result = (await front.ask("GET", path)).json()["data"]

    assert [(option["votes"], option["percent"]) for option in result["options"]] == [(2, 67), (1, 33)]
    assert (result["winners"], result["voters"], result["closed_by"]) == (["1"], 3, "host")
    assert len(result["ballots"]) == host_sees
    assert len((await front.ask("GET", path, "ben")).json()["data"]["ballots"]) == others_see
    stranger = await front.ask("GET", path, "zoe")
    assert (stranger.status_code, error_of(stranger)["code"]) == (403, "NOT_IN_ROOM")


async def test_a_result_for_the_host_is_for_the_host(front: Front) -> None:
    made = await front.made()
    poll = await closed_poll(front, made, results="host")
    path = f"/{made['room_code']}/polls/{poll['id']}/results.csv"

    assert (await front.ask("GET", path)).status_code == 200
    assert error_of(await front.ask("GET", path, "ben"))["code"] == "NOT_HOST"


async def test_a_table_runs_nothing_in_a_spreadsheet_and_outlasts_the_room(front: Front) -> None:
    made = await front.made()
    poll = await closed_poll(front, made)
    await front.ask("POST", f"/{made['room_code']}/close")
    response = await front.ask("GET", f"/{made['id']}/polls/{poll['id']}/results.csv")

    assert response.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(response.text))) == [
        ["id", "option", "votes", "percent", "winner"],
        ["1", "this", "2", "67", "yes"],
        ["2", "'=that", "1", "33", "no"],
    ]


async def test_no_result_where_there_is_no_such_poll(front: Front) -> None:
    made, other = await front.made(), await front.made()
    poll = await closed_poll(front, made)
    for room, name, form in [
        (made, "x", "json"), (other, poll["id"], "json"), (made, poll["id"], "xml"),
        (made, "7a0c8b4e-6f0d-4d39-9c55-2f0c1f7d0a77", "csv"),
    ]:  # fmt: skip
        response = await front.ask("GET", f"/{room['room_code']}/polls/{name}/results.{form}")
        assert (response.status_code, error_of(response)["code"]) == (404, "NOT_FOUND")
