"""Minutes from outside: clients that know to the millisecond what they sent, and the books of a server.

Invariant: nothing here asks the server's own code what it charged; rows, log and audit are read beside it.
"""

import asyncio
import functools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import RowMapping, Select, func, select

from auth.principal import Plan
from gateway.stores.database import open_database
from gateway.stores.schema import live_sessions, quota_slices, usage_events, usage_quotas
from gateway.wire.frames import BINARY
from tests.end_to_end.peers import Crowd, Peer, frame
from tests.house import NO_LIMITS, SECRET, House, Opened, token

BYTES_PER_MS = 32
"""Of 16 kHz, 16 bit, mono."""
FRAME_MS = 100
LOOK_SECONDS = 0.05
CHEAP = NO_LIMITS | {
    "RECOGNIZERS": "silent",
    "WORKERS_MAX": "1",
    "WORKER_STREAMS_MAX": "400",
    "LIVE_QUOTA_SLICE_SECONDS": "2",
}
"""Engines that cost nothing, many streams to a worker, slices so short that they follow one another."""


def opened(data_dir: Path, url: str = "", **changes: str) -> Opened:
    """Return a cheap house on a database."""
    return Opened(data_dir, **(CHEAP | {"DATABASE_URL": url} | changes))


@functools.cache
def sound(sound_bytes: int) -> bytes:
    """Return a client's frame with so much audio."""
    return frame(BINARY, bytes(sound_bytes))


async def until(reached: Callable[[], bool], what: str, within_seconds: float = 20.0) -> None:
    """Wait for what another process does; `reached` may block."""
    deadline = time.monotonic() + within_seconds
    while not await asyncio.to_thread(reached):
        assert time.monotonic() < deadline, f"in vain: {what}"
        await asyncio.sleep(LOOK_SECONDS)


async def connections_are(house: House, count: int) -> None:
    """Wait until the server counts so many live connections."""
    await until(lambda: house.metric("stagedoor_live_connections") == count, f"{count} connections")


class Speaker:
    """A connection that sends audio, and how much it has sent: over all connections of its session."""

    def __init__(self, crowd: Crowd, path: str, bearer: str) -> None:
        self.crowd = crowd
        self.path = path
        self.bearer = bearer
        self.sent_bytes = 0
        self.session_id = ""
        self._peer: Peer | None = None
        self._speaking = self._keeps = False

    @property
    def peer(self) -> Peer:
        assert self._peer is not None
        return self._peer

    @property
    def sent_ms(self) -> int:
        """How much audio it has sent."""
        return self.sent_bytes // BYTES_PER_MS

    async def joins(self, resume: Any = None) -> None:
        """Connect: as a new session, or where the server says that the old one stands."""
        self._peer = await self.crowd.joins(self.path, self.bearer, resume)
        connected = self.peer.connected
        if resume is not None and connected["session_id"] == self.session_id:
            self.sent_bytes = connected.get("audio", {"bytes": 0})["bytes"]
        self.session_id = connected["session_id"]

    def says(self, sound_bytes: int) -> None:
        """Send one frame."""
        self.peer.send(sound(sound_bytes))
        self.sent_bytes += sound_bytes

    def says_ms(self, ms: int) -> None:
        """Send so much audio, in frames as a microphone's."""
        while ms > 0:
            self.says(min(ms, FRAME_MS) * BYTES_PER_MS)
            ms -= FRAME_MS

    def speaks(self, *, keep: bool = False) -> None:
        """Go on sending in real time, until `stops` or the connection is gone. What comes meanwhile is
        forgotten unless it is to be kept."""
        self._speaking, self._keeps = True, keep
        loop = asyncio.get_running_loop()
        self._speak(loop, loop.time(), self.peer)

    def _speak(self, loop: asyncio.AbstractEventLoop, at: float, peer: Peer) -> None:
        if not self._speaking or peer.close_code is not None or peer.transport.is_closing():
            return
        self.says(FRAME_MS * BYTES_PER_MS)
        if not self._keeps:
            peer.came.clear()
        # What was late is not made up for: nobody speaks faster because the machine was busy.
        at = max(at + FRAME_MS / 1000, loop.time())
        loop.call_at(at, self._speak, loop, at, peer)

    def stops(self) -> None:
        """Say no more."""
        self._speaking = False

    async def heard(self) -> None:
        """Wait until the server has taken everything that was sent: also what waited for minutes."""
        deadline = time.monotonic() + 20
        taken = -1.0
        while taken != round(self.sent_bytes / 1000 / BYTES_PER_MS, 3):
            assert time.monotonic() < deadline, (taken, self.sent_bytes)
            self.peer.say(type="ping")
            taken = (await self.peer.take("pong")).get("received_seconds", 0.0)

    async def ends(self) -> dict[str, Any]:
        """End the session; return `ended`."""
        self.stops()
        self.peer.say(type="end")
        ended: dict[str, Any] = await self.peer.take("ended", within_seconds=40)
        assert await self.peer.closed() == 1000
        return ended


@dataclass(frozen=True)
class Books:
    """The database and the usage log of a house, read beside it. `url` empty: SQLite in `data_dir`."""

    data_dir: Path
    url: str = ""

    async def rows(self, query: Select[Any]) -> list[RowMapping]:
        """Return what a query finds."""
        database = await open_database(self.url, self.data_dir, alone=False)
        try:
            return await database.read(lambda connection: list(connection.execute(query).mappings()))
        finally:
            await database.aclose()

    async def billed(self, by: str = "session_id") -> Counter[str]:
        """Return the milliseconds billed to each session, or by another column."""
        billed: Counter[str] = Counter()
        for row in await self.rows(select(usage_events)):
            billed[row[by]] += row["quantity_ms"]
        return billed

    async def billed_of(self, user: str, kind: str = "subtitles") -> int:
        """Return the milliseconds billed to a user."""
        query = select(func.coalesce(func.sum(usage_events.c.quantity_ms), 0).label("ms"))
        own = query.where(usage_events.c.subject == user, usage_events.c.kind == kind)
        (row,) = await self.rows(own)
        return int(row["ms"])

    async def held_ms(self) -> int:
        """Return what all windows hold."""
        query = select(func.coalesce(func.sum(usage_quotas.c.held_ms), 0).label("ms"))
        (row,) = await self.rows(query)
        return int(row["ms"])

    async def open_slices(self) -> list[RowMapping]:
        """Return the slices that are not settled."""
        return await self.rows(select(quota_slices).where(quota_slices.c.state == "open"))

    async def states(self) -> dict[str, tuple[str, str | None]]:
        """Return state and reason of each session."""
        rows = await self.rows(select(live_sessions))
        return {row["id"]: (row["state"], row["end_reason"]) for row in rows}

    async def settled(self, within_seconds: float = 20.0) -> None:
        """Wait until no slice is open, and nothing is held."""
        deadline = time.monotonic() + within_seconds
        while (await self.open_slices(), await self.held_ms()) != ([], 0):
            assert time.monotonic() < deadline, await self.open_slices()
            await asyncio.sleep(LOOK_SECONDS)

    async def media_ms(self, user: str, within_seconds: float = 20.0) -> int:
        """Return how much media all sessions of a user were sent or have brought, once none is live."""
        deadline = time.monotonic() + within_seconds
        query = select(live_sessions.c.state, live_sessions.c.media_ms).where(live_sessions.c.subject == user)
        rows = await self.rows(query)
        while "ACTIVE" in (row["state"] for row in rows):
            assert time.monotonic() < deadline, rows
            await asyncio.sleep(LOOK_SECONDS)
            rows = await self.rows(query)
        return sum(row["media_ms"] for row in rows)

    async def become(self, session_id: str, state: str, reason: str, within_seconds: float = 10.0) -> None:
        """Wait until a session is in a state, for a reason."""
        deadline = time.monotonic() + within_seconds
        while (now := (await self.states()).get(session_id)) != (state, reason):
            assert time.monotonic() < deadline, now
            await asyncio.sleep(LOOK_SECONDS)

    async def audited(self) -> dict[str, Any]:
        """Return what the command `stagedoor audit` finds, and assert that all adds up."""
        report, code = await asyncio.to_thread(self._audit)
        assert code == 0, report["findings"]
        assert report["findings"] == []
        assert report["complete"] is True
        return report

    def _audit(self) -> tuple[dict[str, Any], int]:
        settings = {"DATA_DIR": str(self.data_dir), "DATABASE_URL": self.url, "JWT_SECRET": SECRET}
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "audit", "--json"], env=kept | settings,
            cwd=self.data_dir, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return orjson.loads(done.stdout), done.returncode

    def logged(self) -> list[str]:
        """Return the ids of the events in the usage log, in order."""
        lines = [
            line
            for path in sorted(self.data_dir.glob("usage/usage-*.jsonl"))
            for line in path.read_bytes().splitlines()
        ]
        return [orjson.loads(line)["event_id"] for line in lines]

    async def told_once(self) -> None:
        """Wait until the usage log has every event, and assert that it has each once."""
        events = sorted(row["id"] for row in await self.rows(select(usage_events.c.id)))
        await until(lambda: len(self.logged()) >= len(events), "the usage log")
        assert sorted(self.logged()) == events

    async def add_up(self) -> None:
        """Assert that everything is settled, told once, and adds up."""
        await self.settled()
        await asyncio.gather(self.told_once(), self.audited())


def fan(user: str, plan: Plan = Plan.FREE) -> str:
    """Return the token of somebody whose minutes are limited."""
    return token(user, plan=plan)
