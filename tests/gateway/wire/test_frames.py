"""RFC 6455 sections 5 to 7 by the byte: whatever the reads, the same messages and the same verdict."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import frames
from gateway.wire.frames import Close, Event, Failure, Parser, Ping
from gateway.wire.limits import WireLimits
from tests.gateway.wire.rig import MASK, binary, client_frame, closing, text

LIMITS = WireLimits(message_bytes_max=100_000, fragments_max=16, control_frames_max=8)


def read(data: bytes, *cuts: int, limits: WireLimits = LIMITS) -> list[Event]:
    """Parse `data` cut at `cuts`, runs of binary messages joined as if it had come in one read."""
    parser = Parser(limits)
    events: list[Event] = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(data)]):
        for event in parser.feed(data[start:stop]):
            if isinstance(event, list) and events and isinstance(events[-1], list):
                events[-1].extend(event)
            else:
                events.append(event)
    return events


def verdict(data: bytes) -> int | None:
    """The close code that the whole stream earns, the same byte by byte."""
    whole = read(data)
    assert whole == read(data, *range(len(data)))
    return whole[-1].code if whole and isinstance(whole[-1], Failure) else None


class TestServerFrames:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
    def test_frames_split_into_what_they_were_made_of(self, size: int) -> None:
        payload = b"x" * size
        made = frames.text_frame(payload) + frames.binary_frame(payload) + frames.pong_frame(payload)
        assert list(frames.split_frames(made)) == [(1, payload), (2, payload), (10, payload)]

    def test_the_length_takes_the_fewest_bytes(self) -> None:
        heads = [len(frames.text_frame(b"x" * size)) - size for size in (125, 126, 65535, 65536)]
        assert heads == [2, 4, 4, 10]

    def test_a_close_reason_is_cut_on_a_character(self) -> None:
        frame = frames.close_frame(4008, "ü" * 100)
        assert len(frame) <= 127
        assert frame[4:].decode() == "ü" * 61

    def test_close_without_code(self) -> None:
        assert frames.close_frame(1005) == b"\x88\x00"

    @pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2000, 5000])
    def test_codes_that_must_not_be_sent(self, code: int) -> None:
        with pytest.raises(ValueError, match=str(code)):
            frames.close_frame(code)


class TestMessages:
    def test_audio_frames_of_one_read_come_as_one_run(self) -> None:
        data = b"".join(binary(bytes([n]) * 640) for n in range(50))
        assert Parser(LIMITS).feed(data) == [[bytes([n]) * 640 for n in range(50)]]

    @pytest.mark.parametrize(
        "odd", [binary(b"x" * 641), binary(b"x"), text("x" * 640), client_frame(0x89, b"?")]
    )
    @pytest.mark.parametrize("place", [0, 1, 5, 9])
    def test_a_run_of_one_size_ends_where_another_frame_begins(self, odd: bytes, place: int) -> None:
        payloads = [bytes([n]) * 640 for n in range(10)]
        alike = [client_frame(0x82, payload, mask=bytes([n, 7, n, 9])) for n, payload in enumerate(payloads)]
        alike.insert(place, odd)
        data = b"".join(alike) + binary(b"z" * 640)[:300]
        assert Parser(LIMITS).feed(data) == read(data, *range(0, len(data), 7))

    def test_a_frame_cut_by_the_read_before_joins_the_run_of_its_rest(self) -> None:
        data = b"".join(binary(bytes([n]) * 640) for n in range(5))
        parser = Parser(LIMITS)
        assert parser.feed(data[:1000]) == [[b"\0" * 640]]
        assert parser.feed(data[1000:]) == [[bytes([n]) * 640 for n in range(1, 5)]]

    def test_texts_and_runs_keep_their_order(self) -> None:
        data = binary(b"1") + binary(b"2") + text("finalize") + binary(b"3")
        assert read(data) == [[b"1", b"2"], "finalize", [b"3"]]

    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 99_999])
    def test_every_form_of_length(self, size: int) -> None:
        assert read(binary(b"z" * size)) == [[b"z" * size]]
        assert read(text("z" * size), 1, 5, 9) == ["z" * size]

    def test_fragments_with_control_frames_between(self) -> None:
        data = (
            client_frame(0x01, "grü".encode()[:3])
            + client_frame(0x89, b"?")
            + client_frame(0x00, "grü".encode()[3:])
            + client_frame(0x8A, b"")
            + client_frame(0x80, b"n")
        )
        assert read(data) == [Ping(b"?"), "grün"]
        assert read(data, *range(len(data))) == [Ping(b"?"), "grün"]

    @pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\x00\xff\x00\xff", MASK])
    def test_any_mask(self, mask: bytes) -> None:
        assert read(client_frame(0x82, b"abcdefg", mask), 8, 11) == [[b"abcdefg"]]

    def test_nothing_is_read_after_a_close(self) -> None:
        assert read(closing(1000, "bye") + text("more")) == [Close(1000, "bye")]
        assert read(client_frame(0x88, b"")) == [Close(1005, "")]

    def test_messages_before_a_fault_still_count(self) -> None:
        assert read(text("one") + b"\x81\x00") == [
            "one",
            Failure(1002, "frames from a client must be masked"),
        ]


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            pytest.param(b"\x81\x05hello", 1002, id="unmasked"),
            pytest.param(client_frame(0xC1, b"x"), 1002, id="reserved bit 1"),
            pytest.param(client_frame(0xA2, b"x"), 1002, id="reserved bit 2"),
            pytest.param(client_frame(0x99, b"x"), 1002, id="reserved bit on a ping"),
            pytest.param(client_frame(0x83, b"x"), 1002, id="opcode 3"),
            pytest.param(client_frame(0x8B, b"x"), 1002, id="opcode 11"),
            pytest.param(client_frame(0x09, b"x"), 1002, id="fragmented ping"),
            pytest.param(client_frame(0x89, b"x" * 126), 1002, id="ping of 126 bytes"),
            pytest.param(client_frame(0x80, b"x"), 1002, id="continues nothing"),
            pytest.param(client_frame(0x01, b"x") + text("y"), 1002, id="message within a message"),
            pytest.param(b"\x82\xfe\x00\x7d" + MASK + b"x" * 125, 1002, id="16-bit length for 125"),
            pytest.param(
                b"\x82\xff" + (65535).to_bytes(8, "big") + MASK, 1002, id="64-bit length for 65,535"
            ),
            pytest.param(b"\x82\xff" + b"\xff" * 8 + MASK, 1002, id="highest bit of the length"),
            pytest.param(client_frame(0x88, b"\x03"), 1002, id="close of one byte"),
            pytest.param(closing(1005), 1002, id="close with 1005"),
            pytest.param(closing(2999), 1002, id="close with 2999"),
            pytest.param(client_frame(0x88, b"\x03\xe8\xff"), 1007, id="close reason not UTF-8"),
            pytest.param(client_frame(0x81, b"\xff"), 1007, id="text not UTF-8"),
            pytest.param(client_frame(0x81, b"\xed\xa0\x80"), 1007, id="a surrogate"),
            pytest.param(client_frame(0x81, b"\xc3"), 1007, id="text cut within a character"),
            pytest.param(client_frame(0x01, b"\xc3") + client_frame(0x80, b""), 1007, id="fragments cut so"),
            pytest.param(binary(b"x" * 100_001), 1009, id="too long a frame"),
            pytest.param(
                client_frame(0x02, b"x" * 60_000) + client_frame(0x80, b"x" * 60_000),
                1009,
                id="too long in all",
            ),
            pytest.param(
                client_frame(0x02, b"") + client_frame(0x00, b"") * 16, 1008, id="endless empty fragments"
            ),
            pytest.param(
                client_frame(0x01, b"x") + client_frame(0x00, b"x") * 16, 1008, id="endless fragments"
            ),
        ],
    )
    def test_each_with_its_code(self, data: bytes, code: int) -> None:
        assert verdict(data) == code

    def test_a_length_is_refused_before_its_payload_comes(self) -> None:
        announced = b"\x82\xff" + (1 << 40).to_bytes(8, "big") + MASK
        assert isinstance(Parser(LIMITS).feed(announced)[0], Failure)

    def test_text_fails_at_its_first_bad_byte(self) -> None:
        whole = client_frame(0x81, "κόσμε".encode() + b"\xf4\x90\x80\x80" + b"x" * 20)
        first = Parser(LIMITS).feed(whole[: 6 + 11 + 2])
        assert first == [Failure(1007, "text is not UTF-8")]

    def test_a_flood_of_pings_in_one_read(self) -> None:
        assert len(read(client_frame(0x89, b"") * 8)) == 8
        assert verdict_of_one_read(client_frame(0x89, b"") * 9) == 1008

    def test_a_refused_parser_keeps_nothing(self) -> None:
        parser = Parser(LIMITS)
        parser.feed(client_frame(0x02, b"x" * 50_000) + b"\xff\xff")
        assert parser.feed(text("more")) == []


def verdict_of_one_read(data: bytes) -> int:
    last = read(data)[-1]
    assert isinstance(last, Failure)
    return last.code


MESSAGES = st.one_of(
    st.text(max_size=300).map(lambda words: (text(words), words)),
    st.binary(max_size=300).map(lambda payload: (binary(payload), [payload])),
    st.binary(max_size=125).map(lambda payload: (client_frame(0x89, payload), Ping(payload))),
    st.tuples(st.binary(max_size=50), st.binary(max_size=50)).map(
        lambda parts: (client_frame(0x02, parts[0]) + client_frame(0x80, parts[1]), [parts[0] + parts[1]])
    ),
)


@given(st.lists(MESSAGES, max_size=7), st.data())
@settings(max_examples=150, deadline=None)
def test_any_split_of_a_stream_gives_the_same_messages(
    messages: list[tuple[bytes, Event]], data: st.DataObject
) -> None:
    stream = b"".join(frame for frame, _ in messages)
    expected: list[Event] = []
    for _, event in messages:
        if isinstance(event, list) and expected and isinstance(expected[-1], list):
            expected[-1] = expected[-1] + event
        else:
            expected.append(event)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=9))

    assert read(stream, *cuts) == expected


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=400, deadline=None)
def test_random_bytes_raise_nothing_and_get_one_verdict(noise: bytes, cuts: list[int]) -> None:
    whole = read(noise)
    assert whole == read(noise, *(cut for cut in cuts if cut <= len(noise)))
    assert not any(isinstance(event, Failure | Close) for event in whole[:-1])


@given(st.integers(0, 255), st.integers(128, 255), st.binary(max_size=200))
@settings(max_examples=400, deadline=None)
def test_random_frames_get_the_same_verdict_byte_by_byte(first: int, second: int, rest: bytes) -> None:
    data = bytes((first, second)) + rest
    assert read(data) == read(data, *range(len(data)))
