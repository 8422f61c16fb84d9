"""The messages of rooms and polls: what is taken, what is refused, and under which names they go out."""

from typing import Any

import pytest
from pydantic import ValidationError

from sessions.payloads import EventRefused
from sessions.poll_messages import CreatePoll, OptionBody, PollBody, Vote
from sessions.poll_records import PollWanted, Results, State, Visibility
from sessions.room_messages import (
    JoinRoom,
    MessageBody,
    MessageStored,
    ParticipantLeft,
    Place,
    RoomAuthenticated,
    SendMessage,
)


def test_a_join_names_the_room_and_where_the_client_was() -> None:
    joined = JoinRoom.model_validate({"roomCode": "xj9k2m", "resume": {"epoch": "e", "offset": 7}})

    assert (joined.room_code, joined.resume) == ("xj9k2m", Place(epoch="e", offset=7))
    assert JoinRoom.model_validate({"roomCode": "XJ9K2M", "other": 1}).resume is None


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"roomCode": 7},
        {"roomCode": "X" * 65},
        {"roomCode": "XJ9K2M", "resume": {"epoch": "e", "offset": -1}},
        {"roomCode": "XJ9K2M", "resume": {"offset": 1}},
        None,
        [],
    ],
)
def test_a_join_that_names_none_is_refused(payload: Any) -> None:
    with pytest.raises(ValidationError):
        JoinRoom.model_validate(payload)


def test_a_message_is_bounded_and_has_its_clients_name() -> None:
    SendMessage.model_validate({"text": "x" * 2000, "clientId": "1"})

    for payload in (
        {"text": "x" * 2001, "clientId": "1"},
        {"text": "x"},
        {"text": "x", "clientId": "1" * 65},
    ):
        with pytest.raises(ValidationError):
            SendMessage.model_validate(payload)


def test_a_poll_wants_what_the_rules_want() -> None:
    given = {
        "question": "Which?", "options": ["this", "that"], "multiple": True, "allow_change": False,
        "visibility": "anonymous", "results": "after_vote", "closes_in_seconds": 60,
    }  # fmt: skip

    assert CreatePoll.model_validate(given).wanted() == PollWanted(
        question="Which?", options=("this", "that"), multiple=True, allow_change=False,
        visibility=Visibility.ANONYMOUS, results=Results.AFTER_VOTE, open_ms=60_000,
    )  # fmt: skip
    few = CreatePoll.model_validate({"question": "Which?", "options": ["this", "that"]})
    assert few.wanted() == PollWanted("Which?", ("this", "that"))
    assert not few.draft


@pytest.mark.parametrize("seq", [-1, 2**53, 1.5, "x", None])
def test_the_number_of_a_vote_is_one_that_javascript_counts_to(seq: Any) -> None:
    with pytest.raises(ValidationError):
        Vote.model_validate({"pollId": "p", "optionIds": ["1"], "clientVoteSeq": seq})


def test_what_goes_out_has_the_names_that_clients_know_and_nothing_empty() -> None:
    message = MessageBody(id="m", offset=3, user_id="vera", text="hi", at="2026-11-29T10:00:00.000Z")
    stored = MessageStored(message=message)

    assert stored.payload() == {
        "ok": True,
        "message": {"id": "m", "offset": 3, "userId": "vera", "text": "hi", "at": "2026-11-29T10:00:00.000Z"},
    }
    assert RoomAuthenticated(user_id="vera").payload() == {"userId": "vera"}
    left = ParticipantLeft(offset=4, user_id="vera", reason="kicked")
    assert left.payload() == {"offset": 4, "userId": "vera", "reason": "kicked"}


def test_counts_that_are_not_to_be_seen_are_not_there() -> None:
    poll = PollBody(
        id="p", state=State.OPEN, version=2, question="Which?", options=[OptionBody(id="1", text="this")],
        voters=3, multiple=False, allow_change=True, visibility=Visibility.HIDDEN, results=Results.HOST,
    )  # fmt: skip

    assert poll.payload()["options"] == [{"id": "1", "text": "this"}]
    assert not {"my_vote", "my_seq", "winners", "closes_at"} & set(poll.payload())


def test_a_refusal_has_fields_of_its_own() -> None:
    refused = EventRefused(code="INVALID", error="text: too long", timestamp="t", param="text")

    assert refused.payload() == {
        "ok": False, "code": "INVALID", "error": "text: too long", "timestamp": "t", "param": "text",
    }  # fmt: skip
