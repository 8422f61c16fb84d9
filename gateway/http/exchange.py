"""What a request brings and what it is answered, both by their models.

Invariant: what does not fit a model is answered with 422 and the name of the first thing that is wrong.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gateway.http.errors import Refused

Model = TypeVar("Model", bound=BaseModel)
PARAM_CHARACTERS_MAX = 64
"""Of a name that a client made up, in the answer."""


async def body_of(request: Request, model: type[Model], *, optional: bool = False) -> Model:
    """Return the JSON body of a request. Raises Refused with 415 or 422.

    With `optional` no body at all is an empty one.
    """
    body = await request.body()
    if optional and not body.strip():
        body = b"{}"
    elif request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON, with Content-Type: application/json")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error, "body") from error


def query_of(request: Request, model: type[Model]) -> Model:
    """Return the query of a request; names that the model does not know are left out. Raises Refused with
    422."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    given = {name: value for name, value in request.query_params.items() if name in known}
    return checked(given, model)


def checked(given: Mapping[str, Any], model: type[Model]) -> Model:
    """Return `given` as a model. Raises Refused with 422."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error, "query") from error


def invalid(error: ValidationError, whole: str) -> Refused:
    """Return the refusal of what does not fit; `whole` is the name of the thing that does not."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    param = ".".join(map(str, first["loc"]))[:PARAM_CHARACTERS_MAX] or whole
    return Refused(422, "INVALID", f"{param}: {first['msg']}", param=param)


def answer(body: BaseModel, status: int = 200) -> Response:
    """Return a response for nobody but the one who asked."""
    return json_response(orjson.dumps(body.model_dump(mode="json")), status)


def json_response(body: bytes, status: int) -> Response:
    """Return a response with a body that is JSON already."""
    return Response(body, status, {"Cache-Control": "no-store"}, media_type="application/json")
