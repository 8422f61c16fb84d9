"""Boots on both databases: leases, fencing, and what is left behind settled exactly once, however it is
broken off."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from gateway.boot import Boot, Recovery
from gateway.stores import boots
from gateway.stores.auditor import audit_books
from gateway.stores.boots import Left
from gateway.stores.interface import Database, Refusal
from gateway.stores.minutes import Settle
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.deadlines import give_back_seats
from gateway.stores.rooms.schema import room_participants
from gateway.stores.schema import boots as boots_table
from gateway.stores.statements import now_ms
from sessions.lifetimes import PROCESS_LOST, EndRequested, Touched
from sessions.room_events import JoinRequested
from sessions.slices import Settled
from tests.gateway.stores.books import BOUNDS, NOW_MS, Books
from tests.gateway.stores.rooms.lobby import Lobby

LEASE_SECONDS = 30.0


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


def ignore(boot_id: str) -> None:
    """Nobody asked."""


async def booted(books: Books, fenced: Callable[[str], None] = ignore) -> Boot:
    boot = Boot(books.database, "here", LEASE_SECONDS, fenced)
    await boot.register()
    return boot


async def lapse(books: Books, boot_id: str) -> None:
    def past(connection: Connection) -> None:
        late = now_ms(connection) - 1
        connection.execute(update(boots_table).where(boots_table.c.id == boot_id).values(lease_until=late))

    await books.database.write(past)


def recovery(books: Books, boot: Boot, *, alone: bool, settling: Any = None) -> Recovery:
    return Recovery(books.database, settling or books.settlements, BOUNDS, boot, alone=alone)


async def assert_adds_up(books: Books) -> None:
    assert (await books.database.read(audit_books)).findings == []


async def leave(books: Books, boot_id: str = "boot_1", count: int = 3) -> list[str]:
    """Let a process go in the middle of its work: slices with 1000 ms each, and a session."""
    held = []
    for _ in range(count):
        held.append(await books.hold(boot=boot_id))
        await books.use(held[-1], 1000)
    await books.open(books.session(f"live_of_{boot_id}", boot_id=boot_id))
    return held


@pytest.mark.parametrize("alone", [True, False])
async def test_what_a_lost_process_left_is_settled_at_its_checkpoints(books: Books, alone: bool) -> None:
    await books.boot("boot_1", lapsed=not alone)
    held = await leave(books)
    boot = await booted(books)
    own = await books.hold(boot=boot.id)
    found = await recovery(books, boot, alone=alone).run_once()
    assert found == Left(boots=1, slices=3, settled_ms=3000, sessions=1)
    rows = await books.slice_rows()
    assert [rows[key] for key in held] == [("closed", "recovery", 1000)] * 3
    assert rows[own][0] == "open"
    assert await books.states() == {"live_of_boot_1": "INTERRUPTED"}
    row = await books.boot_row("boot_1")
    assert row["fenced_at"] is not None
    assert row["ended_at"] is not None
    assert not await recovery(books, boot, alone=alone).run_once()
    assert await books.billed_ms() == 3000
    await assert_adds_up(books)


async def test_in_a_cluster_a_process_with_a_lease_is_left_alone(books: Books) -> None:
    await books.boot("boot_1")
    await leave(books)
    boot = await booted(books)
    assert not await recovery(books, boot, alone=False).run_once()
    assert (await books.boot_row("boot_1"))["fenced_at"] is None
    assert await books.states() == {"live_of_boot_1": "ACTIVE"}


async def test_a_process_that_renews_in_time_is_not_fenced_by_one_that_saw_it_late(books: Books) -> None:
    await books.boot("boot_1", lapsed=True)
    held = await leave(books)
    boot = await booted(books)
    assert await books.database.read(lambda c: boots.abandoned(c, boot.id, alone=False)) == ["boot_1"]
    assert await books.database.write(lambda c: boots.renew(c, "boot_1", 30_000))
    left, more = await books.database.write(
        lambda c: boots.take_over(c, books.settlements, "boot_1", 10, BOUNDS, alone=False)
    )
    assert (left, more) == (Left(), False)
    assert (await books.slice_rows())[held[0]][0] == "open"


async def test_alone_even_what_no_boot_is_known_of_is_settled(books: Books) -> None:
    await leave(books, "boot_forgotten")
    boot = await booted(books)
    assert await recovery(books, boot, alone=True).run_once() == Left(0, 3, 3000, 1)
    await assert_adds_up(books)


async def test_batches_end_the_boot_only_when_nothing_is_left(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.boot.BATCH_MAX", 2)
    await books.boot("boot_1", lapsed=True)
    await leave(books, count=5)
    boot = await booted(books)
    assert await recovery(books, boot, alone=False).run_once() == Left(1, 5, 5000, 1)
    await assert_adds_up(books)


class Killed(Exception):
    """The process is gone, here."""


class DyingSettlements:
    """Settles, and dies at one of its calls: before it, or after it and before the commit."""

    def __init__(self, books: Books, at_call: int, *, after: bool) -> None:
        self._settlements = books.settlements
        self._calls_left = at_call
        self._after = after

    def apply(self, connection: Connection, operations: Sequence[Settle]) -> list[Settled | Refusal]:
        self._calls_left -= 1
        if not self._calls_left and not self._after:
            raise Killed
        answers = self._settlements.apply(connection, operations)
        if not self._calls_left:
            raise Killed
        return answers


@pytest.mark.parametrize("at_call", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
async def test_a_recovery_that_is_killed_anywhere_is_finished_by_the_next(
    books: Books, monkeypatch: pytest.MonkeyPatch, at_call: int, after: bool
) -> None:
    monkeypatch.setattr("gateway.boot.BATCH_MAX", 2)
    await books.boot("boot_1", lapsed=True)
    await leave(books, count=5)
    first = await booted(books)
    with pytest.raises(Killed):
        await recovery(
            books, first, alone=False, settling=DyingSettlements(books, at_call, after=after)
        ).run_once()
    await lapse(books, first.id)
    second = await booted(books)
    await recovery(books, second, alone=False).run_once()
    assert await books.billed_ms() == 5000
    assert (await books.boot_row("boot_1"))["ended_at"] is not None
    assert await books.states() == {"live_of_boot_1": "INTERRUPTED"}
    await assert_adds_up(books)


async def test_two_recoveries_at_once_settle_each_slice_once(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.boot.BATCH_MAX", 3)
    for number in range(3):
        await books.boot(f"boot_{number}", lapsed=True)
        await leave(books, f"boot_{number}", count=7)
    own = [await booted(books) for _ in range(4)]
    found = await asyncio.gather(*(recovery(books, boot, alone=False).run_once() for boot in own))
    total = sum(found, Left())
    assert (total.boots, total.slices, total.settled_ms, total.sessions) == (3, 21, 21_000, 3)
    assert await books.billed_ms() == 21_000
    await assert_adds_up(books)


async def test_one_that_was_only_slow_is_paid_for_what_it_reports_late_and_has_its_sessions_back(
    books: Books,
) -> None:
    told: list[str] = []
    slow = await booted(books, told.append)
    (held,) = await leave(books, slow.id, count=1)
    old_id = slow.id
    await lapse(books, old_id)
    other = await booted(books)
    await recovery(books, other, alone=False).run_once()
    assert await books.states() == {f"live_of_{old_id}": "INTERRUPTED"}

    await slow.renew()
    assert told == [slow.id]
    assert slow.id != old_id
    settled = await books.settle(held, 4000)
    assert (settled.used_ms, settled.late) == (3000, True)
    back = await books.change(f"live_of_{old_id}", Touched(slow.id, NOW_MS + 5000, 4000))
    assert (back.state, back.boot_id) == ("ACTIVE", slow.id)
    assert await books.billed_ms() == 4000
    assert not await recovery(books, other, alone=False).run_once()
    await assert_adds_up(books)


async def test_a_slice_acquired_before_a_process_knew_that_it_was_fenced_is_settled_too(books: Books) -> None:
    await books.boot("boot_1", lapsed=True)
    boot = await booted(books)
    await recovery(books, boot, alone=False).run_once()
    stray = await books.hold(boot="boot_1")
    assert (await recovery(books, boot, alone=False).run_once()).slices == 1
    assert (await books.slice_rows())[stray][0] == "closed"
    await assert_adds_up(books)


async def test_who_audits_is_told_of_what_was_found_and_of_nothing_else(books: Books) -> None:
    told: list[Left] = []
    boot = await booted(books)
    subject = Recovery(books.database, books.settlements, BOUNDS, boot, alone=True, recovered=told.append)
    assert await subject.due(NOW_MS, 200) == 0
    assert told == []
    await leave(books)
    await subject.due(NOW_MS, 200)
    assert [left.slices for left in told] == [3]


async def test_what_an_admin_wanted_to_end_is_not_merely_interrupted(books: Books) -> None:
    await books.boot("boot_1", lapsed=True)
    await leave(books)
    await books.change("live_of_boot_1", EndRequested("ada", NOW_MS))
    await recovery(books, await booted(books), alone=False).run_once()
    assert await books.states() == {"live_of_boot_1": "ENDED_BY_ADMIN"}
    assert PROCESS_LOST not in str(await books.states())


async def test_an_orderly_end_leaves_nothing_to_take_over(books: Books) -> None:
    boot = await booted(books)
    await boot.aclose()
    row = await books.boot_row(boot.id)
    assert (row["ended_at"] is None, row["fenced_at"]) == (False, None)
    other = await booted(books)
    assert await books.database.read(lambda c: boots.abandoned(c, other.id, alone=False)) == []
    assert not await books.database.write(lambda c: boots.renew(c, boot.id, 1000))


async def test_an_end_with_something_open_is_taken_over_at_once(books: Books) -> None:
    boot = await booted(books)
    await leave(books, boot.id)
    await boot.aclose()
    other = await booted(books)
    found = await recovery(books, other, alone=False).run_once()
    assert (found.boots, found.slices, found.sessions) == (1, 3, 1)
    await assert_adds_up(books)


async def test_renewing_lengthens_the_lease_by_the_databases_clock(books: Books) -> None:
    boot = await booted(books)
    await lapse(books, boot.id)
    now = await books.database.read(now_ms)
    await boot.renew()
    lease_until = (await books.boot_row(boot.id))["lease_until"]
    assert now + 29_000 < lease_until < now + 40_000


async def seated(books: Books, *boot_ids: str) -> Lobby:
    """A room in which ben has a connection in each of these lives of processes."""
    lobby = Lobby(books.database)
    room_id = await lobby.room("olga")
    for lobby.boot in boot_ids:
        await lobby.act(room_id, JoinRequested("ben"))
    return lobby


async def lost(books: Books) -> dict[str, bool]:
    query = select(room_participants.c.subject, room_participants.c.lost_at)
    return await books.database.read(lambda c: {row[0]: row[1] is not None for row in c.execute(query)})


def giving_back(books: Books, boot: Boot, *, alone: bool) -> Recovery:
    seats = partial(give_back_seats, bounds=RoomBounds())
    return Recovery(books.database, books.settlements, BOUNDS, boot, alone=alone, giving_back=seats)


@pytest.mark.parametrize("alone", [True, False])
async def test_the_seats_of_a_lost_process_are_given_back_and_its_people_lost(
    books: Books, alone: bool
) -> None:
    await books.boot("boot_1", lapsed=not alone)
    await books.boot("boot_2", lapsed=not alone)
    lobby = await seated(books, "boot_1", "boot_2")
    boot = await booted(books)
    assert await lost(books) == {"olga": False, "ben": False}
    found = await giving_back(books, boot, alone=alone).run_once()
    assert (found.boots, found.seats) == (2, 3)
    assert await lost(books) == {"olga": True, "ben": True}
    assert not await giving_back(books, boot, alone=alone).run_once()
    await lobby.aclose()


async def test_who_has_a_connection_elsewhere_is_not_lost(books: Books) -> None:
    await books.boot("boot_1", lapsed=True)
    boot = await booted(books)
    lobby = await seated(books, "boot_1", boot.id)
    found = await giving_back(books, boot, alone=False).run_once()
    assert found.seats == 2
    assert await lost(books) == {"olga": True, "ben": False}
    await lobby.aclose()


async def test_many_seats_are_given_back_in_batches(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.boot.BATCH_MAX", 2)
    await books.boot("boot_1", lapsed=True)
    lobby = await seated(books, "boot_1")
    await lobby.room("ana", "cem", "dan")
    boot = await booted(books)
    assert (await giving_back(books, boot, alone=False).run_once()).seats == 5
    assert set((await lost(books)).values()) == {True}
    await lobby.aclose()


async def test_a_process_that_ends_with_seats_is_taken_over_at_once(books: Books) -> None:
    boot = await booted(books)
    lobby = await seated(books, boot.id)
    await boot.aclose()
    other = await booted(books)
    found = await giving_back(books, other, alone=False).run_once()
    # olga came by a life that no boot is known of.
    assert (found.boots, found.seats) == (1, 2)
    await lobby.aclose()
