"""Packets leave in the form of each transport, and what comes in is a packet or refused."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gateway.socketio import packets
from gateway.socketio.packets import BadPacket
from gateway.wire.frames import BINARY, TEXT, split_frames

JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.text() | some.binary(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)


def of_the_protocol(value: Any) -> bool:
    """Whether a payload could not be mistaken for the placeholder of bytes."""
    if isinstance(value, dict):
        return "_placeholder" not in value and all(map(of_the_protocol, value.values()))
    return all(map(of_the_protocol, value)) if isinstance(value, list) else True


def pieces(value: Any) -> int:
    """How many pieces of bytes are in it."""
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(pieces, value)) if isinstance(value, list) else isinstance(value, bytes)


def test_as_many_pieces_of_bytes_as_clients_take() -> None:
    assert packets.event("e", [[b"x"] * packets.ATTACHMENTS_MAX]).count == 1 + packets.ATTACHMENTS_MAX
    with pytest.raises(ValueError, match="at most 10"):
        packets.event("e", [[b"x"] * (packets.ATTACHMENTS_MAX + 1)])


def test_an_event_without_bytes_is_one_text() -> None:
    sent = packets.event("room:message", ({"text": "ü"},))
    assert list(split_frames(sent.frames)) == [(TEXT, '42["room:message",{"text":"ü"}]'.encode())]
    assert sent.record == '42["room:message",{"text":"ü"}]'
    assert sent.count == 1


def test_bytes_are_frames_of_their_own_and_base64_where_there_are_none() -> None:
    sent = packets.event("picture", (b"\x01\x02", {"more": b"\xff"}))
    text = '452-["picture",{"_placeholder":true,"num":0},{"more":{"_placeholder":true,"num":1}}]'
    assert list(split_frames(sent.frames)) == [
        (TEXT, text.encode()),
        (BINARY, b"\x01\x02"),
        (BINARY, b"\xff"),
    ]
    assert sent.record == "\x1e".join([text, "bAQI=", "b/w=="])
    assert sent.count == 3


def test_what_is_encoded_already_is_taken_as_it_is() -> None:
    sent = packets.event("room:message", (orjson.Fragment(b'{"id": 1}'),))
    assert sent.record == '42["room:message",{"id": 1}]'


def test_what_is_neither_json_nor_bytes_is_our_own_mistake() -> None:
    with pytest.raises(TypeError):
        packets.event("room:message", (object(),))


def test_a_refusal_carries_its_namespace() -> None:
    assert (
        packets.refusal("/admin", "No", {"code": "X"}).record
        == '44/admin,{"message":"No","data":{"code":"X"}}'
    )


@settings(deadline=None)
@given(
    payloads=some.lists(JSON.filter(of_the_protocol), max_size=3), ack_id=some.none() | some.integers(0, 9999)
)
def test_what_is_sent_is_what_comes(payloads: list[Any], ack_id: int | None) -> None:
    try:
        sent = packets.event("e", payloads, ack_id)
    except ValueError:
        assert pieces(payloads) > packets.ATTACHMENTS_MAX
        return
    first, *attachments = sent.record.split("\x1e")
    packet = packets.decoded(first[1:])
    assert packet.attachment_count == len(attachments)
    whole = packets.completed(packet, [base64.b64decode(part[1:]) for part in attachments])
    assert (whole.data, whole.id) == (["e", *payloads], ack_id)


@pytest.mark.parametrize(
    "text",
    [
        "", "7", "x", "²", "-1", "2", "2{}", '2"a"', "2[]", "2[1]", "2[null]", '2["connect"]',
        '2["disconnect"]', '2["a"', "2[NaN]", "3[1]", "31{}", "31", "4{}", '4{"message":"x"}', '0"x"', "0[1]",
        "0x", '1"x"', "0/" + "n" * 200 + ",", '5["a"]', '511-["a"]', '59999999999999-["a"]', '21-["a"]',
        '6["a"]', "2" + "1" * 101 + '["a"]', '2["a","\ud800"]', "2" + "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_packet_of_a_client_is_refused(text: str) -> None:
    with pytest.raises(BadPacket):
        packets.decoded(text)


@pytest.mark.parametrize(
    "data",
    [
        {"_placeholder": True, "num": 1},
        {"_placeholder": True, "num": "0"},
        {"_placeholder": True, "num": None},
    ],
)
def test_a_placeholder_of_what_did_not_come_is_refused(data: Any) -> None:
    packet = packets.decoded("51-" + orjson.dumps(["a", data]).decode())
    with pytest.raises(BadPacket):
        packets.completed(packet, [b"x"])


def test_bytes_deep_down_are_refused_and_not_a_fault_of_ours() -> None:
    packet = packets.decoded('51-["a",' + "[" * 1000 + "]" * 1000 + "]")
    with pytest.raises(BadPacket):
        packets.completed(packet, [b"x"])


@settings(deadline=None)
@given(text=some.text() | some.text('0123456[]{}"-,/ab:_placeholdernum'))
def test_whatever_comes_is_a_packet_or_refused(text: str) -> None:
    try:
        packet = packets.decoded(text)
    except BadPacket:
        return
    assert packet.packet_type in range(7)
