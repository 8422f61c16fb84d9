"""Races of calls for real: two writers as of two processes, one winner every time, each call settled once.

Each race is run again and again; `make chaos` runs it more often.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.ids import new_id
from gateway.stores.calls import operations as of_calls
from gateway.stores.calls.operations import Act, BlockDone, CallDone, CallRefused
from gateway.stores.credits.allocations import Allocations
from gateway.stores.credits.operations import Allocate
from gateway.stores.database import open_database
from gateway.stores.interface import Database, Refusal
from gateway.stores.writer import GroupWriter
from sessions.call_events import (
    CancelRequested,
    DeadlinePassed,
    DeclineRequested,
    EndRequested,
    HeartbeatSeen,
    MediaJoined,
)
from sessions.call_records import Call, State
from tests.gateway.stores.callbook import CREDIT, CallBook, accepting

TIMES = [pytest.param(20, id="20"), pytest.param(200, id="200", marks=pytest.mark.chaos)]


class Rivals:
    """Two writers on one database, whose operations are submitted at once."""

    def __init__(self, book: CallBook, writers: list[GroupWriter]) -> None:
        self.book = book
        self.writers = writers

    async def at_once(self, *operations: Any) -> list[Any]:
        """Return the results of operations of which one half is written by each, refusals included."""
        futures = [
            self.writers[number % 2].submit(self._journal(operation), operation, patience_seconds=30)
            for number, operation in enumerate(operations)
        ]
        return list(await asyncio.gather(*futures, return_exceptions=True))

    def _journal(self, operation: Any) -> Any:
        return Allocations() if isinstance(operation, Allocate) else self.book.changes

    async def act(self, call: Call, *events: Any) -> list[Any]:
        return await self.at_once(*(Act(call.tenant_id, call.id, event, new_id("act")) for event in events))

    async def settled_once(self, call: Call) -> Call:
        """Assert that a call is over, and settled once if it was accepted; return it."""
        after = await self.book.stored(call)
        assert after.state.over, after
        assert len(await self.book.settlements(call)) == (after.accepted_at_ms is not None)
        assert (await self.book.account(call.fan)).held_micro == 0
        versions = [version for _, _, version in await self.book.told(call)]
        assert versions == sorted(versions)
        return after


@pytest.fixture
async def rivals(shared_url: str, shared_database: Database) -> AsyncIterator[Rivals]:
    book = CallBook(shared_database, tenant=new_id("acme"))
    await book.choose("cleo", voice_rate_micro=CREDIT)
    await book.choose("noa", fan_allow_calls="anyone")
    await book.give("noa", 10_000)
    # SQLite has one process, and what it writes comes from there.
    two = "://" in shared_url
    other = await open_database(shared_url, Path()) if two else shared_database
    writers = [GroupWriter(shared_database), GroupWriter(other)]
    try:
        yield Rivals(book, writers)
    finally:
        for writer in writers:
            await writer.aclose(5)
        if two:
            await other.aclose()


async def over_and_over(
    rivals: Rivals, times: int, race: Callable[[Rivals], Awaitable[str]], *outcomes: str
) -> None:
    """Run a race; every outcome has to be one of these."""
    seen: Counter[str] = Counter()
    for _ in range(times):
        seen[await race(rivals)] += 1
        rivals.book.pass_time(60_000)
    assert set(seen) <= set(outcomes), seen
    assert sum(seen.values()) == times


def winners(results: list[Any]) -> int:
    for result in results:
        assert isinstance(result, CallDone | BlockDone | Refusal), repr(result)
    return sum(isinstance(result, CallDone) and result.refusal is None for result in results)


def said_no(result: Any) -> str:
    return type(result.error if isinstance(result, CallRefused) else result.refusal).__name__


@pytest.mark.parametrize("times", TIMES)
async def test_two_devices_accept(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        call = await rivals.book.rung()
        results = await rivals.act(call, accepting(call, "tablet"), accepting(call, "phone"))
        assert winners(results) == 1
        loser = results[0] if isinstance(results[1], CallDone) else results[1]
        device = (await rivals.book.stored(call)).fan_device
        assert (await rivals.book.account("noa")).held_micro == CREDIT
        await rivals.act(call, EndRequested("cleo"), EndRequested("noa"))
        assert (await rivals.settled_once(call)).cost_micro == 0
        return f"{said_no(loser)} {device}"

    await over_and_over(rivals, times, race, "AlreadyAnswered tablet", "AlreadyAnswered phone")


@pytest.mark.parametrize("times", TIMES)
async def test_cancel_against_accept(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        call = await rivals.book.rung()
        cancelled, accepted = await rivals.act(call, CancelRequested("cleo"), accepting(call))
        assert isinstance(cancelled, CallDone)
        after = await rivals.settled_once(call)
        assert after.cost_micro == 0
        # As in SIP: a cancel that comes after the answer hangs up.
        if isinstance(accepted, CallDone):
            return f"accepted {after.state} {after.end_reason}"
        return f"{said_no(accepted)} {after.state} {after.end_reason}"

    await over_and_over(rivals, times, race, "accepted ENDED hung_up", "CallOver CANCELLED cancelled")


@pytest.mark.parametrize("times", TIMES)
async def test_accept_against_decline(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        call = await rivals.book.rung()
        results = await rivals.act(call, accepting(call), DeclineRequested("noa"))
        assert winners(results) == 1
        after = await rivals.book.stored(call)
        await rivals.act(call, EndRequested("noa"))
        await rivals.settled_once(call)
        return str(after.state)

    await over_and_over(rivals, times, race, "ACCEPTED", "DECLINED")


@pytest.mark.parametrize("times", TIMES)
async def test_both_hang_up(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        call = await rivals.book.connected()
        before = await rivals.book.earned("cleo")
        rivals.book.pass_time(5_000)
        results = await rivals.act(call, EndRequested("cleo"), EndRequested("noa"), DeadlinePassed())
        assert winners(results) == 3
        after = await rivals.settled_once(call)
        assert {result.call.version for result in results} == {after.version}
        assert await rivals.book.earned("cleo") - before == CREDIT
        return f"{after.state} {after.ended_by}"

    await over_and_over(rivals, times, race, "ENDED cleo", "ENDED noa")


@pytest.mark.parametrize("times", TIMES)
async def test_expiry_against_accept(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        call = await rivals.book.rung()
        rivals.book.now_ms = call.expires_at_ms - 1
        # The clock passes the deadline while the two are under way.
        futures = [
            rivals.act(call, accepting(call)), rivals.act(call, DeadlinePassed()),
        ]  # fmt: skip
        racing = asyncio.gather(*futures)
        await asyncio.sleep(0)
        rivals.book.pass_time(1)
        (accepted,), (_swept,) = await racing
        after = await rivals.book.stored(call)
        if isinstance(accepted, CallDone) and accepted.refusal is None:
            assert after.state is State.ACCEPTED
            await rivals.act(call, EndRequested("noa"))
            await rivals.settled_once(call)
            return "accepted"
        await rivals.settled_once(call)
        return f"{said_no(accepted)} {after.state} {await rivals.book.invitation(call)}"

    await over_and_over(rivals, times, race, "accepted", "InvitationExpired MISSED expired")


@pytest.mark.parametrize("times", TIMES)
async def test_block_while_it_rings_and_is_accepted(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        book = rivals.book
        fan = new_id("fan")
        await book.choose(fan, fan_allow_calls="anyone")
        await book.give(fan, 5)
        call = await book.rung("cleo", fan)
        blocked, accepted = await rivals.at_once(
            of_calls.Block(book.tenant, fan, "cleo"), Act(book.tenant, call.id, accepting(call))
        )
        assert isinstance(blocked, BlockDone)
        after = await rivals.settled_once(call)
        assert len(blocked.ended) == 1
        again = (await rivals.at_once(book.ringing("cleo", fan)))[0]
        assert said_no(again) == "NotAllowed"
        return f"{'accepted' if isinstance(accepted, CallDone) else said_no(accepted)} {after.state}"

    await over_and_over(rivals, times, race, "accepted ENDED", "AlreadyAnswered DECLINED")


@pytest.mark.parametrize("times", TIMES)
async def test_block_against_ring(rivals: Rivals, times: int) -> None:
    """However the two pass one another, no call of a blocked pair goes on."""

    async def race(rivals: Rivals) -> str:
        book = rivals.book
        fan = new_id("fan")
        await book.choose(fan, fan_allow_calls="anyone")
        await book.give(fan, 5)
        blocked, rung = await rivals.at_once(
            of_calls.Block(book.tenant, fan, "cleo"), book.ringing("cleo", fan)
        )
        assert isinstance(blocked, BlockDone)
        assert await book.open_call(fan) is None
        return "rang" if isinstance(rung, CallDone) else said_no(rung)

    await over_and_over(rivals, times, race, "rang", "NotAllowed")


@pytest.mark.parametrize("times", TIMES)
async def test_many_ring_one_fan(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        book = rivals.book
        creators = [f"creator_{number}" for number in range(6)]
        results = await rivals.at_once(*(book.ringing(creator, "noa") for creator in creators))
        assert winners(results) == 1
        (call,) = [result.call for result in results if isinstance(result, CallDone) and not result.refusal]
        assert await book.open_call("noa") == call
        await rivals.act(call, CancelRequested(call.creator))
        return " ".join(
            {said_no(result) for result in results if result.call.id != call.id}
            if all(isinstance(result, CallDone) for result in results)
            else {"UserBusy"}
        )

    await over_and_over(rivals, times, race, "UserBusy")


@pytest.mark.parametrize("times", TIMES)
async def test_two_who_ring_each_other(rivals: Rivals, times: int) -> None:
    async def race(rivals: Rivals) -> str:
        book = rivals.book
        await book.choose("cleo", fan_allow_calls="anyone")
        results = await rivals.at_once(book.ringing("cleo", "noa"), book.ringing("noa", "cleo"))
        assert winners(results) == 1
        (call,) = [result.call for result in results if isinstance(result, CallDone) and not result.refusal]
        await rivals.act(call, EndRequested(call.creator))
        return call.creator

    await over_and_over(rivals, times, race, "cleo", "noa")


@pytest.mark.parametrize("times", TIMES)
async def test_one_account_that_much_is_done_with(rivals: Rivals, times: int) -> None:
    """Minutes held, settled and given at once, of one fan: never below zero, and it adds up."""
    book = rivals.book
    given = 0
    for _ in range(times):
        call = await book.connected()
        rivals.book.pass_time(1_000)
        gifts = [Allocate(new_id("allocate"), book.tenant, "noa", CREDIT, "ada", "", 0) for _ in range(4)]
        given += len(gifts)
        events = (HeartbeatSeen("noa"), MediaJoined("cleo"), EndRequested("noa"), EndRequested("cleo"))
        acts = [Act(book.tenant, call.id, event) for event in events]
        for result in await rivals.at_once(*(op for pair in zip(gifts, acts, strict=True) for op in pair)):
            assert not isinstance(result, Exception), result
        await rivals.settled_once(call)
        book.pass_time(60_000)
    earned = await book.earned("cleo")
    assert earned == times * CREDIT
    assert (await book.account("noa")).available_micro == (10_000 + given) * CREDIT - earned
