"""The events of calls on the socket: what each is answered, and what passes between the two devices."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.stores.interface import Database
from sessions.call_events import CancelRequested, EndRequested
from sessions.call_messages import CALL_CLIENT_EVENTS, SDP_CHARACTERS_MAX
from sessions.call_records import Call, State
from tests.gateway.calls.exchange import Device, Exchange, Process, exchange_on

OFFER = {"type": "offer", "sdp": "v=0\r\n"}
CANDIDATE = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


@pytest.fixture
async def exchange(shared_database: Database) -> AsyncIterator[Exchange]:
    async with exchange_on(shared_database) as exchange:
        yield exchange


class Line:
    """A call that was accepted, between one device of each."""

    def __init__(self, process: Process, creator: Device, fan: Device, call: Call) -> None:
        self.process, self.creator, self.fan, self.call = process, creator, fan, call


@pytest.fixture
async def line(exchange: Exchange) -> Line:
    process = exchange.process()
    creator, fan = await process.device("cleo", "desk"), await process.device("noa", "phone")
    call = await process.ring(device="desk")
    return Line(process, creator, fan, await process.accept(call, "phone"))


async def test_a_device_that_says_who_it_is_hears_what_goes_on(exchange: Exchange) -> None:
    process = exchange.process()
    fan = await process.device("noa")
    assert await fan.send("call:device", deviceId="phone") == {"ok": True, "calls": []}
    call = await process.ring(device="desk")
    (shown,) = (await fan.send("call:device", deviceId="phone"))["calls"]
    assert (shown["call"]["id"], shown["call"]["state"]) == (call.id, "RINGING")
    assert 0 < shown["remainingMs"] <= 45_000
    assert "media" not in shown
    await process.accept(call, "phone")
    (shown,) = (await fan.send("call:device", deviceId="phone"))["calls"]
    assert shown["media"]["provider"] == "peer"
    assert "remainingMs" not in shown
    # As another device of hers it may not join.
    (shown,) = (await fan.send("call:device", deviceId="tablet"))["calls"]
    assert "media" not in shown


async def test_heartbeats_keep_it_up_and_bring_credentials(line: Line) -> None:
    answer = await line.fan.send("call:heartbeat", callId=line.call.id)
    assert answer["ok"]
    assert answer["call"]["version"] > line.call.version
    media = answer["media"]
    assert (media["channel"], media["polite"]) == (f"call_{line.call.id}", True)
    other = await line.creator.send("call:heartbeat", callId=line.call.id)
    assert other["media"]["uid"] != media["uid"]
    assert not other["media"]["polite"]
    again = await line.fan.send("call:heartbeat", callId=line.call.id)
    assert again["media"]["uid"] == media["uid"]


async def test_another_device_does_not_stand_in_for_the_one_in_the_call(exchange: Exchange) -> None:
    process = exchange.process()
    phone, tablet = await process.device("noa"), await process.device("noa")
    await phone.send("call:device", deviceId="phone")
    await tablet.send("call:device", deviceId="tablet")
    call = await process.accept(await process.ring(device="desk"), "phone")
    for event, said in (("call:heartbeat", {}), ("call:media", {"state": "joined"})):
        assert not (await tablet.send(event, callId=call.id, **said))["ok"]
        assert (await phone.send(event, callId=call.id, **said))["ok"]


async def test_both_in_the_media_is_connected(line: Line) -> None:
    for device in (line.creator, line.fan):
        answer = await device.send("call:media", callId=line.call.id, state="joined")
    assert answer["call"]["state"] == "CONNECTED"
    assert line.creator.heard("connected")
    answer = await line.fan.send("call:media", callId=line.call.id, state="left")
    assert answer["call"]["state"] == "CONNECTED"


async def test_a_signal_goes_to_the_device_of_the_other_side_alone(line: Line) -> None:
    tablet = await line.process.device("noa", "tablet")
    stranger = await line.process.device("dan", "phone")
    assert await line.creator.send("call:signal", callId=line.call.id, description=OFFER) == {"ok": True}
    assert await line.fan.send("call:signal", callId=line.call.id, candidate=CANDIDATE) == {"ok": True}
    assert line.fan.heard("signal") == [{"callId": line.call.id, "from": "creator", "description": OFFER}]
    assert line.creator.heard("signal") == [{"callId": line.call.id, "from": "fan", "candidate": CANDIDATE}]
    assert tablet.heard("signal") == stranger.heard("signal") == []


async def test_signals_come_in_order_also_from_another_process(exchange: Exchange) -> None:
    here, there = exchange.process(), exchange.process()
    creator, fan = await here.device("cleo", "desk"), await there.device("noa", "phone")
    call = await here.ring(device="desk")
    await there.accept(call, "phone")
    for number in range(20):
        candidate = CANDIDATE | {"candidate": str(number)}
        assert (await creator.send("call:signal", callId=call.id, candidate=candidate))["ok"]
        assert (await fan.send("call:signal", callId=call.id, candidate=candidate))["ok"]
    for device in (creator, fan):
        numbers = [told["candidate"]["candidate"] for told in device.heard("signal")]
        assert numbers == [str(number) for number in range(20)]


async def test_of_devices_without_names_every_one_takes_part(exchange: Exchange) -> None:
    process = exchange.process()
    creator, fan, second = [await process.device(user) for user in ("cleo", "noa", "noa")]
    call = await process.ring()
    await process.accept(call)
    assert (await creator.send("call:signal", callId=call.id, description=OFFER))["ok"]
    assert len(fan.heard("signal")) == len(second.heard("signal")) == 1


async def test_nobody_signals_before_it_is_accepted_or_after_its_end(exchange: Exchange) -> None:
    process = exchange.process()
    creator, fan = await process.device("cleo", "desk"), await process.device("noa", "phone")
    call = await process.ring(device="desk")
    refused = await creator.send("call:signal", callId=call.id, description=OFFER)
    assert (refused["code"], refused["state"]) == ("CALL_NOT_OPEN", "RINGING")
    await process.accept(call, "phone")
    assert (await creator.send("call:signal", callId=call.id, description=OFFER))["ok"]
    await process.calls.act(exchange.tenant, call.id, EndRequested("noa"))
    refused = await creator.send("call:signal", callId=call.id, description=OFFER)
    assert (refused["code"], refused["state"]) == ("CALL_NOT_OPEN", "ENDED")
    assert len(fan.heard("signal")) == 1


@pytest.mark.parametrize("user", ["noa", "cleo"])
async def test_another_device_of_a_side_takes_no_part(line: Line, user: str) -> None:
    other = await line.process.device(user, "other")
    nameless = await line.process.device(user)
    for device in (other, nameless):
        for event, payload in (
            ("call:signal", {"description": OFFER}), ("call:media", {"state": "joined"}),
        ):  # fmt: skip
            answer = await device.send(event, callId=line.call.id, **payload)
            assert answer["code"] == "CALL_NOT_OPEN", event
    assert line.fan.heard("signal") == line.creator.heard("signal") == []


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("call:heartbeat", {}),
        ("call:media", {"state": "joined"}),
        ("call:signal", {"description": OFFER}),
    ],
)
async def test_a_stranger_has_no_such_call(line: Line, event: str, payload: dict[str, Any]) -> None:
    stranger = await line.process.device("dan", "phone")
    answers = [
        await stranger.send(event, callId=call_id, **payload)
        for call_id in (line.call.id, "5f0f1f4e-0000-4000-8000-000000000000", "main", "x" * 36)
    ]
    for answer in answers:
        answer.pop("timestamp")
    assert answers == [{"ok": False, "code": "NOT_FOUND", "error": "There is no such call"}] * 4


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("call:device", {}),
        ("call:device", {"deviceId": ""}),
        ("call:heartbeat", {}),
        ("call:heartbeat", {"callId": "x" * 37}),
        ("call:media", {"callId": "x", "state": "gone"}),
        ("call:signal", {"callId": "x"}),
        (
            "call:signal",
            {"callId": "x", "description": {"type": "offer", "sdp": "x" * (SDP_CHARACTERS_MAX + 1)}},
        ),
    ],
)
async def test_what_fits_no_model_is_refused(exchange: Exchange, event: str, payload: dict[str, Any]) -> None:
    device = await exchange.process().device("noa")
    answer = await device.send(event, **payload)
    assert answer["code"] == "INVALID"
    assert "param" in answer


async def test_an_unknown_event_is_told_the_known_ones(exchange: Exchange) -> None:
    device = await exchange.process().device("noa")
    answer = await device.send("call:conference", callId="x")
    assert answer["code"] == "UNKNOWN_EVENT"
    for event in CALL_CLIENT_EVENTS:
        assert event.event in answer["error"]


async def test_a_call_that_was_taken_back_is_over_for_everybody(exchange: Exchange) -> None:
    process = exchange.process()
    fan = await process.device("noa", "phone")
    call = await process.ring()
    await process.calls.act(exchange.tenant, call.id, CancelRequested("cleo"))
    assert await fan.send("call:device", deviceId="phone") == {"ok": True, "calls": []}
    answer = await fan.send("call:heartbeat", callId=call.id)
    assert answer["call"]["state"] == State.CANCELLED.value
    assert "media" not in answer
