"""What a client says, message by message, and what it cannot say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gateway.socketio import conversation as said
from gateway.socketio.conversation import Conversation
from gateway.socketio.packets import BadPacket

BYTES_MAX = 1000


@pytest.fixture
def talk() -> Conversation:
    return Conversation(BYTES_MAX)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("40", said.ConnectAsked("/", {})),
        ('40{"token":"t"}', said.ConnectAsked("/", {"token": "t"})),
        ("40/admin,", said.ConnectAsked("/admin", {})),
        ('40/admin?x=1,{"a":1}', said.ConnectAsked("/admin", {"a": 1})),
        ("41", said.NamespaceLeft("/")),
        ("41/admin,", said.NamespaceLeft("/admin")),
        ('42["room:join",{"roomCode":"A"}]', said.EventSent("/", "room:join", [{"roomCode": "A"}], None)),
        ('4212["a"]', said.EventSent("/", "a", [], 12)),
        ('42/admin,7["a",1,2]', said.EventSent("/admin", "a", [1, 2], 7)),
        ("431[1]", said.AnswerSent("/", 1, [1])),
        ("433[]", said.AnswerSent("/", 3, [])),
        ('450-["a"]', said.EventSent("/", "a", [], None)),
        ("1", said.Ended()),
        ("3", None),
        ("6", None),
    ],
)
def test_a_text_says_one_thing(talk: Conversation, text: str, what: said.Said | None) -> None:
    assert talk.receive_text(text) == what


def test_an_event_with_bytes_is_said_when_all_of_it_is_there(talk: Conversation) -> None:
    assert talk.receive_text('452-9["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]') is None
    assert talk.receive_text("3") is None
    assert talk.receive_binary(b"one") is None
    assert talk.receive_binary(b"two") == said.EventSent("/", "a", [b"two", b"one"], 9)
    assert talk.receive_text("461-2" + '[{"_placeholder":true,"num":0}]') is None
    assert talk.receive_binary(b"x") == said.AnswerSent("/", 2, [b"x"])


@pytest.mark.parametrize(
    "text", ["", "0{}", "2", "2probe", "5", "7", "b", "4", "4abc", "4" + " " * BYTES_MAX]
)
def test_what_is_not_said_now_ends_the_connection(talk: Conversation, text: str) -> None:
    with pytest.raises(BadPacket):
        talk.receive_text(text)


def test_bytes_belong_to_an_event(talk: Conversation) -> None:
    with pytest.raises(BadPacket):
        talk.receive_binary(b"x")


def test_an_event_is_whole_before_the_next(talk: Conversation) -> None:
    talk.receive_text('451-["a",{"_placeholder":true,"num":0}]')
    with pytest.raises(BadPacket):
        talk.receive_text('42["b"]')


def test_the_pieces_together_are_bounded_as_one_message(talk: Conversation) -> None:
    talk.receive_text('4510-["a"]')
    for _ in range(9):
        assert talk.receive_binary(b"x" * 100) is None
    with pytest.raises(BadPacket):
        talk.receive_binary(b"x" * 100)


@settings(deadline=None)
@given(
    messages=some.lists(some.binary(max_size=20) | some.text('0123456b[]{}"-,/a', max_size=20), max_size=10)
)
def test_whatever_comes_says_something_or_ends_the_connection(messages: list[str | bytes]) -> None:
    talk = Conversation(BYTES_MAX)
    try:
        for message in messages:
            if isinstance(message, str):
                talk.receive_text(message)
            else:
                talk.receive_binary(message)
    except BadPacket:
        pass
