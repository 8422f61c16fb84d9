"""A pass of the reaper over very many live sessions of which a few are due: what it costs, and that it ends
those and no others."""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import Connection, func, insert, select

from bench.collector import collector_as_in_a_server
from bench.crowd import LoadFailed
from bench.figures import Figure
from bench.servers import Surroundings
from gateway import clock
from gateway.reaper import BATCH_MAX, Reaper, sessions_due
from gateway.stores.database import SQLITE_FILE, migrate_database, open_database
from gateway.stores.interface import Database
from gateway.stores.memory.leases import MemoryLeases
from gateway.stores.schema import live_sessions
from gateway.stores.sessions import row_of
from sessions.lifetimes import Bounds, LiveSession, State

PASS_MS_MAX = 1000.0
ROWS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Reap:
    """`sessions` of which `due` are past their deadline in each of `passes`."""

    sessions: int = 100_000
    due: int = 1000
    passes: int = 3
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def steps(self) -> int:
        """How often `tick` is called."""
        return 2 * (self.passes + 1)

    def run(self, tick: Callable[[str], None]) -> list[Figure]:
        """Measure SQLite, the same rows by hand, and PostgreSQL where there is one."""
        what = f"a pass over {self.sessions:,} sessions, {self.due:,} due"
        with collector_as_in_a_server(), tempfile.TemporaryDirectory(prefix="stagedoor-bench-") as name:
            folder = Path(name)
            values = uvloop.run(self._measure("", folder, tick, "SQLite"))
            plain = [self._by_hand(folder / SQLITE_FILE) for _ in range(self.passes)]
            figures = [
                Figure.of("reaper", f"SQLite: {what}", "ms", values, goal=PASS_MS_MAX),
                Figure.of("reaper", f"SQLite: the rows of {self.due:,}, by hand", "ms", plain),
            ]
            with self.around.backends.postgres() as url:
                if url:
                    values = uvloop.run(self._measure(url, folder, tick, "PostgreSQL"))
                    figures.append(Figure.of("reaper", f"PostgreSQL: {what}", "ms", values, goal=PASS_MS_MAX))
                else:
                    for _ in range(self.passes + 1):
                        tick("no PostgreSQL here")
        return figures

    async def _measure(self, url: str, folder: Path, tick: Callable[[str], None], name: str) -> list[float]:
        tick(f"{name}: {self.sessions:,} sessions begin")
        if url:
            await migrate_database(url, folder)
        database = await open_database(url, folder)
        reaper, values = Reaper(MemoryLeases(clock.steady), "bench", 300.0), []
        reaper.register("sessions", sessions_due(database, Bounds()))
        await self._begin(database, "live", self.sessions, clock.wall_ms())
        for number in range(self.passes):
            tick(f"{name}: pass {number + 1} of {self.passes}")
            await self._begin(database, f"due_{number}", self.due, clock.wall_ms() - 24 * 3_600_000)
            began = time.process_time()
            ended = await reaper.run_once()
            values.append((time.process_time() - began) * 1e3)
            if ended != {"sessions": self.due}:
                raise LoadFailed(f"{self.due} sessions were due, and {ended} were ended")
        active = await database.read(_active)
        if active != self.sessions:
            raise LoadFailed(f"{self.sessions} sessions were not due, and {active} go on")
        await database.aclose()
        return values

    @staticmethod
    async def _begin(database: Database, name: str, count: int, at_ms: int) -> None:
        one = LiveSession("", "acme", "noa", "main", "subtitles", "free", "boot", at_ms, at_ms)
        rows = [row_of(replace(one, id=f"{name}_{number}"), Bounds()) for number in range(count)]
        for first in range(0, count, ROWS_AT_ONCE):
            some = rows[first : first + ROWS_AT_ONCE]
            await database.write(partial(_insert, rows=some))

    def _by_hand(self, path: Path) -> float:
        """Return the ms that sqlite3 takes to write as many rows of the same table, in as many batches."""
        own = sqlite3.connect(path, isolation_level=None)
        ids = own.execute(
            "SELECT id FROM live_sessions WHERE state != 'ACTIVE' LIMIT ?", (self.due,)
        ).fetchall()
        began = time.process_time()
        for first in range(0, len(ids), BATCH_MAX):
            own.execute("BEGIN IMMEDIATE")
            update = "UPDATE live_sessions SET state = 'EXPIRED', active_at = active_at + 1 WHERE id = ?"
            own.executemany(update, ids[first : first + BATCH_MAX])
            own.execute("COMMIT")
        own.close()
        return (time.process_time() - began) * 1e3


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(live_sessions), rows)


def _active(connection: Connection) -> int:
    query = select(func.count()).where(live_sessions.c.state == State.ACTIVE.value)
    return int(connection.execute(query).scalar_one())
