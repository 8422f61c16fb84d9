"""What minutes cost: slices acquired and settled, alone and many a second; a thousand sessions' checkpoints.

In this process, through the group-commit writer and the till that servers have. Everything is checked: each
slice is granted, each settlement has its event, and at the end nothing is held.
"""

import asyncio
import itertools
import math
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import func, select

from bench.collector import collector_as_in_a_server
from bench.crowd import LoadFailed
from bench.figures import Figure
from bench.plain_store import PlainStore
from bench.servers import Surroundings
from gateway import clock
from gateway.alarms import Alarms
from gateway.ids import new_id
from gateway.metering.clock import MediaClock
from gateway.metering.consumption import Consumption, Facts
from gateway.metering.till import Till
from gateway.plans import read_plans
from gateway.stores.database import migrate_database, open_database
from gateway.stores.interface import Database
from gateway.stores.minutes import Acquire, Acquisitions, Settle, Settlements
from gateway.stores.schema import quota_slices, usage_events, usage_quotas
from gateway.stores.writer import GroupWriter
from gateway.tasks import Tasks
from media.link import BYTES_PER_SECOND
from sessions.plans import Plans, Tariff
from sessions.slices import MediaKind

LONE_US_MAX = 1000.0
CHECKPOINT_MS_MAX = 10.0
HOLD_MS_MAX = 5.0
USERS = 500
PLAN = "enterprise"
TURN_SECONDS = 0.001
PATIENCE_SECONDS = 20.0


class Books:
    """Minutes in one database: operations submitted as sessions submit them."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self.plans = plans
        self.writer = GroupWriter(database)
        self._database = database
        self._acquisitions, self._settlements = Acquisitions(plans), Settlements(plans)
        self._numbers = itertools.count()
        self._held: list[str] = []
        self._settled = 0

    def acquire(self) -> "asyncio.Future[Any]":
        """Hold a slice."""
        number = next(self._numbers)
        slice_id = f"slice_{number}"
        self._held.append(slice_id)
        operation = Acquire(
            slice_id, "acme", f"user_{number % USERS}", MediaKind.SUBTITLES, f"live_{number}", "main", "boot",
            PLAN, 0, clock.wall_ms(),
        )  # fmt: skip
        return self.writer.submit(self._acquisitions, operation, patience_seconds=PATIENCE_SECONDS)

    def settle(self) -> "asyncio.Future[Any]":
        """Close the slice that was held first, a second of it used."""
        self._settled += 1
        operation = Settle(self._held.pop(0), 1000, "owner", clock.wall_ms())
        return self.writer.submit(self._settlements, operation, patience_seconds=PATIENCE_SECONDS)

    async def written(self) -> None:
        """Wait until everything that was submitted is written."""
        while self.writer.waiting:  # noqa: ASYNC110 - the writer has no such event
            await asyncio.sleep(TURN_SECONDS)

    async def check(self) -> None:
        """Raise LoadFailed unless each settlement left its event, and nothing is held."""
        await self.written()
        used_ms, held_ms = await self._database.read(
            lambda c: c.execute(
                select(func.sum(usage_quotas.c.used_ms), func.sum(usage_quotas.c.held_ms))
            ).one()
        )
        count, open_count = await self._database.read(
            lambda c: (
                c.execute(select(func.count()).select_from(usage_events)).scalar_one(),
                c.execute(select(func.count()).where(quota_slices.c.state == "open")).scalar_one(),
            )
        )
        if (count, used_ms, held_ms, open_count) != (self._settled, 3000 * self._settled, 0, 0):
            raise LoadFailed(
                f"{self._settled} slices were settled: {count} events, {used_ms} ms used, {held_ms} ms held"
            )


async def one_by_one(submit: Callable[[], "asyncio.Future[Any]"], count: int) -> float:
    """Do each after the last; return us of CPU for one."""
    began = time.process_time()
    for _ in range(count):
        await submit()
    return (time.process_time() - began) * 1e6 / count


async def paced(submit: Callable[[], "asyncio.Future[Any]"], count: int, rate: int) -> float:
    """Do so many a second, whatever has come back; return us of CPU for one, without what it takes to keep
    the pace: a fifth as many that do nothing say what that is."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    pace_us = await _paced(lambda: done, math.ceil(count / 5), rate)
    return await _paced(submit, count, rate) - pace_us


async def _paced(submit: Callable[[], "asyncio.Future[Any]"], count: int, rate: int) -> float:
    began, due, submitted = time.process_time(), time.monotonic(), []
    for number in range(count):
        ahead = due + number / rate - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        submitted.append(submit())
    await asyncio.gather(*submitted)
    return (time.process_time() - began) * 1e6 / count


class House:
    """Live sessions that use their minutes by the clocks of their streams, under one till."""

    def __init__(self, books: Books, sessions: int) -> None:
        loop = asyncio.get_running_loop()
        self._books = books
        self._till = Till(books.writer, books.plans, "boot", Alarms(loop), clock.Clocks(loop), new_id)
        self._sessions = []
        for number in range(sessions):
            facts = Facts("house", f"user_{number}", PLAN, MediaKind.SUBTITLES, f"live_{number}", "main")
            consumption, stream = Consumption(facts, self._till), MediaClock()
            consumption.attach(stream)
            self._sessions.append((consumption, stream))

    async def listen(self) -> None:
        """Let each stream go on for a second, and what that asks for be written."""
        for _, stream in self._sessions:
            stream.take_audio(BYTES_PER_SECOND, clock.steady())
        await self._books.written()

    async def checkpoint(self) -> None:
        """Note what was used, and wait until it is written."""
        self._till.checkpoint()
        await self._books.written()

    @property
    def billed_ms(self) -> int:
        """What was charged to all sessions."""
        return sum(consumption.billed_ms for consumption, _ in self._sessions)


async def cpu_ms(work: Callable[[], Awaitable[None]]) -> float:
    """Return the CPU that `work` takes."""
    began = time.process_time()
    await work()
    return (time.process_time() - began) * 1e3


async def longest_hold_ms(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Return the longest time between two turns of the event loop while `work` was done: in its thread's CPU,
    and by the clock, with whatever else the machine did meanwhile."""
    longest, by_clock, over = 0.0, 0.0, False

    async def turn() -> None:
        nonlocal longest, by_clock
        while not over:
            used, before = time.thread_time(), time.perf_counter()
            await asyncio.sleep(TURN_SECONDS)
            longest = max(longest, time.thread_time() - used)
            by_clock = max(by_clock, time.perf_counter() - before - TURN_SECONDS)

    turning = Tasks().start(turn(), name="turns")
    await asyncio.sleep(10 * TURN_SECONDS)
    longest, by_clock = 0.0, 0.0
    await work()
    over = True
    await turning
    return longest * 1e3, by_clock * 1e3


@dataclass(slots=True)
class Taken:
    """What was measured on one database, by name: us for each operation, ms for each checkpoint."""

    operations: dict[str, list[float]] = field(default_factory=dict)
    checkpoints_ms: list[float] = field(default_factory=list)
    holds_ms: list[tuple[float, float]] = field(default_factory=list)

    def add(self, name: str, us: float) -> None:
        """Note the cost of one operation."""
        self.operations.setdefault(name, []).append(us)


@dataclass(frozen=True, slots=True)
class Minutes:
    """`operations` of each kind one after the other, then at each of `rates` for `seconds`; checkpoints of
    `sessions`. At `rest_rate` a second, which has no goal, every cache is cold when one comes: that is the
    machine's price more than ours, and the same is done by hand beside it."""

    operations: int = 100
    rates: tuple[int, ...] = (300, 1000)
    rest_rate: int = 30
    seconds: float = 0.6
    sessions: int = 1000
    passes: int = 4
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 3 * (self.passes + 1)

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure SQLite, the same rows by hand, and PostgreSQL where there is one."""
        with collector_as_in_a_server(), tempfile.TemporaryDirectory(prefix="stagedoor-bench-") as name:
            sqlite = uvloop.run(self._measure("", Path(name), tick, "SQLite"))
            raw = self._by_hand(Path(name) / "plain.db", tick)
            figures = list(self._figures("SQLite", sqlite, raw))
            with self.around.backends.postgres() as url:
                if url:
                    uvloop.run(_made(url, Path(name)))
                    postgres = uvloop.run(self._measure(url, Path(name), tick, "PostgreSQL"))
                    figures += self._figures("PostgreSQL", postgres, None)
                else:
                    for _ in range(self.passes + 1):
                        tick("no PostgreSQL here")
        return figures

    async def _measure(self, url: str, folder: Path, tick: Callable[[str], None], name: str) -> Taken:
        tick(f"{name}: making ready")
        database = await open_database(url, folder)
        books, taken = Books(database, Plans(read_plans(None), Tariff({}))), Taken()
        for submit in (books.acquire, books.settle):  # the windows of every user are made
            await asyncio.gather(*(submit() for _ in range(USERS)))
        for number in range(self.passes):
            tick(f"{name}: pass {number + 1} of {self.passes}")
            for kind, submit in (("acquire", books.acquire), ("settle", books.settle)):
                taken.add(f"{kind}, one after the other", await one_by_one(submit, self.operations))
            for rate in (self.rest_rate, *self.rates):
                for kind, submit in (("acquire", books.acquire), ("settle", books.settle)):
                    cost = await paced(submit, round(rate * self.seconds), rate)
                    taken.add(f"{kind}, {rate} a second", cost)
        await books.check()
        house = House(books, self.sessions)
        await house.listen()
        for _ in range(self.passes):
            await house.listen()
            taken.checkpoints_ms.append(await cpu_ms(house.checkpoint))
            await house.listen()
            taken.holds_ms.append(await longest_hold_ms(house.checkpoint))
        if house.billed_ms != self.sessions * 1000 * (2 * self.passes + 1):
            raise LoadFailed(f"{self.sessions} sessions were charged {house.billed_ms} ms")
        await books.writer.aclose(math.inf)
        await database.aclose()
        return taken

    def _by_hand(self, path: Path, tick: Callable[[str], None]) -> Taken:
        tick("by hand: making ready")
        plain, taken = PlainStore(path), Taken()
        for number in range(self.passes):
            tick(f"by hand: pass {number + 1} of {self.passes}")
            ids = [f"slice_{number}_{one}" for one in range(max(self.operations, self.sessions))]
            for name, write, some in (
                ("acquire", plain.acquire, ids), ("settle", plain.settle, ids[: self.operations]),
            ):  # fmt: skip
                began = time.process_time()
                for slice_id in some:
                    write(slice_id)
                taken.add(name, (time.process_time() - began) * 1e6 / len(some))
            resting = [f"{slice_id}_at_rest" for slice_id in ids[: round(self.rest_rate * self.seconds)]]
            for name, write in (("acquire", plain.acquire), ("settle", plain.settle)):
                cost = self._at_rest(write, resting)
                taken.add(f"{name}, {self.rest_rate} a second", cost)
            began = time.process_time()
            plain.checkpoint([(number + 1, slice_id) for slice_id in ids[: self.sessions]])
            taken.checkpoints_ms.append((time.process_time() - began) * 1e3)
        plain.close()
        return taken

    def _at_rest(self, write: Callable[[str], None], ids: list[str]) -> float:
        used = 0.0
        for slice_id in ids:
            time.sleep(1 / self.rest_rate)
            began = time.process_time()
            write(slice_id)
            used += time.process_time() - began
        return used * 1e6 / len(ids)

    def _figures(self, where: str, taken: Taken, by_hand: Taken | None) -> Iterator[Figure]:
        for name, values in taken.operations.items():
            goal = None if name.endswith(f", {self.rest_rate} a second") else LONE_US_MAX
            yield Figure.of("minutes", f"{where}: {name}", "us", values, goal=goal)
        if by_hand is not None:
            for name, values in by_hand.operations.items():
                yield Figure.of("minutes", f"{where}: the rows of one {name}, by hand", "us", values)
        many = f"{self.sessions} sessions"
        yield Figure.of(
            "minutes", f"{where}: a checkpoint of {many}", "ms", taken.checkpoints_ms, goal=CHECKPOINT_MS_MAX
        )
        if by_hand is not None:
            yield Figure.of("minutes", f"{where}: its rows, by hand", "ms", by_hand.checkpoints_ms)
        holds, by_clock = ([hold[side] for hold in taken.holds_ms] for side in (0, 1))
        name = f"{where}: longest hold of the loop meanwhile"
        yield Figure("minutes", name, "ms", max(holds), goal=HOLD_MS_MAX, values=tuple(holds))
        name = f"{where}: the same by the clock"
        yield Figure("minutes", name, "ms", max(by_clock), values=tuple(by_clock))


async def _made(url: str, folder: Path) -> None:
    await migrate_database(url, folder)
