"""A journal in small for tests of the writer, the account that it takes from, and a database with faults."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select

from gateway.stores.interface import Database, Refusal, StoreDown, Writer
from gateway.stores.schema import audit_log, boots
from gateway.stores.statements import insert_new
from gateway.stores.writer import GroupWriter

T = TypeVar("T")
FOREVER = math.inf


@dataclass(frozen=True)
class Take:
    """Take `amount` from the account, if it is there; under an id of its own."""

    id: str
    amount: int = 1
    poisonous: bool = False


class Empty(Refusal):
    """There is not so much in the account."""


class Takings:
    """A journal in small: an account (a boot's lease), and a row in the audit log for each take."""

    name = "takings"

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.before: Callable[[Connection], object] = lambda connection: None
        self.after: Callable[[Connection], object] = lambda connection: None

    def apply(self, connection: Connection, operations: Sequence[Take]) -> Sequence[int | Empty]:
        self.groups.append([operation.id for operation in operations])
        self.before(connection)
        account = select(boots.c.lease_until).where(boots.c.id == "account").with_for_update()
        left = connection.execute(account).scalar_one()
        ids = [operation.id for operation in operations]
        rows_known = connection.execute(select(audit_log).where(audit_log.c.id.in_(ids)))
        known = {row.id: row.detail for row in rows_known}
        results: list[int | Empty] = []
        rows = []
        for operation in operations:
            if operation.id in known:
                results.append(known[operation.id]["left"])
            elif operation.amount > left:
                results.append(Empty())
            else:
                left -= operation.amount
                target = None if operation.poisonous else operation.id
                detail = known[operation.id] = {"left": left}
                rows.append({"id": operation.id, "tenant_id": "acme", "actor": "", "action": "take",
                             "target": target, "detail": detail, "occurred_at": 0})  # fmt: skip
                results.append(left)
        if rows:
            connection.execute(insert_new(connection, audit_log), rows)
            connection.execute(boots.update().values(lease_until=left))
        self.after(connection)
        return results


class Interposed:
    """A database with faults: each in `faults` befalls one transaction, before it or after its commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.faults: list[tuple[str, Exception]] = []
        self.writes = 0

    @property
    def dialect(self) -> str:
        return self._database.dialect

    async def read(self, query: Callable[[Connection], T]) -> T:
        return await self._database.read(query)

    async def write(self, change: Callable[[Connection], T]) -> T:
        self.writes += 1
        when, error = self.faults.pop(0) if self.faults else ("never", StoreDown(""))
        if when == "before":
            raise error
        result = await self._database.write(change)
        if when == "after":
            raise error
        return result

    async def aclose(self) -> None:
        await self._database.aclose()


class News:
    """Hears of outages."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.down, self.up = asyncio.Event(), asyncio.Event()

    def on_down(self, reason: str, disk_full: bool) -> None:
        self.heard.append("full" if disk_full else "down")
        self.down.set()

    def on_up(self) -> None:
        self.heard.append("up")
        self.up.set()


@dataclass
class Desk:
    """A writer with an account of 1000."""

    database: Interposed
    writer: Writer
    journal: Takings
    news: News

    def take(self, name: str, amount: int = 1, *, patience: float = FOREVER, poisonous: bool = False) -> Any:
        operation = Take(name, amount, poisonous)
        return self.writer.submit(self.journal, operation, patience_seconds=patience)

    async def written(self) -> dict[str, int]:
        """What each take left in the account, by its id."""

        def read(connection: Connection) -> dict[str, int]:
            rows = connection.execute(select(audit_log.c.id, audit_log.c.detail))
            return {row.id: row.detail["left"] for row in rows}

        return await self.database.read(read)

    async def left(self) -> int:
        return await self.database.read(lambda c: int(c.execute(select(boots.c.lease_until)).scalar_one()))


@contextlib.asynccontextmanager
async def opened_desk(database: Database) -> AsyncIterator[Desk]:
    account = {"id": "account", "host": "", "started_at": 0, "lease_until": 1000}
    await database.write(lambda connection: connection.execute(insert(boots), [account]).close())
    news, interposed = News(), Interposed(database)
    group_writer = GroupWriter(interposed, on_down=news.on_down, on_up=news.on_up)
    try:
        yield Desk(interposed, group_writer, Takings(), news)
    finally:
        await group_writer.aclose(5)


async def ends(*futures: "asyncio.Future[Any]") -> list[Any]:
    return await asyncio.gather(*futures, return_exceptions=True)


async def load(desk: Desk, count: int, name: str) -> list["asyncio.Future[int]"]:
    """Submit takes over a few turns of the loop, so that they come in several groups."""
    futures = []
    for number in range(count):
        futures.append(desk.take(f"{name}{number}"))
        if number % 10 == 9:
            await asyncio.sleep(0.001)
    return futures


async def nothing_lost(desk: Desk, futures: Sequence["asyncio.Future[int]"], count: int) -> None:
    """Each was written once, in the order in which they were submitted."""
    assert await ends(*futures) == list(range(999, 999 - count, -1))
    assert len(await desk.written()) == count
    assert await desk.left() == 1000 - count
