"""The routes about minutes answer as they are described, well or badly asked, by whomever."""

from typing import Any

import jsonschema  # type: ignore[import-untyped] # comes with openapi-spec-validator
import orjson
from openapi_spec_validator import validate
from starlette.routing import Route

from auth.principal import Role
from gateway.http.documents import openapi
from gateway.http.quota_operations import QUOTA_OPERATIONS
from tests.gateway.http.office import Office
from tests.gateway.http.walk import Step, example

DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(openapi(QUOTA_OPERATIONS)))
ASKED: list[dict[str, str]] = [
    {"session_id": "s1", "user": "noa", "kind": "dubbing", "window": "day"},
    {"session_id": "s1"},
    {"session_id": "none", "user": "", "hours": "x", "limit": "0", "cursor": "x", "kind": "x", "window": "x"},
]


def test_the_description_is_valid() -> None:
    validate(DOCUMENT)


async def test_every_route_is_described(small_office: Office) -> None:
    served = {
        (method, route.path)
        for route in small_office.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == {(operation.method, operation.path) for operation in QUOTA_OPERATIONS}


async def test_every_answer_has_the_shape_that_is_described(small_office: Office) -> None:
    await small_office.session("s1")
    await small_office.use("noa", 1_234)
    statuses = set()
    for operation in QUOTA_OPERATIONS:
        step = Step(operation.method, operation.path, "")
        described = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
        for role in (Role.ADMIN, Role.FAN, None):
            headers = small_office.bearer("ada", role=role) if role else {}
            for given in ASKED:
                body = None if operation.body is None else example(operation.body)
                response = await small_office.client.request(
                    step.method, step.path(given), params=step.query(given), json=body, headers=headers
                )
                statuses.add(response.status_code)
                status = str(response.status_code)
                assert status in described, (step, given)
                schema = described[status]["content"]["application/json"]["schema"]
                jsonschema.validate(response.json(), schema | {"components": DOCUMENT["components"]})
    assert statuses == {200, 401, 403, 404, 422}
