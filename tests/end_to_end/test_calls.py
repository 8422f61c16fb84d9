"""Calls of real servers: the operators' checks, one killed in mid-call, two on one database and Redis."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from auth.principal import Role
from tests.databases import Postgres, apart
from tests.databases import redis_server as run_redis
from tests.end_to_end.callers import (
    CALLS_ON,
    QUICK,
    Caller,
    acquainted,
    arrive,
    connect,
    give,
    over,
    ring,
    talk,
)
from tests.end_to_end.guests import Json, Party, party
from tests.gateway.socketio.node import browsing
from tests.gateway.test_auditing import stagedoor
from tests.house import House, Opened, close_house, lines, open_house, token

OFFER = {"type": "offer", "sdp": "v=0\r\n"}


@pytest.fixture
async def guests() -> AsyncIterator[Party]:
    async with party() as here:
        yield here


def curl(house: House, *words: str, user: str = "cleo", role: Role = Role.CREATOR) -> tuple[int, Any]:
    """Return status and body of a request as an operator types it."""
    bearer = f"Authorization: Bearer {token(user, role)}"
    asked = ["curl", "-s", "-w", "\n%{http_code}", "-H", bearer, *words]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), orjson.loads(body)


def test_the_operators_checks_before_calls_are_turned_on(tmp_path: Path) -> None:
    with Opened(tmp_path, RECOGNIZERS="silent") as house:
        status, mine = curl(house, house.url("/api/fans/me"), user="noa", role=Role.FAN)
        assert (status, mine["fan_privacy_visibility"]) == (200, "private")
        assert (mine["fan_allow_dm"], mine["fan_allow_calls"]) == ("interacted", "interacted")
        initiate = [
            "-X",
            "POST",
            house.url("/api/calls/initiate"),
            "-d",
            '{"fanId":"...","callType":"voice"}',
        ]
        answers = [curl(house, *initiate) for _ in range(20)]
        assert [status for status, _ in answers] == [403] * 5 + [429] * 15
        body = answers[0][1]
        assert (body["ok"], body["code"]) == (False, "FEATURE_DISABLED")
        assert set(body) >= {"ok", "code", "error", "timestamp"}
        assert answers[-1][1]["retry_after_seconds"] > 0
        token_path = house.url("/api/agora/token?channel=test&uid=123&role=host")
        assert curl(house, token_path, user="mia")[0] == 404
        status, refused = curl(house, token_path, user="ada", role=Role.ADMIN)
        assert (status, refused["code"]) == (409, "AGORA_NOT_CONFIGURED")
        assert curl(house, house.url("/health"))[1]["status"] == "healthy"
        started = {line["message"] for line in lines(house.log)}
    assert "Call invitation expiration job started" in started


def test_keys_of_agora_that_cannot_be_right_stop_the_server(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="AGORA_APP_CERTIFICATE is missing"):
        open_house(tmp_path, AGORA_APP_ID="970CA35de60c44645bbae8a215061b33")


# --- killed in mid-call -------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = apart(server.migrated_database())
    yield url
    apart(server.drop(url))


def since(call: Json, at: str) -> float:
    """Seconds from the connection to a moment of a call."""
    begun, ended = (datetime.fromisoformat(call[name]) for name in ("connectedAt", at))
    return (ended - begun).total_seconds()


async def test_a_call_whose_server_is_killed_ends_at_its_last_heartbeat(
    database: str, tmp_path: Path, guests: Party
) -> None:
    settings = CALLS_ON | QUICK | {"DATABASE_URL": database}
    house = await asyncio.to_thread(open_house, tmp_path, **settings)
    try:
        await acquainted(house, rate=60)
        await give(house, "noa", 1000)
        creator = await arrive(guests, house, "cleo", Role.CREATOR, "desk")
        fan = await arrive(guests, house, "noa", device="phone")
        call = await connect(creator, fan)
        await talk(2.5, call, creator, fan)
        house.process.send_signal(signal.SIGKILL)
        house.process.wait()
    finally:
        await asyncio.to_thread(close_house, house)
    house = await asyncio.to_thread(open_house, tmp_path, **settings)
    try:
        ended = await over(fan.at(house), call)
        assert (ended["state"], ended["endReason"]) == ("ENDED", "connection_lost")
        # To the last heartbeat, which was no later than the kill; a credit a second, begun ones in full.
        assert 2.0 <= since(ended, "endedAt") < 4.0
        assert ended["amount"] == ended["billedSeconds"] == -(-since(ended, "endedAt") // 1)
        balance = (await fan.at(house).done("GET", "/api/v1/credits/balance"))["balance"]
        assert balance == 1000 - ended["amount"]
        earned = (await creator.at(house).done("GET", "/api/creators/me"))["earned"]
        assert earned == ended["amount"]
        # And it stays so.
        again = await fan.at(house).act(call, "end")
        assert again.json()["call"]["amount"] == ended["amount"]
    finally:
        await asyncio.to_thread(close_house, house)
    status, said, _ = await stagedoor(DATABASE_URL=database, DATA_DIR=str(tmp_path))
    assert status == 0, said
    assert "1 calls" in said


async def test_a_call_goes_on_over_a_restart_that_is_quick(tmp_path: Path, guests: Party) -> None:
    settings = CALLS_ON | {"CALL_INCREMENT_SECONDS": "1"}
    house = await asyncio.to_thread(open_house, tmp_path, **settings)
    try:
        await acquainted(house)
        creator = await arrive(guests, house, "cleo", Role.CREATOR, "desk")
        fan = await arrive(guests, house, "noa", device="phone")
        call = await connect(creator, fan)
        house.process.send_signal(signal.SIGKILL)
        house.process.wait()
    finally:
        await asyncio.to_thread(close_house, house)
    house = await asyncio.to_thread(open_house, tmp_path, **settings)
    try:
        creator = await arrive(guests, house, "cleo", Role.CREATOR)
        found = await creator.device.ask("call:device", deviceId="desk")
        assert [view["call"]["state"] for view in found["calls"]] == ["CONNECTED"]
        assert found["calls"][0]["media"]["channel"] == f"call_{call['id']}"
        beaten = await fan.at(house).act(call, "heartbeat", {"deviceId": "phone"})
        assert beaten.json()["call"]["state"] == "CONNECTED"
        assert (await fan.at(house).act(call, "end")).json()["call"]["endReason"] == "hung_up"
        assert (await creator.device.until("call:ended"))["call"]["id"] == call["id"]
    finally:
        await asyncio.to_thread(close_house, house)


# --- two servers --------------------------------------------------------------------------------------


class Two:
    """Two servers on one database, and its URL."""

    def __init__(self, one: House, other: House, url: str) -> None:
        self.one, self.other, self.url = one, other, url


def two_servers(stack: ExitStack, postgres: Postgres, folder: Path, **settings: str) -> Two:
    url = apart(postgres.migrated_database())
    stack.callback(lambda: apart(postgres.drop(url)))
    given = CALLS_ON | QUICK | {"DATABASE_URL": url, **settings}
    with ThreadPoolExecutor(2) as threads:
        starting = [threads.submit(open_house, folder / name, **given) for name in ("a", "b")]
    houses = [started.result() for started in starting]
    for house in houses:
        stack.callback(close_house, house)
    return Two(houses[0], houses[1], url)


@pytest.fixture(scope="module")
def two(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with ExitStack() as stack:
        redis = stack.enter_context(run_redis())
        folder = tmp_path_factory.mktemp("calls")
        yield two_servers(stack, postgres, folder, REDIS_URL=redis.url)


async def test_people_of_two_servers_speak_with_npms_client(two: Two) -> None:
    await acquainted(two.one, "nina", "nils")
    creator = Caller(two.one, "nina", Role.CREATOR)
    async with browsing() as browser:
        nina = browser.connect(two.one.url(""), token("nina", Role.CREATOR), transports=["websocket"])
        nils = browser.connect(two.other.url(""), token("nils", Role.FAN), transports=["polling"])
        for client, device in ((nina, "desk"), (nils, "phone")):
            await client.once("connect")
            assert (await client.ask("call:device", {"deviceId": device}))["calls"] == []
        call = await ring(creator, "nils")
        (told,) = await nils.next("call:incoming")
        assert told["call"]["id"] == call["id"]
        assert told["remainingMs"] <= 45_000
        fan = Caller(two.other, "nils", Role.FAN)
        await fan.act(call, "accept", {"deviceId": "phone"})
        assert (await nina.next("call:accepted"))[0]["call"]["state"] == "ACCEPTED"
        said = {"callId": call["id"], "description": OFFER}
        assert await nina.ask("call:signal", said) == {"ok": True}
        assert (await nils.next("call:signal"))[0] == said | {"from": "creator"}
        assert await nils.ask("call:signal", said | {"description": {"type": "answer", "sdp": "v=0\r\n"}})
        assert (await nina.next("call:signal"))[0]["from"] == "fan"
        for client in (nina, nils):
            joined = await client.ask("call:media", {"callId": call["id"], "state": "joined"})
        assert joined["call"]["state"] == "CONNECTED"
        for client in (nina, nils):
            await client.next("call:connected")
        await creator.act(call, "end")
        assert (await nils.next("call:ended"))[0]["call"]["endReason"] == "hung_up"


@pytest.mark.parametrize("times", [pytest.param(20), pytest.param(200, marks=pytest.mark.chaos)])
async def test_two_devices_accept_at_two_servers(two: Two, guests: Party, times: int) -> None:
    """And the creator cancels at the same time, each third time: one outcome, one settlement."""
    await acquainted(two.one, "rita", "rolf", rate=60)
    await give(two.one, "rolf", 100_000)
    creator = await arrive(guests, two.one, "rita", Role.CREATOR, "desk")
    phone = await arrive(guests, two.one, "rolf", device="phone")
    tablet = await arrive(guests, two.other, "rolf", device="tablet")
    outcomes = []
    for number in range(times):
        call = await ring(creator, "rolf")
        acts = [
            phone.act(call, "accept", {"deviceId": "phone"}),
            tablet.act(call, "accept", {"deviceId": "tablet"}),
        ]
        if number % 3 == 2:
            acts.append(creator.act(call, "cancel"))
        answers = await asyncio.gather(*acts)
        accepted = [answer for answer in answers[:2] if answer.status_code == 200]
        assert {answer.status_code for answer in answers} <= {200, 409}
        outcomes.append(len(accepted))
        await creator.act(call, "end")
        after = await creator.call(call)
        assert after["amount"] == 0
        assert (after["acceptedAt"] is not None) == bool(accepted)
    assert set(outcomes) <= {0, 1}
    assert all(count == 1 for number, count in enumerate(outcomes) if number % 3 != 2)
    connection = await asyncpg.connect(two.url)
    try:
        rows = await connection.fetch(
            "SELECT count(*) AS settled FROM credit_transactions WHERE kind = 'settlement' "
            "AND subject = 'rolf' GROUP BY call_id"
        )
    finally:
        await connection.close()
    assert len(rows) == sum(outcomes)
    assert all(row["settled"] == 1 for row in rows)


async def test_the_other_server_ends_the_calls_of_one_that_is_killed(
    postgres: Postgres, tmp_path: Path, guests: Party
) -> None:
    """Without Redis: what one writes the other reads."""
    with ExitStack() as stack:
        two = await asyncio.to_thread(two_servers, stack, postgres, tmp_path)
        await acquainted(two.one, rate=60)
        await give(two.one, "noa", 1000)
        creator = await arrive(guests, two.one, "cleo", Role.CREATOR, "desk")
        fan = await arrive(guests, two.other, "noa", device="phone")
        call = await connect(creator, fan)
        await talk(1.5, call, creator, fan)
        two.one.process.send_signal(signal.SIGKILL)
        two.one.process.wait()
        told = (await fan.device.until("call:ended"))["call"]
        assert (told["id"], told["endReason"]) == (call["id"], "connection_lost")
        assert told["billedSeconds"] < 4
        assert told["amount"] == told["billedSeconds"]
        balance = (await fan.done("GET", "/api/v1/credits/balance"))["balance"]
        assert balance == 1000 - told["amount"]
