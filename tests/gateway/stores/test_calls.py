"""Calls in SQL: one of a user at once, one winner, and everything that goes with a step or nothing of it."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, update

from gateway.ids import new_id
from gateway.stores import prepared
from gateway.stores.calls import reads
from gateway.stores.calls.operations import Act, CallDone, CallRefused, UnknownCall
from gateway.stores.calls.schema import call_events, call_invitations, calls
from gateway.stores.credits.schema import user_credits
from gateway.stores.cursors import BadCursor
from gateway.stores.database import open_database
from gateway.stores.interface import Database
from gateway.stores.people.reads import met
from sessions.call_events import (
    CancelRequested,
    DeadlinePassed,
    DeclineRequested,
    EndRequested,
    FundsChanged,
    HeartbeatSeen,
    MediaJoined,
)
from sessions.call_records import CallType, EndReason, State, Terms
from sessions.calls import AlreadyAnswered, CallOver, InvitationExpired
from sessions.credits import InsufficientBalance
from sessions.invitations import BalanceTooLow, CallsDisabled, CannotCallYourself, CoolingDown, UserBusy
from sessions.privacy import Kind, NotAllowed
from tests.databases import Postgres
from tests.gateway.stores.callbook import CREDIT, NOW_MS, CallBook, accepting

MINUTE = 60_000


@pytest.fixture
async def book(shared_database: Database) -> AsyncIterator[CallBook]:
    book = CallBook(shared_database, tenant=new_id("acme"))
    await book.met()
    yield book
    entries = await book.balances()
    for user in ("noa", "dan"):
        account = await book.account(user)
        assert entries.get(f"credits:acme/{user}", 0) == account.available_micro
        assert entries.get(f"held:acme/{user}", 0) == account.held_micro


@pytest.fixture
async def at_psql(postgres: Postgres, tmp_path: Path) -> AsyncIterator[CallBook]:
    """A book on PostgreSQL, whose statements can be listened to."""
    async with postgres.fresh_database() as url:
        database = await open_database(url, tmp_path)
        yield CallBook(database)
        await database.aclose()


def refused(answer: Any) -> Exception:
    assert isinstance(answer, CallRefused), answer
    return answer.error


class TestRinging:
    async def test_a_ring_is_stored_as_it_was_made(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT, video_rate_micro=2 * CREDIT)
        await book.give("noa", 5)
        done = await book.ring(call_type=CallType.VIDEO, terms=Terms(0, 6_000, 3_000))
        call = done.call
        assert call.terms == Terms(2 * CREDIT, 6_000, 3_000)
        assert (call.state, call.version, call.expires_at_ms) == (State.RINGING, 1, NOW_MS + 45_000)
        assert await book.stored(call) == call
        assert await book.told(call) == [("noa", "incoming", 1)]
        assert await book.invitation(call) == "pending"
        assert await book.open_call("cleo") == await book.open_call("noa") == call
        assert (await book.account("noa")).held_micro == 0

    async def test_sent_twice_it_rings_once(self, book: CallBook) -> None:
        ring = book.ringing()
        first = (await book.apply(book.changes, ring))[0]
        again = (await book.apply(book.changes, ring))[0]
        assert again == replace(first, effects=())
        assert (await book.count(calls), await book.count(call_events)) == (1, 1)

    async def test_anothers_id_is_no_call_of_ones_own(self, book: CallBook) -> None:
        call = await book.rung()
        assert isinstance(await book.ring("mia", "dan", call_id=call.id), UnknownCall)

    async def test_nobody_else_is_in_two_calls(self, book: CallBook) -> None:
        await book.met("mia", "noa")
        await book.met("cleo", "dan")
        await book.met("mia", "cleo")
        await book.rung()
        assert isinstance(refused(await book.ring("cleo", "dan")), UserBusy)
        busy = await book.ring("mia", "noa")
        assert isinstance(busy.refusal, UserBusy)
        # Also whoever calls, is called by nobody else meanwhile.
        assert isinstance((await book.ring("mia", "cleo")).refusal, UserBusy)
        assert busy.call.end_reason is EndReason.BUSY
        assert await book.told(busy.call) == [("noa", "missed", 1)]
        assert await book.invitation(busy.call) == "expired"

    async def test_a_busy_fan_is_told_once_in_a_while(self, book: CallBook) -> None:
        await book.met("mia", "noa")
        await book.rung()
        ring = book.ringing("mia", "noa")
        for _ in range(2):
            assert isinstance((await book.apply(book.changes, ring))[0].refusal, UserBusy)
        assert isinstance(refused(await book.ring("mia", "noa")), UserBusy)
        assert await book.count(calls) == 2
        book.pass_time(60_000)
        assert isinstance(refused(await book.ring("cleo", "noa")), UserBusy)

    async def test_refused_in_the_order_of_the_rules(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        assert isinstance(refused(await book.ring("cleo", "cleo", enabled=False)), CallsDisabled)
        assert isinstance(refused(await book.ring("cleo", "cleo")), CannotCallYourself)
        assert isinstance(refused(await book.ring("cleo", "dan")), NotAllowed)
        assert isinstance(refused(await book.ring("cleo", "noa")), BalanceTooLow)
        assert await book.count(calls) == 0

    async def test_only_a_ring_begins_the_cooldown(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        for _ in range(3):
            assert isinstance(refused(await book.ring()), BalanceTooLow)
        await book.give("noa", 1)
        call = await book.rung()
        await book.act(call, CancelRequested("cleo"))
        book.pass_time(59_999)
        cooling = refused(await book.ring())
        assert isinstance(cooling, CoolingDown)
        assert cooling.retry_after_ms == 1
        book.pass_time(1)
        await book.rung()

    async def test_the_cooldown_is_that_of_the_pair(self, book: CallBook) -> None:
        await book.met("cleo", "dan")
        await book.met("mia", "noa")
        await book.act(await book.rung(), CancelRequested("cleo"))
        for creator, fan in (("cleo", "dan"), ("mia", "noa")):
            await book.rung(creator, fan)

    @pytest.mark.parametrize(
        ("policy", "kind", "rings"),
        [
            ("nobody", Kind.SUBSCRIBE, False),
            ("interacted", None, False),
            ("interacted", Kind.TIP, True),
            ("subscribed", Kind.FOLLOW, False),
            ("subscribed", Kind.SUBSCRIBE, True),
            ("anyone", None, True),
        ],
    )
    async def test_a_fan_chooses_who_may_call(
        self, book: CallBook, policy: str, kind: Kind | None, rings: bool
    ) -> None:
        await book.choose("dan", fan_allow_calls=policy)
        if kind is not None:
            await book.met("cleo", "dan", kind)
        answer = await book.ring("cleo", "dan")
        assert isinstance(answer, CallDone) if rings else isinstance(refused(answer), NotAllowed)

    async def test_other_tenants_are_another_world(self, book: CallBook) -> None:
        call = await book.rung()
        assert isinstance(refused(await book.ring(tenant_id="other")), NotAllowed)
        for event in (CancelRequested("cleo"), accepting(call), DeadlinePassed()):
            (answer,) = await book.apply(book.changes, Act("other", call.id, event))
            assert isinstance(answer, UnknownCall)
        assert await book.stored(call) == call


class TestAnswering:
    async def test_what_was_true_as_it_rang_is_looked_up_again(self, book: CallBook) -> None:
        call = await book.rung()
        await book.choose("noa", fan_allow_calls="nobody")
        assert isinstance(refused(await book.accept(call)), NotAllowed)
        await book.choose("noa", fan_allow_calls="anyone")
        done = await book.accept(call)
        assert (done.call.state, done.call.fan_device) == (State.ACCEPTED, "tablet")
        assert await book.invitation(call) == "accepted"
        assert (await book.told(call))[1:] == [
            ("cleo", "accepted", 2), ("noa", "answered_elsewhere", 2),
        ]  # fmt: skip

    async def test_the_rate_is_never_more_than_was_shown(self, book: CallBook) -> None:
        await book.give("noa", 100)
        for shown, now, held in ((2, 3, 2), (2, 1, 1)):
            await book.choose("cleo", voice_rate_micro=shown * CREDIT)
            call = await book.rung()
            await book.choose("cleo", voice_rate_micro=now * CREDIT)
            done = await book.accept(call)
            assert done.call.terms.rate_micro_per_minute == held * CREDIT
            assert (await book.account("noa")).held_micro == held * CREDIT
            await book.act(call, EndRequested("noa"))
            book.pass_time(60_000)

    async def test_a_minute_has_to_be_there_as_it_is_accepted(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        await book.choose("mia", voice_rate_micro=CREDIT)
        await book.give("noa", 1)
        call = await book.rung()
        # Held for nothing yet: another tenant's or time's spending would take it.
        await book.database.write(lambda c: _take_all(c, book.tenant))
        assert isinstance(refused(await book.accept(call)), InsufficientBalance)
        assert (await book.stored(call)).state is State.RINGING
        await book.database.write(lambda c: _give_back(c, book.tenant))

    async def test_one_device_answers(self, book: CallBook) -> None:
        call = await book.rung()
        await book.accept(call, "tablet")
        assert isinstance(refused(await book.accept(call, "phone")), AlreadyAnswered)
        assert isinstance(refused(await book.accept(call, None)), AlreadyAnswered)
        assert (await book.accept(call, "tablet")).call.version == 2
        assert isinstance(refused(await book.act(call, DeclineRequested("noa"))), AlreadyAnswered)

    async def test_an_answer_that_is_written_twice_is_one(self, book: CallBook) -> None:
        """As after a commit whose answer was lost: also of a device without a name."""
        call = await book.rung()
        first = await book.accept(call, None, "accept_1")
        again = await book.accept(call, None, "accept_1")
        assert again == replace(first, effects=())
        assert isinstance(refused(await book.accept(call, None, "accept_2")), AlreadyAnswered)

    async def test_late_is_late_whether_or_not_anybody_looked(self, book: CallBook) -> None:
        call = await book.rung()
        book.pass_time(45_000)
        late = await book.accept(call)
        assert isinstance(late.refusal, InvitationExpired)
        assert (await book.stored(call)).state is State.MISSED
        assert await book.invitation(call) == "expired"
        assert (await book.told(call))[1:] == [("cleo", "missed", 2), ("noa", "missed", 2)]
        assert isinstance(refused(await book.accept(call)), InvitationExpired)

    async def test_a_stranger_has_no_such_call(self, book: CallBook) -> None:
        call = await book.rung()
        for event in (
            CancelRequested("mia"),
            DeclineRequested("mia"),
            EndRequested("mia"),
            HeartbeatSeen("mia"),
        ):
            assert isinstance(await book.act(call, event), UnknownCall)
        for call_id in (str(uuid.UUID(int=99)), "main", "", "'; DROP TABLE calls; --"):
            assert isinstance(await book.act(replace(call, id=call_id), EndRequested("cleo")), UnknownCall)


def _take_all(connection: Connection, tenant: str) -> None:
    own = user_credits.c
    taken = update(user_credits).where(own.tenant_id == tenant)
    connection.execute(taken.values(spent_micro=own.available_micro, available_micro=0))


def _give_back(connection: Connection, tenant: str) -> None:
    own = user_credits.c
    given = update(user_credits).where(own.tenant_id == tenant)
    connection.execute(given.values(spent_micro=0, available_micro=own.spent_micro))


class TestPaying:
    async def test_a_minute_is_held_ahead_and_what_was_used_is_paid(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        await book.give("noa", 10)
        call = await book.connected()
        assert (call.minutes_held, (await book.account("noa")).held_micro) == (2, 2 * CREDIT)
        for _ in range(15):
            book.pass_time(10_000)
            for user in call.parties:
                await book.act(call, HeartbeatSeen(user))
        account = await book.account("noa")
        assert (account.available_micro, account.held_micro) == (6 * CREDIT, 4 * CREDIT)
        ended = (await book.act(call, EndRequested("noa"))).call
        assert (ended.billed_ms, ended.cost_micro) == (3 * MINUTE, 3 * CREDIT)
        account = await book.account("noa")
        assert (account.available_micro, account.held_micro) == (7 * CREDIT, 0)
        assert await book.earned("cleo") == 3 * CREDIT
        assert await book.settlements(call) == [(f"{call.id}:settled", CREDIT)]
        assert await book.balances() == {
            "credits:acme/noa": 7 * CREDIT, "held:acme/noa": 0,
            "granted:acme": -10 * CREDIT, "earned:acme/cleo": 3 * CREDIT,
        }  # fmt: skip

    async def test_a_ring_costs_nothing(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        await book.give("noa", 10)
        call = await book.rung()
        await book.accept(call)
        assert (await book.account("noa")).held_micro == CREDIT
        book.pass_time(30_000)
        failed = (await book.act(call, DeadlinePassed())).call
        assert (failed.state, failed.cost_micro) == (State.FAILED, 0)
        assert (await book.account("noa")).available_micro == 10 * CREDIT
        assert await book.settlements(call) == [(f"{call.id}:settled", CREDIT)]

    async def test_a_free_call_is_settled_too(self, book: CallBook) -> None:
        call = await book.connected()
        await book.act(call, EndRequested("cleo"))
        await book.act(call, EndRequested("noa"))
        assert await book.settlements(call) == [(f"{call.id}:settled", 0)]
        assert await book.balances() == {}

    async def test_it_ends_when_the_credits_do(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        await book.give("noa", 1)
        call = await book.connected()
        assert (await book.told(call))[-1] == ("noa", "balance_low", call.version)
        for _ in range(5):
            book.pass_time(10_000)
            for user in call.parties:
                await book.act(call, HeartbeatSeen(user))
        book.pass_time(60_000)
        ended = (await book.act(call, DeadlinePassed())).call
        assert (ended.end_reason, ended.billed_ms) == (EndReason.CONNECTION_LOST, MINUTE)
        assert (await book.account("noa")).available_micro == 0
        assert await book.earned("cleo") == CREDIT

    async def test_more_credits_in_time_let_it_go_on(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        await book.give("noa", 1)
        call = await book.connected()
        await book.give("noa", 2)
        after = (await book.act(call, FundsChanged())).call
        assert (after.minutes_held, after.warned) == (2, False)

    async def test_both_in_the_media_is_a_contact(self, book: CallBook) -> None:
        await book.choose("dan", fan_allow_calls="anyone")
        call = await book.rung("cleo", "dan")
        await book.accept(call)
        await book.act(call, MediaJoined("cleo"))
        before = await book.database.read(lambda c: met(c, book.tenant, "cleo", "dan"))
        await book.act(call, MediaJoined("dan"))
        after = await book.database.read(lambda c: met(c, book.tenant, "cleo", "dan"))
        assert (list(before.standing.relationships), list(after.standing.relationships)) == ([], [Kind.CALL])

    async def test_a_group_of_operations_is_as_each_by_itself(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        await book.give("noa", 10)
        ring = book.ringing()
        act = [
            Act(book.tenant, ring.call_id, event)
            for event in (
                accepting(await book.rung("cleo", "noa", call_id=ring.call_id)), MediaJoined("cleo"),
                MediaJoined("noa"), HeartbeatSeen("noa"), EndRequested("noa"), EndRequested("cleo"),
            )
        ]  # fmt: skip
        answers = await book.apply(book.changes, *act)
        assert [answer.call.state for answer in answers] == [
            State.ACCEPTED, State.ACCEPTED, State.CONNECTED, State.CONNECTED, State.ENDED, State.ENDED,
        ]  # fmt: skip
        assert await book.settlements(answers[0].call) == [(f"{ring.call_id}:settled", 2 * CREDIT)]

    async def test_a_whole_life_in_one_group(self, book: CallBook) -> None:
        ring = book.ringing()
        answers = await book.apply(
            book.changes, ring, Act(book.tenant, ring.call_id, CancelRequested("cleo")), book.ringing()
        )
        assert answers[1].call.state is State.CANCELLED
        assert isinstance(refused(answers[2]), CoolingDown)
        assert await book.invitation(answers[1].call) == "cancelled"


class TestBlocking:
    async def test_a_block_ends_what_rings(self, book: CallBook) -> None:
        call = await book.rung()
        done = await book.block("noa", "cleo")
        assert [ended.call.id for ended in done.ended] == [call.id]
        after = await book.stored(call)
        assert (after.state, after.end_reason) == (State.DECLINED, EndReason.BLOCKED)
        assert (await book.told(call))[1:] == [("cleo", "declined", 2), ("noa", "declined", 2)]
        book.pass_time(60_000)
        assert isinstance(refused(await book.ring()), NotAllowed)

    async def test_a_block_ends_what_goes_on_and_it_is_paid_to_there(self, book: CallBook) -> None:
        await book.choose("cleo", voice_rate_micro=CREDIT)
        await book.give("noa", 10)
        call = await book.connected()
        book.pass_time(5_000)
        await book.block("cleo", "noa")
        after = await book.stored(call)
        assert (after.state, after.cost_micro) == (State.ENDED, CREDIT)
        assert await book.settlements(call) == [(f"{call.id}:settled", CREDIT)]

    async def test_a_block_of_another_leaves_a_call_alone(self, book: CallBook) -> None:
        call = await book.rung()
        assert (await book.block("noa", "mia")).ended == ()
        assert (await book.block("dan", "noa")).ended == ()
        assert await book.stored(call) == call

    async def test_placed_twice_it_is_the_same(self, book: CallBook) -> None:
        first = await book.block("noa", "cleo")
        book.pass_time(5_000)
        assert await book.block("noa", "cleo") == first


class TestReading:
    async def test_history_is_of_both_sides_and_in_pages(self, book: CallBook) -> None:
        await book.met("noa", "dan")
        made = []
        for creator, fan in (("cleo", "noa"), ("noa", "dan"), ("cleo", "noa")):
            call = await book.rung(creator, fan)
            made.append((await book.act(call, CancelRequested(creator))).call)
            book.pass_time(60_000)
        first, cursor = await book.database.read(lambda c: reads.page(c, book.tenant, "noa", 2))
        assert first == made[:0:-1]
        rest, end = await book.database.read(lambda c: reads.page(c, book.tenant, "noa", 2, cursor))
        assert (rest, end) == (made[:1], None)
        assert await book.database.read(lambda c: reads.page(c, "other", "noa", 2)) == ([], None)
        assert await book.database.read(lambda c: reads.page(c, book.tenant, "mia", 2)) == ([], None)
        for bad in ("x", "WzEsMl0", "WzEsIngiXQ"):
            asked = partial(reads.page, tenant_id=book.tenant, subject="noa", limit=2, cursor=bad)
            with pytest.raises(BadCursor):
                await book.database.read(asked)

    async def test_what_is_due_is_found_by_its_deadline(self, book: CallBook) -> None:
        call = await book.rung()

        async def found(now_ms: int) -> bool:
            due = await book.database.read(lambda c: reads.due(c, now_ms, 1000))
            return (book.tenant, call.id) in due

        assert not await found(call.expires_at_ms - 1)
        assert await found(call.expires_at_ms)
        await book.act(call, CancelRequested("cleo"))
        assert not await found(NOW_MS + 10**9)

    async def test_the_newest_of_the_outbox_is_read_in_order(self, book: CallBook) -> None:
        call = await book.rung()
        cancelled = (await book.act(call, CancelRequested("cleo"))).call

        async def told(since_ms: int, most: int) -> list[tuple[str, str, int]]:
            newest = await book.database.read(lambda c: reads.told_lately(c, since_ms, most))
            return [
                (one.notify.user, one.notify.notice.value, one.version)
                for one in newest
                if (one.tenant_id, one.call_id) == (book.tenant, call.id)
            ]

        ended = [("cleo", "cancelled", 2), ("noa", "cancelled", 2)]
        assert await told(NOW_MS, 10_000) == [("noa", "incoming", 1), *ended]
        assert await told(NOW_MS, 2) == ended
        assert await told(NOW_MS + 1, 2) == []
        assert await book.database.read(lambda c: reads.calls_of(c, [call.id])) == {call.id: cancelled}

    async def test_what_was_told_long_ago_is_forgotten(self, book: CallBook) -> None:
        call = await book.rung()
        book.pass_time(-86_400_000)
        await book.act(call, CancelRequested("cleo"))
        assert await book.database.write(lambda c: reads.forget_events(c, book.now_ms, 10)) == 0
        forget = book.now_ms + 1
        assert await book.database.write(lambda c: reads.forget_events(c, forget, 1)) == 1
        assert await book.database.write(lambda c: reads.forget_events(c, forget, 10)) == 1
        assert await book.count(call_events) == 1

    async def test_a_row_that_is_gone_takes_what_was_of_it(self, book: CallBook) -> None:
        await book.rung()
        await book.database.write(
            lambda c: c.execute(delete(calls).where(calls.c.tenant_id == book.tenant)).close()
        )
        assert (await book.count(call_events), await book.count(call_invitations)) == (0, 0)

    async def test_calls_that_are_over_say_so(self, book: CallBook) -> None:
        call = await book.rung()
        await book.act(call, CancelRequested("cleo"))
        assert isinstance(refused(await book.accept(call)), CallOver)


async def test_a_block_is_as_much_work_as_a_policy(
    at_psql: CallBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statement by statement: so that no time tells one from the other."""
    await at_psql.choose("dan", fan_allow_calls="nobody")
    await at_psql.met("cleo", "lea")
    await at_psql.block("lea", "cleo")
    said: list[str] = []
    run = prepared.run

    def noted(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> Any:
        said.append(statement)
        return run(connection, statement, parameters)

    monkeypatch.setattr(prepared, "run", noted)
    worked: dict[str, list[str]] = {}
    for fan in ("lea", "dan", "never_seen"):
        said.clear()
        assert isinstance(refused(await at_psql.ring("cleo", fan)), NotAllowed)
        worked[fan] = list(said)
    assert len(worked["lea"]) >= 5
    assert worked["lea"] == worked["dan"] == worked["never_seen"]
