"""Socket.IO of the whole server, with npm's client: both transports, both servers, and over a restart."""

import asyncio
import signal
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import orjson
import pytest

from tests.gateway.socketio.node import Browser, browsing
from tests.gateway.socketio.raw import Entered
from tests.house import NO_LIMITS, House, Opened, lines, token

TRANSPORTS = (["websocket"], ["polling"])
BRISK = {"RECOGNIZERS": "silent", "PING_INTERVAL_SECONDS": "1", "SOCKETIO_CONNECTION_RATE_LIMIT": "0"}


@pytest.fixture(scope="module", params=["gateway.cli", "tests.end_to_end.stock"], ids=["own", "stock"])
def house(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[House]:
    with Opened(tmp_path_factory.mktemp("io"), request.param, **(NO_LIMITS | BRISK)) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


def metric(house: House, name: str, **labels: str) -> float:
    return house.metric(f"stagedoor_socketio_{name}", **labels)


async def until_metric(house: House, name: str, value: float, **labels: str) -> None:
    async with asyncio.timeout(10):
        while metric(house, name, **labels) != value:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("transports", [*TRANSPORTS, ["polling", "websocket"]], ids="-".join)
async def test_it_connects_is_pinged_renews_and_leaves(
    house: House, browser: Browser, transports: list[str]
) -> None:
    client = browser.connect(house.url("/"), token("dana"), transports=transports)
    assert await client.next("room:authenticated") == [{"userId": "dana"}]
    if len(transports) == 2:
        assert await client.once("$upgrade") == ["websocket"]
    await until_metric(house, "clients", 1, transport=transports[-1])
    await client.next("$ping")
    await client.next("$ping")
    renewed = await client.ask("authenticate", {"token": token("dana")})
    assert (renewed["ok"], renewed["userId"]) == (True, "dana")
    unknown = await client.ask("nothing:here", {"x": 1})
    assert (unknown["ok"], unknown["code"]) == (False, "UNKNOWN_EVENT")
    client.disconnect()
    assert await client.next("disconnect") == ["io client disconnect"]
    await until_metric(house, "clients", 0)


async def test_a_token_that_ends_is_warned_of_and_then_the_connection_is_over(
    house: House, browser: Browser
) -> None:
    bearer = token("dana", expires_at=time.time() + 2)
    client = browser.connect(house.url("/"), bearer, transports=["websocket"])
    (warning,) = await client.next("warning")
    assert warning["code"] == "token_expiring"
    (error,) = await client.next("error")
    assert error["code"] == "TOKEN_EXPIRED"
    assert await client.next("disconnect") == ["io server disconnect"]
    assert client.all("$reconnect_attempt") == []


async def test_a_client_that_is_refused_comes_in_with_another_token(house: House, browser: Browser) -> None:
    client = browser.connect(house.url("/"), ["a.bad.one", token("dana")], transports=["websocket"])
    message, data = await client.next("connect_error")
    assert (message, data["code"]) == ("Invalid or expired token", "INVALID_TOKEN")
    client.reconnect()
    await client.next("room:authenticated")


async def test_what_is_not_of_the_protocol_does_no_harm_and_no_token_is_logged(house: House) -> None:
    async with Entered(house.url("")) as client:
        await client.send('451-["a"]', b"x" * 70_000)
        assert await client.closed() in (1008, 1009)
    async with Entered(house.url("")) as client:
        await client.send(b"\x00")
        assert await client.closed() == 1008
    told = list(lines(house.log))
    assert {line["kind"] for line in told if line["message"] == "WebSocket connected"} == {"socketio"}
    assert [line for line in told if line["level"] in ("ERROR", "CRITICAL")] == []
    assert "eyJ" not in house.log.read_text()  # how every token begins


async def test_a_socket_that_asks_wrongly_gets_the_api_s_error(house: House) -> None:
    def get(path: str) -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(house.url(path), timeout=10) as response:
                return response.status, {}
        except HTTPError as error:
            return error.code, orjson.loads(error.read())

    status, body = await asyncio.to_thread(get, "/socket.io/?EIO=3&transport=polling")
    assert (status, body["ok"], body["code"]) == (400, False, "BAD_PROTOCOL")
    status, body = await asyncio.to_thread(get, "/socket.io/?EIO=4&transport=polling&token=x")
    assert (status, body["code"]) == (401, "TOKEN_IN_URL")


# --- the end ------------------------------------------------------------------------------------------


def a_free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_clients_come_back_by_themselves_after_a_restart(tmp_path: Path, browser: Browser) -> None:
    settings = NO_LIMITS | BRISK | {"PORT": str(a_free_port())}
    with Opened(tmp_path, **settings) as house:
        quick: dict[str, Any] = {"reconnectionDelay": 100, "reconnectionDelayMax": 500}
        kinds = (*TRANSPORTS, ["polling", "websocket"])
        clients = [browser.connect(house.url("/"), token("dana"), transports=kind, **quick) for kind in kinds]
        for client in clients:
            await client.next("room:authenticated")
        await clients[2].once("$upgrade")
        house.process.send_signal(signal.SIGTERM)
        for client in clients:
            assert await client.next("disconnect") == ["transport close"]
        assert await asyncio.to_thread(house.process.wait, 15) == 0
        assert "Traceback" not in house.log.read_text()
    with Opened(tmp_path, **settings) as house:
        for client in clients:
            await client.next("room:authenticated")
        assert metric(house, "clients") == 3
