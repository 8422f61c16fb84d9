import struct
from contextlib import suppress
from dataclasses import fields, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import link
from media.captions import Caption, Word
from media.link_format import Decoder, check, encode

CAPTION = Caption("guten\nTag", 0.5, 1.25, (Word("guten", 0.5, 0.75, 1.0),), "good day")
TO_WORKER: list[link.ToWorker] = [
    link.Open(1, "en", {"en": (), "es": ("pcm_s16le", "ogg_opus")}, 64_000, 3, b"\x00state\xff"),
    link.Audio(1, 2**40, b"\x01\x02" * 320),
    link.Targets(1, {}),
    link.Text(1, 7, "ünïcödé \N{GRINNING FACE}", 0.0, 1.5),
    link.Finalize(1, 2),
    link.Close(1),
    link.Drop(1),
]
FROM_WORKER: list[link.FromWorker] = [
    link.Hello(4711, 4),
    link.Interim(1, 2, 3, "en", CAPTION),
    link.Final(1, 2, "de", (CAPTION, CAPTION)),
    link.Final(1, 7, "de", (), "text"),
    link.Voice(1, 2, 0, "de", 0.5, 0.75, 24_000, False, "ogg_opus", b"OggS", "text"),
    link.Progress(1, 640),
    link.Committed(1, 640, 4, b""),
    link.TextDone(1, 7),
    link.Finalized(1, 2),
    link.Ended(1),
    link.Warned(1, "engine_switched", "because"),
    link.Failed(1, "no engine"),
]
numbers = st.integers(0, 2**53 - 1)
seconds = st.floats(0, 1e6)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
captions = st.builds(
    Caption, texts, seconds, seconds,
    st.lists(st.builds(Word, texts, seconds, seconds, st.floats(0, 1)), max_size=3).map(tuple), texts,
)  # fmt: skip


def of_worker() -> Decoder[link.FromWorker]:
    return Decoder(link.FromWorker)


def of_gateway() -> Decoder[link.ToWorker]:
    return Decoder(link.ToWorker)


def frame(name: int, head: bytes, payload: bytes = b"") -> bytes:
    body = bytes([name]) + struct.pack("!I", len(head)) + head + payload
    return struct.pack("!I", len(body)) + body


def test_every_message_comes_back_as_it_was() -> None:
    assert of_gateway().feed(b"".join(map(encode, TO_WORKER))) == TO_WORKER
    assert of_worker().feed(b"".join(map(encode, FROM_WORKER))) == FROM_WORKER


def test_the_samples_above_are_all_there_is() -> None:
    assert {type(message) for message in TO_WORKER} == set(get_args(link.ToWorker))
    assert {type(message) for message in FROM_WORKER} == set(get_args(link.FromWorker))


def test_the_bytes_are_as_the_format_says() -> None:
    """A worker of another version must still understand: this is the format, written out."""
    head = b'{"stream":1,"offset_bytes":640}'

    assert encode(link.Audio(1, 640, b"ab")) == frame(2, head, b"ab")
    assert encode(link.Hello(5, 4)) == frame(8, b'{"pid":5,"streams_max":4}')
    assert encode(link.Failed(1, "x")) == frame(18, b'{"stream":1,"reason":"x"}')


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000])
def test_however_the_bytes_are_divided(size: int) -> None:
    data, decoder = b"".join(map(encode, FROM_WORKER)), of_worker()

    got = [message for at in range(0, len(data), size) for message in decoder.feed(data[at : at + size])]

    assert got == FROM_WORKER


@given(st.lists(st.builds(link.Final, numbers, numbers, st.just("de"), st.lists(captions).map(tuple))))
def test_whatever_is_said(finals: list[link.Final]) -> None:
    assert of_worker().feed(b"".join(map(encode, finals))) == finals


@given(st.binary(max_size=200))
def test_rubbish_is_refused_or_waited_on_but_never_crashes(data: bytes) -> None:
    for decoder in (of_worker(), of_gateway()):
        with suppress(link.LinkError):
            decoder.feed(data)


@given(st.sampled_from(FROM_WORKER), st.data())
def test_a_flipped_byte_never_gives_anything_but_a_message_or_an_error(
    message: link.FromWorker, data: st.DataObject
) -> None:
    wire = bytearray(encode(message))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        messages = of_worker().feed(bytes(wire))
    except link.LinkError:
        return
    assert all(isinstance(each, link.FromWorker) for each in messages)


def test_messages_of_the_other_direction_are_refused() -> None:
    with pytest.raises(link.LinkError, match="does not come from this side"):
        of_worker().feed(encode(link.Close(1)))
    with pytest.raises(link.LinkError, match="does not come from this side"):
        of_gateway().feed(encode(link.Ended(1)))


@pytest.mark.parametrize("length", [0, 4, link.FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_a_frame_of_an_impossible_length_is_refused_before_it_is_kept(length: int) -> None:
    with pytest.raises(link.LinkError, match="a frame of"):
        of_worker().feed(struct.pack("!I", length))


@pytest.mark.parametrize(
    "head",
    [
        b"", b"[]", b"null", b"{", b'{"stream":1}', b'{"stream":1,"offset_bytes":2,"more":3}',
        b'{"stream":1,"offset_bytes":-1}', b'{"stream":1,"offset_bytes":true}',
        b'{"stream":1,"offset_bytes":1.5}',
        b'{"stream":1,"offset_bytes":"1"}', b'{"stream":1,"offset_bytes":9007199254740992}',
        b'{"stream":1,"offset_bytes":NaN}', b'{"stream":1,"offset_bytes":1,"stream":null}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_head_with_other_fields_is_refused(head: bytes) -> None:
    with pytest.raises(link.LinkError, match="Progress cannot be read"):
        of_worker().feed(frame(12, head))


@pytest.mark.parametrize(
    ("name", "head", "payload"),
    [
        (12, b'{"stream":1,"offset_bytes":1}', b"x"),
        (13, b'{"stream":1,"offset_bytes":1,"utterance":0}', bytes(link.STATE_BYTES_MAX + 1)),
    ],
)
def test_a_payload_that_does_not_belong_is_refused(name: int, head: bytes, payload: bytes) -> None:
    with pytest.raises(link.LinkError, match="bytes after its head"):
        of_worker().feed(frame(name, head, payload))


def test_a_head_that_is_longer_than_its_frame_is_refused() -> None:
    wire = bytearray(encode(link.Ended(1)))
    wire[8] += 1
    with pytest.raises(link.LinkError, match="-1 bytes after its head"):
        of_worker().feed(bytes(wire))


@pytest.mark.parametrize(
    "message",
    [
        link.Text(1, 1, "x", -1.0, 2.0),
        link.Text(1, 1, "x", 1.0, float("nan")),
        link.Text(1, 1, "x", 1.0, float("inf")),
        link.Text(1, 1, "x" * 65_537, 1.0, 2.0),
        link.Text(1, 1, "\ud800", 1.0, 2.0),
        link.Targets(1, {"": ()}),
        link.Targets(1, {"x" * 36: ()}),
        link.Targets(1, {f"l{number}": () for number in range(65)}),
        link.Final(1, 1, "en", (replace(CAPTION, end=-0.5),)),
        link.Committed(1, 1, 1, bytes(link.STATE_BYTES_MAX + 1)),
        link.Audio(1, 0, bytes(link.FRAME_BYTES_MAX)),
    ],
)
def test_what_nobody_would_take_is_found_before_it_is_sent(message: link.ToWorker | link.FromWorker) -> None:
    with pytest.raises(link.LinkError):
        check(message)


def test_a_large_frame_in_small_parts_is_kept_once() -> None:
    message = link.Voice(1, 2, 0, "de", 0.5, 0.75, 24_000, True, "pcm_s16le", bytes(3_000_000))
    data, decoder = encode(message), of_worker()

    got = [each for at in range(0, len(data), 4096) for each in decoder.feed(data[at : at + 4096])]

    assert got == [message]


def test_every_field_is_in_the_format() -> None:
    """A field that is added to a message, but not to the format, would be lost silently."""
    for message in [*TO_WORKER, *FROM_WORKER]:
        names = {field.name for field in fields(message)}
        wire = encode(message)
        head = wire[9 : 9 + int.from_bytes(wire[5:9], "big")]
        payloads = names & {"pcm", "audio", "state"}
        assert all(f'"{name}":'.encode() in head for name in names - payloads)
