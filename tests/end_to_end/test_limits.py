"""The limits at the door, as a client of a real server meets them."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from auth.principal import Plan
from tests.databases import redis_server as run_redis
from tests.end_to_end.peers import crowd_of, none_are_left
from tests.house import NO_LIMITS, Client, House, Opened, token

PATH = "main/subtitles?target_lang=en"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {
        "RECOGNIZERS": "silent",
        "LIVE_QUOTA_WEBSOCKET_RATE_LIMIT": "5",
        "LIVE_QUOTA_API_RATE_LIMIT": "100",
    }


def strict(tmp_path: Path, **changes: str) -> Opened:
    return Opened(tmp_path, **(NO_LIMITS | {"RECOGNIZERS": "silent"} | changes))


async def outcome(house: House, bearer: str) -> tuple[dict[str, Any], int]:
    """Connect and authenticate; return the first message and the close code (0: still open)."""
    async with house.live(PATH) as socket:
        client = Client(socket)
        answer = await client.authenticate(bearer)
        if answer["type"] == "connected":
            return answer, 0
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        return answer, caught.value.rcvd.code


async def test_of_ten_connections_of_a_user_in_a_minute_five_are_let_in(house: House) -> None:
    outcomes = await asyncio.gather(*(outcome(house, token("ten", plan=Plan.FREE)) for _ in range(10)))
    refused = [(answer, code) for answer, code in outcomes if code]
    assert len(refused) == 5
    for answer, code in refused:
        assert code == 4029
        assert (answer["type"], answer["code"], answer["status"]) == ("error", "RATE_LIMITED", 429)
        assert answer["recoverable"] is True
        assert 55 <= answer["retry_after_seconds"] <= 60
    assert (await outcome(house, token("another")))[1] == 0


async def test_bad_tokens_use_up_nobodys_connections(house: House) -> None:
    for _ in range(8):
        assert (await outcome(house, "invalid_token"))[1] == 4001
    assert (await outcome(house, token("careful")))[1] == 0


async def test_of_110_requests_of_a_user_in_a_minute_100_succeed(house: House) -> None:
    async with httpx.AsyncClient(
        base_url=house.url(""), headers={"Authorization": f"Bearer {token()}"}
    ) as client:
        responses = await asyncio.gather(*(client.get("/api/v1/live/channels") for _ in range(110)))
    limited = [response for response in responses if response.status_code == 429]
    assert len(limited) == 10
    assert {response.status_code for response in responses} == {200, 429}
    body = limited[0].json()
    assert body["code"] == "RATE_LIMITED"
    assert limited[0].headers["retry-after"] == str(body["retry_after_seconds"])


async def test_sessions_at_once_but_not_for_enterprise(tmp_path: Path) -> None:
    with strict(tmp_path, LIVE_QUOTA_CONCURRENT_SESSIONS="2") as house:
        for plan, admitted in ((Plan.PRO, 2), (Plan.ENTERPRISE, 4)):
            clients = [await house.live(PATH) for _ in range(4)]
            answers = [await Client(socket).authenticate(token(plan.value, plan=plan)) for socket in clients]
            kinds = [answer.get("code", answer["type"]) for answer in answers]
            assert kinds == ["connected"] * admitted + ["TOO_MANY_SESSIONS"] * (4 - admitted)
            for socket in clients:
                await socket.close()
        await none_are_left(house)
        assert (await outcome(house, token("pro", plan=Plan.PRO)))[1] == 0


async def test_upgrades_of_an_address_are_refused_in_http(tmp_path: Path) -> None:
    with strict(tmp_path, ADDRESS_UPGRADE_LIMIT="3") as house:
        for _ in range(3):
            async with house.live(PATH):
                pass
        with pytest.raises(InvalidStatus) as caught:
            await house.live(PATH)
        response = caught.value.response
        body = orjson.loads(response.body)
        assert (response.status_code, body["code"]) == (429, "RATE_LIMITED")
        assert response.headers["Retry-After"] == str(body["retry_after_seconds"])
        async with house.live(PATH, local_addr=("127.0.0.2", 0)):
            pass


async def test_connections_without_a_token_are_bounded_for_each_address_and_in_all(tmp_path: Path) -> None:
    with strict(tmp_path, ADDRESS_UNAUTHENTICATED_MAX="3", UNAUTHENTICATED_MAX="5") as house:
        waiting = [await house.live(PATH) for _ in range(3)]
        with pytest.raises(InvalidStatus) as caught:
            await house.live(PATH)
        assert caught.value.response.status_code == 429
        assert "Retry-After" in caught.value.response.headers
        others = [await house.live(PATH, local_addr=("127.0.0.2", 0)) for _ in range(2)]
        with pytest.raises(InvalidStatus):
            await house.live(PATH, local_addr=("127.0.0.3", 0))

        assert (await Client(waiting[0]).authenticate(token()))["type"] == "connected"
        waiting.append(await house.live(PATH))
        for socket in waiting + others:
            await socket.close()


async def test_a_limit_of_zero_is_off(tmp_path: Path) -> None:
    bearer = token("busy", plan=Plan.FREE)
    with strict(tmp_path) as house:
        async with crowd_of(house) as crowd:
            for peer in await crowd.many(120, PATH, bearer=bearer):
                assert peer.connected["type"] == "connected"
            await asyncio.gather(*(crowd.arrives(PATH) for _ in range(120)))
            headers = {"Authorization": f"Bearer {bearer}"}
            async with httpx.AsyncClient(base_url=house.url(""), headers=headers) as client:
                answers = await asyncio.gather(*(client.get("/api/v1/live/channels") for _ in range(120)))
            assert {answer.status_code for answer in answers} == {200}


async def strangers(house: House, *headers: dict[str, str], local: str = "127.0.0.1") -> list[int]:
    """Ask without a token, from a local address, with headers; return the statuses."""
    transport = httpx.AsyncHTTPTransport(local_address=local)
    async with httpx.AsyncClient(base_url=house.url(""), transport=transport) as client:
        return [(await client.get("/api/v1/live/channels", headers=each)).status_code for each in headers]


async def test_only_a_trusted_proxy_names_a_client_and_never_the_leftmost(tmp_path: Path) -> None:
    proxies = "127.0.0.1,10.0.0.0/8"
    with strict(
        tmp_path, ADDRESS_RATE_LIMIT="2", ADDRESS_UPGRADE_LIMIT="2", TRUSTED_PROXIES=proxies
    ) as house:
        made_up = [{"X-Forwarded-For": f"198.51.100.{n}, 203.0.113.7, 10.0.0.9"} for n in range(4)]
        assert await strangers(house, *made_up) == [401, 401, 429, 429]
        others = [{"X-Forwarded-For": f"203.0.113.7, 203.0.113.{n}"} for n in range(10, 13)]
        assert await strangers(house, *others) == [401, 401, 401]
        site = [{"X-Forwarded-For": f"2001:db8::{n}"} for n in range(3)]
        assert await strangers(house, *site) == [401, 401, 429]
        mapped = [
            {"X-Forwarded-For": value} for value in ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1")
        ]
        assert await strangers(house, *mapped) == [401, 401, 429]

        assert await strangers(house, *made_up, local="127.0.0.2") == [401, 401, 429, 429]
        other_names = [{"Forwarded": f"for=198.51.100.{n}", "X-Real-IP": f"198.51.100.{n}"} for n in range(4)]
        assert await strangers(house, *other_names) == [401, 401, 429, 429]

        for headers in made_up[:2]:
            async with house.live(PATH, additional_headers=headers):
                pass
        with pytest.raises(InvalidStatus) as caught:
            await house.live(PATH, additional_headers=made_up[2])
        response = caught.value.response
        assert response.status_code == 429
        assert response.headers["RateLimit-Policy"] == '"upgrades";q=2;w=60'
        assert response.headers["RateLimit"] == f'"upgrades";r=0;t={response.headers["Retry-After"]}'


async def test_two_servers_share_their_limits_and_each_goes_on_alone_without_redis(tmp_path: Path) -> None:
    shared = {
        "LIVE_QUOTA_API_RATE_LIMIT": "30",
        "LIVE_QUOTA_WEBSOCKET_RATE_LIMIT": "5",
        "REDIS_TIMEOUT_SECONDS": "2",
    }
    with run_redis() as redis:
        one = strict(tmp_path / "one", REDIS_URL=redis.url, **shared)
        two = strict(tmp_path / "two", REDIS_URL=redis.url, **shared)
        with one as first, two as second:
            assert await requests(first, second, tries=40) == 30
            outcomes = [await outcome(house, token("dana")) for house in (first, second) * 4]
            assert [code for _, code in outcomes] == [0] * 5 + [4029] * 3

            redis.kill()
            async with asyncio.timeout(20):
                while not first.get("/readyz")["degraded"]:
                    await asyncio.sleep(0.05)
            assert first.get("/readyz")["status"] == "ready"
            assert "each process" in first.get("/readyz")["degraded"]["redis"]
            assert first.metric("stagedoor_degraded", part="redis") == 1
            assert await requests(first, user="noa", tries=40) == 30
            assert await requests(second, user="noa", tries=40) == 30

            redis.start()
            async with asyncio.timeout(20):
                while first.get("/readyz")["degraded"] or second.get("/readyz")["degraded"]:
                    await asyncio.sleep(0.05)
            assert first.metric("stagedoor_degraded") == 0
            assert await requests(first, second, user="tal", tries=40) == 30


async def requests(*houses: House, tries: int, user: str = "dana") -> int:
    """Ask each server in turn; return how often somebody was let in."""
    headers = {"Authorization": f"Bearer {token(user)}"}
    async with httpx.AsyncClient(headers=headers) as client:
        urls = [houses[number % len(houses)].url("/api/v1/live/channels") for number in range(tries)]
        answers = await asyncio.gather(*(client.get(url) for url in urls))
    assert {answer.status_code for answer in answers} <= {200, 429}
    return sum(answer.status_code == 200 for answer in answers)
