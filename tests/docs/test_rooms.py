"""docs/rooms.md: every event, answer, code, route and bound is there, and the models take every example."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.http import events
from gateway.http.refusals import RULES
from gateway.http.room_operations import ROOM_OPERATIONS
from gateway.http.room_shapes import (
    PollResultsAnswer,
    PollsArchivedAnswer,
    QuotasResetAnswer,
    RoomAnswer,
    RoomsCleanedAnswer,
)
from gateway.settings import Settings
from sessions.payloads import EventRefused, Payload
from sessions.poll_messages import PollBody
from sessions.poll_records import Results, Visibility
from sessions.room_messages import Missed, Resumed
from tests.docs.markdown import DOCS, blocks, code, rows, text_of

PAGE = DOCS / "rooms.md"
CLIENT = {event.event: event for event in events.CLIENT_EVENTS}
SERVER = {event.event: event for event in events.SERVER_EVENTS}
OWN = ("room:", "poll:")
OF_ROOMS = re.compile(r"room|poll|texts")


def infos() -> set[str]:
    return set(re.findall(r"^```(json[^\n]*)$", text_of(PAGE), re.MULTILINE))


def values(text: str) -> Iterator[Any]:
    """The JSON values of a text; each begins on a line of its own."""
    for part in re.split(r"\n(?=[\[{])", text.strip()):
        yield orjson.loads(part)


def examples(info: str) -> list[Any]:
    return [
        pytest.param(value, id=f"line {block.line}")
        for block in blocks(PAGE, info)
        for value in values(block.text)
    ]


def names(info: str) -> set[str]:
    return {value[0] for block in blocks(PAGE, info) for value in values(block.text)}


def written(model: type[Payload], example: Any) -> dict[str, Any]:
    return model.model_validate(example).payload()


@pytest.mark.parametrize("example", examples("json client"))
def test_what_a_client_emits_is_what_its_model_takes(example: list[Any]) -> None:
    name, payload = example
    parsed = CLIENT[name].model_validate(payload).payload()

    assert {key: parsed[key] for key in payload} == payload


@pytest.mark.parametrize("example", examples("json server"))
def test_what_a_client_is_told_is_what_its_model_writes(example: list[Any]) -> None:
    name, payload = example

    assert written(SERVER[name], payload) == payload


@pytest.mark.parametrize(
    "info", sorted(info for info in infos() if info.startswith("json ack ") and not info.endswith("resumed"))
)
def test_an_answer_is_what_its_model_writes(info: str) -> None:
    model = CLIENT[info.removeprefix("json ack ")].ack
    for block in blocks(PAGE, info):
        for example in values(block.text):
            assert written(model, example) == example


def test_what_was_missed_is_told_as_it_was_at_the_time() -> None:
    ((example,),) = [list(values(block.text)) for block in blocks(PAGE, "json ack room:join resumed")]

    assert written(Resumed, example) == example
    for missed in example["missed"]:
        parsed = Missed.model_validate(missed)
        assert written(SERVER[parsed.event], parsed.data) == parsed.data


@pytest.mark.parametrize("example", examples("json refused"))
def test_a_refusal_has_the_shape_of_all_errors(example: dict[str, Any]) -> None:
    assert written(EventRefused, example) == example
    if "poll" in example:
        assert written(PollBody, example["poll"]) == example["poll"]


@pytest.mark.parametrize("example", examples("json http"))
def test_an_http_example_is_a_body_that_the_server_gives(example: dict[str, Any]) -> None:
    answers = {
        "ballots": PollResultsAnswer, "room_code": RoomAnswer, "rooms_closed": RoomsCleanedAnswer,
        "polls_archived": PollsArchivedAnswer, "quotas_reset": QuotasResetAnswer,
    }  # fmt: skip
    (model,) = [model for name, model in answers.items() if name in example["data"]]

    assert model.model_validate(example).model_dump(mode="json") == example


def test_every_event_has_an_example() -> None:
    assert names("json client") == {name for name in CLIENT if name.startswith(OWN)}
    assert names("json server") == {name for name in SERVER if name.startswith(OWN)}


def test_every_block_says_what_it_is() -> None:
    kinds = {"json client", "json server", "json http", "json refused"}

    assert {info for info in infos() if not info.startswith("json ack ")} == kinds


def test_the_routes_are_those_that_exist() -> None:
    documented = {(method, code(path)) for method, path, _ in rows(PAGE, "Method", "Path", "Answer")}

    assert documented == {(operation.method, operation.path) for operation in ROOM_OPERATIONS}


def test_every_refusal_of_a_rule_is_explained() -> None:
    documented = [code(row[0]) for row in rows(PAGE, "Code", "What to do")]

    assert documented == sorted(documented)
    own = {told.code for rule, told in RULES.items() if OF_ROOMS.search(rule.__module__)}
    assert own <= set(documented)


def test_every_choice_of_a_poll_is_explained() -> None:
    assert [code(row[0]) for row in rows(PAGE, "`results`", "Counts for participants")] == list(Results)
    assert [code(row[0]) for row in rows(PAGE, "`visibility`", "Who may know")] == list(Visibility)


def test_the_settings_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:ROOM|POLL)_[A-Z_]+)`", text_of(PAGE)))
    codes = {code(row[0]) for row in rows(PAGE, "Code", "What to do")}

    assert {name.lower() for name in named - codes} <= set(Settings.model_fields)
