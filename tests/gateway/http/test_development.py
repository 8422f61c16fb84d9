"""Sign-in for development: for whoever sits at this machine, and for nobody else."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.principal import Role
from auth.tokens import verify
from gateway import clock
from tests.gateway.http.desk import Desk, error_of
from tests.house import KEYS, SECRET

PATH = "/api/dev/token"


async def signs_in(desk: Desk, body: Any, host: str = "localhost:8000") -> httpx.Response:
    return await desk.client.post(PATH, json=body, headers={"Host": host})


async def test_a_token_for_whoever_asks(desk: Desk) -> None:
    response = await signs_in(desk, {"user": "dana", "role": "creator", "plan": "pro", "tenant": "acme"})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    principal = verify(KEYS, body["token"], now=clock.wall())
    assert (principal.user, principal.tenant, principal.plan.value) == ("dana", "acme", "pro")
    assert principal.roles == {Role.CREATOR}
    assert body["expires_at"] == clock.rfc3339(principal.expires_at)


async def test_a_fan_on_the_free_plan_unless_more_is_said(desk: Desk) -> None:
    token = (await signs_in(desk, {"user": "dana"})).json()["token"]
    principal = verify(KEYS, token, now=clock.wall())
    assert (set(principal.roles), principal.plan.value, principal.tenant) == ({Role.FAN}, "free", "default")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "studio.localhost"]
)
async def test_by_every_name_of_this_machine(desk: Desk, host: str) -> None:
    assert (await signs_in(desk, {"user": "dana"}, host)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8000",
        "10.0.0.1",
        "0.0.0.0",
        "notlocalhost",
        "[",
        "",
        "evil.example#@localhost",
    ],
)
async def test_not_by_a_name_that_some_other_page_has_bent_to_this_machine(desk: Desk, host: str) -> None:
    response = await signs_in(desk, {"user": "dana"}, host)
    assert response.status_code == 403
    assert error_of(response)["code"] == "NOT_ALLOWED"


@pytest.mark.parametrize("client_host", ["192.0.2.1", "10.0.0.5", "::ffff:192.0.2.1", "fe80::1"])
async def test_not_from_another_machine(tmp_path: Path, client_host: str) -> None:
    async with Desk(tmp_path, client_host).open() as desk:
        response = await signs_in(desk, {"user": "dana"})
    assert response.status_code == 403
    assert error_of(response)["code"] == "NOT_ALLOWED"


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"])
async def test_not_through_a_proxy_of_this_machine(desk: Desk, header: str) -> None:
    headers = {"Host": "localhost", header: "127.0.0.1"}
    response = await desk.client.post(PATH, json={"user": "dana"}, headers=headers)
    assert response.status_code == 403


async def test_not_at_all_in_production(tmp_path: Path) -> None:
    async with Desk(tmp_path, environment="production", jwt_secret=SECRET).open() as desk:
        response = await signs_in(desk, {"user": "dana"})
        described = (await desk.get("/openapi.json")).json()
    assert response.status_code == 404
    assert PATH not in described["paths"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"]
)
async def test_a_form_of_another_page_cannot_ask(desk: Desk, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = await desk.client.post(PATH, content=b'{"user":"dana"}', headers=headers)
    assert response.status_code == 415
    error_of(response)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "user"),
        ({"user": ""}, "user"),
        ({"user": "x" * 129}, "user"),
        ({"user": "dana\x00"}, "user"),
        ({"user": 7}, "user"),
        ({"user": "dana", "role": "king"}, "role"),
        ({"user": "dana", "plan": "gold"}, "plan"),
        ({"user": "dana", "tenant": "a b"}, "tenant"),
        ({"user": "dana", "tenant": "a\n"}, "tenant"),
        ([], "body"),
        ("dana", "body"),
    ],
)
async def test_what_is_wrong_is_named(desk: Desk, body: Any, param: str) -> None:
    response = await signs_in(desk, body)
    assert response.status_code == 422
    assert error_of(response)["param"] == param


async def test_half_of_a_surrogate_pair_names_nobody(desk: Desk) -> None:
    headers = {"Host": "localhost:8000", "Content-Type": "application/json"}
    response = await desk.client.post(PATH, content=b'{"user":"dana\\ud800"}', headers=headers)
    assert response.status_code == 422
    error_of(response)


async def test_a_body_without_end_is_cut_off(desk: Desk) -> None:
    response = await signs_in(desk, {"user": "x" * 1_000_000})
    assert response.status_code == 413
    error_of(response)
