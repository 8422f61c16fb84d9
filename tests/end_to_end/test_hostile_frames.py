"""What breaks RFC 6455, or is not audio, ends its own connection with the right code and nothing else."""

import asyncio

import orjson
import pytest

from gateway.wire.frames import BINARY, CLOSE, TEXT
from tests.end_to_end.peers import Crowd, Peer, caption, frame, none_are_left, upgrade
from tests.house import House
from tests.media.audio import recorded

PING, PONG, CONTINUATION = 0x9, 0xA, 0x0
SECOND = bytes(32_000)
MESSAGE_BYTES_MAX = 64 * 1024


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"RECOGNIZERS": "silent", "LOG_LEVEL": "warning"}


BROKEN = {
    "not masked": (frame(TEXT, b"{}", masked=False), 1002),
    "a reserved bit": (frame(TEXT, b"{}", reserved=0x40), 1002),
    "all reserved bits": (frame(BINARY, b"", reserved=0x70), 1002),
    "a reserved opcode": (frame(0x3, b""), 1002),
    "a reserved control opcode": (frame(0xB, b""), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"{}"), 1002),
    "a message within a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "a fragmented ping": (frame(PING, b"", fin=False), 1002),
    "a ping that is too long": (frame(PING, bytes(126)), 1002),
    "a size with a sign": (b"\x82\xff" + b"\xff" * 8 + b"\x00" * 4, 1002),
    "a size that is too wide": (b"\x82\xfe\x00\x05\x00\x00\x00\x00hello", 1002),
    "text that is not UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "text that is cut within a character": (frame(TEXT, "é".encode()[:1]), 1007),
    "text that goes wrong in its second fragment": (
        frame(TEXT, b'{"type":', fin=False) + frame(CONTINUATION, b"\xc0\xaf", fin=False), 1007,
    ),
    "a frame that is too big": (frame(BINARY, bytes(MESSAGE_BYTES_MAX + 1))[:64], 1009),
    "a frame of the biggest size there is": (b"\x82\xff\x7f" + b"\xff" * 7 + b"\x00" * 4, 1009),
    "fragments that are too big together": (
        frame(BINARY, bytes(MESSAGE_BYTES_MAX), fin=False) + frame(CONTINUATION, b"-"), 1009,
    ),
    "fragments without end": (
        frame(TEXT, b" ", fin=False) + frame(CONTINUATION, b" ", fin=False) * 5000, 1008,
    ),
    "empty fragments without end": (
        frame(BINARY, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 5000, 1008,
    ),
    "pings without end": (frame(PING, b"x") * 5000, 1008),
    "a close with one byte": (frame(CLOSE, b"\x03"), 1002),
    "a close with a code that is none": (frame(CLOSE, b"\x03\xed"), 1002),
    "a close with a reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
}  # fmt: skip


@pytest.mark.parametrize("authenticated", [True, False], ids=["with a token", "without a token"])
@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_what_breaks_the_protocol_is_closed_with_its_code(
    crowd: Crowd, authenticated: bool, data: bytes, code: int
) -> None:
    path = "hostile/subtitles?target_lang=en"
    peer = await (crowd.joins(path) if authenticated else crowd.arrives(path))
    peer.send(data)
    assert await peer.closed() == code


async def test_a_neighbour_of_all_of_them_notices_nothing(crowd: Crowd, house: House) -> None:
    viewer, publisher = await crowd.joins("calm/subtitles?target_lang=en"), await crowd.joins("calm/publish")
    memory = house.memory_bytes
    for number, (data, _) in enumerate(list(BROKEN.values()) * 3):
        peer = await crowd.joins("calm/subtitles?target_lang=en")
        peer.send(data)
        publisher.say(**caption(f"line {number}", number))
        await peer.closed()
    heard = await viewer.finals(3 * len(BROKEN))
    assert [m["text"] for m in heard] == [f"line {number}" for number in range(3 * len(BROKEN))]
    assert house.memory_bytes - memory < 3_000_000
    assert "Traceback" not in house.log.read_text()


NOT_AUDIO = {
    "an odd number of bytes": ("", SECOND[:641]),
    "a frame that is too long": ("", SECOND[:8002]),
    "WebM announced as PCM": ("", recorded(SECOND, "webm")[:1000]),
    "Ogg announced as PCM": ("", recorded(SECOND, "ogg")[:1000]),
    "garbage announced as WebM": ("&encoding=webm_opus", b"\x99" * 2000),
    "garbage announced as Ogg": ("&encoding=ogg_opus", b"\x99" * 2000),
    "PCM announced as WebM": ("&encoding=webm_opus", SECOND[:4000]),
    "WebM with garbage in it": (
        "&encoding=webm_opus", recorded(SECOND, "webm")[:600] + b"\xff" * 4000,
    ),
    "WebM with a size that lies": (
        "&encoding=webm_opus", recorded(SECOND, "webm")[:40] + b"\x1f\xff\xff\xff" * 500,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["publish?source_lang=en", "subtitles?target_lang=en"])
@pytest.mark.parametrize(("query", "data"), NOT_AUDIO.values(), ids=NOT_AUDIO.keys())
async def test_what_is_not_audio_says_so_and_ends_with_1008(
    crowd: Crowd, kind: str, query: str, data: bytes
) -> None:
    peer = await crowd.joins(f"noise/{kind}{query}")
    peer.send(frame(BINARY, data))
    error = await peer.take("error")
    assert (error["code"], error["recoverable"]) == ("NOT_AUDIO", False)
    assert len(error["message"]) > 20
    assert await peer.closed() == 1008


async def test_nonsense_without_end_is_answered_and_then_ended(crowd: Crowd, house: House) -> None:
    peer = await crowd.joins("nonsense/subtitles?target_lang=en")
    peer.send(*[frame(TEXT, b'{"type":"nonsense"}')] * 100_000)
    assert await peer.closed() == 1008
    codes = [m["code"] for _, m in peer.came]
    assert codes == ["BAD_MESSAGE"] * 20
    await none_are_left(house)


async def test_deep_and_large_messages_are_only_bad_messages(crowd: Crowd) -> None:
    peer = await crowd.joins("deep/subtitles?target_lang=en")
    room = MESSAGE_BYTES_MAX - 40
    for text in (b"[" * room, b'{"type":' * (room // 8), b'"' + b"x" * room, b"9" * room, b"\xef\xbb\xbf{}"):
        peer.send(frame(TEXT, text))
        assert (await peer.take())["code"] == "BAD_MESSAGE"
    peer.say(type="ping", id=1)
    assert await peer.take("pong") == {"type": "pong", "id": 1}


class TestHttp:
    """What is no request, or none that is finished."""

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
            (b"nonsense\r\n\r\n", 400),
            (b"GET / HTTP/9.9\r\n\r\n", 400),
            (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
            (upgrade("/ws/live/a/subtitles?target_lang=en").replace(b"13\r", b"8\r"), 426),
            (upgrade("/ws/live/a/subtitles?target_lang=en").replace(b"GET", b"POST"), 400),
            (upgrade("/ws/live/a/subtitles?target_lang=en").replace(b"dGhl", b"????"), 400),
            (upgrade("/ws/live/a/subtitles", headers=["Content-Length: 5"]) + b"hello", 400),
            (upgrade("/ws/live/a.b/subtitles?target_lang=en"), 422),
            (upgrade("/ws/live/a/nothing"), 404),
            (upgrade("/nothing"), 404),
            (upgrade("/health"), 404),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        ],
    )
    async def test_it_is_refused_in_http_with_our_error(self, crowd: Crowd, data: bytes, status: int) -> None:
        peer = await crowd.dials()
        peer.send(data)
        assert await peer.answered() == status
        await peer.until(lambda peer: peer.body)
        assert "content-type: application/json" in peer.headers
        body = orjson.loads(peer.body)
        assert body["ok"] is False
        assert body["error"]

    async def test_a_thousand_odd_requests_are_never_a_fault_of_ours(
        self, crowd: Crowd, house: House
    ) -> None:
        faults = 0
        for start in range(0, 1000, 100):
            peers = [await crowd.dials() for _ in range(100)]
            for number, peer in enumerate(peers, start):
                peer.send(odd_request(number))
                peer.transport.write_eof()
            await asyncio.gather(*(peer.closed() for peer in peers))
            faults += sum(peer.status >= 500 for peer in peers)
            crowd.peers.clear()
        assert faults == 0
        assert house.get("/health")["status"] == "healthy"

    async def test_garbage_behind_a_request_is_no_fault_of_ours(self, crowd: Crowd, house: House) -> None:
        before = house.log.read_text().count("Traceback")
        for _ in range(10):
            peer = await crowd.dials()
            peer.send(b"DELETE /health HTTP/1.1\r\nHost: localhost\r\n\r\n{}")
            await peer.closed()
            assert peer.status == 405
            # Behind that answer, whose body has a length, comes the other.
            assert b"HTTP/1.1 400 " in peer.body
        assert house.get("/health")["status"] == "healthy"
        assert house.log.read_text().count("Traceback") == before


def odd_request(number: int) -> bytes:
    """Return the request of this number: whole ones of odd parts, every third with a byte changed."""
    methods = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"get", b"M-SEARCH")
    paths = (
        b"/", b"//", b"/%", b"/%00", b"/health?%ff", b"*", b"http://x/health", b"/ws/live/%2e%2e/publish",
        b"/api/v1/live/%F0%9F%8E%AD/transcript.vtt", b"/static/%2e%2e/%2e%2e/etc/passwd", b"/api/dev/token",
    )  # fmt: skip
    headers = (
        b"Host: localhost", b"Host: [", b"Host:", b"Host: a\r\nHost: b",
        b"Host: x\r\nExpect: 100-continue", b"Host: x\r\nUpgrade: h2c",
        b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket",
        b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 2",
    )  # fmt: skip
    request = bytearray(
        b"%s %s HTTP/1.%d\r\n%s\r\n\r\n{}"
        % (methods[number % 8], paths[number // 8 % 11], number % 2, headers[number // 88 % 8])
    )
    if number % 3 == 0:
        request[number * 7919 % len(request)] ^= 1 << number % 8
    return bytes(request)


async def test_a_close_is_answered(crowd: Crowd) -> None:
    peer: Peer = await crowd.joins("bye/subtitles?target_lang=en")
    peer.send(frame(CLOSE, b"\x03\xe8bye"))
    assert await peer.closed() == 1000
