"""One connection: in by a token, for as long as that holds, saying what it may."""

import asyncio
import logging
from typing import Any

import orjson
import pytest

from gateway.metrics import WAITING
from gateway.socketio.connection import REFUSALS_MAX, Connection
from gateway.socketio.interface import Ack, Client
from sessions import endings
from tests.gateway.rehearsal import Clockwork
from tests.gateway.socketio.paper import Carrier, clockwork, hall
from tests.house import token

__all__ = ["clockwork"]


class Register:
    """A receiver that notes who comes, goes and says what."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []

    def connected(self, client: Client) -> None:
        self.log.append(("connected", client.sid))

    def gone(self, client: Client) -> None:
        self.log.append(("gone", client.sid))

    def receive(self, client: Client, event: str, payload: Any) -> Ack:
        self.log.append((event, client.principal.user))
        return {"ok": True}


class Desk:
    """One connection of paper, and what is behind it."""

    def __init__(self, clockwork: Clockwork, **changes: Any) -> None:
        self.clockwork = clockwork
        self.hall = hall(clockwork, **changes)
        self.register = Register()
        self.hall.register(self.register, "do:")
        self.carrier = Carrier()
        self.hall.door.arrive(self.carrier.address)
        self.connection = Connection(self.hall, self.carrier)

    async def says(self, *texts: str) -> list[str]:
        """Say packets and return what is answered."""
        for text in texts:
            self.connection.receive_text(text)
        for _ in range(5):
            await asyncio.sleep(0)
        self.clockwork.turn()
        return self.carrier.taken()

    async def enters(self, user: str = "dana", lasts_seconds: float = 3600) -> Client:
        """Authenticate with a token that ends by the clock of the test."""
        await self.says("40" + self.auth(user, lasts_seconds))
        assert self.connection.client is not None
        return self.connection.client

    def auth(self, user: str = "dana", lasts_seconds: float = 3600, **changes: Any) -> str:
        expires_at = self.now + lasts_seconds
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.house.time.time", lambda: self.now)
            return orjson.dumps({"token": token(user, expires_at=expires_at, **changes)}).decode()

    @property
    def now(self) -> float:
        return self.clockwork.now_ms() / 1000

    @property
    def waiting(self) -> float:
        (metric,) = WAITING.collect()
        return float(metric.samples[0].value)


@pytest.fixture
async def desk(clockwork: Clockwork) -> Desk:
    return Desk(clockwork)


def code_of(packet: str) -> str:
    """Return the error code in a refusal or an answer."""
    data = orjson.loads(packet[min(packet.index(mark) for mark in "[{" if mark in packet) :])
    body = data[0] if isinstance(data, list) and isinstance(data[0], dict) else data
    return str(body.get("data", body)["code"])


async def test_who_has_a_token_is_let_in_and_told_who_they_are(desk: Desk) -> None:
    assert desk.waiting == 1
    connected, authenticated = await desk.says("40" + desk.auth("dana"))
    ((_, sid),) = desk.register.log
    assert connected == f'40{{"sid":"{sid}"}}'
    assert authenticated == '42["room:authenticated",{"userId":"dana"}]'
    assert desk.waiting == 0
    assert sid != ""


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ("", "NOT_AUTHENTICATED"),
        ('{"token":""}', "NOT_AUTHENTICATED"),
        ('{"token":["x"]}', "NOT_AUTHENTICATED"),
        ('{"token":"x"}', "INVALID_TOKEN"),
        ('{"token":"' + "x" * 5000 + '"}', "INVALID_TOKEN"),
    ],
)
async def test_who_has_none_is_told_and_may_try_again(desk: Desk, auth: str, code: str) -> None:
    (refused,) = await desk.says("40" + auth)
    assert refused.startswith('44{"message":')
    assert code_of(refused) == code
    assert desk.carrier.ending is None
    await desk.enters()


async def test_a_token_that_ended_does_not_hold(desk: Desk) -> None:
    (refused,) = await desk.says("40" + desk.auth(lasts_seconds=0))
    assert code_of(refused) == "INVALID_TOKEN"


async def test_tries_that_lead_nowhere_come_to_an_end(desk: Desk) -> None:
    for _ in range(REFUSALS_MAX):
        assert desk.carrier.ending is None
        await desk.says("40")
    assert desk.carrier.ending is endings.NOT_AUTHENTICATED
    assert await desk.says("40" + desk.auth()) == []


async def test_who_does_not_authenticate_in_time_is_let_go(desk: Desk) -> None:
    desk.clockwork.advance(9.5)
    assert desk.carrier.ending is None
    desk.clockwork.advance(1)
    assert desk.carrier.ending is endings.NOT_AUTHENTICATED
    desk.connection.lost(4001)
    assert desk.waiting == 0


async def test_another_namespace_is_refused_and_this_one_stays(desk: Desk) -> None:
    await desk.enters()
    (refused,) = await desk.says("40/admin,")
    assert refused.startswith("44/admin,")
    assert code_of(refused) == "UNKNOWN_NAMESPACE"
    assert await desk.says('421["do:it"]') == ['431[{"ok":true}]']


@pytest.mark.parametrize("text", ['42["do:it"]', "431[1]", "41", "2", "5", "4x", "", "0"])
async def test_who_is_not_in_says_nothing_else(desk: Desk, text: str) -> None:
    await desk.says(text)
    assert desk.carrier.ending is endings.POLICY
    assert await desk.says("40" + desk.auth()) == []
    assert desk.register.log == []


@pytest.mark.parametrize(
    "text", ["40", '42/admin,["do:it"]', "41/admin,", '43/admin,1["x"]', '42["connect"]']
)
async def test_who_is_in_says_nothing_out_of_turn(desk: Desk, text: str) -> None:
    await desk.enters()
    await desk.says(text)
    assert desk.carrier.ending is endings.POLICY


async def test_a_second_token_while_the_first_is_checked_ends_it(desk: Desk) -> None:
    assert await desk.says("40" + desk.auth(), "40" + desk.auth()) == []
    assert desk.carrier.ending is endings.POLICY
    assert desk.register.log == []


async def test_bytes_out_of_turn_end_it(desk: Desk) -> None:
    desk.connection.receive_binary(b"x")
    assert desk.carrier.ending is endings.POLICY


async def test_who_leaves_may_come_back_as_somebody_else(desk: Desk) -> None:
    first = await desk.enters("ann")
    assert await desk.says("41") == []
    assert desk.waiting == 1
    second = await desk.enters("bob")
    assert [what for what, _ in desk.register.log] == ["connected", "gone", "connected"]
    assert first.sid != second.sid
    assert (first.connected, second.connected) == (False, True)
    await desk.says("41")
    desk.clockwork.advance(11)
    assert desk.carrier.ending is endings.NOT_AUTHENTICATED


async def test_who_is_lost_while_they_are_checked_never_was_there(desk: Desk) -> None:
    desk.connection.receive_text("40" + desk.auth())
    desk.connection.lost(1006)
    assert await desk.says() == []
    assert desk.register.log == []
    assert desk.waiting == 0
    assert len(desk.hall.alarms) == 0


@pytest.mark.parametrize("authenticated", [True, False])
async def test_who_moves_to_another_address_departs_from_where_they_arrived(
    desk: Desk, authenticated: bool
) -> None:
    elsewhere = Carrier()
    elsewhere.address = "198.51.100.9"
    desk.hall.door.arrive(elsewhere.address)  # Somebody else's, who is still waiting.
    desk.connection.moved(elsewhere)
    if authenticated:
        desk.connection.receive_text("40" + desk.auth())
        await desk.says()
        assert desk.connection.client is not None
    desk.connection.lost(1006)
    assert desk.waiting == 1
    desk.hall.door.depart(elsewhere.address)
    assert desk.waiting == 0


async def test_who_was_put_out_says_nothing_more_while_the_carrier_ends(desk: Desk) -> None:
    client = await desk.enters()
    client.disconnect("error", {"code": "TOKEN_EXPIRED"})
    await desk.says('421["do:this"]', "3")
    assert "do:this" not in [what for what, _ in desk.register.log]
    assert [what for what, _ in desk.register.log].count("gone") <= 1


async def test_who_goes_is_gone_once(desk: Desk) -> None:
    await desk.enters()
    desk.connection.receive_text("1")
    assert desk.carrier.ended_by_client
    desk.connection.lost(1000)
    assert [what for what, _ in desk.register.log] == ["connected", "gone"]
    assert len(desk.hall.alarms) == 0


async def test_so_many_connections_of_a_user_in_a_minute(clockwork: Clockwork) -> None:
    desk = Desk(clockwork, socketio_connection_rate_limit=2)
    for _ in range(2):
        await desk.enters()
        await desk.says("41")
    (refused,) = await desk.says("40" + desk.auth())
    assert code_of(refused) == "RATE_LIMITED"
    assert '"retry_after_seconds":' in refused
    await desk.enters("somebody else")


# --- events ------------------------------------------------------------------------------------------


async def test_an_event_that_nobody_handles_says_which_are(desk: Desk) -> None:
    await desk.enters()
    (refused,) = await desk.says('425["room:join",{}]')
    assert code_of(refused) == "UNKNOWN_EVENT"
    assert "do:..." in refused
    (told,) = await desk.says('42["' + "x" * 500 + '"]')
    assert told.startswith('42["error",{"ok":false,"code":"UNKNOWN_EVENT"')


async def test_an_event_has_one_payload_at_most(desk: Desk) -> None:
    await desk.enters()
    (refused,) = await desk.says('421["do:it",1,2]')
    assert code_of(refused) == "INVALID"
    assert desk.register.log[1:] == []


async def test_so_many_events_and_then_a_refusal_that_costs_little(clockwork: Clockwork) -> None:
    desk = Desk(clockwork, socketio_event_rate_limit=2, socketio_event_burst=4)
    await desk.enters()
    answers = await desk.says(*(f'42{number}["do:it"]' for number in range(6)))
    assert answers[:4] == [f'43{number}[{{"ok":true}}]' for number in range(4)]
    assert [code_of(answer) for answer in answers[4:]] == ["RATE_LIMITED"] * 2
    clockwork.advance(2)
    assert await desk.says('427["do:it"]') == ['437[{"ok":true}]']


async def test_a_flood_without_questions_is_told_once_and_then_ended(clockwork: Clockwork) -> None:
    desk = Desk(clockwork, socketio_event_rate_limit=2, socketio_event_burst=4)
    await desk.enters()
    said = await desk.says(*['42["do:it"]'] * 40)
    assert len(said) == 1
    assert desk.carrier.ending is None
    await desk.says(*['42["do:it"]'] * 10)
    assert desk.carrier.ending is endings.TOO_MANY


# --- how long a token holds --------------------------------------------------------------------------


async def test_a_token_is_warned_of_and_a_fresh_one_goes_on(desk: Desk) -> None:
    client = await desk.enters("dana", 600)
    desk.clockwork.advance(539)
    assert desk.carrier.taken() == []
    desk.clockwork.advance(2)
    (warning,) = desk.carrier.taken()
    assert warning == '42["warning",{"code":"token_expiring","expiresAt":"2026-11-21T12:10:00Z"}]'
    (answer,) = await desk.says('421["authenticate",' + desk.auth("dana", 600) + "]")
    assert answer == '431[{"ok":true,"userId":"dana","expiresAt":"2026-11-21T12:19:01Z"}]'
    assert client.expires_at_ms / 1000 == int(desk.now + 600)
    desk.clockwork.advance(300)
    assert desk.carrier.taken() == []
    desk.clockwork.advance(300)
    assert [packet[:12] for packet in desk.carrier.taken()] == ['42["warning"', '42["error",{', "41"]


async def test_a_token_that_is_not_renewed_ends_the_connection_for_good(desk: Desk) -> None:
    client = await desk.enters("dana", 30)
    desk.clockwork.advance(1)  # less than a minute is left
    (warning,) = desk.carrier.taken()
    assert "token_expiring" in warning
    desk.clockwork.advance(30)
    error, disconnect = desk.carrier.taken()
    assert error.startswith('42["error",{"ok":false,"code":"TOKEN_EXPIRED"')
    assert disconnect == "41"
    assert desk.carrier.ending is endings.DONE
    assert not client.connected
    assert [what for what, _ in desk.register.log] == ["connected", "gone"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [("null", "NOT_AUTHENTICATED"), ("[]", "NOT_AUTHENTICATED"), ('{"token":"x"}', "INVALID_TOKEN")],
)
async def test_a_fresh_token_must_hold(desk: Desk, payload: str, code: str) -> None:
    await desk.enters()
    (refused,) = await desk.says(f'421["authenticate",{payload}]')
    assert code_of(refused) == code
    assert desk.carrier.ending is None


async def test_a_fresh_token_is_of_the_same_user_in_the_same_tenant(desk: Desk) -> None:
    client = await desk.enters("dana")
    for auth in (desk.auth("eve"), desk.auth("dana", tenant="other")):
        (refused,) = await desk.says(f'421["authenticate",{auth}]')
        assert code_of(refused) == "NOT_ALLOWED"
    assert (client.principal.user, client.principal.tenant) == ("dana", "default")


async def test_the_log_has_who_came_and_never_a_token(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await desk.says('40{"token":"a.bad.token"}')
        client = await desk.enters()
        desk.connection.lost(1006)
    assert [record.message for record in caplog.records] == [
        "Authentication failed", "WebSocket connected", "WebSocket closed",
    ]  # fmt: skip
    assert "a.bad.token" not in repr([vars(record) for record in caplog.records])
    assert getattr(caplog.records[2], "sessionId", "") == client.sid


async def test_an_admission_that_fails_is_told_and_the_next_one_may_not(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_principal: object) -> None:
        raise KeyError("a secret")

    with monkeypatch.context() as patch:
        patch.setattr(desk.hall.door, "count_participant", broken)
        (refused,) = await desk.says("40" + desk.auth())
    assert code_of(refused) == "INTERNAL_ERROR"
    assert "secret" not in refused
    assert "An admission failed" in caplog.text
    await desk.enters()
