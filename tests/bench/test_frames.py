"""The bench's own frames are those of the protocol that the server speaks."""

from hypothesis import given
from hypothesis import strategies as st

from bench.frames import client_frame, frames_of, server_frame
from gateway.wire import frames
from gateway.wire.limits import WireLimits

BINARY = 0x82


@given(st.binary(max_size=1000))
def test_the_server_reads_what_the_load_sends(payload: bytes) -> None:
    assert frames.Parser(WireLimits()).feed(client_frame(BINARY, payload)) == [[payload]]


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
def test_the_load_reads_what_the_server_sends_however_it_is_divided(payloads: list[bytes], step: int) -> None:
    sent = b"".join(map(frames.binary_frame, payloads))
    assert sent == b"".join(server_frame(payload, BINARY) for payload in payloads)

    waiting, read = bytearray(), []
    for start in range(0, len(sent), step):
        waiting += sent[start : start + step]
        read += [payload for _, payload in frames_of(waiting)]
    assert read == payloads
    assert not waiting
