"""Rooms without a transport: processes on one database, each with clients that see the rooms as a page does.

A `Page` begins with the snapshot it was given and goes on by events alone. `Company.agree` holds every page
to what a newcomer would be shown: snapshot and events are the next snapshot.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from auth.principal import Plan, Principal, Role
from gateway.ids import new_uuid
from gateway.limits import DoorLimits
from gateway.rooms import bodies
from gateway.rooms.finding import Finder
from gateway.rooms.founding import found
from gateway.rooms.guesses import Guesses
from gateway.rooms.receiver import MessageLimits, RoomReceiver
from gateway.rooms.rooms import Rooms
from gateway.rooms.store import RoomStore
from gateway.settings import Settings
from gateway.stores.interface import Database
from gateway.stores.memory.topics import MemoryBus, MemoryTopics
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.poll_changes import PollChanges
from gateway.stores.rooms.room_changes import RoomChanges
from gateway.stores.writer import GroupWriter
from sessions.room_records import Room, RoomWanted
from tests.gateway.socketio.fakes import FakeClient, FakeHall, principal
from tests.house import NO_LIMITS

_NUMBERS = itertools.count(1)
Json = dict[str, Any]
CHANGING = (
    "room:participant_joined", "room:participant_left", "room:message", "room:host_changed", "room:closed",
)  # fmt: skip
POLLS = ("poll:created", "poll:updated", "poll:closed")


def plain(value: Any) -> Any:
    """Return what comes out of the wire for what goes in."""
    return orjson.loads(orjson.dumps(value))


class Page:
    """A user's page. `view` is the room as it shows it, None before it is in."""

    def __init__(self, process: "Process", who: Principal, address: str = "127.0.0.1") -> None:
        self.who = who
        self.process = process
        self.client = FakeClient(who, address)
        self.view: Json | None = None
        self._taken = 0
        process.hall.enter(self.client)

    @property
    def user(self) -> str:
        return self.who.user

    async def send(self, event: str, **payload: Any) -> Json:
        """Return what an event is answered with."""
        return dict(plain(await self.process.hall.send(self.client, event, payload or None)))

    async def join(self, code: str, *, resume: bool = False) -> Json:
        """Go in, as one who was there before if `resume`; return the answer."""
        payload: Json = {"roomCode": code}
        if resume:
            assert self.view is not None
            payload["resume"] = {"epoch": self.view["epoch"], "offset": self.view["offset"]}
        answer = await self.send("room:join", **payload)
        if answer["ok"] and answer["resumed"]:
            assert self.view is not None
            for missed in answer["missed"]:
                assert missed["data"]["offset"] == self.view["offset"] + 1, "a gap, or twice"
                self._apply(missed["event"], missed["data"])
            assert self.view["offset"] == answer["offset"]
            self.view["polls"] = {poll["id"]: poll for poll in answer["polls"]}
        return answer

    async def say(self, text: str, client_id: str | None = None) -> Json:
        return await self.send("room:message", text=text, clientId=client_id or f"c{next(_NUMBERS)}")

    async def vote(self, poll: Json, *option_ids: str, seq: int | None = None) -> Json:
        number = next(_NUMBERS) if seq is None else seq
        return await self.send(
            "poll:vote", pollId=poll["id"], optionIds=list(option_ids), clientVoteSeq=number
        )

    async def leave(self) -> None:
        """Close the connection, as a network that breaks does."""
        await self.process.hall.leave(self.client)

    async def reconnect(self, process: "Process | None" = None) -> None:
        """Come back with a new connection, to another process if one is given."""
        await self.leave()
        self.read()
        self.process = process or self.process
        self.client = FakeClient(self.who, self.client.address)
        self._taken = 0
        self.process.hall.enter(self.client)

    def read(self) -> Json | None:
        """Take in what was emitted since, and return the room as it is shown now."""
        fresh, self._taken = self.client.emitted[self._taken :], len(self.client.emitted)
        for event, *payloads in fresh:
            self._apply(event, plain(payloads[0]))
        return self.view

    @property
    def messages(self) -> list[str]:
        """The texts shown."""
        view = self.read()
        return [] if view is None else [message["text"] for message in view["messages"]]

    @property
    def people(self) -> list[str]:
        """The users shown."""
        view = self.read()
        return [] if view is None else [at["userId"] for at in view["participants"]]

    def heard(self, *events: str) -> list[Json]:
        """The payloads of every event of these names on this connection."""
        return [plain(payloads[0]) for name, *payloads in self.client.emitted if name in events]

    def poll(self, poll_id: str) -> Json:
        """A poll as it is shown."""
        view = self.read()
        assert view is not None
        return dict(view["polls"][poll_id])

    def _apply(self, event: str, data: Json) -> None:
        if event == "room:joined":
            self.view = data | {"polls": {poll["id"]: poll for poll in data["polls"]}}
            return
        view = self.view
        if event in POLLS and view is not None:
            known, told = view["polls"].get(data["poll"]["id"]), data["poll"]
            if known is None or told["version"] >= known["version"]:
                kept = {name: known[name] for name in ("my_vote", "my_seq") if known and name in known}
                over = told["visibility"] == "anonymous" and told["state"] in ("closed", "archived")
                view["polls"][told["id"]] = told if over else kept | told
        if event not in CHANGING or view is None or data["offset"] <= view["offset"]:
            return
        assert data["offset"] == view["offset"] + 1, f"{self.user} missed something before {event} {data}"
        view["offset"] = data["offset"]
        match event:
            case "room:participant_joined":
                view["participants"].append({"userId": data["userId"], "joinedAt": data["joinedAt"]})
            case "room:participant_left":
                view["participants"] = [p for p in view["participants"] if p["userId"] != data["userId"]]
            case "room:message":
                view["messages"] = [*view["messages"], data][-50:]
            case "room:host_changed":
                view["room"]["host_user_id"] = data["userId"]
            case "room:closed":
                view["room"]["is_active"], view["participants"] = False, []


class Process:
    """One process of a server."""

    def __init__(
        self,
        database: Database,
        bus: MemoryBus,
        bounds: RoomBounds,
        settings: Settings,
        limits: MessageLimits,
    ) -> None:
        self.boot_id = f"boot_{next(_NUMBERS)}"
        self.writer = GroupWriter(database)
        self.store = RoomStore(database, self.writer, RoomChanges(bounds), PollChanges(bounds))
        self.topics = MemoryTopics(bus)
        self.hall = FakeHall()
        self.rooms = Rooms(self.store, self.hall, self.topics, lambda: self.boot_id, bounds.room)
        door = DoorLimits(settings)
        self.guesses = Guesses(door, 10, 30)
        self.finder = Finder(self.rooms, self.guesses)
        self.receiver = RoomReceiver(self.rooms, self.finder, door, limits)
        self.hall._receivers = {"room": self.receiver, "poll": self.receiver}

    def page(self, user: str, address: str = "127.0.0.1", **changes: Any) -> Page:
        return Page(self, principal(user, **changes), address)

    async def joined(self, user: str, code: str, **changes: Any) -> Page:
        """A page that is in a room."""
        page = self.page(user, **changes)
        answer = await page.join(code)
        assert answer["ok"], answer
        return page

    async def settle(self) -> None:
        """Wait until everything that goes on in the background has been done."""
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while len(self.rooms.tasks) or self.writer.waiting:
                await asyncio.sleep(0.001)

    async def aclose(self) -> None:
        await self.rooms.aclose()
        await self.writer.aclose(5)


class Company:
    """Processes on one database, and on one bus."""

    def __init__(self, database: Database, bounds: RoomBounds, limits: MessageLimits) -> None:
        self.database = database
        self.bus = MemoryBus()
        self._bounds = bounds
        self._limits = limits
        off: dict[str, Any] = {name.lower(): 0 for name in NO_LIMITS}
        self._settings = Settings(_env_file=None, **off)
        self.processes: list[Process] = []

    def process(self) -> Process:
        """Start one more."""
        process = Process(self.database, self.bus, self._bounds, self._settings, self._limits)
        self.processes.append(process)
        return process

    async def room(self, owner: str = "olga", most: int = 100, **changes: Any) -> Room:
        """A room that somebody made."""
        who = principal(owner, Role.CREATOR, Plan.PRO, **changes)
        process = self.processes[0] if self.processes else self.process()
        return await found(process.store, who, RoomWanted("Talk", most), new_uuid())

    async def settle(self) -> None:
        for process in self.processes:
            await process.settle()

    async def agree(self, room: Room, *pages: Page) -> None:
        """Assert that every page shows what a newcomer would be shown."""
        await self.settle()
        seen = await self.processes[0].store.whole(room.tenant_id, room.id)
        fresh = {
            "room": bodies.room_body(seen), "participants": bodies.people(seen.participants),
            "messages": [bodies.message_body(message) for message in seen.messages],
            "epoch": seen.epoch, "offset": seen.offset,
        }  # fmt: skip
        for page in pages:
            view = page.read()
            assert view is not None
            shown = {name: value for name, value in view.items() if name != "polls"}
            assert shown == fresh, page.user

    async def aclose(self) -> None:
        for process in self.processes:
            await process.aclose()


@contextlib.asynccontextmanager
async def company_on(
    database: Database, bounds: RoomBounds | None = None, limits: MessageLimits | None = None
) -> AsyncIterator[Company]:
    """Yield a company that is gone afterwards."""
    company = Company(database, bounds or RoomBounds(), limits or MessageLimits(0, 0))
    try:
        yield company
    finally:
        await company.aclose()


def codes(answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The codes of answers, `ok` for those that were accepted."""
    return ["ok" if answer["ok"] else str(answer["code"]) for answer in answers]
