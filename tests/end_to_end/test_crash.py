"""The server is killed at random moments under load: nothing is billed twice, and little is lost."""

import asyncio
import logging
import random
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.end_to_end.minutes import CHEAP, Books, Speaker, fan
from tests.end_to_end.peers import Crowd, crowd_of
from tests.house import close_house, open_house, token

log = logging.getLogger(__name__)

CHECKPOINT_MS = 1000
COMMIT_MS = 1000
"""What a commit, and the way from a client's hand into the server, may take on a machine that is busy with
much else; 200 to 300 on one that is not."""
LEASE_SECONDS = 3
VIEWERS_EACH = 3
KILLED_WITHIN_SECONDS = (0.3, 2.0)


@dataclass(frozen=True)
class Bill:
    """What one user may be billed: at most, and at least if nothing is lost."""

    least_ms: int
    most_ms: int


class Load:
    """Everybody who is connected to one life of the server; each of them is another user."""

    def __init__(self, crowd: Crowd, life: int) -> None:
        self._crowd = crowd
        self._life = life
        self._killed = False
        self._bills: dict[str, Callable[[], Bill]] = {}

    async def arrives(self, count: int) -> None:
        """Let so many sessions come, a quarter of them viewers of channels, and talk until the kill."""
        shows = max(1, count // 4 // VIEWERS_EACH)
        async with asyncio.TaskGroup() as tasks:
            for number in range(shows):
                tasks.create_task(self._until_killed(self._shows(number)))
            for number in range(count - shows * (VIEWERS_EACH + 1)):
                tasks.create_task(self._until_killed(self._talks(number)))

    def killed(self) -> dict[str, Bill]:
        """The server is gone: return what each user may be billed."""
        self._killed = True
        return {user: bill() for user, bill in self._bills.items()}

    async def _until_killed(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (AssertionError, OSError):
            if not self._killed:
                raise

    async def _talks(self, number: int) -> None:
        user = f"fan-{self._life}-{number}"
        speaker = Speaker(self._crowd, f"own-{number}/subtitles?target_lang=en", fan(user))
        self._bills[user] = lambda: Bill(speaker.sent_ms, speaker.sent_ms)
        await speaker.joins()
        speaker.speaks()

    async def _shows(self, number: int) -> None:
        publisher = Speaker(self._crowd, f"show-{number}/publish", token(f"creator-{number}"))
        await publisher.joins()
        publisher.speaks()
        for seat in range(VIEWERS_EACH):
            await self._watches(publisher, number, seat)

    async def _watches(self, publisher: Speaker, number: int, seat: int) -> None:
        user, before_ms = f"viewer-{self._life}-{number}-{seat}", publisher.sent_ms
        self._bills[user] = lambda: Bill(0, publisher.sent_ms - before_ms)
        await self._crowd.joins(f"show-{number}/subtitles?target_lang=en", fan(user))
        after_ms = publisher.sent_ms
        self._bills[user] = lambda: Bill(publisher.sent_ms - after_ms, publisher.sent_ms - before_ms)


@dataclass
class Toll:
    """What the kills came to."""

    bills: dict[str, Bill] = field(default_factory=dict)
    lost_ms: list[float] = field(default_factory=list)
    """Of each life, per session."""

    def count(self, bills: dict[str, Bill], billed: dict[str, int]) -> None:
        """Hold what was billed to one life's users to what they were sent."""
        self.bills |= bills
        doubled = {user: (billed.get(user, 0), bill) for user, bill in self.bills.items()
                   if billed.get(user, 0) > bill.most_ms}  # fmt: skip
        assert doubled == {}
        lost_ms = sum(max(0, bill.least_ms - billed.get(user, 0)) for user, bill in bills.items())
        self.lost_ms.append(lost_ms / len(bills))

    def __str__(self) -> str:
        return (
            f"{len(self.lost_ms)} kills, {len(self.bills)} sessions, "
            f"{sum(bill.most_ms for bill in self.bills.values()) / 1000:.0f} s sent; lost per session and "
            f"kill: mean {statistics.mean(self.lost_ms):.0f} ms, most {max(self.lost_ms):.0f} ms"
        )


async def one_life(
    data_dir: Path, url: str, life: int, count: int, chance: random.Random, books: Books
) -> dict[str, Bill]:
    """Start a server, load it, kill it at a random moment; return what its users may be billed.

    The books are audited meanwhile: what the life before left behind, and what this one makes of it.
    """
    settings = CHEAP | {"DATABASE_URL": url, "BOOT_LEASE_SECONDS": str(LEASE_SECONDS)}
    house = open_house(data_dir, **settings)
    try:
        async with crowd_of(house) as crowd, asyncio.TaskGroup() as tasks:
            load = Load(crowd, life)
            arriving = tasks.create_task(load.arrives(count))
            tasks.create_task(books.audited())
            if life % 2:
                # Every other life lasts until something of everybody was written.
                await arriving
                await asyncio.sleep(CHECKPOINT_MS / 1000)
            await asyncio.sleep(chance.uniform(*KILLED_WITHIN_SECONDS))
            house.process.kill()
            return load.killed()
    finally:
        close_house(house)


async def recovered(books: Books, url: str) -> None:
    """Start once more, and wait until everything that was left open is settled."""
    settings = CHEAP | {"DATABASE_URL": url, "BOOT_LEASE_SECONDS": str(LEASE_SECONDS)}
    house = open_house(books.data_dir, **settings)
    try:
        await books.add_up()
        states = set((await books.states()).values())
        assert states == {("INTERRUPTED", "process_lost")}
    finally:
        close_house(house)


async def killed_again_and_again(data_dir: Path, url: str, *, kills: int, count: int, seed: int) -> Toll:
    """Kill so many lives of a server with so many sessions each; hold the books to what was sent."""
    chance, books = random.Random(seed), Books(data_dir, url)
    toll = Toll()
    lives = [await one_life(data_dir, url, life, count, chance, books) for life in range(kills)]
    await books.audited()
    await recovered(books, url)
    billed = await books.billed("subject")
    for bills in lives:
        toll.count(bills, billed)
    assert sum(billed.values()) > 0
    assert set(billed) <= set(toll.bills)
    log.info("%s", toll)
    assert max(toll.lost_ms) <= CHECKPOINT_MS + COMMIT_MS, str(toll)
    return toll


async def test_killed_with_twenty_sessions(tmp_path: Path, database_url: str) -> None:
    await killed_again_and_again(tmp_path, database_url, kills=2, count=20, seed=3)


@pytest.mark.chaos
async def test_killed_twenty_times_with_two_hundred_sessions(tmp_path: Path, database_url: str) -> None:
    toll = await killed_again_and_again(tmp_path, database_url, kills=20, count=200, seed=20)
    # A kill comes, on average, in the middle between two checkpoints.
    assert statistics.mean(toll.lost_ms) < CHECKPOINT_MS, str(toll)
