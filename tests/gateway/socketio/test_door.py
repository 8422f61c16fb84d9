"""At the door of Socket.IO: what is refused before anything else, over both transports."""

from typing import Any

import orjson
import pytest
from websockets.exceptions import InvalidStatus

from gateway.sockets.gate import CREDENTIAL_NAMES
from tests.gateway.socketio.raw import Entered, Polling, Wired, auth, query, wiring
from tests.gateway.socketio.rig import Stand, standing


async def upgrade(stand: Stand, path: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of an upgrade's answer; 101 when it came about."""
    try:
        async with wiring(stand.url, path, list(headers.items())):
            return 101, {}
    except InvalidStatus as refused:
        return refused.response.status_code, orjson.loads(refused.response.body)


@pytest.mark.parametrize("name", sorted(CREDENTIAL_NAMES))
async def test_a_credential_in_the_url_is_refused(name: str) -> None:
    async with standing() as stand, Polling(stand.url) as polling:
        path = query("websocket") + f"&{name.upper()}=x"
        status, body = await upgrade(stand, path)
        assert (status, body["code"]) == (401, "TOKEN_IN_URL")
        response = await polling.http.get(path)
        assert (response.status_code, response.json()["code"]) == (401, "TOKEN_IN_URL")


async def test_there_is_nothing_else_below() -> None:
    async with standing() as stand, Polling(stand.url) as polling:
        assert (await polling.http.get("/socket.io/socket.io.js?EIO=4&transport=polling")).status_code == 404
        assert (await polling.http.get("/socket.io?EIO=4&transport=polling")).status_code == 307
        status, body = await upgrade(stand, "/socket.io/x/?EIO=4&transport=websocket")
        assert (status, body["code"]) == (404, "NOT_FOUND")


async def test_pages_of_other_origins_come_without_cookies_or_are_named() -> None:
    async with standing(allowed_origins="https://a.example.com") as stand, Polling(stand.url) as polling:
        for origin, cookie, status in (
            ("https://b.example.com", "", 200),
            ("https://b.example.com", "session=1", 403),
            ("https://a.example.com", "session=1", 200),
            (stand.url, "session=1", 200),
            ("null", "session=1", 403),
        ):
            headers = {"origin": origin} | ({"cookie": cookie} if cookie else {})
            response = await polling.http.get(query("polling"), headers=headers)
            assert response.status_code == status, (origin, cookie)
            assert response.headers["access-control-allow-origin"] == origin
            trusted = origin in ("https://a.example.com", stand.url)
            assert ("access-control-allow-credentials" in response.headers) is trusted
            assert (await upgrade(stand, **headers))[0] == (101 if status == 200 else 403)


async def test_a_page_of_another_origin_may_ask_before() -> None:
    async with standing() as stand, Polling(stand.url) as polling:
        response = await polling.http.options(query("polling"), headers={"origin": "https://a.example.com"})
        assert response.status_code == 204
        assert response.headers["access-control-allow-methods"] == "GET, POST"
        assert "access-control-allow-origin" not in (await polling.http.get(query("polling"))).headers


async def test_handshakes_of_an_address_are_counted_over_both_transports() -> None:
    async with standing(address_upgrade_limit=3) as stand, Polling(stand.url) as polling:
        for _ in range(2):
            await polling.open()
        assert (await upgrade(stand))[0] == 101
        response = await polling.http.get(query("polling"))
        assert (response.status_code, response.json()["code"]) == (429, "RATE_LIMITED")
        assert int(response.headers["retry-after"]) > 0
        assert (await upgrade(stand))[0] == 429
        assert (await polling.post("3")).status_code == 200


async def test_the_address_is_the_client_s_behind_a_trusted_proxy() -> None:
    changes = {"address_upgrade_limit": 1, "trusted_proxies": "127.0.0.1"}
    async with standing(**changes) as stand, Polling(stand.url) as polling:
        for address, status in (("192.0.2.1", 200), ("192.0.2.1", 429), ("192.0.2.2", 200)):
            response = await polling.http.get(query("polling"), headers={"x-forwarded-for": address})
            assert response.status_code == status
        headers = [("x-forwarded-for", "192.0.2.3")]
        async with wiring(stand.url, headers=headers) as socket:
            client = Wired(socket)
            await client.next()
            await client.enter()
            assert [there.address for there in stand.parrot.here] == ["192.0.2.3"]


async def test_so_many_without_a_token_and_one_that_has_it_makes_room() -> None:
    async with (
        standing(address_unauthenticated_max=2) as stand,
        wiring(stand.url) as first,
        Polling(stand.url) as polling,
    ):
        await polling.open()
        status, body = await upgrade(stand)
        assert (status, body["code"]) == (429, "TOO_MANY_CONNECTIONS")
        response = await polling.http.get(query("polling"))
        assert (response.status_code, response.json()["code"]) == (429, "TOO_MANY_CONNECTIONS")
        client = Wired(first)
        await client.next()
        await client.enter()
        assert (await upgrade(stand))[0] == 101


async def test_who_goes_without_a_token_makes_room_too() -> None:
    async with standing(address_unauthenticated_max=1, authenticate_seconds=0.2) as stand:
        for _ in range(3):
            async with Polling(stand.url) as polling:
                await polling.open()
                await polling.post("1")
        async with wiring(stand.url) as socket:
            assert await Wired(socket).closed() in (4001, 0)
        async with Entered(stand.url):
            pass


async def test_nobody_is_let_in_while_the_server_goes_down_and_who_polls_is_sent_away() -> None:
    async with standing() as stand, Polling(stand.url) as polling, Polling(stand.url) as late:
        await polling.enter()
        stand.socketio.drain()
        assert (await polling.get()).text == "1"
        response = await late.http.get(query("polling"))
        assert (response.status_code, response.json()["code"]) == (503, "RESTARTING")
        assert response.headers["retry-after"] == "1"
        assert (await upgrade(stand))[0] == 503
        await stand.parrot.until(lambda: not stand.parrot.here)


async def test_a_token_is_checked_by_both_transports_alike() -> None:
    async with standing() as stand, Polling(stand.url) as polling:
        await polling.open()
        await polling.post("40" + auth("dana", tenant="t" * 65))
        (refused,) = await polling.poll()
        assert '"code":"INVALID_TOKEN"' in refused
        await polling.post("40" + auth("dana"))
        assert (await polling.poll())[0].startswith("40{")
