"""Calls without a transport: processes on one database, each with devices that hear and act as clients do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

from auth.principal import Role
from auth.turn import Relays
from gateway.alarms import Alarms
from gateway.calls.calls import CallPolicy, Calls
from gateway.calls.media import PeerProvider, Provider
from gateway.calls.receiver import CallReceiver
from gateway.calls.reminders import Reminders
from gateway.calls.store import CallStore
from gateway.calls.switchboard import Switchboard
from gateway.ids import new_id, new_uuid
from gateway.stores.calls.changes import CallChanges
from gateway.stores.interface import Database
from gateway.stores.memory.topics import MemoryBus, MemoryTopics
from gateway.stores.people.changes import change_person, record_relationship
from gateway.stores.topics import Topics
from gateway.stores.writer import GroupWriter
from gateway.tasks import Tasks
from sessions.call_events import AcceptRequested, MediaJoined
from sessions.call_records import Bounds, Call, CallType, Terms
from sessions.privacy import Kind
from tests.gateway.socketio.fakes import FakeClient, FakeHall, principal

Json = dict[str, Any]
WAIT_SECONDS = 5.0


class Device:
    """One connection of a user, which has said which device it is if it has a name."""

    def __init__(self, process: "Process", user: str, name: str | None, role: Role) -> None:
        self.process = process
        self.user = user
        self.name = name
        self.client = FakeClient(principal(user, role, tenant=process.tenant))

    async def send(self, event: str, **payload: Any) -> Json:
        """Return what an event is answered with."""
        answer = await self.process.hall.send(self.client, event, payload or None)
        told: Json = orjson.loads(orjson.dumps(dict(answer)))
        return told

    def heard(self, event: str) -> list[Json]:
        """The payloads of every event of this name on this connection."""
        return [orjson.loads(orjson.dumps(payload)) for payload in self.client.heard(f"call:{event}")]

    @property
    def events(self) -> list[str]:
        """The names of everything that was heard, in order."""
        return [name.removeprefix("call:") for name, *_ in self.client.emitted]

    async def hears(self, event: str, count: int = 1) -> Json:
        """Wait until this was heard so often; return the last."""
        await until(lambda: len(self.heard(event)) >= count)
        return self.heard(event)[-1]

    async def leave(self) -> None:
        """Close the connection, as a network that breaks does."""
        await self.process.hall.leave(self.client)


class Process:
    """The calls of one server process."""

    def __init__(self, exchange: "Exchange", topics: Topics, provider: Provider | None) -> None:
        self.tenant = exchange.tenant
        self.name = new_id("boot")
        self.writer = GroupWriter(exchange.database)
        store = CallStore(exchange.database, self.writer, CallChanges(exchange.bounds))
        loop = asyncio.get_running_loop()
        self.alarms = Alarms(loop)
        self.switchboard = Switchboard(store, topics, lambda: self.name, shared=exchange.shared)
        self.calls = Calls(
            store, self.switchboard, provider or PeerProvider(Relays(), 0),
            CallPolicy(exchange.bounds, exchange.terms, enabled=True),
            Reminders(self.alarms, loop.time, exchange.bounds),
        )  # fmt: skip
        self.hall = FakeHall(call=CallReceiver(self.calls))
        self._tasks = Tasks()
        self._tasks.start(self.switchboard.run(), name="hearing")

    async def device(self, user: str, name: str | None = None, role: Role = Role.FAN) -> Device:
        """Connect a device of a user, and let it hear what rings."""
        device = Device(self, user, name, role)
        self.hall.enter(device.client)
        if name is not None:
            assert (await device.send("call:device", deviceId=name))["ok"]
        await asyncio.sleep(0.03)
        return device

    async def ring(
        self, creator: str = "cleo", fan: str = "noa", device: str | None = None,
        call_type: CallType = CallType.VOICE,
    ) -> Call:  # fmt: skip
        caller = principal(creator, Role.CREATOR, tenant=self.tenant)
        return await self.calls.ring(new_uuid(), caller, fan, call_type, device)

    async def accept(self, call: Call, device: str | None = None) -> Call:
        event = AcceptRequested(call.fan, device, allowed=False, busy=True, rate_micro_per_minute=0)
        return await self.calls.act(self.tenant, call.id, event)

    async def connect(self, call: Call) -> Call:
        """Have both in the media."""
        for user in call.parties:
            call = await self.calls.act(self.tenant, call.id, MediaJoined(user))
        return call

    async def aclose(self) -> None:
        await self._tasks.aclose()
        await self.calls.aclose()
        await self.writer.aclose(5)


class Exchange:
    """Processes on one database. `heard`: they hear what others say."""

    def __init__(self, database: Database, bounds: Bounds, terms: Terms) -> None:
        self.database = database
        self.bounds = bounds
        self.terms = terms
        self.tenant = new_id("acme")
        self.shared = True
        self.bus = MemoryBus()
        self.processes: list[Process] = []

    def process(self, *, deaf: bool = False, provider: Provider | None = None) -> Process:
        """Start a process; one that is deaf has nobody to tell it anything."""
        process = Process(self, MemoryTopics(self.bus, alone=not deaf), provider)
        self.processes.append(process)
        return process

    async def met(self, creator: str = "cleo", fan: str = "noa") -> None:
        await self.database.write(
            lambda c: record_relationship(c, self.tenant, creator, fan, Kind.FOLLOW, at_ms=None, ended=False)
        )

    async def choose(self, user: str, **columns: Any) -> None:
        await self.database.write(lambda c: change_person(c, self.tenant, user, columns))

    async def aclose(self) -> None:
        for process in self.processes:
            await process.aclose()


@contextlib.asynccontextmanager
async def exchange_on(
    database: Database, bounds: Bounds | None = None, terms: Terms | None = None
) -> AsyncIterator[Exchange]:
    """Open an exchange in which cleo knows noa."""
    exchange = Exchange(database, bounds or Bounds(), terms or Terms())
    await exchange.met()
    try:
        yield exchange
    finally:
        await exchange.aclose()


async def until(come: Callable[[], bool]) -> None:
    """Wait until something has come."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not come():
            await asyncio.sleep(0.005)
