"""npm socket.io-client is served as by its own server: over websocket, polling, and from one to the other."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.gateway.socketio.node import Browser, Socket, browsing
from tests.gateway.socketio.rig import Stand, standing
from tests.house import token

TRANSPORTS = (["websocket"], ["polling"])


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with standing() as stand:
        yield stand


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


@pytest.fixture(params=TRANSPORTS, ids=lambda transports: transports[0])
async def socket(stand: Stand, browser: Browser, request: pytest.FixtureRequest) -> Socket:
    socket = browser.connect(stand.url, token("dana"), transports=request.param)
    await socket.next("connect")
    return socket


async def test_it_connects_and_is_told_who_it_is(socket: Socket, stand: Stand) -> None:
    assert await socket.next("room:authenticated") == [{"userId": "dana"}]
    (client,) = stand.parrot.here
    assert socket.all("connect") == [[client.sid]]


async def test_an_event_is_answered_and_events_come(socket: Socket) -> None:
    payload = {"text": "שלום ✨", "number": 1.5, "list": [None, True]}
    assert await socket.ask("do:echo", payload) == {"ok": True, "payload": payload}
    assert await socket.next("echoed") == [payload]


async def test_bytes_go_both_ways(socket: Socket) -> None:
    payload = {"picture": b"\x00\x01\xff" * 1000, "more": [b"", {"deep": b"\x02"}]}
    assert await socket.ask("do:echo", payload) == {"ok": True, "payload": payload}
    assert await socket.next("echoed") == [payload]


async def test_the_client_answers_what_it_is_asked(socket: Socket) -> None:
    answer = await socket.ask("do:ask", {"n": 1, "bytes": b"\x01"})
    assert answer == {"ok": True, "answer": [{"n": 1, "bytes": b"\x01"}, "answered"]}
    assert await socket.next("question") == [{"n": 1, "bytes": b"\x01"}]


async def test_a_disconnect_is_noticed_at_once(socket: Socket, stand: Stand) -> None:
    socket.disconnect()
    assert await socket.next("disconnect") == ["io client disconnect"]
    await stand.parrot.until(lambda: not stand.parrot.here)


async def test_it_comes_back_on_a_new_connection(socket: Socket, stand: Stand) -> None:
    before = stand.parrot.here[0].sid
    socket.break_off()
    await socket.next("disconnect")
    (after,) = await socket.next("connect")
    assert after != before
    await stand.parrot.until(lambda: [client.sid for client in stand.parrot.here] == [after])
    assert stand.parrot.gone_count == 1


async def test_an_error_says_what_to_do_in_the_api_s_shape(socket: Socket) -> None:
    refused = await socket.ask("do:refuse")
    assert refused.pop("timestamp").endswith("Z")
    assert refused == {"ok": False, "code": "NOT_NOW", "error": "Not now; try again later", "later": True}
    assert (await socket.ask("do:fail"))["code"] == "INTERNAL_ERROR"
    unknown = await socket.ask("nothing:here")
    assert (unknown["code"], "do:" in unknown["error"]) == ("UNKNOWN_EVENT", True)
    socket.emit("do:refuse")
    (told,) = await socket.next("error")
    assert (told["code"], told["event"]) == ("NOT_NOW", "do:refuse")


async def test_a_kick_is_for_good(socket: Socket, stand: Stand) -> None:
    socket.emit("do:quit", {"why": "because"})
    assert await socket.next("bye") == [{"why": "because"}]
    assert await socket.next("disconnect") == ["io server disconnect"]
    await stand.parrot.until(lambda: not stand.parrot.here)
    assert socket.all("$reconnect_attempt") == []


@pytest.mark.parametrize("transports", TRANSPORTS, ids=lambda transports: transports[0])
@pytest.mark.parametrize(
    ("bearer", "code", "says"),
    [("no.good.token", "INVALID_TOKEN", "Invalid or expired token"), (None, "NOT_AUTHENTICATED", "auth")],
)
async def test_a_bad_token_is_an_error_that_a_page_can_show(
    stand: Stand, browser: Browser, transports: list[str], bearer: Any, code: str, says: str
) -> None:
    socket = browser.connect(stand.url, bearer, transports=transports)
    message, data = await socket.next("connect_error")
    assert says in message
    assert (data["ok"], data["code"], data["error"]) == (False, code, message)
    assert socket.all("connect") == []


async def test_an_unknown_namespace_is_refused_with_a_message(stand: Stand, browser: Browser) -> None:
    socket = browser.connect(stand.url, token(), namespace="/admin", transports=["websocket"])
    message, data = await socket.next("connect_error")
    assert message == "There is no namespace /admin here; connect to /"
    assert data["code"] == "UNKNOWN_NAMESPACE"


async def test_polling_moves_to_a_websocket_and_nothing_is_lost(stand: Stand, browser: Browser) -> None:
    socket = browser.connect(stand.url, token())
    await socket.next("connect")
    assert socket.all("$open") == [["polling"]]
    await socket.ask("do:join", "all")
    for number in range(50):
        await socket.ask("do:say", {"to": "all", "what": number})
    assert await socket.once("$upgrade") == ["websocket"]
    for number in range(50, 100):
        await socket.ask("do:say", {"to": "all", "what": number})
    await socket.ask("do:echo", b"\x01")
    assert [what for (what,) in socket.all("said")] == list(range(100))
    (client,) = stand.parrot.here
    assert len(stand.hall.audience("all")) == 1
    assert client.connected


async def test_a_broadcast_with_bytes_reaches_both_transports(stand: Stand, browser: Browser) -> None:
    """python-engineio encodes a packet once for all, and then reaches one of them wrongly."""
    sockets = [browser.connect(stand.url, token(), transports=kind) for kind in (*TRANSPORTS, *TRANSPORTS)]
    for socket in sockets:
        await socket.next("connect")
        await socket.ask("do:join", "all")
    what = {"picture": b"\x00\xfe" * 100}
    await sockets[0].ask("do:say", {"to": "all", "what": what})
    await sockets[1].ask("do:say", {"to": "all", "what": what})
    for socket in sockets:
        assert [await socket.next("said") for _ in range(2)] == [[what], [what]]
