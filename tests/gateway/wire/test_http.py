"""Requests that come slowly, endlessly or in crowds, with the clock in the test's hand."""

import asyncio
import json
import re
from typing import Any

import pytest

from gateway.wire.limits import WireLimits
from tests.gateway.wire.rig import PLAIN_REQUEST, UPGRADE_HEADERS, FakeTransport, Rig, request_bytes, text

CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def status(rig: Rig) -> int | None:
    sent = rig.sent()
    return int(sent.split(b" ")[1]) if sent else None


def statuses(rig: Rig) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1.1 (\d+) ", rig.sent())]


def error_code(sent: bytes) -> str:
    body = json.loads(sent.partition(b"\r\n\r\n")[2])
    assert set(body) >= {"ok", "code", "error", "timestamp"}
    assert body["ok"] is False
    return str(body["code"])


class TestHeaders:
    async def test_an_ordinary_request_is_answered(self) -> None:
        rig = Rig(ok)
        rig.http().data_received(PLAIN_REQUEST)
        await rig.run_tasks()
        assert status(rig) == 200
        rig.after(11)
        assert not rig.transport.closing
        rig.transport.peer_ends()

    async def test_a_byte_a_second_is_cut_off_at_the_deadline(self) -> None:
        rig = Rig(ok)
        http = rig.http()
        for byte in PLAIN_REQUEST[:9]:
            http.data_received(bytes([byte]))
            rig.after(1)
        assert rig.sent() == b""
        rig.after(1.5)
        sent = rig.sent()
        assert sent.startswith(b"HTTP/1.1 408 ")
        assert error_code(sent) == "REQUEST_TIMEOUT"
        rig.after(2)
        assert rig.transport.aborted

    async def test_a_silent_connection_is_cut_off_without_a_word(self) -> None:
        rig = Rig(ok)
        rig.http()
        rig.after(11)
        assert (rig.sent(), rig.transport.aborted) == (b"", True)

    async def test_the_next_request_has_its_own_deadline(self) -> None:
        rig = Rig(ok)
        http = rig.http()
        http.data_received(PLAIN_REQUEST)
        await rig.run_tasks()
        rig.sent()
        rig.after(8)
        http.data_received(PLAIN_REQUEST[:20])
        rig.after(9)
        assert rig.sent() == b""
        rig.after(2)
        assert status(rig) == 408
        rig.transport.peer_ends()

    async def test_one_endless_header_stops_at_the_cap(self) -> None:
        rig = Rig(ok)
        http = rig.http()
        http.data_received(b"GET / HTTP/1.1\r\nx-endless: ")
        for _ in range(63):
            http.data_received(b"x" * 1024)
        assert rig.sent() == b""
        http.data_received(b"x" * 1024)
        sent = rig.sent()
        assert sent.startswith(b"HTTP/1.1 431 ")
        assert error_code(sent) == "HEADERS_TOO_LARGE"
        assert rig.transport.eof
        http.data_received(b"x" * 100_000)
        assert rig.sent() == b""

    @pytest.mark.parametrize(
        "request_head",
        [
            pytest.param(b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", id="url"),
            pytest.param(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 70_000 + b"\r\n\r\n", id="one header"),
            pytest.param(
                b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 12_000 + b"\r\n", id="many headers"
            ),
        ],
    )
    async def test_too_much_in_one_read(self, request_head: bytes) -> None:
        rig = Rig(ok)
        rig.http().data_received(request_head)
        await rig.run_tasks()
        assert status(rig) == 431
        assert rig.state.tasks == set()

    async def test_a_large_body_is_no_header(self) -> None:
        rig = Rig(ok)
        http = rig.http()
        http.data_received(
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n"
            + b"b" * 200_000
            + PLAIN_REQUEST[:9]
        )
        await rig.run_tasks()
        assert status(rig) == 200
        rig.transport.peer_ends()

    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n",
        ],
    )
    async def test_what_is_not_http(self, garbage: bytes) -> None:
        rig = Rig(ok)
        rig.http().data_received(garbage)
        sent = rig.sent()
        assert sent.startswith(b"HTTP/1.1 400 ")
        assert error_code(sent) == "BAD_REQUEST"


class TestRefusedBehindAnother:
    """What comes behind a request and is refused: whole requests before it have their answers first."""

    async def test_garbage_has_its_answer_after_those_of_the_requests_before_it(self) -> None:
        rig = Rig(ok)
        rig.http().data_received(PLAIN_REQUEST * 2 + b"\x16\x03\x01\r\n\r\n")
        await rig.run_tasks()
        assert statuses(rig) == [200, 200, 400]
        assert not rig.transport.closing
        rig.after(2)
        assert rig.transport.aborted

    async def test_a_broken_body_ends_its_request_at_once(self) -> None:
        ends: list[Any] = []

        async def reads(scope: Any, receive: Any, send: Any) -> None:
            message: dict[str, Any] = {"type": "http.request", "more_body": True}
            while message.get("more_body"):
                message = await receive()
            ends.append(message["type"])
            await ok(scope, receive, send)

        rig = Rig(reads)
        rig.http().data_received(CHUNKED + b"not a length")
        await rig.run_tasks()
        assert ends == ["http.disconnect"]
        assert statuses(rig) == [400]

    async def test_a_broken_body_whose_answer_has_begun_ends_the_connection(self) -> None:
        async def begins(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await receive()
            await receive()

        rig = Rig(begins)
        http = rig.http()
        http.data_received(CHUNKED + b"2\r\nab\r\n")
        await asyncio.sleep(0)
        http.data_received(b"not a length")
        await rig.run_tasks()
        assert b" 400 " not in rig.sent()
        assert rig.transport.closing

    async def test_a_broken_body_behind_another_request_is_never_begun(self) -> None:
        gate, begun = asyncio.Event(), []

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            begun.append(scope["method"])
            await gate.wait()
            await ok(scope, receive, send)

        rig = Rig(slow)
        rig.http().data_received(PLAIN_REQUEST + CHUNKED + b"not a length")
        gate.set()
        await rig.run_tasks()
        assert begun == ["GET"]
        assert statuses(rig) == [200, 400]
        rig.transport.peer_ends()


class TestDoor:
    async def test_one_connection_too_many_is_told_when_to_come_again(self) -> None:
        rig = Rig(ok, WireLimits(unheard_per_address_max=1, retry_after_seconds=9))
        rig.http()
        rig.transport = FakeTransport()
        refused = rig.http()
        sent = rig.sent()
        assert sent.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 9\r\n" in sent
        assert error_code(sent) == "RATE_LIMITED"
        refused.data_received(PLAIN_REQUEST)
        await rig.run_tasks()
        assert rig.sent() == b""
        rig.after(2)
        assert rig.transport.aborted

    async def test_complete_headers_make_room(self) -> None:
        rig = Rig(ok, WireLimits(unheard_per_address_max=1))
        first = rig.transport
        rig.http().data_received(PLAIN_REQUEST)
        rig.transport = FakeTransport()
        rig.http().data_received(PLAIN_REQUEST)
        await rig.run_tasks()
        assert status(rig) == 200
        first.peer_ends()
        rig.transport.peer_ends()

    async def test_ten_thousand_silent_connections_hold_no_more_than_allowed(self) -> None:
        rig = Rig(ok, WireLimits(unheard_max=100))
        transports = []
        for _ in range(10_000):
            rig.transport = FakeTransport()
            transports.append(rig.transport)
            rig.http()
        assert sum(transport.eof for transport in transports) == 9900
        rig.after(2)
        for transport in transports:
            transport.settle()
        assert len(rig.state.connections) == 100
        rig.after(10)
        for transport in transports:
            transport.settle()
        assert (len(rig.state.connections), len(rig.house.wheel)) == (0, 0)

    async def test_a_door_of_the_applications_own_hears_each_step_once(self) -> None:
        class Door:
            def __init__(self) -> None:
                self.steps: list[str] = []

            def opened(self, address: str) -> int | None:
                self.steps.append(f"opened {address}")
                return None

            def heard(self, address: str) -> None:
                self.steps.append(f"heard {address}")

            def closed(self, address: str) -> None:
                self.steps.append(f"closed {address}")

        rig = Rig()
        door = rig.house.door = Door()
        rig.http().data_received(request_bytes())
        await rig.run_tasks()
        rig.transport.peer_ends()
        assert door.steps == ["opened 192.0.2.7", "heard 192.0.2.7", "closed 192.0.2.7"]


class TestUpgrade:
    async def test_the_wire_takes_over_and_http_lets_go(self) -> None:
        rig = Rig()
        http = rig.http()
        http.data_received(request_bytes() + text("authenticate"))
        await rig.run_tasks()
        assert rig.sent().startswith(b"HTTP/1.1 101 ")
        assert rig.owner.heard == ["authenticate"]
        assert rig.state.connections == {rig.transport.protocol}
        assert http not in rig.state.connections
        assert [http.parser, http.scope, http.headers, http.flow, http.transport] == [None] * 5

    async def test_a_request_in_pieces_upgrades_too(self) -> None:
        rig = Rig()
        http = rig.http()
        data = request_bytes()
        for at in range(len(data)):
            http.data_received(data[at : at + 1])
        await rig.run_tasks()
        assert rig.sent().startswith(b"HTTP/1.1 101 ")
        assert rig.scope["query_string"] == b"x=1"

    async def test_the_scope_is_the_same_as_behind_stock_http(self) -> None:
        lean, stock = Rig(), Rig()
        lean.http().data_received(request_bytes())
        stock.wire().data_received(request_bytes())
        for rig in (lean, stock):
            await rig.run_tasks()
            rig.scope["extensions"].pop("stagedoor.wire")
        assert lean.scope == stock.scope
        assert lean.scope["headers"] == UPGRADE_HEADERS

    async def test_an_upgrade_amid_another_response_is_refused(self) -> None:
        gate = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await gate.wait()
            await ok(scope, receive, send)

        rig = Rig(slow)
        http = rig.http()
        http.data_received(PLAIN_REQUEST + request_bytes())
        assert rig.sent() == b""
        gate.set()
        await rig.run_tasks()
        assert statuses(rig) == [200, 400]
        rig.transport.peer_ends()
