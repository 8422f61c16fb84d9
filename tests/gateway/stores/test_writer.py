"""The group-commit writer on both databases: order, faults, patience; nothing is lost and nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from gateway.stores import groups, writer
from gateway.stores.groups import GROUP_MAX
from gateway.stores.interface import Database, StoreDown
from gateway.stores.writer import GroupWriter
from tests.gateway.stores.takings import (
    FOREVER,
    Desk,
    Empty,
    Take,
    Takings,
    ends,
    opened_desk,
)

T = TypeVar("T")
HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Heavy(Take):
    """One that is as much work as others together."""

    weight: int = 1


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with opened_desk(database) as opened:
        yield opened


class TestGroups:
    async def test_a_crowd_is_written_in_order_and_in_few_transactions(self, desk: Desk) -> None:
        results = await ends(*(desk.take(f"t{number}") for number in range(450)))
        assert results == list(range(999, 549, -1))
        assert await desk.written() == {f"t{number}": 999 - number for number in range(450)}
        most = GROUP_MAX[desk.database.dialect]
        rest = [450 % most] if 450 % most else []
        assert [len(group) for group in desk.journal.groups] == [most] * (450 // most) + rest

    async def test_what_is_much_work_shares_its_transaction_with_few(self, desk: Desk) -> None:
        most = GROUP_MAX[desk.database.dialect]
        sizes = [1] * 10 + [most // 2] * 3 + [4 * most] + [1] * 10
        operations = [Heavy(f"t{number}", weight=weight) for number, weight in enumerate(sizes)]
        await ends(*(desk.writer.submit(desk.journal, one, patience_seconds=FOREVER) for one in operations))
        assert [len(group) for group in desk.journal.groups] == [11, 2, 1, 10]
        assert len(await desk.written()) == len(sizes)

    async def test_two_journals_do_not_share_a_transaction_and_the_oldest_goes_first(
        self, desk: Desk
    ) -> None:
        other = Takings()
        first = desk.take("a")
        second = desk.writer.submit(other, Take("b"), patience_seconds=FOREVER)
        third = desk.take("c")
        assert await ends(first, second, third) == [999, 997, 998]
        assert (desk.journal.groups, other.groups) == ([["a", "c"]], [["b"]])

    async def test_a_refusal_in_the_midst_changes_nothing_for_the_others(self, desk: Desk) -> None:
        first, refused, last = desk.take("a", 900), desk.take("b", 200), desk.take("c", 50)
        assert await first == 100
        with pytest.raises(Empty):
            await refused
        assert await last == 50
        assert await desk.written() == {"a": 100, "c": 50}

    async def test_of_forty_only_those_that_fit_are_taken_by_two_writers(self, desk: Desk) -> None:
        other = GroupWriter(desk.database)
        futures = [
            group_writer.submit(Takings(), Take(f"{name}{number}", 100), patience_seconds=FOREVER)
            for number in range(20)
            for name, group_writer in (("a", desk.writer), ("b", other))
        ]
        results = await ends(*futures)
        await other.aclose(5)
        assert sum(isinstance(result, int) for result in results) == 10
        assert sum(isinstance(result, Empty) for result in results) == 30
        assert sorted((await desk.written()).values()) == list(range(0, 1000, 100))

    async def test_a_cancelled_waiter_is_written_all_the_same(self, desk: Desk) -> None:
        futures = [desk.take(f"t{number}") for number in range(5)]
        futures[1].cancel()
        await asyncio.sleep(0)
        futures[3].cancel()
        await futures[4]
        assert sorted(await desk.written()) == [f"t{number}" for number in range(5)]

    async def test_one_who_asks_again_when_answered_does_not_wait_for_company(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "GROUPS_APART_SECONDS", HOUR_SECONDS)
        async with opened_desk(database) as desk:
            assert [await desk.take(f"t{number}") for number in range(5)] == list(range(999, 994, -1))

    @pytest.mark.parametrize("crowd", [2, 5])
    async def test_a_busy_writer_lets_a_crowd_share_a_commit(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, crowd: int
    ) -> None:
        monkeypatch.setattr(writer, "GROUPS_APART_SECONDS", HOUR_SECONDS)
        async with opened_desk(database) as desk:
            await desk.take("first")
            together = [desk.take(f"t{number}") for number in range(crowd)]
            assert await desk.written() == {"first": 999}
            await asyncio.sleep(0)
            later = desk.take("later")
            assert await desk.written() == {"first": 999}
            await desk.writer.aclose(FOREVER)
            await ends(*together, later)
            assert [len(group) for group in desk.journal.groups] == [1, crowd + 1]

    async def test_what_comes_after_a_lone_one_by_itself_waits_for_company(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "GROUPS_APART_SECONDS", HOUR_SECONDS)
        async with opened_desk(database) as desk:
            await desk.take("first")
            await desk.left()  # Some turns of the loop.
            others = [desk.take("second")]
            await desk.left()
            others.append(desk.take("third"))
            await desk.writer.aclose(FOREVER)
            assert await ends(*others) == [998, 997]
            assert [len(group) for group in desk.journal.groups] == [1, 2]


class TestPoison:
    async def test_an_operation_that_the_database_refuses_fails_alone(self, desk: Desk) -> None:
        futures = [desk.take(f"t{number}", poisonous=number == 37) for number in range(100)]
        results = await ends(*futures)
        assert "NOT NULL" in str(results[37]).upper() or "not-null" in str(results[37])
        assert results[:37] + results[38:] == list(range(999, 900, -1))
        assert await desk.left() == 901
        assert not desk.writer.down
        assert desk.news.heard == []

    async def test_many_are_found_and_the_order_is_kept(self, desk: Desk) -> None:
        bad = {0, 1, 17, 63, 64, 98, 99}
        results = await ends(*(desk.take(f"t{n}", poisonous=n in bad) for n in range(100)))
        assert {n for n, result in enumerate(results) if isinstance(result, Exception)} == bad
        assert [result for result in results if isinstance(result, int)] == list(range(999, 906, -1))

    async def test_a_journal_that_is_wrong_ends_nobody_else(self, desk: Desk) -> None:
        class Wrong(Takings):
            def apply(self, connection: Connection, operations: Sequence[Take]) -> Sequence[int | Empty]:
                return []

        wrong = desk.writer.submit(Wrong(), Take("x"), patience_seconds=FOREVER)
        with pytest.raises(ValueError, match="answered 0 of 1"):
            await wrong
        assert await desk.take("a") == 999


class TestLostAnswers:
    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_a_lost_connection_costs_nothing_and_nobody_hears_of_it(
        self, desk: Desk, when: str
    ) -> None:
        desk.database.faults = [(when, StoreDown("the connection was lost"))]
        assert await ends(*(desk.take(f"t{n}", patience=0) for n in range(10))) == list(range(999, 989, -1))
        assert await desk.left() == 990
        assert desk.news.heard == []

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_an_outage_is_told_once_and_ends_by_itself(self, desk: Desk, when: str) -> None:
        desk.database.faults = [(when, StoreDown("gone")) for _ in range(3)]
        futures = [desk.take(f"t{number}") for number in range(10)]
        await desk.news.down.wait()
        assert desk.writer.down
        futures += [desk.take(f"u{number}") for number in range(10)]
        assert await ends(*futures) == list(range(999, 979, -1))
        assert not desk.writer.down
        assert desk.writer.waiting == 0
        assert desk.news.heard == ["down", "up"]
        assert await desk.left() == 980

    async def test_faults_while_poison_is_looked_for_keep_the_order(self, desk: Desk) -> None:
        down = StoreDown("gone")
        desk.database.faults = [("never", down), ("never", down), ("after", down), ("before", down)]
        futures = [desk.take(f"t{number}", poisonous=number == 2) for number in range(8)]
        results = await ends(*futures)
        assert [result for result in results if isinstance(result, int)] == list(range(999, 992, -1))
        assert await desk.left() == 993


class TestPatience:
    async def test_without_any_it_fails_with_the_first_outage_and_at_once_during_it(self, desk: Desk) -> None:
        desk.database.faults = [("before", StoreDown("no disk left", disk_full=True))] * 3
        first = desk.take("a", patience=0)
        with pytest.raises(StoreDown, match="no disk left") as caught:
            await first
        assert caught.value.disk_full
        assert desk.writer.down
        assert desk.news.heard == ["full"]
        again = desk.take("b", patience=0)
        assert again.done()
        with pytest.raises(StoreDown, match="no disk left"):
            await again
        await desk.news.up.wait()
        assert await desk.take("c", patience=0) == 999
        assert await desk.written() == {"c": 999}

    async def test_some_of_it_ends_while_the_database_is_down(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "PROBE_SECONDS_MAX", 0.1)
        desk.database.faults = [("before", StoreDown("gone"))] * 4
        impatient, patient = desk.take("a", patience=0.15), desk.take("b", patience=60)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(StoreDown, match="gone"):
            await impatient
        assert 0.1 < loop.time() - began < 0.3
        assert await patient == 999
        assert await desk.written() == {"b": 999}

    async def test_it_does_not_end_while_the_database_only_works(self, desk: Desk) -> None:
        release = asyncio.Event()
        write = desk.database.write

        async def slowly(change: Callable[[Connection], T]) -> T:
            await release.wait()
            return await write(change)

        desk.database.write = slowly  # type: ignore[method-assign]
        future = desk.take("a", patience=0.01)
        asyncio.get_running_loop().call_later(0.05, release.set)
        assert await future == 999

    async def test_a_database_that_stalls_is_down_until_it_answers(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "STALLED_SECONDS", 0.02)
        release = asyncio.Event()
        write = desk.database.write

        async def stalls(change: Callable[[Connection], T]) -> T:
            await release.wait()
            return await write(change)

        desk.database.write = stalls  # type: ignore[method-assign]
        impatient, patient = desk.take("a", patience=0), desk.take("b")
        with pytest.raises(StoreDown, match=r"has not answered for 0\.02 seconds"):
            await impatient
        assert desk.writer.down
        release.set()
        assert await patient == 998  # "a" was on its way, and what is on its way is written
        assert await desk.written() == {"a": 999, "b": 998}
        assert desk.news.heard == ["down", "up"]

    async def test_too_many_are_refused_at_once(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups, "WAITING_MAX", 10)
        futures = [desk.take(f"t{number}") for number in range(12)]
        assert [future.done() for future in futures] == [False] * 10 + [True] * 2
        results = await ends(*futures)
        assert [type(result) for result in results] == [int] * 10 + [StoreDown] * 2


class TestEnd:
    async def test_closing_writes_what_waits(self, desk: Desk) -> None:
        futures = [desk.take(f"t{number}") for number in range(500)]
        await desk.writer.aclose(10)
        assert all(future.done() for future in futures)
        assert await desk.left() == 500
        with pytest.raises(StoreDown, match="shutting down"):
            await desk.take("late")

    async def test_closing_looks_for_the_database_once_more(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "PROBE_SECONDS_MIN", 30.0)
        desk.database.faults = [("before", StoreDown("gone", disk_full=True))]
        future = desk.take("a")
        await desk.news.down.wait()
        await desk.writer.aclose(5)
        assert await future == 999

    async def test_closing_does_not_wait_for_a_database_that_stays_away(self, desk: Desk) -> None:
        desk.database.faults = [("before", StoreDown("gone"))] * 100
        futures = [desk.take(f"t{number}") for number in range(3)]
        await desk.news.down.wait()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await desk.writer.aclose(0.05)
        assert loop.time() - began < 1
        assert [type(end) for end in await ends(*futures)] == [StoreDown] * 3
        assert await desk.written() == {}
