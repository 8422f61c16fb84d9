"""One connection over a transport in the test's hand: order, bounds, keepalive, and an end in every case."""

import asyncio
import json
from typing import Any

import pytest

from gateway.wire import frames
from gateway.wire.handshake import Place, Request
from gateway.wire.interface import Receiver, ReceiverOf, Wire
from gateway.wire.limits import WireLimits
from gateway.wire.protocol import WireProtocol
from tests.gateway.wire.rig import UPGRADE_HEADERS, Owner, Rig, binary, client_frame, closing, text

FRAME = frames.text_frame(b"x" * 998)  # 1,002 bytes


def codes(sent: bytes) -> list[int]:
    """The close codes among the server frames in `sent`."""
    return [
        int.from_bytes(payload[:2], "big") for opcode, payload in frames.split_frames(sent) if opcode == 8
    ]


class FrontDesk:
    """A reception that takes every connection, or none."""

    def __init__(self, owner: Owner | None) -> None:
        self.owner = owner
        self.asked: list[tuple[bytes, bytes | None, str]] = []
        self.wires: list[Wire] = []

    def receiver_of(
        self, target: bytes, headers: list[tuple[bytes, bytes]], address: str
    ) -> ReceiverOf | None:
        self.asked.append((target, dict(headers).get(b"host"), address))
        return None if self.owner is None else self._receives

    def _receives(self, wire: Wire) -> Receiver:
        assert self.owner is not None
        self.wires.append(wire)
        return self.owner


def asked_in_vain() -> Place:
    raise AssertionError("nobody needs the place of a connection that no application has")


class TestReception:
    async def test_whom_it_takes_is_in_before_anything_else_happens_and_no_application_runs(self) -> None:
        rig = Rig()
        rig.house.reception = desk = FrontDesk(rig.owner)
        wire = rig.wire()
        request, early = Request("GET", b"/live?x=1", "1.1", UPGRADE_HEADERS), text("early") + binary(b"1")
        wire.begin(request, early, asked_in_vain, "192.0.2.7")
        assert rig.sent().startswith(b"HTTP/1.1 101 ")
        assert (rig.owner.heard, rig.state.tasks, rig.scope) == (["early", [b"1"]], set(), {})
        assert (desk.wires, wire.address) == ([wire], "192.0.2.7")
        wire.data_received(text("later") + closing(1000))
        rig.transport.settle()
        assert (rig.owner.heard[2:], rig.owner.codes, codes(rig.sent())) == (["later"], [1000], [1000])

    async def test_whom_it_does_not_take_the_application_has(self) -> None:
        rig = Rig()
        rig.house.reception = desk = FrontDesk(None)
        await rig.opened()
        assert rig.scope["path"] == "/live"
        assert desk.asked == [(b"/live?x=1", b"example.org", "192.0.2.7")]

    async def test_it_is_not_asked_for_an_upgrade_against_the_rules(self) -> None:
        rig = Rig()
        rig.house.reception = desk = FrontDesk(rig.owner)
        await rig.begin(headers=[header for header in UPGRADE_HEADERS if header[0] != b"host"])
        assert (desk.asked, rig.sent()[:13]) == ([], b"HTTP/1.1 400 ")

    async def test_who_is_taken_is_pinged_and_kept_alive_like_anybody(self) -> None:
        rig = Rig(limits=WireLimits(ping_interval_seconds=20))
        rig.house.reception = FrontDesk(rig.owner)
        await rig.opened()
        rig.after(21)
        rig.after(21)
        rig.after(21)
        rig.transport.settle()
        assert codes(rig.sent()) == [1011]

    async def test_who_is_gone_before_the_answer_is_told_as_lost(self) -> None:
        rig = Rig()
        rig.house.reception = FrontDesk(rig.owner)
        wire = await rig.begin()
        rig.transport.abort()
        wire.connection_lost(None)
        assert rig.owner.codes == [1006]


class TestOpening:
    async def test_accepting_and_attaching_lets_the_application_go(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        assert rig.state.tasks == set()
        assert {id(connection) for connection in rig.state.connections} == {id(wire)}
        assert wire.address == "192.0.2.7"

    async def test_what_came_with_the_upgrade_is_delivered_after_attaching(self) -> None:
        rig = Rig()
        await rig.begin(early=text("authenticate") + binary(b"1") + binary(b"2") + text("end"))
        assert rig.owner.heard == ["authenticate", [b"1", b"2"], "end"]
        assert rig.transport.reading

    async def test_the_extension_is_in_the_scope(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        assert rig.scope["extensions"]["stagedoor.wire"]["wire"] is wire

    async def test_an_improper_upgrade_is_told_why(self) -> None:
        rig = Rig()
        await rig.begin(headers=[header for header in UPGRADE_HEADERS if header[0] != b"host"])
        head, _, body = rig.sent().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body) == {
            "ok": False,
            "code": "BAD_HANDSHAKE",
            "error": "Send the header Host.",
            "timestamp": "1970-01-01T00:00:00.000Z",
        }
        assert rig.transport.eof

    async def test_an_application_that_does_not_answer_is_given_up(self) -> None:
        async def silent(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "websocket.disconnect":
                pass

        rig = Rig(silent)
        await rig.begin()
        rig.after(30)
        assert rig.sent().startswith(b"HTTP/1.1 503 ")
        rig.after(2)
        rig.transport.settle()
        await rig.run_tasks()
        assert rig.state.tasks == set()

    async def test_a_failing_application_answers_500(self, caplog: pytest.LogCaptureFixture) -> None:
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            raise ZeroDivisionError

        rig = Rig(failing)
        await rig.begin()
        assert rig.sent().startswith(b"HTTP/1.1 500 ")
        assert "ZeroDivisionError" in caplog.text

    async def test_attaching_before_accepting_is_a_mistake(self) -> None:
        rig = Rig()
        with pytest.raises(RuntimeError, match="after accepting"):
            rig.wire().attach(rig.owner)


class TestReading:
    async def test_one_call_for_all_the_audio_of_a_read(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.data_received(b"".join(binary(b"%d" % n) for n in range(9)))
        assert rig.owner.heard == [[b"%d" % n for n in range(9)]]

    async def test_a_ping_is_answered(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.data_received(client_frame(0x89, b"you?"))
        assert rig.sent() == b"\x8a\x04you?"

    @pytest.mark.parametrize(
        ("data", "code"),
        [(b"\x81\x01x", 1002), (client_frame(0x81, b"\xff"), 1007), (client_frame(0x85, b""), 1002)],
    )
    async def test_a_broken_rule_ends_with_its_code(self, data: bytes, code: int) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.data_received(text("before") + data + text("after"))
        wire.data_received(text("later"))
        assert rig.owner.heard == ["before"]
        assert codes(rig.sent()) == [code]
        assert rig.transport.eof
        rig.transport.peer_ends()
        assert rig.owner.codes == [code]

    async def test_a_peer_that_stays_after_a_broken_rule_is_cut_off(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.data_received(b"\x81\x01x")
        rig.after(2)
        assert rig.transport.aborted

    async def test_pausing_reading_stops_the_peer(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.pause_reading()
        assert not rig.transport.reading
        wire.resume_reading()
        assert rig.transport.reading


class TestWriting:
    async def test_frames_leave_in_order_whatever_the_peer_takes(self) -> None:
        rig = Rig(room=500)
        wire = await rig.opened()
        made = [frames.text_frame(b"%05d" % n) for n in range(1000)]
        for frame in made[:500]:
            wire.write(frame)
        rig.transport.read_by_peer(700)
        for frame in made[500:]:
            wire.write(frame)
            rig.transport.read_by_peer(3)
        rig.transport.read_by_peer()
        taken = rig.sent()
        assert taken.endswith(b"".join(made))
        assert rig.owner.writable_count == 1
        assert wire.buffered_bytes == 0

    async def test_buffered_bytes_is_what_the_peer_has_not_taken(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        rig.transport.room = 100
        for _ in range(10):
            wire.write(FRAME)
        assert wire.buffered_bytes == 10 * len(FRAME) - 100

    async def test_a_frozen_reader_gets_4008_and_nothing_is_kept(self) -> None:
        rig = Rig(limits=WireLimits(viewer_buffer_bytes_max=100_000))
        wire = await rig.opened()
        rig.transport.room = 500
        for _ in range(10_000):
            wire.write(FRAME)
        assert wire.buffered_bytes < 2 * len(FRAME)
        rig.transport.read_by_peer()
        sent = rig.sent()
        assert list(frames.split_frames(sent)) == [
            (1, b"x" * 998),
            (8, (4008).to_bytes(2, "big") + b"too slow a reader"),
        ]
        wire.data_received(closing(4008))
        rig.transport.settle()
        assert rig.owner.codes == [4008]

    async def test_a_frozen_reader_that_stays_frozen_is_cut_off(self) -> None:
        rig = Rig(limits=WireLimits(viewer_buffer_bytes_max=100_000))
        wire = await rig.opened()
        rig.transport.room = 500
        for _ in range(200):
            wire.write(FRAME)
        rig.after(9)
        assert not rig.transport.aborted
        rig.after(2)
        assert rig.transport.aborted
        rig.transport.settle()
        assert rig.owner.codes == [4008]

    async def test_interims_give_way_while_the_peer_is_behind(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        rig.transport.room = 0
        final, first, second, third = (
            frames.text_frame(word) for word in (b"final", b"one", b"two", b"three")
        )
        wire.write(final)
        wire.write_latest(first)
        wire.write_latest(second)
        wire.write(final)
        wire.write_latest(second)
        wire.write_latest(third)
        rig.transport.read_by_peer()
        assert rig.sent() == final + final + third

    async def test_a_flood_of_pings_without_reading_keeps_one_pong(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        rig.transport.room = 0
        wire.write(FRAME)
        for number in range(5000):
            wire.data_received(client_frame(0x89, b"%04d" % number))
        assert wire.buffered_bytes == len(FRAME) + 6
        rig.transport.read_by_peer()
        assert rig.sent() == FRAME + b"\x8a\x044999"

    async def test_writing_after_the_end_does_nothing(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.close(1000)
        rig.sent()
        wire.write(FRAME)
        wire.write_latest(FRAME)
        wire.close(1001)
        assert rig.sent() == b""
        rig.transport.peer_ends()
        wire.write(FRAME)
        wire.close(1001)
        wire.abort()
        assert rig.owner.codes == [1000]


class TestKeepingAlive:
    async def test_a_listener_is_pinged_and_its_pong_keeps_it(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        for _ in range(20):
            rig.after(21)
            assert rig.sent() == frames.PING
            wire.data_received(client_frame(0x8A, b""))
        assert rig.owner.codes == []

    async def test_a_protocol_on_top_pings_with_its_own_frame(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.keep_alive(frames.text_frame(b"2"))
        for _ in range(3):
            rig.after(21)
            assert rig.sent() == frames.text_frame(b"2")
            wire.data_received(text("3"))
        rig.after(21)
        rig.after(21)
        assert codes(rig.sent().removeprefix(frames.text_frame(b"2"))) == [1011]

    async def test_its_frame_does_not_wait_behind_what_a_slow_reader_has_not_taken(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.keep_alive(frames.text_frame(b"2"))
        rig.transport.room = 0
        for _ in range(3):
            wire.write(FRAME)
        rig.after(21)
        rig.transport.read_by_peer()
        assert rig.sent() == FRAME + frames.text_frame(b"2") + FRAME * 2

    async def test_any_data_counts_as_life(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        for _ in range(5):
            rig.after(21)
            wire.data_received(binary(b"audio"))
        assert codes(rig.sent()) == []

    async def test_silence_after_a_ping_ends_the_connection(self) -> None:
        rig = Rig()
        await rig.opened()
        rig.after(21)
        rig.after(21)
        assert codes(rig.sent()) == [1011]
        rig.after(11)
        rig.transport.settle()
        assert rig.owner.codes == [1011]

    async def test_not_while_we_do_not_read(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.pause_reading()
        for _ in range(5):
            rig.after(21)
        assert codes(rig.sent()) == []
        wire.resume_reading()
        rig.after(21)
        assert codes(rig.sent()) == []

    async def test_a_reader_that_is_slow_but_takes_bytes_is_alive(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        rig.transport.room = 0
        for _ in range(300):
            wire.write(FRAME)
        for _ in range(4):
            rig.transport.read_by_peer(70_000)
            rig.after(21)
        assert wire.open

    async def test_nothing_ticks_for_an_empty_house(self) -> None:
        rig = Rig()
        await rig.opened()
        assert len(rig.house.wheel) == 1
        rig.transport.peer_ends()
        assert len(rig.house.wheel) == 0


class TestEnding:
    async def test_the_peers_close_is_echoed(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.data_received(closing(3001, "done") + text("too late"))
        assert codes(rig.sent()) == [3001]
        assert rig.transport.closing
        rig.transport.settle()
        assert rig.owner.codes == [3001]
        assert rig.owner.heard == []

    async def test_a_close_without_code_is_echoed_without(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.data_received(client_frame(0x88, b""))
        rig.transport.settle()
        assert (rig.sent(), rig.owner.codes) == (b"\x88\x00", [1005])

    async def test_our_close_waits_for_the_echo(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.close(4001, "not authenticated")
        assert codes(rig.sent()) == [4001]
        assert not rig.transport.closing
        wire.data_received(closing(4001))
        rig.transport.settle()
        assert rig.owner.codes == [4001]

    async def test_our_close_ends_without_an_echo_too(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.close(1000)
        rig.after(11)
        assert rig.transport.aborted

    async def test_our_close_follows_what_was_written(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        rig.transport.room = 10
        wire.write(FRAME)
        wire.write(FRAME)
        wire.close(1000)
        rig.transport.read_by_peer()
        assert [opcode for opcode, _ in frames.split_frames(rig.sent())] == [1, 1, 8]
        assert rig.owner.writable_count == 0

    async def test_while_the_server_goes_down_a_second_is_enough(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        rig.house.closing = True
        rig.transport.room = 0
        wire.write(FRAME)
        wire.shutdown()
        rig.after(2)
        rig.transport.settle()
        assert rig.owner.codes == [1012]

    async def test_an_end_without_a_close_frame_is_1006(self) -> None:
        rig = Rig()
        await rig.opened()
        rig.transport.peer_ends()
        assert rig.owner.codes == [1006]
        assert rig.state.connections == set()

    async def test_a_reset_is_1006(self) -> None:
        rig = Rig()
        wire = await rig.opened()
        wire.connection_lost(ConnectionResetError())
        assert rig.owner.codes == [1006]

    async def test_attaching_to_a_connection_that_is_gone_tells_so(self) -> None:
        owner = Owner()

        async def late(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            wire: WireProtocol = scope["extensions"]["stagedoor.wire"]["wire"]
            wire.data_received(text("hello"))
            rig.transport.peer_ends()
            wire.attach(owner)
            assert owner.codes == []

        rig = Rig(late)
        await rig.begin()
        assert (owner.heard, owner.codes) == (["hello"], [1006])


class TestAsgi:
    async def test_a_plain_application_receives_and_sends(self) -> None:
        async def echo(scope: Any, receive: Any, send: Any) -> None:
            assert (await receive()) == {"type": "websocket.connect"}
            await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-note", b"1")]})
            while (message := await receive())["type"] == "websocket.receive":
                await send({**message, "type": "websocket.send"})
            ends.append(message)

        ends: list[Any] = []
        rig = Rig(echo)
        wire = await rig.begin()
        head = rig.sent()
        assert b"x-note: 1\r\n" in head
        assert b"sec-websocket-protocol: b\r\n" in head
        wire.data_received(text("one") + binary(b"two"))
        await rig.run_tasks()
        assert rig.sent() == frames.text_frame(b"one") + frames.binary_frame(b"two")
        wire.data_received(closing(1000))
        rig.transport.settle()
        await rig.run_tasks()
        assert ends == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]

    async def test_reading_pauses_until_the_application_has_caught_up(self) -> None:
        gate = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await gate.wait()
            while (await receive())["type"] == "websocket.receive":
                pass

        rig = Rig(slow, WireLimits(queue_messages_max=4))
        wire = await rig.begin()
        wire.data_received(text("x") * 3)
        assert rig.transport.reading
        wire.data_received(text("x"))
        assert not rig.transport.reading
        gate.set()
        await rig.run_tasks()
        assert rig.transport.reading
        rig.transport.peer_ends()
        await rig.run_tasks()
        assert rig.state.tasks == set()

    async def test_sending_waits_for_a_slow_peer(self) -> None:
        sent: list[int] = []

        async def sender(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            for number in range(3):
                await send({"type": "websocket.send", "text": "x" * 1000})
                sent.append(number)

        rig = Rig(sender, room=200)
        await rig.begin()
        assert sent == [0]
        rig.transport.read_by_peer()
        await rig.run_tasks()
        assert sent == [0, 1, 2]
        assert codes(rig.sent().partition(b"\r\n\r\n")[2]) == [1000]

    async def test_closing_instead_of_accepting_is_403(self) -> None:
        async def refusing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.close"})

        rig = Rig(refusing)
        await rig.begin()
        assert rig.sent().startswith(b"HTTP/1.1 403 ")

    async def test_a_denial_response(self) -> None:
        async def denying(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(
                {"type": "websocket.http.response.start", "status": 429, "headers": [(b"retry-after", b"3")]}
            )
            await send({"type": "websocket.http.response.body", "body": b"too ", "more_body": True})
            await send({"type": "websocket.http.response.body", "body": b"many"})

        rig = Rig(denying)
        await rig.begin()
        sent = rig.sent()
        assert sent.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 3\r\n" in sent
        assert b"content-length: 8\r\n" in sent
        assert sent.endswith(b"\r\n\r\ntoo many")

    async def test_sending_to_nobody_is_an_os_error(self) -> None:
        errors: list[BaseException] = []

        async def late(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            try:
                await send({"type": "websocket.send", "text": "anyone?"})
            except OSError as error:
                errors.append(error)
                raise

        rig = Rig(late)
        await rig.begin()
        rig.transport.peer_ends()
        await rig.run_tasks()
        assert len(errors) == 1

    async def test_an_application_that_fails_later_closes_with_1011(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            raise ZeroDivisionError

        rig = Rig(failing)
        await rig.begin()
        assert codes(rig.sent().partition(b"\r\n\r\n")[2]) == [1011]
        assert "ZeroDivisionError" in caplog.text
