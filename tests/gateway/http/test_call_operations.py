"""The routes of calls, people and credits answer as the interface's document says."""

from typing import Any

import jsonschema  # type: ignore[import-untyped]

from gateway.http.call_operations import CALL_OPERATIONS, CREDIT_OPERATIONS, PEOPLE_OPERATIONS
from gateway.http.documents import openapi
from gateway.stores.interface import Database
from tests.gateway.http.parlour import Json, parlour_on
from tests.gateway.http.walk import example

OPERATIONS = (*CALL_OPERATIONS, *PEOPLE_OPERATIONS, *CREDIT_OPERATIONS)
APP_ID, CERTIFICATE = "970CA35de60c44645bbae8a215061b33", "5CFd2fd1755d40ecb72977518be15d3b"


async def test_answers_have_the_shape_that_is_described(shared_database: Database) -> None:
    document = openapi(OPERATIONS)
    changes: Json = {
        "agora_app_id": APP_ID, "agora_app_certificate": CERTIFICATE, "feature_fan_share_card": True,
        "address_rate_limit": 0,
    }  # fmt: skip
    seen: dict[tuple[str, str], set[int]] = {}
    async with parlour_on(shared_database, **changes) as parlour:
        parlour.tenant = "default"
        await parlour.met()
        await parlour.ask("PATCH", "/api/creators/me", "cleo", json={"username": "documented"})
        await parlour.ask("PATCH", "/api/fans/me", "dan", json={"fan_privacy_visibility": "public"})
        await parlour.ask("PUT", "/api/blocks/zoe", "noa")
        await parlour.met("mia")
        rung = await parlour.initiate("mia", "noa")
        declined = await parlour.act(rung.json()["call"], "decline", "noa")
        for answer, place in ((rung, "/api/calls/initiate"), (declined, "/api/calls/{id}/decline")):
            seen["POST", place] = {answer.status_code}
            check(document, document["paths"][place]["post"]["responses"], answer, place)
        call = await parlour.rung()
        for user, ids in (
            ("noa", call["id"]), ("cleo", call["id"]), ("noa", call["id"]), ("cleo", "noa"), ("noa", "dan"),
            ("ada", "noa"), ("mia", call["id"]),
        ):  # fmt: skip
            for operation in OPERATIONS:
                path = operation.path.format(id=ids, username="documented")
                body = None if operation.body is None else example(operation.body)
                query = {"channel": f"call_{call['id']}"} if "agora" in path else None
                response = await parlour.ask(operation.method, path, user, json=body, params=query)
                described = document["paths"][operation.path][operation.method.lower()]["responses"]
                check(document, described, response, operation.path)
                seen.setdefault((operation.method, operation.path), set()).add(response.status_code)
        for operation in OPERATIONS:
            if operation.authenticated:
                path = operation.path.format(id="x", username="x")
                response = await parlour.client.request(operation.method, path)
                assert response.status_code == 401
    # Everything was seen to succeed, and so is held to its own shape.
    assert {place for place, statuses in seen.items() if 200 not in statuses} == set()


def check(document: Json, described: Json, response: Any, path: str) -> None:
    assert str(response.status_code) in described, (path, response.status_code, response.text)
    schema = described[str(response.status_code)]["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": document["components"]})
