"""Engine.IO 4 as its text has it (https://github.com/socketio/engine.io-protocol), point by point."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from websockets.exceptions import InvalidStatus

from tests.gateway.socketio.raw import Entered, Polling, Wired, auth, query, wiring
from tests.gateway.socketio.rig import Stand, standing

PING_SECONDS = 0.3


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with standing() as stand:
        yield stand


@pytest.fixture
async def brisk() -> AsyncIterator[Stand]:
    """A server that pings every 0.3 s."""
    async with standing(ping_interval_seconds=PING_SECONDS) as stand:
        yield stand


@pytest.fixture
async def polling(stand: Stand) -> AsyncIterator[Polling]:
    async with Polling(stand.url) as polling:
        yield polling


async def refused_with(url: str, path: str) -> tuple[int, str]:
    """Return the status and the error code that an upgrade is refused with."""
    with pytest.raises(InvalidStatus) as caught:
        await wiring(url, path)
    return caught.value.response.status_code, orjson.loads(caught.value.response.body)["code"]


# --- handshake ---------------------------------------------------------------------------------------


async def test_polling_begins_with_what_a_client_must_know(polling: Polling) -> None:
    await polling.open()
    assert polling.opening.pop("sid").startswith("eio_")
    assert polling.opening == {
        "upgrades": ["websocket"], "pingInterval": 20000, "pingTimeout": 20000, "maxPayload": 65536,
    }  # fmt: skip


async def test_a_websocket_begins_with_it_too(stand: Stand) -> None:
    async with wiring(stand.url) as socket:
        opening = orjson.loads(str(await Wired(socket).next())[1:])
    assert opening.keys() == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert opening["upgrades"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/socket.io/?transport=polling", "/socket.io/?EIO=abc&transport=polling",
        "/socket.io/?EIO=3&transport=polling", "/socket.io/?EIO=4",
        "/socket.io/?EIO=4&transport=abc", "/socket.io/?EIO=4&transport=websocket",
        "/socket.io/?EIO=4&transport=polling&j=0", "/socket.io/?EIO=4&transport=polling&sid=unknown",
    ],
)  # fmt: skip
async def test_what_is_not_the_protocol_is_400(polling: Polling, path: str) -> None:
    response = await polling.http.get(path)
    assert response.status_code == 400
    assert response.json()["code"] in ("BAD_PROTOCOL", "UNKNOWN_SESSION")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_session_begins_with_get(polling: Polling, method: str) -> None:
    response = await polling.http.request(method, query("polling"))
    assert (response.status_code, response.json()["code"]) == (400, "BAD_PROTOCOL")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/socket.io/?transport=websocket", "BAD_PROTOCOL"),
        ("/socket.io/?EIO=abc&transport=websocket", "BAD_PROTOCOL"),
        ("/socket.io/?EIO=4", "BAD_PROTOCOL"),
        ("/socket.io/?EIO=4&transport=polling", "BAD_PROTOCOL"),
        ("/socket.io/?EIO=4&transport=websocket&sid=unknown", "UNKNOWN_SESSION"),
    ],
)
async def test_an_upgrade_that_is_not_the_protocol_is_400(stand: Stand, path: str, code: str) -> None:
    assert await refused_with(stand.url, path) == (400, code)


# --- messages ----------------------------------------------------------------------------------------


async def test_packets_of_one_body_are_taken_in_order(polling: Polling) -> None:
    await polling.enter()
    parts = '[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    pictures = ["bAQI=", "b/w=="]
    response = await polling.post(
        '421["do:echo",1]', f'452-2["do:echo",{parts}]', *pictures, '423["do:echo",3]'
    )
    assert (response.status_code, response.text) == (200, "ok")
    packets: list[str] = []
    while len(packets) < 10:
        packets += await polling.poll()
    assert packets == [
        '42["echoed",1]', '431[{"ok":true,"payload":1}]',
        f'452-["echoed",{parts}]', *pictures, f'462-2[{{"ok":true,"payload":{parts}}}]', *pictures,
        '42["echoed",3]', '433[{"ok":true,"payload":3}]',
    ]  # fmt: skip


@pytest.mark.parametrize("body", ["abc", "", "4", "b!", "4\x1e", "9"])
async def test_a_body_that_cannot_be_read_ends_the_session(polling: Polling, body: str) -> None:
    await polling.open()
    assert (await polling.post(body)).status_code == 400
    assert (await polling.get()).status_code == 400


@pytest.mark.parametrize("body", [b"4\xff\xfe", b"\x80"])
async def test_a_body_that_is_not_text_is_refused(polling: Polling, body: bytes) -> None:
    await polling.open()
    response = await polling.http.post(query("polling", polling.sid), content=body)
    assert (response.status_code, response.json()["code"]) == (400, "BAD_PAYLOAD")


async def test_a_body_is_bounded(polling: Polling) -> None:
    await polling.enter()
    response = await polling.post('42["do:echo","' + "x" * 65536 + '"]')
    assert (response.status_code, response.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_two_requests_that_fetch_end_the_session(polling: Polling, stand: Stand) -> None:
    await polling.open()
    first = asyncio.get_running_loop().create_task(polling.get())
    while not stand.hall.tasks:  # until the first waits
        await asyncio.sleep(0)
    second = await polling.get()
    assert ((await first).status_code, (await first).text, second.status_code) == (200, "1", 400)
    assert (await polling.get()).status_code == 400


async def test_a_request_that_is_broken_off_ends_the_session(polling: Polling, stand: Stand) -> None:
    await polling.enter()
    fetching = asyncio.get_running_loop().create_task(polling.get())
    while not stand.hall.tasks:
        await asyncio.sleep(0)
    fetching.cancel()
    await stand.parrot.until(lambda: not stand.parrot.here)
    assert (await polling.get()).status_code == 400


@pytest.mark.parametrize("message", ["abc", "", "2", "5", "4abc", b"\x01"])
async def test_what_cannot_be_read_closes_the_websocket(stand: Stand, message: str | bytes) -> None:
    async with Entered(stand.url) as client:
        await client.send(message)
        assert await client.closed() == 1008
    await stand.parrot.until(lambda: not stand.parrot.here)


async def test_a_message_of_a_websocket_is_bounded(stand: Stand) -> None:
    async with Entered(stand.url) as client:
        await client.send('42["do:echo","' + "x" * 65536 + '"]')
        assert await client.closed() == 1009


# --- heartbeat ---------------------------------------------------------------------------------------


async def test_a_websocket_that_answers_pings_stays(brisk: Stand) -> None:
    async with Entered(brisk.url) as client:
        for _ in range(2):
            assert await asyncio.wait_for(client.socket.recv(), 20) == "2"
            await client.send("3")
        await client.send('421["do:echo",1]')
        assert await client.next() == '42["echoed",1]'


async def test_a_websocket_that_does_not_is_closed(brisk: Stand) -> None:
    async with Entered(brisk.url) as client:
        assert await client.closed() == 1011
    await brisk.parrot.until(lambda: not brisk.parrot.here)


async def test_who_polls_and_answers_pings_stays(brisk: Stand) -> None:
    async with Polling(brisk.url) as polling:
        await polling.enter()
        for _ in range(4):
            assert (await polling.get()).text == "2"
            assert (await polling.post("3")).text == "ok"


async def test_who_polls_and_does_not_is_forgotten(brisk: Stand) -> None:
    async with Polling(brisk.url) as polling:
        await polling.enter()
        await brisk.parrot.until(lambda: not brisk.parrot.here)
        assert (await polling.get()).status_code == 400


# --- close -------------------------------------------------------------------------------------------


async def test_who_polls_may_end_the_session(polling: Polling, stand: Stand) -> None:
    await polling.enter()
    fetching = asyncio.get_running_loop().create_task(polling.get())
    while not stand.hall.tasks:
        await asyncio.sleep(0)
    await polling.post("1")
    assert ((await fetching).status_code, (await fetching).text) == (200, "6")
    assert (await polling.get()).status_code == 400
    await stand.parrot.until(lambda: not stand.parrot.here)


async def test_who_has_a_websocket_may_end_it_by_a_packet_or_a_close(stand: Stand) -> None:
    async with Entered(stand.url) as client:
        await client.send("1")
        assert await client.closed() == 1000
    async with Entered(stand.url) as client:
        await client.socket.close()
    await stand.parrot.until(lambda: not stand.parrot.here)
    assert stand.parrot.gone_count == 2


# --- upgrade -----------------------------------------------------------------------------------------


async def test_polling_moves_to_a_websocket(polling: Polling, stand: Stand) -> None:
    await polling.enter()
    fetching = asyncio.get_running_loop().create_task(polling.get())
    async with wiring(stand.url, query("websocket", polling.sid)) as socket:
        client = Wired(socket)
        await client.send("2probe")
        assert await client.next() == "3probe"
        assert (await fetching).text == "6"
        assert (await polling.get()).text == "6"
        await client.send("5", '421["do:echo",1]')
        assert [await client.next() for _ in range(2)] == ['42["echoed",1]', '431[{"ok":true,"payload":1}]']
        assert (await polling.get()).status_code == 400
        assert (await polling.post("3")).status_code == 400
        assert await refused_with(stand.url, query("websocket", polling.sid)) == (400, "UNKNOWN_SESSION")
        await client.send('422["do:echo",2]')
        assert await client.next() == '42["echoed",2]'
        assert len(stand.parrot.here) == 1


async def test_an_upgrade_that_comes_to_nothing_leaves_it_polling(polling: Polling, stand: Stand) -> None:
    await polling.enter()
    for first in ("2", "40" + auth(), b"\x01"):
        async with wiring(stand.url, query("websocket", polling.sid)) as socket:
            await socket.send(first)
            assert await Wired(socket).closed() == 1008
    async with wiring(stand.url, query("websocket", polling.sid)) as socket:
        await socket.send("2probe")
        assert await socket.recv() == "3probe"
    await polling.post('421["do:echo",1]')
    assert "42" in (await polling.poll())[0]
