"""The two protocols by hand, over real sockets: HTTP requests, and texts and bytes of a WebSocket."""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.house import token

SEPARATOR = "\x1e"


def query(transport: str | None, sid: str | None = None, **changes: str) -> str:
    """Return the path with the query of a request."""
    named = {"EIO": "4", "transport": transport, "sid": sid} | changes
    return "/socket.io/?" + urlencode({name: value for name, value in named.items() if value is not None})


class Polling:
    """A client that polls."""

    def __init__(self, url: str, **headers: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=20, headers=headers, trust_env=False)
        self.sid = ""
        self.opening: dict[str, Any] = {}

    async def __aenter__(self) -> "Polling":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def open(self) -> None:
        """Begin a session."""
        response = await self.http.get(query("polling"))
        assert response.status_code == 200, response.text
        assert response.text[0] == "0"
        self.opening = orjson.loads(response.text[1:])
        self.sid = self.opening["sid"]

    async def get(self) -> httpx.Response:
        return await self.http.get(query("polling", self.sid))

    async def post(self, *packets: str) -> httpx.Response:
        return await self.http.post(query("polling", self.sid), content=SEPARATOR.join(packets))

    async def poll(self) -> list[str]:
        """Fetch what waits, pings left out; wait for what is no ping."""
        while True:
            response = await self.get()
            assert response.status_code == 200, response.text
            if packets := [packet for packet in response.text.split(SEPARATOR) if packet != "2"]:
                return packets
            await self.post("3")

    async def enter(self, user: str = "dana") -> None:
        """Begin a session and authenticate."""
        await self.open()
        assert (await self.post("40" + auth(user))).text == "ok"
        packets: list[str] = []
        while len(packets) < 2:
            packets += await self.poll()
        assert packets[0].startswith('40{"sid":')


class Wired:
    """A client on a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, *messages: str | bytes) -> None:
        for message in messages:
            await self.socket.send(message)

    async def next(self) -> str | bytes:
        """Return the next message that is no ping; pings are answered."""
        async with asyncio.timeout(20):
            while (message := await self.socket.recv()) == "2":
                await self.socket.send("3")
            return message

    async def closed(self) -> int:
        """Return the code it was closed with."""
        async with asyncio.timeout(20):
            await self.socket.wait_closed()
        return self.socket.close_code or 0

    async def enter(self, user: str = "dana") -> None:
        """Authenticate."""
        await self.send("40" + auth(user))
        assert str(await self.next()).startswith('40{"sid":')
        assert str(await self.next()).startswith('42["room:authenticated"')


def auth(user: str = "dana", **changes: Any) -> str:
    """Return what goes behind the packet that asks for the namespace."""
    return orjson.dumps({"token": token(user, **changes)}).decode()


def wiring(url: str, path: str = "", headers: Iterable[tuple[str, str]] = ()) -> connect:
    """Return a WebSocket that connects; a path may name another session or protocol."""
    return connect(
        url.replace("http", "ws", 1) + (path or query("websocket")), additional_headers=list(headers),
        max_size=None, proxy=None, ping_interval=None,
    )  # fmt: skip


class Entered:
    """Context manager of a client on a WebSocket that has authenticated."""

    def __init__(self, url: str, user: str = "dana") -> None:
        self._connect = wiring(url)
        self._user = user

    async def __aenter__(self) -> Wired:
        wired = Wired(await self._connect.__aenter__())
        assert str(await wired.next()).startswith("0{")
        await wired.enter(self._user)
        return wired

    async def __aexit__(self, *error: Any) -> None:
        await self._connect.__aexit__(*error)
