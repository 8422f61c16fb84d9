"""What users have used, read together: in few transactions, and each gets what is theirs."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.plans import load_plans
from gateway.stores.interface import Database, StoreDown
from gateway.stores.overrides import OverrideRow, Place, set_override
from gateway.stores.usage import READ_TOGETHER_MAX, UsageBook
from sessions.periods import Period
from sessions.slices import MediaKind
from sessions.usage import Usage
from tests.gateway.rehearsal import settings
from tests.gateway.stores.books import MINUTE, NOW_MS, Books


class Counted:
    """A database that counts its readings, holds them up until it is told, and may be lost."""

    dialect = "sqlite"

    def __init__(self, database: Database) -> None:
        self.database = database
        self.readings = 0
        self.down: StoreDown | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self, query: Callable[[Connection], Any]) -> Any:
        self.readings += 1
        await self.go_on.wait()
        if self.down is not None:
            raise self.down
        return await self.database.read(query)


@pytest.fixture
def counted(database: Database) -> Counted:
    return Counted(database)


@pytest.fixture
def usage(counted: Counted) -> UsageBook:
    return UsageBook(counted, load_plans(settings()))  # type: ignore[arg-type]


def of(usage: UsageBook, subject: str) -> "asyncio.Task[Usage]":
    return asyncio.get_running_loop().create_task(usage.of("acme", subject, "premium", NOW_MS))


def used_ms(found: Usage) -> int:
    return found.windows[MediaKind.SUBTITLES][Period.HOUR].used_ms


async def test_many_at_once_are_read_in_few_transactions_and_get_their_own(
    database: Database, counted: Counted, usage: UsageBook
) -> None:
    books = Books(database)
    for number in range(3):
        await books.settle(await books.hold(f"user_{number}"), 1000 * (number + 1))
    counted.go_on.clear()
    asked = [of(usage, f"user_{number % 4}") for number in range(READ_TOGETHER_MAX + 20)]
    await asyncio.sleep(0)
    counted.go_on.set()
    found = await asyncio.gather(*asked)
    assert [used_ms(one) for one in found[:8]] == [1000, 2000, 3000, 0] * 2
    assert counted.readings <= 3


async def test_those_who_are_read_together_get_nothing_of_each_other(
    database: Database, counted: Counted, usage: UsageBook
) -> None:
    """Of one name in two tenants, in two hours, and with limits of their own."""
    books = Books(database)
    await books.spend(1000)
    books.now_ms += 60 * MINUTE
    await books.spend(500)
    for tenant, subject, minutes in (("acme", "noa", 1), ("acme", "", 2), ("other", "noa", 3)):
        place = Place(tenant, subject, MediaKind.SUBTITLES, Period.HOUR)
        own = OverrideRow(place, minutes * MINUTE, "ada", NOW_MS)
        await database.write(partial(set_override, row=own, audit_id=f"{tenant}-{subject}"))
    counted.go_on.clear()
    asked = [
        asyncio.get_running_loop().create_task(usage.of(tenant, subject, "premium", at_ms))
        for tenant, subject, at_ms in [
            ("acme", "noa", NOW_MS), ("acme", "noa", NOW_MS + 60 * MINUTE), ("other", "noa", NOW_MS),
            ("acme", "eve", NOW_MS), ("other", "eve", NOW_MS),
        ]
    ]  # fmt: skip
    await asyncio.sleep(0)
    counted.go_on.set()
    hours = [one.windows[MediaKind.SUBTITLES][Period.HOUR] for one in await asyncio.gather(*asked)]
    assert [hour.used_ms for hour in hours] == [1000, 500, 0, 0, 0]
    assert [hour.limit_ms // MINUTE for hour in hours[:4]] == [1, 1, 3, 2]
    assert hours[4].limit_ms > 3 * MINUTE
    assert counted.readings <= 2


async def test_who_asks_later_gets_what_was_written_meanwhile(
    database: Database, counted: Counted, usage: UsageBook
) -> None:
    books = Books(database)
    counted.go_on.clear()
    first = of(usage, "noa")
    await asyncio.sleep(0)
    await books.settle(await books.hold("noa"), 5000)
    later = of(usage, "noa")
    counted.go_on.set()
    await first
    assert used_ms(await later) == 5000


async def test_one_who_goes_away_takes_nobody_along(counted: Counted, usage: UsageBook) -> None:
    counted.go_on.clear()
    leader, *others = (of(usage, f"user_{number}") for number in range(5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leader.cancel()
    others[-1].cancel()
    await asyncio.sleep(0)
    counted.go_on.set()
    assert [used_ms(await one) for one in others[:-1]] == [0, 0, 0]
    assert leader.cancelled()
    assert used_ms(await of(usage, "noa")) == 0


async def test_one_who_goes_away_as_it_is_their_turn_to_read_leaves_it_to_the_next(
    counted: Counted, usage: UsageBook
) -> None:
    counted.go_on.clear()
    first = of(usage, "noa")
    await asyncio.sleep(0)
    second, third = of(usage, "bo"), of(usage, "cy")
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    second.cancel()
    counted.go_on.set()
    assert used_ms(await third) == 0
    assert second.cancelled()


async def test_only_the_kinds_that_are_asked_for_are_worked_out(usage: UsageBook) -> None:
    found = await usage.of("acme", "noa", "premium", NOW_MS, [MediaKind.DUBBING])
    assert list(found.windows) == [MediaKind.DUBBING]


async def test_a_store_that_is_lost_is_asked_once_for_all_and_again_later(
    counted: Counted, usage: UsageBook
) -> None:
    counted.go_on.clear()
    asked = [of(usage, f"user_{number}") for number in range(10)]
    await asyncio.sleep(0)
    counted.down = StoreDown("away")
    counted.go_on.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"away"}
    assert all(isinstance(answer, StoreDown) for answer in answers)
    assert counted.readings <= 2
    counted.down = None
    assert used_ms(await of(usage, "noa")) == 0
