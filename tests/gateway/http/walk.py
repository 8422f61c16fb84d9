"""A walk through every route of an application, with parameters and bodies made from its description."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.http.operations import OPERATIONS
from gateway.http.quota_operations import QUOTA_OPERATIONS

DESCRIBED = {(operation.method, operation.path): operation for operation in (*OPERATIONS, *QUOTA_OPERATIONS)}


@dataclass(frozen=True)
class Step:
    """One route, with one method."""

    method: str
    template: str
    module: str

    def path(self, given: Mapping[str, str]) -> str:
        """Return the path with its parameters as given; what is not given is `main`."""
        return re.sub(r"{(\w+)(?::\w+)?}", lambda found: given.get(found[1], "main"), self.template)

    @property
    def names(self) -> set[str]:
        """Return the names of what can be asked for: in the path, in the query, in the body."""
        operation = DESCRIBED.get((self.method, self.template))
        in_path = set(re.findall(r"{(\w+)", self.template))
        if operation is None:
            return in_path
        return in_path | set(operation.query) | set(operation.body.model_fields if operation.body else ())

    def query(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return those of the given values that the query has a place for."""
        operation = DESCRIBED.get((self.method, self.template))
        return {} if operation is None else {n: v for n, v in given.items() if n in operation.query}

    def body(self, given: Mapping[str, str]) -> Any:
        """Return a body that fits, with the given values where it has a place for them."""
        operation = DESCRIBED.get((self.method, self.template))
        if operation is None or operation.body is None:
            return None
        return example(operation.body) | {n: v for n, v in given.items() if _takes(operation.body, n, v)}


def steps(routes: Iterable[BaseRoute]) -> Iterator[Step]:
    """Yield every route and method, those that change nothing first, each path and method once."""
    found = []
    for route in routes:
        if isinstance(route, WebSocketRoute) or getattr(route, "name", "") == "socketio":
            continue  # not HTTP as the API is: they have tests of their own
        assert isinstance(route, Route), f"this walk does not know how to go through {route}"
        found += [
            Step(method, route.path, route.endpoint.__module__)
            for method in (route.methods or set()) - {"HEAD"}
        ]
    yield from sorted(
        dict.fromkeys(found), key=lambda step: (step.method != "GET", step.template, step.method)
    )


def _takes(model: type[BaseModel], name: str, value: str) -> bool:
    """Return whether a body has a place of this name for a value."""
    schema = model.model_json_schema()
    if name not in schema["properties"]:
        return False
    found = schema["properties"][name]
    if "$ref" in found:
        found = schema["$defs"][found["$ref"].rpartition("/")[2]]
    return value in found.get("enum", [value])


def example(model: type[BaseModel]) -> dict[str, Any]:
    """Return a body with everything that a model requires."""
    schema = model.model_json_schema()
    return {
        name: _value(schema["properties"][name], schema.get("$defs", {}))
        for name in schema.get("required", [])
    }


def _value(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], definitions)
    least = schema.get("minimum", 1)
    return {"string": "noa", "integer": least, "number": least, "boolean": False, "array": [], "object": {}}[
        schema["type"]
    ]
