"""What processes tell each other: it comes out as it went in, and what is no note is none."""

from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms import note as notes
from gateway.rooms.note import Note, PollNews, decode, encode
from sessions.room_effects import (
    Closure,
    Departure,
    HostChanged,
    Message,
    MessagePosted,
    ParticipantJoined,
    ParticipantLeft,
    Publish,
    RoomClosed,
    RoomEvent,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**53 - 1)


@st.composite
def published(draw: st.DrawFn) -> Publish:
    offset, user, at_ms = draw(counts), draw(texts), draw(counts)
    events: list[RoomEvent] = [
        ParticipantJoined(user, at_ms),
        ParticipantLeft(user, draw(st.sampled_from(get_args(Departure)))),
        HostChanged(user),
        MessagePosted(Message(draw(texts), offset, user, draw(texts), at_ms)),
        RoomClosed(draw(st.sampled_from(get_args(Closure)))),
    ]
    return Publish(offset, draw(st.sampled_from(events)))


news = st.builds(PollNews, texts, counts, st.lists(texts, max_size=3).map(tuple))
any_note = st.builds(
    Note, texts, counts, st.lists(published(), max_size=5).map(tuple), st.lists(news, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
)  # fmt: skip


@given(any_note)
def test_a_note_comes_out_as_it_went_in(note: Note) -> None:
    assert decode(encode(note)) == note


@pytest.mark.parametrize(
    "said",
    [
        b"", b"{", b"null", b"[]", b"7", b'"abcde"', b"[1,2,3,4,5]",
        b'["b",-1,[],[],[]]', b'["b",true,[],[],[]]', b'["b",1.5,[],[],[]]', b"[null,1,[],[],[]]",
        b'["b",1,[[1,"joined"]],[],[]]', b'["b",1,[[1,"joined","u","x"]],[],[]]', b'["b",1,[[]],[],[]]',
        b'["b",1,[[1,"left","u","eaten"]],[],[]]', b'["b",1,[[1,"exploded"]],[],[]]', b'["b",1,[3],[],[]]',
        b'["b",1,[[-1,"host","u"]],[],[]]', b'["b",1,[],[["p"]],[]]', b'["b",1,[],[["p",1,7]],[]]',
        b'["b",1,[],[],[7]]', b'["b",1,[],[],[],[]]', b"\xff\xfe",
    ],
)  # fmt: skip
def test_what_is_no_note_is_none(said: bytes) -> None:
    assert decode(said) is None


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts, st.lists))
def test_nothing_that_comes_in_breaks_anything(value: Any) -> None:
    note = decode(orjson.dumps(value))
    assert note is None or encode(note)


def test_a_note_that_would_be_too_long_is_cut_and_says_how_far_the_room_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notes, "BYTES_MAX", 500)
    events = tuple(
        Publish(number, MessagePosted(Message(f"m{number}", number, "ben", "x" * 50, 1)))
        for number in range(1, 21)
    )
    said = encode(Note("boot", 20, events))
    heard = decode(said)

    assert len(said) <= 500
    assert heard is not None
    assert heard.offset == 20
    assert heard.events == events[: len(heard.events)]
    assert len(heard.events) > 0
