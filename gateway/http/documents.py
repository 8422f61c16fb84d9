"""The interface as documents: OpenAPI 3.1 of the HTTP routes, AsyncAPI 3.0 of the sockets.

Both are made from the models that validate (https://spec.openapis.org/oas/v3.1.0,
https://www.asyncapi.com/docs/reference/specification/v3.0.0).
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, get_args

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.http import events
from gateway.http.health import VERSION
from gateway.http.operation import Operation
from gateway.http.operations import OPERATIONS, ErrorBody
from sessions import messages
from sessions.endings import ENDINGS
from sessions.live import Kind

Document = dict[str, Any]

SOCKETS = {
    Kind.SUBTITLES: "Subtitles of the channel, or of the audio that this connection sends",
    Kind.DUBBING: "Subtitles and their voice, of the channel or of the audio that this connection sends",
    Kind.PUBLISH: "Brings the channel's audio, or its captions",
}
QUERY = {
    "target_lang": "Language of the subtitles (not for publish)",
    "source_lang": "Language that is spoken; DEFAULT_SOURCE_LANG if not given",
    "encoding": "Of the audio sent: pcm_s16le (default), webm_opus or ogg_opus",
    "sample_rate": "Of pcm_s16le audio sent, in Hz; 16000 if not given",
    "interim": "0 for final subtitles only",
    "dub_encoding": "Of the voice: pcm_s16le (default) or ogg_opus (dubbing only)",
    "captions": "1 to be sent one's own subtitles (publish only)",
}


def _schemas(models: Iterable[type[BaseModel]], place: str) -> Document:
    pairs = [(model, "validation") for model in dict.fromkeys(models)]
    _, definitions = models_json_schema(pairs, ref_template=f"#/{place}/{{model}}")  # type: ignore[arg-type]
    return definitions.get("$defs", {})  # type: ignore[no-any-return]


def openapi(operations: Iterable[Operation]) -> Document:
    """Return the OpenAPI document of `operations`."""
    paths: Document = {}
    models: list[type[BaseModel]] = [ErrorBody]
    for operation in operations:
        models += [answer for answer in operation.answers.values() if not isinstance(answer, str)]
        if operation.body is not None:
            models.append(operation.body)
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stagedoor", "version": VERSION, "license": {"name": "Apache-2.0",
                                                                      "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": _schemas(models, "components/schemas"),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }  # fmt: skip


def _operation(operation: Operation) -> Document:
    answers: Document = {}
    for status, answer in operation.answers.items():
        content = {answer: {}} if isinstance(answer, str) else {"application/json": {"schema": _ref(answer)}}
        answers[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    for status in operation.errors:
        answers[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": {"schema": _ref(ErrorBody)}},
        }
    parameters = (
        [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in operation.path_parameters
        ]
        + [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in operation.query.items()
        ]
        + [
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
            for name, text in operation.headers.items()
        ]
    )
    document: Document = {"summary": operation.summary, "parameters": parameters, "responses": answers}
    if operation.authenticated:
        document["security"] = [{"bearer": []}]
    if operation.body is not None:
        document["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }  # fmt: skip
    return document


def _ref(model: type[BaseModel]) -> Document:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


CLIENT_MESSAGES: tuple[type[messages.Message], ...] = get_args(messages.ClientMessage)
SERVER_MESSAGES: tuple[type[messages.Message], ...] = get_args(messages.ServerMessage)
_PUBLISHER_ONLY = {messages.Caption}
_VIEWER_ONLY = {messages.SetTarget, messages.Target}
_DUBBING_ONLY = {messages.DubAudio}


def spoken_on(kind: Kind, message: type[messages.Message]) -> bool:
    """Say whether a message belongs to a kind of socket."""
    if message in _PUBLISHER_ONLY:
        return kind is Kind.PUBLISH
    if message in _VIEWER_ONLY:
        return kind is not Kind.PUBLISH
    return message not in _DUBBING_ONLY or kind is Kind.DUBBING


def asyncapi() -> Document:
    """Return the AsyncAPI document of the live sockets and of Socket.IO."""
    every = (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    audio = {"name": "audio", "title": "Audio", "contentType": "application/octet-stream",
             "summary": "Binary: audio in the encoding of the URL, 20 to 250 ms a message",
             "payload": {"type": "string", "format": "binary"}}  # fmt: skip
    voice = audio | {"name": "voice", "title": "Voice", "summary": "Binary: follows `dub_audio`"}
    channels, operations = {}, {}
    for kind in Kind:
        said = [m for m in CLIENT_MESSAGES if spoken_on(kind, m)]
        heard = [m for m in SERVER_MESSAGES if spoken_on(kind, m)]
        names = [m.__name__ for m in (*said, *heard)] + ["audio"] + ["voice"] * (kind is Kind.DUBBING)
        channels[kind.value] = {
            "address": f"/ws/live/{{channel_id}}/{kind.value}",
            "description": SOCKETS[kind],
            "parameters": {"channel_id": {"description": "1 to 64 of A-Z a-z 0-9 _ -"}},
            "bindings": {"ws": {"method": "GET", "query": {"type": "object", "properties": {
                name: {"type": "string", "description": text} for name, text in QUERY.items()}}}},
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        }  # fmt: skip
        for action, models, extra in (("receive", said, ["audio"]), ("send", heard, names[-1:])):
            listed = [m.__name__ for m in models] + [name for name in extra if action == "receive" or
                                                     name == "voice"]  # fmt: skip
            operations[f"{action}_{kind.value}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{kind.value}"},
                "messages": [{"$ref": f"#/channels/{kind.value}/messages/{name}"} for name in listed],
            }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Stagedoor sockets", "version": VERSION, "description": _close_codes()},
        "channels": channels | {events.PLACE: events.channel()},
        "operations": operations | events.operations(),
        "components": {
            "messages": {m.__name__: _message(m) for m in every}
            | {"audio": audio, "voice": voice}
            | events.messages(),
            "schemas": _schemas((*every, *events.models()), "components/schemas"),
        },
    }


def _message(model: type[messages.Message]) -> Document:
    return {
        "name": get_args(model.model_fields["type"].annotation)[0],
        "title": model.__name__,
        "summary": " ".join((model.__doc__ or "").split()),
        "contentType": "application/json",
        "payload": _ref(model),
    }


def _close_codes() -> str:
    rows = [f"{e.code} {e.reason}{' (reconnect)' if e.retry else ''}" for e in ENDINGS.values()]
    return "The first message authenticates. Close codes: " + "; ".join(rows) + "."


def routes(existing: Iterable[BaseRoute]) -> list[Route]:
    """Return the documents' routes, for the `existing` routes of this server."""
    paths = {route.path for route in existing if isinstance(route, Route)}
    own = ("/openapi.json", "/asyncapi.json")
    described = openapi(o for o in OPERATIONS if o.path in paths or o.path in own)
    bodies = {"/openapi.json": orjson.dumps(described), "/asyncapi.json": orjson.dumps(asyncapi())}

    async def document(request: Request) -> Response:
        return Response(bodies[request.url.path], media_type="application/json")

    return [
        Route("/openapi.json", document, name="openapi"),
        Route("/asyncapi.json", document, name="asyncapi"),
    ]
