"""What is submitted: named in a log when it fails, but never with what somebody said or voted."""

from gateway.stores.rooms.operations import ActInPoll, ActInRoom
from sessions.polls import VoteCast
from sessions.room_events import MessageSent


def test_a_vote_and_a_message_do_not_show_in_a_log() -> None:
    vote = ActInPoll("default", "p1", VoteCast("secret voter", ("2",), 1), 7)
    message = ActInRoom("default", "r1", MessageSent("secret sender", "c", "m", "secret text"), "boot", 7)

    assert "secret" not in repr(vote) + repr(message)
    assert "p1" in repr(vote)
    assert "r1" in repr(message)
