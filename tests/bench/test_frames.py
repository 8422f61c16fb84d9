"""The load's own side of RFC 6455, held to the server's parser."""

import pytest

from bench.frames import BINARY, TEXT, client_frame, frames_of, server_frame
from gateway.wire import frames
from gateway.wire.frames import Parser
from gateway.wire.limits import WireLimits

SIZES = [0, 1, 125, 126, 640, 65_535]


@pytest.mark.parametrize("size", SIZES)
def test_the_server_reads_what_the_load_writes(size: int) -> None:
    payload = bytes(number % 251 for number in range(size))
    assert Parser(WireLimits()).feed(client_frame(BINARY, payload)) == [[payload]]
    assert Parser(WireLimits()).feed(client_frame(TEXT, b"x" * size)) == ["x" * size]


@pytest.mark.parametrize("size", [*SIZES, 65_536])
def test_the_load_reads_what_the_server_writes_however_it_is_cut(size: int) -> None:
    made = frames.text_frame(b"a" * size) + frames.binary_frame(b"b" * size)
    for cut in {1, 3, size // 2 + 1, len(made) - 1}:
        data, found = bytearray(), []
        for part in (made[:cut], made[cut:]):
            data += part
            found += list(frames_of(data))
        assert found == [(TEXT, b"a" * size), (BINARY, b"b" * size)]
        assert not data


def test_the_raw_loop_skips_masks_and_makes_the_server_s_frames() -> None:
    data = bytearray(client_frame(BINARY, bytes(640)) * 3 + client_frame(TEXT, b"ping")[:5])
    assert [(first, len(payload)) for first, payload in frames_of(data, masked=True)] == [(BINARY, 640)] * 3
    assert len(data) == 5
    assert server_frame(b"x" * 220) == frames.text_frame(b"x" * 220)
