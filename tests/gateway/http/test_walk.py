"""Every route that there is, walked through: no user is told a cost, and nobody meets another's things.

The routes are those of the real application, so that a route that comes later is walked as well.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from auth.principal import Plan, Role
from gateway.http import errors
from gateway.http.refusals import RULES
from gateway.rooms.founding import found
from sessions.lifetimes import State
from sessions.room_records import RoomWanted
from sessions.slices import MediaKind
from tests.gateway.http.desk import Desk
from tests.gateway.http.office import Office
from tests.gateway.http.walk import DESCRIBED, Step, example, steps
from tests.gateway.rehearsal import caption
from tests.gateway.socketio.fakes import principal

COST = re.compile(r"cost|price|micro(?!phone)|\bcredits?\b|estimated", re.IGNORECASE)
FOR_EVERYBODY = ("gateway.pages", "gateway.http.documents")
"""Modules whose answers know nobody: the pages of people, and the documents of the interface, which say that
admins are told costs. They must be the same for a stranger."""
OWN = {
    "session_id": "mine",
    "user": "noa",
    "channel": "main",
    "form": "vtt",
    "kind": "subtitles",
    "window": "day",
}
ROOM = "7a0c8b4e-6f0d-4d39-9c55-2f0c1f7d0a77"
THEIR_ROOM = "8a0c8b4e-6f0d-4d39-9c55-2f0c1f7d0a77"
NO_ROOM = "9a0c8b4e-6f0d-4d39-9c55-2f0c1f7d0a77"
OWN |= {"room": ROOM, "poll": NO_ROOM}
TAKEN = {told.code for told in RULES.values()} - {"INVALID"}
"""What a rule says of a body that fits."""


class Walker:
    """An application with all that an office and a whole gateway have, and things of two tenants in it."""

    def __init__(self, office: Office, desk: Desk) -> None:
        self.office = office
        self.desk = desk
        app = Starlette(
            routes=[*office.app.routes, *desk.gateway.app.routes], exception_handlers=errors.ANSWERS
        )
        self.steps = list(steps(app.routes))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")

    async def furnish(self) -> None:
        office = self.office
        for tenant, session_id in (("default", "mine"), ("other", "theirs")):
            for user in ("noa", "dan", "theirs"):
                if (tenant, user) != ("default", "theirs"):
                    await office.use(user, 60_000, tenant=tenant)
                    await office.use(user, 1_000, MediaKind.DUBBING, tenant=tenant, closed=False)
            await office.session(session_id, tenant=tenant)
            await office.admin("PUT", "overrides", tenant=tenant, json={
                "user": "noa", "kind": "subtitles", "window": "day", "minutes": 60})  # fmt: skip
        await office.session("of_dan", "dan", over=State.COMPLETED)
        self.desk.channel(en=[caption("said")])
        self.desk.channel("theirs", tenant="other", en=[caption("a secret")])
        store = self.desk.gateway.rooms.rooms.store
        for tenant, room_id in (("default", ROOM), ("other", THEIR_ROOM)):
            await found(store, principal("noa", tenant=tenant), RoomWanted("a secret", 10), room_id)

    async def ask(self, step: Step, given: dict[str, str], headers: dict[str, str]) -> httpx.Response:
        return await self.client.request(
            step.method, step.path(given), params=step.query(given), json=step.body(given), headers=headers
        )


@pytest.fixture
async def walker(small_office: Office, tmp_path: Path) -> AsyncIterator[Walker]:
    async with Desk(tmp_path / "desk", live_quota_api_rate_limit=0, user_rate_limit=0).open() as desk:
        walker = Walker(small_office, desk)
        async with walker.client:
            await walker.furnish()
            yield walker


def told_cost(response: httpx.Response) -> list[str]:
    """Return the words of a cost in an answer: its names, its text, its headers."""
    said = " ".join([*response.headers, *response.headers.values(), response.text])
    return COST.findall(said)


@pytest.mark.parametrize("role", [Role.FAN, Role.CREATOR])
async def test_no_user_is_told_a_cost(walker: Walker, role: Role) -> None:
    walked = 0
    for step in walker.steps:
        headers = walker.office.bearer("noa", role=role)
        response = await walker.ask(step, OWN, headers)
        # There are no workers behind the desk, and that is what readiness says.
        assert response.status_code < 500 or step.template == "/readyz", step
        if step.module.startswith(FOR_EVERYBODY):
            assert response.content == (await walker.ask(step, OWN, {})).content, step
        else:
            walked += 1
            assert told_cost(response) == [], step
    assert walked >= len(DESCRIBED) - 3


async def test_a_cost_that_a_user_were_told_would_be_found(walker: Walker) -> None:
    headers = walker.office.bearer("ada", role=Role.ADMIN)
    found = {step.template for step in walker.steps if told_cost(await walker.ask(step, OWN, headers))}
    assert {
        f"/api/v1/admin/live-quotas/{name}" for name in ("system-stats", "timeline", "usage")
    } <= found  # fmt: skip


async def test_what_plain_users_may_not_do_is_refused_before_it_is_looked_at(walker: Walker) -> None:
    for step in walker.steps:
        if "/admin/" not in step.template:
            continue
        for given in (OWN, dict.fromkeys(OWN, "theirs"), {}):
            response = await walker.ask(step, given, walker.office.bearer("noa", role=Role.CREATOR))
            assert (response.status_code, response.json()["code"]) == (403, "NOT_ALLOWED"), step
            assert (await walker.ask(step, given, {})).status_code == 401, step


def alike(response: httpx.Response, name: str) -> tuple[Any, ...]:
    """Return an answer without what has to differ: the name that was asked for, new ids, times."""
    text = response.text.replace(name, "NAME")
    text = re.sub(r"\b(grant|reset)_[\w-]+", "ID", text)
    text = re.sub(r'"(timestamp|expires_at|changed_at|token)":"[^"]*"', "", text)
    headers = {k: v.replace(name, "NAME") for k, v in response.headers.items() if k != "content-length"}
    return response.status_code, text, headers


@pytest.mark.parametrize("role", [Role.FAN, Role.ADMIN])
async def test_another_tenants_things_are_as_if_they_were_not(walker: Walker, role: Role) -> None:
    walked = set()
    for step in walker.steps:
        ids = step.names & {"session_id", "user", "channel", "channel_id", "id", "room"}
        if not ids or step.module.startswith(FOR_EVERYBODY):
            continue
        answers = []
        for name in (THEIR_ROOM, NO_ROOM) if "room" in ids else ("theirs", "no_one"):
            given = OWN | dict.fromkeys(ids, name)
            response = await walker.ask(step, given, walker.office.bearer("ada", role=role))
            assert response.status_code < 500, step
            assert "secret" not in response.text
            answers.append(alike(response, name))
        assert answers[0] == answers[1], step
        walked.add(step.template)
    assert len(walked) >= 7


async def test_another_users_minutes_are_not_to_be_had_by_asking(walker: Walker) -> None:
    """A user's own routes take no name: whatever else is said, the answer is of the token's user."""
    added = {"user": "dan", "user_id": "dan", "sub": "dan", "tenant": "other", "tenant_id": "other"}
    more = {f"X-{name}": value for name, value in added.items()}
    for step in walker.steps:
        if "/live/quota/" not in step.template:
            continue
        headers = walker.office.bearer("noa")
        plain = await walker.client.request(step.method, step.path(OWN), headers=headers)
        odd = await walker.client.request(
            step.method,
            step.path(OWN),
            headers=headers | more,
            params=added,
        )
        assert (odd.status_code, odd.text) == (plain.status_code, plain.text), step


async def test_the_walk_goes_everywhere(walker: Walker) -> None:
    walked = {(step.method, step.template) for step in walker.steps}
    served = {
        (method, route.path)
        for route in walker.desk.gateway.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served <= walked
    assert walked >= DESCRIBED.keys() - {("GET", "/docs")}


async def test_a_description_makes_a_body_that_fits(walker: Walker) -> None:
    headers = walker.office.bearer("ada", role=Role.ADMIN, plan=Plan.PREMIUM)
    for step in walker.steps:
        operation = DESCRIBED.get((step.method, step.template))
        if operation is not None and operation.body is not None:
            operation.body.model_validate(example(operation.body))
            response = await walker.ask(step, OWN, headers)
            assert response.status_code in (200, 201, 202, 204) or response.json()["code"] in TAKEN, step


def test_a_leak_is_seen() -> None:
    async def leaky(_request: Any) -> Response:
        return Response()

    (step,) = steps([Route("/x/{session_id}", leaky)])
    assert (step.path({"session_id": "a"}), step.names) == ("/x/a", {"session_id"})
    for text in ('{"estimated_cost":0}', '{"price_monthly":"9"}', '{"cost_micro":1}', "credits: 7"):
        assert told_cost(httpx.Response(200, text=text)), text
    for text in ("the microphone", '{"used_seconds":1}'):
        assert not told_cost(httpx.Response(200, text=text)), text
