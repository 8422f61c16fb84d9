"""A process of its own that votes or joins, for tests that kill it or run several: what was acknowledged it
says on its standard output, a line each.

    python -m tests.gateway.stores.rooms.at_work FOLDER vote POLL FIRST_SEQ USERS
    python -m tests.gateway.stores.rooms.at_work FOLDER join ROOM NAME USERS

DATABASE_URL names the database; empty: SQLite in FOLDER.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.stores.database import open_database
from sessions.room_events import JoinRequested
from tests.gateway.stores.rooms.lobby import Lobby

AT_ONCE = 40
"""Votes that are under way: those of many users, like a crowd's."""


async def vote(lobby: Lobby, poll_id: str, first_seq: int, users: int) -> None:
    """Vote without end, each user in turn, and say `user option seq` of each vote that was acknowledged."""
    seqs = dict.fromkeys(range(users), first_seq)
    under_way = asyncio.Semaphore(AT_ONCE)

    async def cast(number: int) -> None:
        async with under_way:
            while True:
                seqs[number] += 1
                option_id, seq = str(random.randint(1, 3)), seqs[number]
                await lobby.one(lobby.vote(poll_id, f"user{number}", option_id, seq=seq))
                sys.stdout.write(f"user{number} {option_id} {seq}\n")
                sys.stdout.flush()

    await asyncio.gather(*map(cast, range(users)))


async def join(lobby: Lobby, room_id: str, name: str, users: int) -> None:
    """Join at once, and say who is in."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    answers = await lobby.do(*(lobby.event(room_id, JoinRequested(f"{name}{n}")) for n in range(users)))
    inside = [f"{name}{n}\n" for n, answer in enumerate(answers) if not isinstance(answer, Exception)]
    sys.stdout.writelines([*inside, "done\n"])


async def main() -> None:
    folder, what, subject, second, users = sys.argv[1:]
    database = await open_database(os.environ["DATABASE_URL"], Path(folder))
    lobby = Lobby(database)
    if what == "vote":
        await vote(lobby, subject, int(second), int(users))
    else:
        await join(lobby, subject, second, int(users))
    await lobby.aclose()
    await database.aclose()


@dataclass(slots=True)
class Process:
    """Such a process, seen from a test."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """Return the next thing that it says."""
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def lines(self) -> list[str]:
        """Return everything else that it says, until it ends."""
        assert self.process.stdout is not None
        return (await self.process.stdout.read()).decode().splitlines()

    def go(self) -> None:
        """Have it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")


@asynccontextmanager
async def at_work(url: str, folder: Path, *words: str) -> AsyncIterator[Process]:
    """Start one, and see to it that it is gone afterwards."""
    command: Sequence[str] = (sys.executable, "-m", "tests.gateway.stores.rooms.at_work", str(folder), *words)
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"DATABASE_URL": url}, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
