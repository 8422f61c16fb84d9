"""docs/protocol.md: every message, code, parameter and route is there, and the models take every example."""

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args

import jwt
import orjson
import pytest
from pydantic import Field, TypeAdapter

from auth.tokens import CLAIMS, verify
from gateway.http.development import SignedIn
from gateway.http.documents import CLIENT_MESSAGES, QUERY, SERVER_MESSAGES
from gateway.http.operations import OPERATIONS, Channels, ErrorBody
from media import transcript
from media.captions import Caption, Word
from sessions import history, messages
from sessions.endings import ENDINGS
from sessions.live import Kind
from tests.docs.markdown import DOCS, ROOT, blocks, code, rows, text_of
from tests.house import KEYS, SECRET

PAGE = DOCS / "protocol.md"
SERVER: TypeAdapter[messages.ServerMessage] = TypeAdapter(
    Annotated[messages.ServerMessage, Field(discriminator="type")]
)
ERROR_CALLS = {
    "refuse",
    "object_to",
    "NotAdmitted",
    "Refused",
    "error",
    "_refuse_request",
    "Told",
    "__init__",
}
ERROR_CODE = re.compile(r"[A-Z]{2,}(_[A-Z]+)*\Z")


def examples(info: str) -> list[Any]:
    """Every JSON value in the blocks of this kind."""
    return [
        pytest.param(value, id=f"line {block.line}")
        for block in blocks(PAGE, info)
        for value in values(block.text)
    ]


def values(text: str) -> Iterator[Any]:
    """The JSON values of a text, one after the other; each begins on a line of its own."""
    for part in re.split(r"\n(?=\{)", text.strip()):
        yield orjson.loads(part)


def covers(whole: Any, part: Any) -> bool:
    """Whether everything in `part` is in `whole`."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and covers(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(covers, whole, part))
    return bool(whole == part)


def types(models: tuple[type[messages.Message], ...]) -> set[str]:
    return {get_args(model.model_fields["type"].annotation)[0] for model in models}


def shown(info: str) -> set[str]:
    return {value["type"] for block in blocks(PAGE, info) for value in values(block.text)}


# --- messages ----------------------------------------------------------------------------------------


def test_every_json_block_says_who_sends_it() -> None:
    infos = re.findall(r"^```(json[^\n]*)$", text_of(PAGE), re.MULTILINE)

    assert set(infos) == {"json client", "json server", "json http", "json token"}


@pytest.mark.parametrize("example", examples("json client"))
def test_a_client_example_is_a_message_and_has_no_field_too_many(example: dict[str, Any]) -> None:
    message = messages.parse(orjson.dumps(example).decode())

    assert covers(orjson.loads(message.encoded()), example)


@pytest.mark.parametrize("example", examples("json server"))
def test_a_server_example_is_exactly_what_the_model_writes(example: dict[str, Any]) -> None:
    assert orjson.loads(SERVER.validate_python(example).encoded()) == example


def test_every_message_has_an_example() -> None:
    assert shown("json client") == types(CLIENT_MESSAGES)
    assert shown("json server") == types(SERVER_MESSAGES)


def test_every_warning_is_explained() -> None:
    codes = get_args(messages.Warning.model_fields["code"].annotation)

    assert sorted(code(row[0]) for row in rows(PAGE, "Warning", "Meaning")) == sorted(codes)


def test_every_reason_for_a_resync_is_explained() -> None:
    reasons = re.findall(r"CannotResume\(\"(\w+)\"\)", inspect.getsource(history))

    assert sorted(code(row[0]) for row in rows(PAGE, "Reason", "Meaning")) == sorted(reasons)


# --- the way in --------------------------------------------------------------------------------------


def test_every_socket_has_its_path() -> None:
    paths = [code(row[0]) for row in rows(PAGE, "Path", "For", "Role")]

    assert sorted(paths) == sorted(f"/ws/live/{{channel_id}}/{kind}" for kind in Kind)


def test_every_parameter_is_explained() -> None:
    parameters = [code(row[0]) for row in rows(PAGE, "Parameter", "Of", "Default", "Meaning")]

    assert sorted(parameters) == sorted(QUERY)


def test_the_claims_of_the_example_are_those_of_a_token() -> None:
    (claims,) = [value for block in blocks(PAGE, "json token") for value in values(block.text)]

    principal = verify(KEYS, jwt.encode(claims, SECRET, "HS256"), now=claims["iat"])

    assert set(claims) == set(CLAIMS)
    assert principal.user == claims["sub"]


# --- the ways out ------------------------------------------------------------------------------------


def test_the_close_codes_are_those_that_exist() -> None:
    header = ("Code", "Name", "Says", "Reconnect", "HTTP twin", "When")
    documented = [
        (int(number), code(name), says, {"yes": True, "no": False}[again], int(twin))
        for number, name, says, again, twin, _ in rows(PAGE, *header)
    ]

    assert documented == [(e.code, e.label, e.reason, e.retry, e.http_status) for e in ENDINGS.values()]


def test_the_error_codes_are_those_in_the_code() -> None:
    documented = [code(row[0]) for row in rows(PAGE, "Code", "Socket", "HTTP", "Meaning, and what to do")]

    assert documented == sorted(documented)
    assert set(documented) == set(error_codes())


def error_codes() -> Iterator[str]:
    """Every error code that the sources give to a refusal."""
    for folder in (ROOT / "gateway", ROOT / "sessions"):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and called(node) in ERROR_CALLS:
                    yield from constants(*node.args[:3])
                elif isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["code"]:
                    yield from constants(node.value)


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def constants(*expressions: ast.expr) -> Iterator[str]:
    for expression in expressions:
        parts = (expression.body, expression.orelse) if isinstance(expression, ast.IfExp) else (expression,)
        for part in parts:
            if (
                isinstance(part, ast.Constant)
                and isinstance(part.value, str)
                and ERROR_CODE.match(part.value)
            ):
                yield part.value


# --- HTTP --------------------------------------------------------------------------------------------


def test_the_routes_are_those_that_exist() -> None:
    documented = {
        (method, code(path), token == "yes")
        for method, path, token, _ in rows(PAGE, "Method", "Path", "Token", "Answer")
    }

    assert documented == {(o.method, o.path, o.authenticated) for o in OPERATIONS}


@pytest.mark.parametrize("example", examples("json http"))
def test_an_http_example_is_a_body_that_the_server_gives(example: dict[str, Any]) -> None:
    if "captions" in example:
        said = Caption("a", 0, 1, (Word("a", 0, 1, 1.0),), "a")
        real = orjson.loads(transcript.as_json([said], "en"))
        assert example.keys() == real.keys()
        assert example["captions"][0].keys() == real["captions"][0].keys()
        assert example["captions"][0]["words"][0].keys() == real["captions"][0]["words"][0].keys()
        return
    model = Channels if "channels" in example else SignedIn if "token" in example else ErrorBody
    body = model.model_validate(example).model_dump(mode="json")
    if model is ErrorBody:
        example = {name: value for name, value in example.items() if name != "param"}
    assert body == example
