"""The routes of calls, people and credits on a database, asked without a server."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from auth.principal import Plan, Role
from gateway.alarms import Alarms
from gateway.calls.composition import CallPart, Ground, compose
from gateway.http import errors
from gateway.http.bodies import BodyLimit
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.http.limited import RateLimitHeaders
from gateway.ids import new_id
from gateway.limits import DoorLimits
from gateway.stores.idempotency import IdempotencyBook
from gateway.stores.interface import Database
from gateway.stores.memory.topics import MemoryTopics
from gateway.stores.writer import GroupWriter
from tests.gateway.rehearsal import settings
from tests.gateway.socketio.fakes import FakeClient, FakeHall, principal
from tests.house import KEYS, token

Json = dict[str, Any]
NO_LIMITS: Json = {
    "user_rate_limit": 0, "address_rate_limit": 0, "call_user_rate_limit": 0, "call_address_rate_limit": 0,
}  # fmt: skip


class Parlour:
    """The application, in a tenant of its own, with somebody's device if one is wanted."""

    def __init__(self, database: Database, writer: GroupWriter, **changes: Any) -> None:
        self.database = database
        self.tenant = new_id("acme")
        self._numbers = itertools.count()
        given = settings(data_dir=Path("nowhere"), **{"feature_calls": True, **NO_LIMITS, **changes})
        door = DoorLimits(given)
        ground = Ground(database, writer, MemoryTopics(), lambda: "boot", shared=False)
        alarms = Alarms(asyncio.get_running_loop())
        idempotency = Idempotency(IdempotencyBook(database))
        self.part: CallPart = compose(given, ground, alarms, door, idempotency)
        self.calls = self.part.calls
        app = Starlette(routes=self.part.routes(Guard(KEYS, door)), exception_handlers=errors.ANSWERS)
        self.app = RateLimitHeaders(BodyLimit(app))
        self.client = self.client_at("127.0.0.1")
        self.hall = FakeHall(call=self.part.receiver)

    def client_at(self, address: str) -> httpx.AsyncClient:
        """Return a client with an address of its own."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 1234))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")

    def bearer(
        self, user: str, role: Role = Role.FAN, plan: Plan = Plan.FREE, tenant: str | None = None
    ) -> str:
        return token(user, role, plan, tenant=tenant or self.tenant, token_id=f"jti_{next(self._numbers)}")

    async def ask(
        self, method: str, path: str, user: str = "noa", *, role: Role | None = None, json: Any = None,
        tenant: str | None = None, headers: Json | None = None, client: httpx.AsyncClient | None = None,
        **options: Any,
    ) -> httpx.Response:  # fmt: skip
        """Ask as a user: cleo and mia are creators, ada an admin, everybody else a fan."""
        role = role or {"cleo": Role.CREATOR, "mia": Role.CREATOR, "ada": Role.ADMIN}.get(user, Role.FAN)
        given = {"Authorization": f"Bearer {self.bearer(user, role, tenant=tenant)}"} | (headers or {})
        return await (client or self.client).request(method, path, headers=given, json=json, **options)

    async def get(self, path: str, user: str = "noa", **options: Any) -> httpx.Response:
        return await self.ask("GET", path, user, **options)

    async def post(self, path: str, user: str = "noa", **options: Any) -> httpx.Response:
        return await self.ask("POST", path, user, **options)

    async def met(self, creator: str = "cleo", fan: str = "noa", kind: str = "follow") -> None:
        body = {"creatorId": creator, "fanId": fan, "kind": kind}
        assert (await self.ask("PUT", "/api/relationships", "ada", json=body)).status_code == 200

    async def allow(self, fan: str, policy: str) -> None:
        body = {"fan_allow_calls": policy}
        assert (await self.ask("PATCH", "/api/fans/me", fan, json=body)).status_code == 200

    async def rate(self, creator: str, voice: Any) -> None:
        body = {"voiceRatePerMinute": voice}
        assert (await self.ask("PATCH", "/api/creators/me", creator, json=body)).status_code == 200

    async def give(self, user: str, amount: Any) -> Json:
        body = {"user_id": user, "amount": amount, "reason": "a test"}
        given = await self.post("/api/v1/admin/credits/allocate", "ada", json=body)
        assert given.status_code == 200, given.text
        return dict(given.json())

    async def initiate(
        self, creator: str = "cleo", fan: str = "noa", *, call_type: str = "voice", device: str | None = None,
        **options: Any,
    ) -> httpx.Response:  # fmt: skip
        body = {"fanId": fan, "callType": call_type} | ({"deviceId": device} if device else {})
        return await self.post("/api/calls/initiate", creator, json=body, **options)

    async def rung(self, creator: str = "cleo", fan: str = "noa", **options: Any) -> Json:
        """Ring, which is to be possible; return the call."""
        rung = await self.initiate(creator, fan, **options)
        assert rung.status_code == 200, rung.text
        return dict(rung.json()["call"])

    async def act(self, call: Json, name: str, user: str, json: Any = None) -> httpx.Response:
        return await self.post(f"/api/calls/{call['id']}/{name}", user, json=json)

    async def connected(self, creator: str = "cleo", fan: str = "noa") -> Json:
        """Ring, accept, and have both in the media; return the call as the fan sees it."""
        call = await self.rung(creator, fan)
        assert (await self.act(call, "accept", fan)).status_code == 200
        for user in (creator, fan):
            answer = await self.act(call, "heartbeat", user, {"media": "joined"})
        return dict(answer.json()["call"])

    async def device(self, user: str) -> FakeClient:
        client = self.hall.enter(FakeClient(principal(user, tenant=self.tenant)))
        await asyncio.sleep(0.03)
        return client


@asynccontextmanager
async def parlour_on(database: Database, **changes: Any) -> AsyncIterator[Parlour]:
    """Open a parlour on a database, with settings changed."""
    writer = GroupWriter(database)
    parlour = Parlour(database, writer, **changes)
    try:
        async with parlour.client:
            yield parlour
    finally:
        await parlour.calls.aclose()
        await asyncio.wait_for(writer.aclose(5), 10)
