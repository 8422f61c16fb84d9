"""The documents say what the code does: routes, messages, fields."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped] # comes with openapi-spec-validator
import orjson
from openapi_spec_validator import validate
from starlette.routing import Route, WebSocketRoute

from auth.principal import Plan
from gateway.http import events
from gateway.http.call_operations import CALL_OPERATIONS, CREDIT_OPERATIONS, PEOPLE_OPERATIONS
from gateway.http.documents import asyncapi, openapi, spoken_on
from gateway.http.operations import OPERATIONS
from gateway.http.quota_operations import QUOTA_OPERATIONS
from gateway.http.room_operations import HOUSEKEEPING, ROOM_OPERATIONS
from media import link
from sessions import messages
from sessions.endings import ENDINGS
from sessions.live import Kind
from tests.gateway.http.desk import Desk
from tests.gateway.rehearsal import Guest, Rehearsal, caption
from tests.house import SECRET

OF_CALLS = (*CALL_OPERATIONS, *PEOPLE_OPERATIONS, *CREDIT_OPERATIONS)


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


def resolved(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


class TestOpenApi:
    async def test_it_is_what_is_served_and_it_is_valid(self, desk: Desk) -> None:
        response = await desk.get("/openapi.json", None)
        assert response.headers["content-type"] == "application/json"
        document = response.json()
        validate(document)
        assert document["openapi"].startswith("3.1")
        assert document == orjson.loads(orjson.dumps(openapi(OPERATIONS)))

    async def test_every_route_is_described_and_every_description_is_a_route(self, desk: Desk) -> None:
        served = {
            (method, route.path)
            for route in desk.gateway.app.routes
            if isinstance(route, Route) and route.include_in_schema and route.path not in desk_pages(desk)
            for method in (route.methods or set()) - {"HEAD"}
        }
        described = {(operation.method, operation.path) for operation in OPERATIONS}
        assert served - described == set()
        assert described - served <= {("GET", "/docs")}

    async def test_in_production_it_describes_only_what_is_there(self, tmp_path: Path) -> None:
        async with Desk(tmp_path, environment="production", jwt_secret=SECRET).open() as desk:
            document = (await desk.get("/openapi.json", None)).json()
        validate(document)
        assert "/api/dev/token" not in document["paths"]
        assert "/api/v1/live/channels" in document["paths"]

    async def test_answers_have_the_shape_that_is_described(self, desk: Desk) -> None:
        desk.channel(en=[caption("said")])
        document = (await desk.get("/openapi.json", None)).json()
        for operation in OPERATIONS:
            if operation in (*QUOTA_OPERATIONS, *ROOM_OPERATIONS, *HOUSEKEEPING, *OF_CALLS):
                continue  # with a database, in test_quota_operations, test_rooms and test_call_operations
            path = operation.path.format(channel="main", form="vtt")
            for user in ("dana", None):
                response = (
                    await desk.get(path, user) if operation.method == "GET" else await signs_in(desk, user)
                )
                described = document["paths"][operation.path][operation.method.lower()]["responses"]
                assert str(response.status_code) in described, (operation.path, user)
                content = described[str(response.status_code)]["content"]
                (media_type,) = content
                assert response.headers["content-type"].startswith(media_type)
                if schema := content[media_type].get("schema"):
                    jsonschema.validate(response.json(), {**schema, "components": document["components"]})


async def signs_in(desk: Desk, user: str | None) -> Any:
    return await desk.client.post("/api/dev/token", json={"user": user})


def desk_pages(desk: Desk) -> set[str]:
    """Return the paths of what is for people."""
    return {
        route.path
        for route in desk.gateway.app.routes
        if isinstance(route, Route) and route.endpoint.__module__.startswith("gateway.pages")
    }


class TestAsyncApi:
    async def test_it_is_what_is_served(self, desk: Desk) -> None:
        document = (await desk.get("/asyncapi.json", None)).json()
        assert document == orjson.loads(orjson.dumps(asyncapi()))
        assert document["asyncapi"] == "3.0.0"

    def test_every_reference_leads_somewhere(self) -> None:
        document = asyncapi()
        found = list(references(document))
        assert len(found) > 100
        for reference in found:
            assert isinstance(resolved(document, reference), dict), reference

    async def test_its_channels_are_the_sockets_that_exist(self, desk: Desk) -> None:
        sockets = {route.path for route in desk.gateway.app.routes if isinstance(route, WebSocketRoute)}
        addresses = {channel["address"] for channel in asyncapi()["channels"].values()}
        assert addresses == sockets | {"/socket.io/"}

    def test_every_message_is_somewhere_and_each_socket_has_its_own(self) -> None:
        channels = asyncapi()["channels"]
        said = channels.pop("socketio")["messages"]
        assert said.keys() == {model.__name__ for model in events.models()}
        every = {model.__name__ for model in get_args(messages.ClientMessage | messages.ServerMessage)}
        listed = set().union(*(channel["messages"] for channel in channels.values()))
        assert listed == every | {"audio", "voice"}
        assert not spoken_on(Kind.SUBTITLES, messages.Caption)
        assert "Caption" in channels["publish"]["messages"]
        assert "SetTarget" not in channels["publish"]["messages"]
        assert {"DubAudio", "voice"} <= channels["dubbing"]["messages"].keys()
        assert not {"DubAudio", "voice"} & channels["subtitles"]["messages"].keys()

    def test_every_close_code_is_told(self) -> None:
        told = asyncapi()["info"]["description"]
        assert all(str(code) in told for code in ENDINGS)

    def test_what_is_really_sent_is_as_described(self) -> None:
        document = asyncapi()
        by_name = {
            message["name"]: message["payload"]["$ref"].rpartition("/")[2]
            for name, message in document["components"]["messages"].items()
            if "$ref" in message["payload"] and name not in document["channels"]["socketio"]["messages"]
        }
        sent = everything_that_is_sent()
        for message in sent:
            schema = {
                "$ref": f"#/components/schemas/{by_name[message['type']]}",
                "components": document["components"],
            }
            jsonschema.validate(message, schema)
        names = {
            get_args(model.model_fields["type"].annotation)[0] for model in get_args(messages.ServerMessage)
        }
        assert {message["type"] for message in sent} == names


def everything_that_is_sent() -> list[dict[str, Any]]:
    """Let a session be had in which a server says everything that it can say."""
    rehearsal = Rehearsal()
    guests: list[Guest] = [
        rehearsal.joins("dubbing"),
        rehearsal.joins(),
        rehearsal.joins("publish", captions="1"),
    ]
    _, viewer, publisher = guests
    viewer.says(type="ping", id=7)
    viewer.says(type="set_target", target_lang="es")
    viewer.says(type="nonsense")
    for _ in range(4):
        publisher.sends(*[bytes(8000)] * 4)
        rehearsal.clock.advance(1)
    (stream,) = rehearsal.pool.opened
    stream.sent()
    final = link.Final(1, 0, "en", (caption("said"),))
    voice = link.Voice(1, 0, 0, "en", 0.0, 0.5, 24_000, True, "pcm_s16le", b"\x00\x00")
    stream.says(link.Interim(1, 0, 1, "en", caption("sa")))
    rehearsal.settle()
    stream.says(final, voice, link.Warned(1, "engine_switched", "Now another"))
    publisher.socket.stream_notice(messages.Gap(from_=0.0, to=1.0, reason="no_worker"))
    guests.append(rehearsal.joins(resume={"session_id": "live_x", "epoch": "x", "offset": 1}))
    connected = [guest.connected for guest in guests]
    # Half an hour of free subtitles: past four fifths of it, its user is warned.
    guests.append(rehearsal.joins(user="noa", plan=Plan.FREE))
    for _ in range(26):
        publisher.sends(*[bytes(8000)] * 240)
        rehearsal.clock.advance(60)
    viewer.says(type="finalize")
    viewer.says(type="end")
    return connected + [m for guest in guests for m in guest.hears() if isinstance(m, dict)]
