"""Calls for tests: rung, answered and ended on a real database, by the journals that servers write with, at
an hour of the test's choosing."""

from typing import Any

from sqlalchemy import Connection, func, select

from gateway.ids import new_id, new_uuid
from gateway.stores.calls.changes import CallChanges
from gateway.stores.calls.operations import Act, Block, CallDone, Ring
from gateway.stores.calls.reads import call as one_call
from gateway.stores.calls.reads import open_calls
from gateway.stores.calls.schema import call_events, call_invitations, calls
from gateway.stores.credits import reads as credit_reads
from gateway.stores.credits.allocations import Allocations
from gateway.stores.credits.operations import Allocate
from gateway.stores.credits.schema import credit_transactions
from gateway.stores.interface import Database, Journal
from gateway.stores.people.changes import change_person, record_relationship
from gateway.stores.schema import ledger_entries
from sessions.call_events import AcceptRequested, Event, MediaJoined
from sessions.call_records import Bounds, Call, CallType, Terms
from sessions.credits import Account
from sessions.privacy import Kind

NOW_MS = 1_795_185_000_250
"""2026-11-20T14:30:00.250Z."""
CREDIT = 1_000_000


class CallBook:
    """What servers write about calls of one tenant, one operation in each transaction."""

    def __init__(self, database: Database, bounds: Bounds | None = None, tenant: str = "acme") -> None:
        self.database = database
        self.tenant = tenant
        self.now_ms = NOW_MS
        self.bounds = bounds or Bounds()
        self.changes = CallChanges(self.bounds, lambda _connection: self.now_ms)

    def pass_time(self, ms: int) -> None:
        self.now_ms += ms

    async def apply(self, journal: Journal[Any, Any], *operations: Any) -> list[Any]:
        return list(await self.database.write(lambda connection: journal.apply(connection, operations)))

    # --- people ---------------------------------------------------------------------------------------

    async def met(self, creator: str = "cleo", fan: str = "noa", kind: Kind = Kind.FOLLOW) -> None:
        await self.database.write(
            lambda c: record_relationship(c, self.tenant, creator, fan, kind, at_ms=NOW_MS, ended=False)
        )

    async def choose(self, user: str, **columns: Any) -> None:
        await self.database.write(lambda c: change_person(c, self.tenant, user, columns))

    async def give(self, user: str, whole: int) -> None:
        operation = Allocate(
            new_id("allocate"), self.tenant, user, whole * CREDIT, "ada", "a test", self.now_ms
        )
        await self.apply(Allocations(), operation)

    async def account(self, user: str) -> Account:
        return await self.database.read(lambda c: credit_reads.account(c, self.tenant, user))

    async def earned(self, creator: str) -> int:
        return await self.database.read(lambda c: credit_reads.earned_micro(c, self.tenant, creator))

    # --- calls ----------------------------------------------------------------------------------------

    def ringing(self, creator: str = "cleo", fan: str = "noa", **changes: Any) -> Ring:
        facts: dict[str, Any] = {
            "call_id": new_uuid(), "tenant_id": self.tenant, "creator": creator,
            "fan": fan, "call_type": CallType.VOICE, "terms": Terms(), "device": "phone",
        }  # fmt: skip
        return Ring(**facts | changes)

    async def ring(self, creator: str = "cleo", fan: str = "noa", **changes: Any) -> Any:
        (answer,) = await self.apply(self.changes, self.ringing(creator, fan, **changes))
        return answer

    async def rung(self, creator: str = "cleo", fan: str = "noa", **changes: Any) -> Call:
        """Ring, which is to be possible; return the call."""
        answer = await self.ring(creator, fan, **changes)
        assert isinstance(answer, CallDone), answer
        assert answer.refusal is None, answer
        return answer.call

    async def act(self, call: Call, event: Event, operation_id: str = "") -> Any:
        (answer,) = await self.apply(self.changes, Act(call.tenant_id, call.id, event, operation_id))
        return answer

    async def accept(self, call: Call, device: str | None = "tablet", operation_id: str = "") -> Any:
        return await self.act(call, accepting(call, device), operation_id)

    async def connected(self, creator: str = "cleo", fan: str = "noa", **changes: Any) -> Call:
        """Ring, accept, and have both in the media."""
        call = await self.rung(creator, fan, **changes)
        await self.accept(call)
        for user in call.parties:
            await self.act(call, MediaJoined(user))
        return await self.stored(call)

    async def block(self, by: str, user: str) -> Any:
        (answer,) = await self.apply(self.changes, Block(self.tenant, by, user))
        return answer

    # --- what is there --------------------------------------------------------------------------------

    async def stored(self, call: Call) -> Call:
        found = await self.database.read(lambda c: one_call(c, call.tenant_id, call.id))
        assert found is not None
        return found

    async def open_call(self, user: str) -> Call | None:
        found = await self.database.read(lambda c: open_calls(c, [(self.tenant, user)]))
        return found.get((self.tenant, user))

    async def told(self, call: Call) -> list[tuple[str, str, int]]:
        """Whom the outbox tells what of a call, at which version."""
        event = call_events.c
        query = (
            select(event.subject, event.notice, event.version)
            .where(event.call_id == call.id)
            .order_by(event.sequence)
        )
        return [
            (row[0], row[1], row[2]) for row in await self.database.read(lambda c: c.execute(query).all())
        ]

    async def invitation(self, call: Call) -> str:
        own = call_invitations.c
        query = select(own.state).where(own.call_id == call.id)
        return str(await self.database.read(lambda c: c.execute(query).scalar_one()))

    async def settlements(self, call: Call) -> list[tuple[str, int]]:
        """Name and amount of every transaction that settled a call."""
        own = credit_transactions.c
        query = select(own.id, own.amount_micro).where(own.kind == "settlement", own.call_id == call.id)
        return [(row[0], row[1]) for row in await self.database.read(lambda c: c.execute(query).all())]

    async def count(self, table: Any = calls) -> int:
        query = select(func.count()).where(table.c.tenant_id == self.tenant)
        return int(await self.database.read(lambda c: c.execute(query).scalar_one()))

    async def balances(self) -> dict[str, int]:
        """What the entries of every account of the ledger come to."""
        return await self.database.read(lambda c: balances(c, self.tenant))


def accepting(call: Call, device: str | None = "tablet") -> AcceptRequested:
    """Return the event; what it says of the world is found out by the store."""
    return AcceptRequested(call.fan, device, allowed=False, busy=True, rate_micro_per_minute=10**9)


def balances(connection: Connection, tenant: str) -> dict[str, int]:
    """Return what the entries of a tenant's accounts come to; those of each event have to add to zero."""
    entry = ledger_entries.c
    own = select(func.sum(entry.amount_micro)).where(entry.tenant_id == tenant)
    for amount, event_id in connection.execute(own.add_columns(entry.event_id).group_by(entry.event_id)):
        assert amount == 0, event_id
    found = connection.execute(own.add_columns(entry.account).group_by(entry.account))
    return {account.replace(tenant, "acme"): int(amount) for amount, account in found}
