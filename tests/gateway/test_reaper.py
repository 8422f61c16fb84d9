"""The reaper: every kind at its interval, one leader, batches, and kinds that fail alone."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from gateway import clock, reaper
from gateway.metrics import REGISTRY
from gateway.reaper import LEASE, Due, Reaper, idempotency_keys_due, sessions_due
from gateway.stores.idempotency import Claimed, Key, claim
from gateway.stores.interface import Database, StoreDown
from gateway.stores.memory.leases import MemoryLeases
from sessions.lifetimes import State
from tests.gateway.stores.books import BOUNDS, MINUTE, Books


class Pile:
    """Things that are due."""

    def __init__(self, left: int, then: Callable[[], Awaitable[object]] | None = None) -> None:
        self.left = left
        self.batches: list[int] = []
        self._then = then

    async def due(self, _now_ms: int, most: int, /) -> int:
        ended = min(self.left, most)
        self.left -= ended
        self.batches.append(ended)
        if self._then is not None:
            await self._then()
        return ended


class Timed:
    """A clock and sleeps that take no time; after the sleeps that a test allows, the reaper is cancelled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.sleeps_left = 0
        self.leases = MemoryLeases(lambda: self.now)
        monkeypatch.setattr(clock, "steady", lambda: self.now)
        monkeypatch.setattr("gateway.reaper.asyncio.sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        if not seconds:
            return
        self.now += seconds
        if not self.sleeps_left:
            raise asyncio.CancelledError
        self.sleeps_left -= 1

    async def run(self, subject: Reaper, seconds: int) -> None:
        self.sleeps_left = seconds
        with contextlib.suppress(asyncio.CancelledError):
            await subject.run()


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Timed:
    return Timed(monkeypatch)


def passes(due: list[float], timed: Timed) -> Due:
    async def note(_now_ms: int, _most: int, /) -> int:
        due.append(timed.now - 1000)
        return 0

    return note


async def test_each_kind_comes_at_its_own_interval(timed: Timed) -> None:
    subject = Reaper(timed.leases, "boot_1", 300)
    usual: list[float] = []
    often: list[float] = []
    subject.register("usual", passes(usual, timed))
    subject.register("often", passes(often, timed), interval_seconds=100)
    subject.register("never slower", passes([], timed), interval_seconds=9999)
    await timed.run(subject, 60)
    assert usual == [0, 300, 600]
    assert often == [0, 100, 200, 300, 400, 500, 600]


async def test_what_is_due_is_ended_in_batches(timed: Timed) -> None:
    pile = Pile(450)
    subject = Reaper(timed.leases, "boot_1", 300)
    subject.register("pile", pile.due)
    before = REGISTRY.get_sample_value("stagedoor_reaper_reaped_total", {"kind": "pile"}) or 0
    assert await subject.run_once() == {"pile": 450}
    assert pile.batches == [200, 200, 50]
    assert REGISTRY.get_sample_value("stagedoor_reaper_reaped_total", {"kind": "pile"}) == before + 450


async def test_one_of_two_processes_makes_the_passes(timed: Timed) -> None:
    piles = [Pile(1), Pile(1)]
    reapers = [Reaper(timed.leases, f"boot_{n}", 300) for n in range(2)]
    for subject, pile in zip(reapers, piles, strict=True):
        subject.register("pile", pile.due)
    await timed.run(reapers[0], 0)
    timed.now = 1001
    await timed.run(reapers[1], 0)
    assert [pile.left for pile in piles] == [0, 1]
    assert [subject.leads for subject in reapers] == [True, False]
    await reapers[0].aclose()
    await timed.run(reapers[1], 0)
    assert piles[1].left == 0


async def test_the_leader_keeps_the_lead_between_passes(timed: Timed) -> None:
    leader, other = Reaper(timed.leases, "boot_1", 300), Reaper(timed.leases, "boot_2", 300)
    pile = Pile(1)
    leader.register("pile", Pile(0).due)
    other.register("pile", pile.due)
    for _ in range(20):
        await timed.run(leader, 1)
        before = timed.now
        await timed.run(other, 0)
        timed.now = before
    assert (leader.leads, other.leads, pile.left) == (True, False, 1)


async def test_who_loses_the_lead_in_mid_pass_stops_and_the_next_goes_on(timed: Timed) -> None:
    async def usurped() -> None:
        timed.now += reaper.LEASE_SECONDS + 1
        await timed.leases.acquire(LEASE, "boot_2", 60)

    pile = Pile(1000, usurped)
    subject = Reaper(timed.leases, "boot_1", 300)
    subject.register("pile", pile.due)
    await timed.run(subject, 0)
    assert pile.left == 800
    assert not subject.leads


async def test_a_kind_that_fails_does_not_keep_the_others(
    timed: Timed, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_now_ms: int, _most: int, /) -> int:
        raise ValueError("mistake")

    pile = Pile(3)
    subject = Reaper(timed.leases, "boot_1", 300)
    subject.register("broken", broken)
    subject.register("pile", pile.due)
    await timed.run(subject, 0)
    assert pile.left == 0
    assert "could not end" in caplog.text


async def test_a_lost_store_is_asked_again_soon(timed: Timed) -> None:
    asked: list[float] = []

    async def down(_now_ms: int, _most: int, /) -> int:
        asked.append(timed.now - 1000)
        raise StoreDown("gone")

    subject = Reaper(timed.leases, "boot_1", 300)
    subject.register("down", down)
    await timed.run(subject, 2)
    assert asked == [0, reaper.RETRY_SECONDS, 2 * reaper.RETRY_SECONDS]


def test_a_name_is_registered_once() -> None:
    subject = Reaper(MemoryLeases(lambda: 0.0), "boot_1", 300)
    subject.register("pile", Pile(0).due)
    with pytest.raises(AssertionError):
        subject.register("pile", Pile(0).due)


async def test_sessions_and_kept_answers_are_ended_where_servers_keep_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = Books(database)
    await books.open(books.session())
    key = Key("acme", "noa", "k1", "f")
    assert isinstance(await database.write(partial(claim, key=key)), Claimed)
    wall = clock.wall() + 25 * 3600
    monkeypatch.setattr(clock, "wall", lambda: max(wall, (books.now_ms + 31 * MINUTE) / 1000))
    subject = Reaper(MemoryLeases(lambda: 0.0), "boot_1", 300)
    subject.register("sessions", sessions_due(database, BOUNDS))
    subject.register("idempotency_keys", idempotency_keys_due(database))
    reaped = await subject.run_once()
    assert reaped["sessions"] == 1
    # PostgreSQL has its own clock, by which the answer is still kept.
    assert reaped["idempotency_keys"] == (1 if database.dialect == "sqlite" else 0)
    assert set((await books.states()).values()) <= {State.INTERRUPTED.value, State.EXPIRED.value}
