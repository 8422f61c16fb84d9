"""The routes, their table and the documents that are made of it agree; the documents are valid."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route, WebSocketRoute

from gateway.app import Gateway
from gateway.calls.receiver import CallReceiver
from gateway.foyer import page_context
from gateway.http import events
from gateway.http.documents import CLIENT_MESSAGES, SERVER_MESSAGES, asyncapi, openapi
from gateway.http.operations import OPERATIONS
from gateway.pages import page_routes
from gateway.rooms.receiver import RoomReceiver
from gateway.settings import Settings
from sessions.live import Kind
from tests.docs.markdown import DOCS, text_of
from tests.house import KEYS, SECRET

DEVELOPMENT_ONLY = {("POST", "/api/dev/token")}


def gateway(data_dir: Path, environment: Literal["development", "production"]) -> Gateway:
    """A server that is never started."""
    settings = Settings(_env_file=None, data_dir=data_dir, environment=environment, jwt_secret=SECRET)
    return Gateway(settings, KEYS, command=["true"])


def routes(server: Gateway) -> set[tuple[str, str]]:
    return {
        (method, route.path)
        for route in server.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }


def pages(server: Gateway) -> set[tuple[str, str]]:
    context = page_context(
        server.settings, server.hub, server.catalogue, server.plans, server.backing.database
    )
    return {("GET", route.path) for route in page_routes(context) if isinstance(route, Route)}


def refs(value: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def resolved(document: Any, ref: str) -> Any:
    """What a `$ref` of a document points at. Raises KeyError."""
    assert ref.startswith("#/"), ref
    for part in ref[2:].split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


async def test_every_route_is_described_or_a_page(tmp_path: Path) -> None:
    server = gateway(tmp_path, "development")
    described = {(operation.method, operation.path) for operation in OPERATIONS}

    assert routes(server) == described | pages(server)


async def test_production_has_the_same_routes_but_the_sign_in(tmp_path: Path) -> None:
    development, production = (gateway(tmp_path, name) for name in ("development", "production"))

    assert routes(development) - routes(production) == DEVELOPMENT_ONLY


async def test_every_page_is_named_in_the_documentation(tmp_path: Path) -> None:
    for _, path in pages(gateway(tmp_path, "development")):
        name = "/static/" if path.startswith("/static/") else path
        assert f"`{name}`" in text_of(DOCS / "protocol.md"), path


async def test_the_sockets_are_the_three_kinds(tmp_path: Path) -> None:
    app = gateway(tmp_path, "development").app
    sockets = {route.path for route in app.routes if isinstance(route, WebSocketRoute)}

    assert sockets == {f"/ws/live/{{channel_id}}/{kind}" for kind in Kind}


def test_the_openapi_document_is_valid() -> None:
    document = orjson.loads(orjson.dumps(openapi(OPERATIONS)))

    validate(document)
    assert document["openapi"] == "3.1.0"
    assert {(method.upper(), path) for path, item in document["paths"].items() for method in item} == {
        (operation.method, operation.path) for operation in OPERATIONS
    }


def test_what_wants_a_token_says_so_and_how_it_refuses() -> None:
    document = openapi(OPERATIONS)
    for operation in OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        assert ("security" in described) == operation.authenticated
        assert ("401" in described["responses"]) == operation.authenticated


def test_the_asyncapi_document_has_every_message_on_the_sockets_it_belongs_to() -> None:
    document = orjson.loads(orjson.dumps(asyncapi()))
    named = {message["name"] for message in document["components"]["messages"].values()}
    models = {model.__name__ for model in (*CLIENT_MESSAGES, *SERVER_MESSAGES)}

    said = {model.__name__ for model in events.models()}
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {*Kind, "socketio"}
    assert set(document["components"]["messages"]) == models | {"audio", "voice"} | said
    assert named >= {event.event for event in events.CLIENT_EVENTS}
    assert named >= {event.event for event in events.SERVER_EVENTS}
    assert not models & said
    used = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert used == set(document["components"]["messages"])
    assert "DubAudio" not in document["channels"]["subtitles"]["messages"]
    assert "Caption" in document["channels"]["publish"]["messages"]
    assert "voice" in document["channels"]["dubbing"]["messages"]


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = orjson.loads(orjson.dumps(asyncapi()))

    found = list(refs(document))
    assert len(found) > 100
    for ref in found:
        assert resolved(document, ref), ref


def test_an_operation_of_the_asyncapi_document_takes_messages_of_its_own_channel() -> None:
    document = asyncapi()
    for operation in document["operations"].values():
        channel = resolved(document, operation["channel"]["$ref"])
        assert operation["action"] in ("send", "receive")
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
            assert message["$ref"].rpartition("/")[2] in channel["messages"]


def test_every_event_of_a_client_has_the_answers_that_it_may_get() -> None:
    document = asyncapi()
    for event in events.CLIENT_EVENTS:
        described = document["operations"][f"receive_{event.event.replace(':', '_')}"]
        answers = [resolved(document, ref["$ref"]) for ref in described["reply"]["messages"]]
        titles = [resolved(document, answer["$ref"])["title"] for answer in answers]
        assert titles == [answer.__name__ for answer in events.answers_of(event)]
        assert titles[-1] == "EventRefused"


async def test_the_events_in_the_document_are_those_that_are_handled(tmp_path: Path) -> None:
    server = gateway(tmp_path, "development")
    described = {event.event for event in events.CLIENT_EVENTS} - {"authenticate"}
    for receiver in server.hall.receivers:
        if isinstance(receiver, RoomReceiver | CallReceiver):
            described -= set(receiver.names)

    assert described == set()


@pytest.mark.parametrize("name", [model.__name__ for model in (*CLIENT_MESSAGES, *SERVER_MESSAGES)])
def test_the_schema_of_a_message_names_its_type(name: str) -> None:
    document = asyncapi()
    message = document["components"]["messages"][name]

    schema = resolved(document, message["payload"]["$ref"])
    assert schema["properties"]["type"]["const"] == message["name"]
