"""What `docs/calls.md` says of states, reasons and times is what the rules say; its routes, events, codes and
examples are those of the server.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from gateway.http import events
from gateway.http.call_operations import CALL_OPERATIONS, CREDIT_OPERATIONS, PEOPLE_OPERATIONS
from gateway.http.call_shapes import CallAnswer
from gateway.http.people_shapes import Creator, Fan, MiniProfile, RelationshipChange
from gateway.http.refusals import RULES
from sessions.call_messages import CANDIDATE_CHARACTERS_MAX, SDP_CHARACTERS_MAX
from sessions.call_records import Bounds, EndReason, State
from sessions.calls import step
from sessions.credits import Kind
from sessions.payloads import EventRefused, Payload
from sessions.privacy import FanSettings, Policy, Visibility
from tests.docs.markdown import DOCS, blocks, code, rows, text_of
from tests.sessions.call_cases import BOUNDS, CALLS, PLENTY
from tests.sessions.test_calls import OVERDUE, REFUSALS, TABLE

PAGE = DOCS / "calls.md"


def changes() -> set[tuple[str, str]]:
    """Every change of state that any event brings about in any state."""
    found = set()
    cases = [*CALLS.values(), *((call, at_ms) for call, at_ms, *_ in OVERDUE.values())]
    for call, now_ms in cases:
        for event, _ in TABLE.values():
            try:
                then, _ = step(call, event, now_ms, BOUNDS, PLENTY)
            except tuple(REFUSALS.values()):
                continue
            if then.state is not call.state:
                found.add((call.state.value, then.state.value))
    return found


def test_every_change_of_state_is_in_the_table_and_no_other() -> None:
    told, state = set(), ""
    for before, after, _ in rows(PAGE, "State", "Goes on to", "When"):
        state = code(before) if before else state
        told.add((state, code(after)))
    assert told == changes()
    assert {name for pair in told for name in pair} == set(State)


def test_every_reason_that_is_shown_is_named_and_the_one_that_is_not_beside_them() -> None:
    named = {code(reason) for reason, _ in rows(PAGE, "Reason", "Means")}
    assert named == set(EndReason) - {EndReason.BLOCKED}
    assert "`blocked` besides" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "choices", "default"),
    [("Policy", Policy, FanSettings().allow_calls), ("Visibility", Visibility, FanSettings().visibility)],
)
def test_every_choice_of_a_fan_is_named_with_its_default(
    column: str, choices: type[Policy | Visibility], default: str
) -> None:
    headers = {
        "Policy": ("Policy", "Lets in"),
        "Visibility": ("Visibility", "A creator of the tenant sees", "Everybody sees"),
    }[column]
    table = rows(PAGE, *headers)
    assert [code(row[0]) for row in table] == [choice.value for choice in choices]
    assert [code(row[0]) for row in table if "the default" in row[1]] == [default]


def test_the_times_are_those_of_the_rules() -> None:
    told = [by_default for _, by_default in rows(PAGE, "What", "By default")]
    bounds = Bounds()
    seconds = [
        bounds.ring_ms, bounds.join_ms, bounds.caller_grace_ms, bounds.heartbeat_ms, bounds.lost_ms,
        bounds.lease_ms, bounds.cooldown_ms,
    ]  # fmt: skip
    assert told == [*(f"{ms // 1000} s" for ms in seconds), f"{bounds.length_ms_max // 60_000} min"]


def test_every_kind_of_transaction_is_named() -> None:
    table = rows(PAGE, "Transaction", "Available", "Held", "The other side")
    assert [re.split(r"[, ]", row[0])[0] for row in table] == [kind.value for kind in Kind]


# --- the server ---------------------------------------------------------------------------------------

CLIENT = {event.event: event for event in events.CLIENT_EVENTS if event.event.startswith("call:")}
SERVER = {event.event: event for event in events.SERVER_EVENTS if event.event.startswith("call:")}
BODIES: dict[str, type[BaseModel]] = {
    "json http call": CallAnswer, "json http fan": Fan, "json http profile": MiniProfile,
    "json http creator": Creator,
}  # fmt: skip
OF_CALLS = re.compile(r"call|invitation|privacy|profiles|people|agora")
EVERYWHERE = {"INVALID", "NOT_FOUND", "NOT_ALLOWED", "FEATURE_DISABLED", "AGORA_NOT_CONFIGURED"}


def values(info: str) -> Iterator[Any]:
    """The JSON values of the blocks of a kind; each begins on a line of its own."""
    for block in blocks(PAGE, info):
        for part in re.split(r"\n(?=[\[{])", block.text.strip()):
            yield orjson.loads(part)


def infos() -> set[str]:
    return set(re.findall(r"^```(json[^\n]*)$", text_of(PAGE), re.MULTILINE))


def written(model: type[Payload], example: Any) -> dict[str, Any]:
    return model.model_validate(example).payload()


def test_what_a_client_emits_is_what_its_model_takes() -> None:
    emitted = list(values("json client"))
    for name, payload in emitted:
        assert written(CLIENT[name], payload) == payload
    assert {name for name, _ in emitted} == set(CLIENT)


def test_what_a_client_is_told_is_what_its_model_writes() -> None:
    for name, payload in values("json server"):
        assert written(SERVER[name], payload) == payload


@pytest.mark.parametrize("name", CLIENT)
def test_an_answer_is_what_its_model_writes(name: str) -> None:
    for example in values(f"json ack {name}"):
        assert written(CLIENT[name].ack, example) == example


def test_every_event_has_its_row() -> None:
    assert {code(row[0]) for row in rows(PAGE, "Event", "To", "When")} == set(SERVER)


@pytest.mark.parametrize("info", BODIES)
def test_a_body_is_what_its_model_writes(info: str) -> None:
    examples = list(values(info))
    assert examples
    for example in examples:
        assert BODIES[info].model_validate(example).model_dump(mode="json") == example


def test_a_body_of_the_platform_is_taken() -> None:
    (example,) = values("json body relationship")
    RelationshipChange.model_validate(example)


def test_a_refusal_has_the_shape_of_all_errors() -> None:
    (example,) = values("json refused")
    assert written(EventRefused, example) == example


def test_every_block_says_what_it_is() -> None:
    others = {info for info in infos() if not info.startswith("json ack ")}
    assert others == {"json client", "json server", "json refused", "json body relationship", *BODIES}


def test_the_routes_are_those_that_exist() -> None:
    calls = {(method, code(path)) for method, path, *_ in rows(PAGE, "Method", "Path", "Body", "Answer")}
    assert calls == {(operation.method, operation.path) for operation in CALL_OPERATIONS}
    people = {(method, code(path)) for method, path, *_ in rows(PAGE, "Method", "Path", "For", "Does")}
    others = (*PEOPLE_OPERATIONS, *CREDIT_OPERATIONS)
    assert people == {(operation.method, operation.path) for operation in others}


def test_every_refusal_is_explained_with_its_status() -> None:
    told = {code(name): int(status) for name, status, _ in rows(PAGE, "Code", "HTTP", "Means")}
    assert list(told) == sorted(told)
    own = {rule.code: rule.status for error, rule in RULES.items() if OF_CALLS.search(error.__module__)}
    own |= {"INSUFFICIENT_BALANCE": 402}
    assert own.items() <= told.items()
    assert told.keys() <= own.keys() | EVERYWHERE


def test_the_bounds_of_signals_are_named() -> None:
    text = text_of(PAGE)
    for characters in (SDP_CHARACTERS_MAX, CANDIDATE_CHARACTERS_MAX):
        assert f"{characters:,}" in text
