"""The messages of calls: what is taken, what is refused, and under which names they go out."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from sessions.call_effects import Notice
from sessions.call_messages import (
    CALL_CLIENT_EVENTS,
    CALL_SERVER_EVENTS,
    CANDIDATE_CHARACTERS_MAX,
    SDP_CHARACTERS_MAX,
    CallBody,
    CallIncoming,
    IceServer,
    Media,
    NameDevice,
    ShownReason,
    Signal,
    SignalPassed,
)
from sessions.call_records import CallType, EndReason, State

BODY = CallBody(
    id="0e4d", state=State.RINGING, version=3, creator_id="cleo", fan_id="noa", call_type=CallType.VOICE,
    created_at="2026-11-20T14:30:00.000Z", expires_at="2026-11-20T14:30:45.000Z", rate_per_minute=1.5,
    increment_seconds=60, free_seconds=0, amount=0,
)  # fmt: skip


def test_a_call_goes_out_under_the_names_that_clients_know() -> None:
    assert CallIncoming(call=BODY, remaining_ms=45_000).payload() == {
        "remainingMs": 45_000,
        "call": {
            "id": "0e4d", "state": "RINGING", "version": 3, "creatorId": "cleo", "fanId": "noa",
            "callType": "voice", "createdAt": "2026-11-20T14:30:00.000Z",
            "expiresAt": "2026-11-20T14:30:45.000Z", "ratePerMinute": 1.5, "incrementSeconds": 60,
            "freeSeconds": 0, "amount": 0,
        },
    }  # fmt: skip


def test_credentials_have_what_is_theirs_and_no_more() -> None:
    media = Media(
        provider="peer", channel="call_0e4d", uid=7, expires_at="2026-11-20T14:35:00.000Z",
        ice_servers=[IceServer(urls=["stun:turn.example.com"])], polite=True,
    )  # fmt: skip
    assert media.payload() == {
        "provider": "peer", "channel": "call_0e4d", "uid": 7, "expiresAt": "2026-11-20T14:35:00.000Z",
        "iceServers": [{"urls": ["stun:turn.example.com"]}], "polite": True,
    }  # fmt: skip


def test_there_is_an_event_for_each_notice() -> None:
    names = {event.event for event in CALL_SERVER_EVENTS}
    assert names == {f"call:{notice.value}" for notice in Notice} | {"call:signal"}
    assert all(event.event.startswith("call:") for event in CALL_CLIENT_EVENTS)


def test_every_reason_can_be_shown_but_a_block() -> None:
    assert set(get_args(ShownReason)) == {reason.value for reason in EndReason} - {"blocked"}


def test_a_signal_is_a_description_or_a_candidate() -> None:
    offer = {"callId": "0e4d", "description": {"type": "offer", "sdp": "v=0\r\n"}}
    taken = Signal.model_validate(offer)
    passed = SignalPassed(call_id=taken.call_id, sender="fan", description=taken.description)
    assert passed.payload() == offer | {"from": "fan"}

    last = {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0}
    candidate = Signal.model_validate({"callId": "0e4d", "candidate": last}).candidate
    assert candidate is not None
    assert candidate.payload() == last


@pytest.mark.parametrize(
    "payload",
    [
        {},
        None,
        {"callId": "0e4d"},
        {"callId": "", "candidate": {"candidate": ""}},
        {"callId": "x" * 37, "candidate": {"candidate": ""}},
        {"callId": "0e4d", "candidate": {"candidate": ""}, "description": {"type": "offer"}},
        {"callId": "0e4d", "candidate": {"candidate": "x" * (CANDIDATE_CHARACTERS_MAX + 1)}},
        {"callId": "0e4d", "candidate": {"candidate": "", "sdpMLineIndex": -1}},
        {"callId": "0e4d", "description": {"type": "offer", "sdp": "x" * (SDP_CHARACTERS_MAX + 1)}},
        {"callId": "0e4d", "description": {"type": "demand", "sdp": ""}},
    ],
)
def test_any_other_signal_is_refused(payload: Any) -> None:
    with pytest.raises(ValidationError):
        Signal.model_validate(payload)


@pytest.mark.parametrize("device", ["", "x" * 129, "a\0b", 7, None])
def test_a_device_has_a_name_that_can_be_stored(device: Any) -> None:
    assert NameDevice.model_validate({"deviceId": "a" * 128}).device_id == "a" * 128
    with pytest.raises(ValidationError):
        NameDevice.model_validate({"deviceId": device})
