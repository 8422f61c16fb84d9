"""What goes out is exactly what its model would write, so that documents and models speak of one thing."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.rooms import bodies
from sessions import payloads, poll_messages, room_messages
from sessions.ballots import Ballot
from sessions.poll_records import Poll, PollWanted, Results, Visibility, create
from sessions.poll_snapshots import snapshot
from sessions.polls import Bounds, CloseRequested, OpenRequested, VoteCast, step
from sessions.room_effects import (
    HostChanged,
    Message,
    MessagePosted,
    ParticipantJoined,
    ParticipantLeft,
    RoomClosed,
    RoomEvent,
)
from sessions.room_snapshots import Present, RoomSnapshot
from tests.gateway.rooms.test_stream import EMPTY

NOW = 1_795_262_400_123
MESSAGE = Message("m1", 7, "ben", "Hi <b>there</b>", NOW)
SEEN = replace(EMPTY, participants=(Present("olga", NOW), Present("ben", NOW + 1)), messages=(MESSAGE,))
TOLD: dict[type[RoomEvent], type[payloads.ServerEvent]] = {
    ParticipantJoined: room_messages.ParticipantJoined,
    ParticipantLeft: room_messages.ParticipantLeft,
    HostChanged: room_messages.HostChanged,
    MessagePosted: room_messages.RoomMessage,
    RoomClosed: room_messages.RoomClosed,
}


@pytest.mark.parametrize(
    "happened",
    [
        ParticipantJoined("ben", NOW), ParticipantLeft("ben", "kicked"), HostChanged("ben"),
        MessagePosted(MESSAGE), RoomClosed("idle"),
    ],
)  # fmt: skip
def test_an_event_is_what_its_model_writes(happened: RoomEvent) -> None:
    name, body = bodies.event(7, happened)
    model = TOLD[type(happened)]

    assert name == model.event
    assert model.model_validate(body).payload() == body
    assert body["offset"] == 7


def test_a_room_and_its_people_are_what_their_models_write() -> None:
    view: dict[str, Any] = {
        "room": bodies.room_body(SEEN), "participants": bodies.people(SEEN.participants),
        "messages": [bodies.message_body(MESSAGE)], "polls": [], "epoch": "e", "offset": 7,
    }  # fmt: skip

    assert room_messages.RoomJoined.model_validate(view).payload() == view
    assert view["participants"][0] == {"userId": "olga", "joinedAt": "2026-11-21T12:00:00.123Z"}


def poll(**changes: object) -> tuple[Poll, Ballot]:
    wanted = PollWanted("Which?", ("this", "that", "neither"), **changes)  # type: ignore[arg-type]
    made = create(wanted, poll_id="p", room_id="r", author="olga", key=b"k" * 32, now_ms=NOW)
    opened, _ = step(made, {}, OpenRequested("olga", True, 0), NOW, Bounds())
    voted, effects = step(opened, {}, VoteCast("ben", ("2",), 4), NOW, Bounds())
    return voted, effects[0].ballot  # type: ignore[union-attr]


@pytest.mark.parametrize("results", list(Results))
@pytest.mark.parametrize("visibility", list(Visibility))
@pytest.mark.parametrize("open_ms", [None, 60_000])
@pytest.mark.parametrize("over", [False, True])
def test_a_poll_is_what_its_model_writes(
    results: Results, visibility: Visibility, open_ms: int | None, over: bool
) -> None:
    made, ballot = poll(results=results, visibility=visibility, open_ms=open_ms)
    if over:
        made, _ = step(made, {ballot.voter: ballot}, CloseRequested("olga", True), NOW, Bounds())
    for own in (ballot, None):
        for host in (True, False):
            body = bodies.poll_body(snapshot(made, own, host=host))
            assert poll_messages.PollBody.model_validate(body).payload() == body


def test_every_field_of_the_room_that_is_seen_is_told() -> None:
    told = {"messages", "participants", "epoch", "offset", *bodies.room_body(SEEN)}
    names = {"code": "room_code", "host": "host_user_id", "participants_max": "max_participants"}

    assert {names.get(name, name) for name in RoomSnapshot.__dataclass_fields__} == told
