"""What calls are made of in one server, put together from its settings."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.routing import Route

from gateway.alarms import Alarms
from gateway.calls.calls import CallPolicy, Calls
from gateway.calls.media import provider_of
from gateway.calls.receiver import BEGINNING, CallReceiver
from gateway.calls.reminders import Reminders
from gateway.calls.store import CallStore
from gateway.calls.switchboard import Switchboard
from gateway.http import calls, people
from gateway.http.calls import CallDesk
from gateway.http.credits import CreditDesk
from gateway.http.credits import routes as credit_routes
from gateway.http.features import Features
from gateway.http.guard import Guard
from gateway.http.idempotency import Idempotency
from gateway.http.people import PeopleDesk
from gateway.limits import DoorLimits
from gateway.reaper import Reaper
from gateway.settings import Settings
from gateway.stores.calls.changes import CallChanges
from gateway.stores.credits.allocations import Allocations
from gateway.stores.interface import Database, Writer
from gateway.stores.topics import Topics

SWEEP_SECONDS = 5.0
"""Between two looks for calls of any process whose time has come; in this one each has an alarm."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What calls stand on. `shared`: other processes write to the same database."""

    database: Database
    writer: Writer
    topics: Topics
    boot_id: Callable[[], str]
    shared: bool


@dataclass(frozen=True, slots=True)
class CallPart:
    """Calls in one server: the driver, who hears the events, and what the routes work with."""

    calls: Calls
    receiver: CallReceiver
    call_desk: CallDesk
    people_desk: PeopleDesk
    credit_desk: CreditDesk

    def routes(self, guard: Guard) -> list[Route]:
        """Return the routes of calls, of people and of credits."""
        return [
            *calls.routes(guard, self.call_desk),
            *people.routes(guard, self.people_desk),
            *credit_routes(guard, self.credit_desk),
        ]

    def register(self, reaper: Reaper) -> None:
        """Have what is due of calls done, by one process of many."""
        reaper.register("call", self.calls.due, interval_seconds=SWEEP_SECONDS)
        reaper.register("call_event", self.calls.forget)

    async def run(self) -> None:
        """Hear other processes for ever."""
        await self.calls.switchboard.run()


def compose(
    settings: Settings, ground: Ground, alarms: Alarms, door: DoorLimits, idempotency: Idempotency
) -> CallPart:
    """Put calls together. Made within an event loop. Raises ValueError for a provider that cannot work."""
    bounds, features = settings.call_bounds, Features.of(settings)
    policy = CallPolicy(bounds, settings.call_terms, enabled=settings.feature_calls)
    store = CallStore(ground.database, ground.writer, CallChanges(bounds))
    switchboard = Switchboard(store, ground.topics, ground.boot_id, shared=ground.shared)
    reminders = Reminders(alarms, asyncio.get_running_loop().time, bounds)
    driver = Calls(store, switchboard, provider_of(settings), policy, reminders)
    return CallPart(
        driver,
        CallReceiver(driver),
        CallDesk(driver, door, features, idempotency),
        PeopleDesk(ground.database, driver, features),
        CreditDesk(ground.database, ground.writer, Allocations(), idempotency, driver),
    )


__all__ = ["BEGINNING", "CallPart", "Ground", "compose"]
