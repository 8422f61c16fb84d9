"""People in rooms of a real server: a WebSocket each, spoken by hand, so that hundreds cost little."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from auth.principal import Plan, Role
from gateway.tasks import Tasks
from tests.gateway.socketio.raw import auth, wiring
from tests.house import House, token

Json = dict[str, Any]
WITHIN_SECONDS = 30.0
OPENING_MAX = 50
"""Handshakes at once: more than this a busy machine makes wait too long."""


class Guest:
    """One connection. `events` is everything that it was told, in order."""

    def __init__(self, user: str, socket: ClientConnection, tasks: Tasks) -> None:
        self.user = user
        self.events: list[tuple[str, Json]] = []
        self._socket = socket
        self._asked: dict[int, asyncio.Future[Json]] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()
        self._tasks = tasks
        self._reading = tasks.start(self._read(), name=f"guest {user}")

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for packet in self._socket:
                self._take(str(packet))
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("The server has gone"))
                waiting.exception()

    def _take(self, packet: str) -> None:
        if packet == "2":
            self._tasks.start(self._send("3"), name="pong")
        elif packet.startswith("42"):
            name, payload = orjson.loads(packet[2:])
            self.events.append((name, payload))
            self._changed.set()
        elif packet.startswith("43"):
            number, bracket, rest = packet[2:].partition("[")
            self._asked.pop(int(number)).set_result(orjson.loads(bracket + rest)[0])

    async def _send(self, packet: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(packet)

    async def ask(self, event: str, **payload: Any) -> Json:
        """Return the answer to an event. Raises ConnectionResetError when the server has gone."""
        number = next(self._numbers)
        answered: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        try:
            await self._socket.send(f"42{number}" + orjson.dumps([event, payload]).decode())
        except ConnectionClosed as error:
            raise ConnectionResetError("The server has gone") from error
        async with asyncio.timeout(WITHIN_SECONDS):
            return await answered

    async def until(self, event: str, **facts: Any) -> Json:
        """Return the payload of the first event of a name whose payload has these facts."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                for name, payload in self.events:
                    told = payload.get("poll", payload)
                    if name == event and facts.items() <= told.items():
                        return payload
                self._changed.clear()
                await self._changed.wait()

    def told(self, *events: str) -> list[Json]:
        """The payloads of every event of these names."""
        return [payload for name, payload in self.events if name in events]

    async def join(self, code: str, resume: Json | None = None) -> Json:
        """Return the answer to a join."""
        return await self.ask("room:join", roomCode=code, **({"resume": resume} if resume else {}))

    async def say(self, text: str) -> Json:
        """Return the answer to a message."""
        return await self.ask("room:message", text=text, clientId=text)

    async def vote(self, poll: Json, *option_ids: str, seq: int) -> Json:
        """Return the answer to a vote."""
        return await self.ask("poll:vote", pollId=poll["id"], optionIds=list(option_ids), clientVoteSeq=seq)

    async def cut(self) -> None:
        """End the connection as a network that breaks does."""
        self._socket.transport.abort()
        await self._reading


class Party:
    """Guests of one test, who are gone afterwards."""

    def __init__(self) -> None:
        self._tasks = Tasks()
        self._opening = asyncio.Semaphore(OPENING_MAX)
        self._stack = contextlib.AsyncExitStack()

    async def guest(self, house: House, user: str, **changes: Any) -> Guest:
        """Connect and authenticate."""
        async with self._opening:
            socket = await wiring(f"http://127.0.0.1:{house.port}")
            self._stack.push_async_callback(socket.close)
            guest = Guest(user, socket, self._tasks)
            await socket.send("40" + auth(user, **changes))
            await guest.until("room:authenticated", userId=user)
        return guest

    async def guests(self, house: House, users: Iterable[str]) -> list[Guest]:
        """Connect many."""
        return list(await asyncio.gather(*(self.guest(house, user) for user in users)))

    async def joined(self, house: House, user: str, code: str) -> Guest:
        """A guest that is in a room."""
        guest = await self.guest(house, user)
        answer = await guest.join(code)
        assert answer["ok"], answer
        return guest

    async def aclose(self) -> None:
        await self._stack.aclose()
        await self._tasks.aclose()


@contextlib.asynccontextmanager
async def party() -> AsyncIterator[Party]:
    """Yield a party that is over afterwards."""
    here = Party()
    try:
        yield here
    finally:
        await here.aclose()


async def post(house: House, path: str, user: str = "olga", role: Role = Role.CREATOR, **body: Any) -> Json:
    """Return the data that a POST to the rooms answers."""
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        headers = {"Authorization": f"Bearer {token(user, role, Plan.PRO)}"}
        response = await http.post(house.url(f"/api/rooms{path}"), json=body, headers=headers)
    assert response.status_code == 200, response.text
    return dict(response.json()["data"])


async def new_room(house: House, most: int = 100) -> Json:
    """Return a room that olga made."""
    return await post(house, "/create", name="Talk", max_participants=most)
