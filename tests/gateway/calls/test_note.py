"""What processes tell each other of calls: it comes as it was sent, and what is no note is left alone."""

import orjson
import pytest

from gateway.calls.note import Note, NoticeNote, SignalNote, decode, encode
from sessions.call_effects import Notice, Notify


@pytest.mark.parametrize(
    "note",
    [
        NoticeNote("boot_1", "acme", "call", 3, Notify("noa", Notice.INCOMING)),
        NoticeNote("boot_1", "acme", "call", 3, Notify("noa", Notice.ANSWERED_ELSEWHERE, "phone")),
        SignalNote("boot_1", "acme", "noa", None, {"callId": "call", "from": "fan"}),
        SignalNote("boot_1", "acme", "noa", "phone", {}),
    ],
)
def test_a_note_comes_as_it_was_sent(note: Note) -> None:
    assert decode(encode(note)) == note


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"{}", b"[1]", b'"notice"',
        orjson.dumps(["notice", "boot", "acme", "call", "3", "noa", "incoming", None]),
        orjson.dumps(["notice", "boot", "acme", "call", 3, "noa", "conference", None]),
        orjson.dumps(["notice", "boot", "acme", "call", 3, "noa", "incoming"]),
        orjson.dumps(["notice", 7, "acme", "call", 3, "noa", "incoming", None]),
        orjson.dumps(["signal", "boot", "acme", "noa", None, "payload"]),
        orjson.dumps(["signal", "boot", "acme", "noa", 7, {}]),
        orjson.dumps(["other", "boot"]),
    ],
)  # fmt: skip
def test_what_is_no_note_is_left_alone(data: bytes) -> None:
    assert decode(data) is None
