"""Live sessions on both databases: written by the rule, once and in order; reaped by an index; listed."""

import itertools
import time
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text

from gateway.stores import sessions
from gateway.stores.columns import Moment
from gateway.stores.cursors import BadCursor
from gateway.stores.interface import Database
from gateway.stores.schema import audit_log, live_sessions
from gateway.stores.sessions import Over, UnknownSession, Wanted, row_of
from sessions.lifetimes import Bounds, Ended, EndRequested, LiveSession, OwnerGone, Resumed, State, Touched
from tests.gateway.stores.books import BOUNDS, MINUTE, NOW_MS, Books


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


async def test_a_session_is_stored_as_it_is(books: Books) -> None:
    begun = books.session()
    assert await books.open(begun) == begun
    assert await books.database.read(lambda c: sessions.one(c, "acme", "live_1")) == begun
    touched = await books.change("live_1", Touched("boot_1", NOW_MS + MINUTE, 60_000))
    ended = await books.change("live_1", Ended(State.COMPLETED, "done", NOW_MS + 2 * MINUTE, 90_000))
    assert (touched.state, touched.media_ms) == (State.ACTIVE, 60_000)
    assert await books.database.read(lambda c: sessions.one(c, "acme", "live_1")) == ended
    assert (ended.state, ended.media_ms, ended.ended_at_ms) == (State.COMPLETED, 90_000, NOW_MS + 2 * MINUTE)


async def test_a_whole_life_in_one_group_and_the_group_again(books: Books) -> None:
    operations = [
        sessions.Open(books.session()),
        sessions.Change("live_1", Touched("boot_1", NOW_MS + 1000, 1000)),
        sessions.Change("live_1", Ended(State.COMPLETED, "done", NOW_MS + 2000, 2000)),
    ]
    journal = sessions.SessionChanges(BOUNDS)
    first = await books.apply(journal, *operations)
    again = await books.apply(journal, *operations[1:])
    assert [answer.state for answer in first] == [State.ACTIVE, State.ACTIVE, State.COMPLETED]
    assert again[-1] == first[-1]
    assert isinstance((await books.apply(journal, operations[0]))[0], Over)
    assert await books.states() == {"live_1": "COMPLETED"}


async def test_what_is_not_there_is_refused_and_the_others_are_written(books: Books) -> None:
    journal = sessions.SessionChanges(BOUNDS)
    unknown, opened = await books.apply(
        journal, sessions.Change("live_0", OwnerGone(NOW_MS)), sessions.Open(books.session())
    )
    assert isinstance(unknown, UnknownSession)
    assert opened.state is State.ACTIVE


async def test_one_that_another_process_begins_at_the_same_moment_is_as_both_say(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    if books.database.dialect == "sqlite":
        return  # nobody else writes while this transaction does

    await books.open(books.session(boot_id="boot_2", media_ms=700))
    found, looks = sessions._locked, itertools.count()

    def too_early(connection: Connection, ids: list[str]) -> dict[str, LiveSession]:
        """Nothing is there at the first look: another process's transaction ends just after."""
        return found(connection, ids) if next(looks) else {}

    monkeypatch.setattr(sessions, "_locked", too_early)
    answers = await books.apply(
        sessions.SessionChanges(BOUNDS),
        sessions.Open(books.session()),
        sessions.Open(books.session("live_2")),
        sessions.Change("live_1", Touched("boot_1", NOW_MS + 1000, 500)),
    )
    assert [(one.id, one.boot_id, one.media_ms) for one in answers] == [
        ("live_1", "boot_1", 700), ("live_2", "boot_1", 0), ("live_1", "boot_1", 700),
    ]  # fmt: skip
    stored = await books.database.read(lambda c: sessions.one(c, "acme", "live_1"))
    assert stored == answers[-1]


async def test_a_lost_session_is_resumed_by_its_user_only(books: Books) -> None:
    await books.open(books.session())
    await books.change("live_1", Ended(State.INTERRUPTED, "client_lost", NOW_MS + 1000, 500))
    later: dict[str, Any] = {"active_at_ms": NOW_MS + 2000, "boot_id": "boot_2"}
    assert isinstance(await books.open(books.session(subject="eve", **later)), UnknownSession)
    assert isinstance(await books.open(books.session(tenant_id="other", **later)), UnknownSession)
    back = await books.open(books.session(**later))
    assert (back.state, back.boot_id, back.media_ms, back.started_at_ms) == (
        State.ACTIVE,
        "boot_2",
        500,
        NOW_MS,
    )
    await books.change("live_1", Ended(State.INTERRUPTED, "client_lost", NOW_MS + 3000, 500))
    assert isinstance(await books.change("live_1", Resumed("boot_2", NOW_MS + 2 * MINUTE)), Over)


# --- the reaper's query ---------------------------------------------------------------------------------


async def test_what_is_due_is_reaped_and_nothing_else(books: Books) -> None:
    now_ms = NOW_MS + 200 * MINUTE
    await books.open(books.session("live_new", started_at_ms=now_ms - MINUTE, active_at_ms=now_ms - MINUTE))
    await books.open(
        books.session("live_idle", started_at_ms=now_ms - 40 * MINUTE, active_at_ms=now_ms - 30 * MINUTE)
    )
    await books.open(
        books.session("live_long", started_at_ms=now_ms - 120 * MINUTE, active_at_ms=now_ms - MINUTE)
    )
    await books.open(books.session("live_over"))
    await books.change("live_over", Ended(State.COMPLETED, "done", NOW_MS, 0))
    assert await books.database.write(lambda c: sessions.reap(c, now_ms, 100, BOUNDS)) == 2
    assert await books.states() == {
        "live_new": "ACTIVE", "live_idle": "INTERRUPTED", "live_long": "EXPIRED", "live_over": "COMPLETED",
    }  # fmt: skip
    assert await books.database.write(lambda c: sessions.reap(c, now_ms, 100, BOUNDS)) == 0


async def test_batches_take_the_oldest_first(books: Books) -> None:
    for number in range(5):
        await books.open(books.session(f"live_{number}", active_at_ms=NOW_MS - number * MINUTE))
    now_ms = NOW_MS + 60 * MINUTE
    assert await books.database.write(lambda c: sessions.reap(c, now_ms, 2, BOUNDS)) == 2
    assert {key for key, state in (await books.states()).items() if state != "ACTIVE"} == {"live_4", "live_3"}


async def test_a_deadline_of_former_settings_is_set_anew_and_not_met_again(books: Books) -> None:
    await books.open(books.session())
    now_ms, longer = NOW_MS + 31 * MINUTE, Bounds(idle_ms_max=60 * MINUTE)
    assert await books.database.write(lambda c: sessions.reap(c, now_ms, 100, longer)) == 1
    assert await books.database.write(lambda c: sessions.reap(c, now_ms, 100, longer)) == 0
    assert await books.states() == {"live_1": "ACTIVE"}


def plan_of(connection: Connection) -> str:
    """How the database finds what is due."""
    compiled = sessions._DUE.compile(dialect=connection.dialect)
    now = Moment().process_bind_param(NOW_MS, connection.dialect)
    values = compiled.params | {"now": now, "most": 100}
    explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    given = tuple(values[name] for name in compiled.positiontup or ())
    return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{explain} {compiled}", given))


async def test_what_is_due_is_found_by_the_index_on_deadlines(books: Books) -> None:
    def fill(connection: Connection) -> None:
        rows = [row_of(books.session(f"live_{n}", active_at_ms=NOW_MS + n), BOUNDS) for n in range(3000)]
        connection.execute(insert(live_sessions), rows)

    await books.database.write(fill)
    if books.database.dialect == "postgresql":
        await books.database.write(lambda c: c.execute(text("ANALYZE live_sessions")).close())
    plan = await books.database.read(plan_of)
    assert "idx_live_sessions_deadline_at" in plan
    assert "Seq Scan" not in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.alone
async def test_a_pass_over_many_sessions_costs_what_is_due(books: Books) -> None:
    total, due = 20_000, 1000
    begun = [books.session(f"live_{n:06d}") for n in range(total)]

    def fill(connection: Connection) -> None:
        rows = [row_of(session, BOUNDS) for session in begun]
        for row in rows[:due]:
            row["deadline_at"] = row["active_at"] = NOW_MS - 40 * MINUTE
        for start in range(0, total, 2000):
            connection.execute(insert(live_sessions), rows[start : start + 2000])

    await books.database.write(fill)
    before = time.process_time()
    reaped = 0
    while count := await books.database.write(lambda c: sessions.reap(c, NOW_MS, 200, BOUNDS)):
        reaped += count
    assert reaped == due
    assert time.process_time() - before < 1.0


# --- what is asked --------------------------------------------------------------------------------------


async def test_pages_have_every_session_once_newest_first(books: Books) -> None:
    expected = []
    for number in range(7):
        session = books.session(f"live_{number}", started_at_ms=NOW_MS + number // 3)
        await books.open(session)
        expected.append(session.id)
    await books.open(books.session("live_other", tenant_id="other"))
    expected.sort(key=lambda key: (int(key[5:]) // 3, key), reverse=True)
    found: list[str] = []
    cursor = None
    while True:
        following = partial(sessions.page, tenant_id="acme", wanted=Wanted(), limit=3, cursor=cursor)
        page, cursor = await books.database.read(following)
        assert len(page) <= 3
        found += [session.id for session in page]
        if cursor is None:
            break
    assert found == expected


async def test_lists_are_of_a_state_and_a_user(books: Books) -> None:
    await books.open(books.session("live_1"))
    await books.open(books.session("live_2", subject="dan"))
    await books.change("live_2", Ended(State.COMPLETED, "done", NOW_MS, 0))

    async def listed(wanted: Wanted) -> list[str]:
        page, _ = await books.database.read(lambda c: sessions.page(c, "acme", wanted, 10))
        return [session.id for session in page]

    assert await listed(Wanted(state=State.COMPLETED)) == ["live_2"]
    assert await listed(Wanted(subject="noa")) == ["live_1"]
    assert await listed(Wanted(state=State.ACTIVE, subject="dan")) == []
    counts = await books.database.read(lambda c: sessions.counts(c, "acme", NOW_MS))
    assert counts == dict.fromkeys(State, 0) | {State.ACTIVE: 1, State.COMPLETED: 1}
    assert sum((await books.database.read(lambda c: sessions.counts(c, "acme", NOW_MS + 1))).values()) == 0


@pytest.mark.parametrize("cursor", ["", "x", "!!!!", "WzFd", "bGl2ZQ"])
async def test_a_cursor_that_is_none_is_refused(books: Books, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await books.database.read(lambda c: sessions.page(c, "acme", Wanted(), 3, cursor))


async def ask_to_end(
    books: Books, session_id: str = "live_1", tenant: str = "acme", key: str = "end_1"
) -> LiveSession:
    return await books.database.write(
        lambda c: sessions.request_end(
            c, tenant, session_id, EndRequested("ada", NOW_MS), BOUNDS, reason="loud", audit_id=key
        )
    )


async def test_an_admin_asks_and_the_process_that_has_the_session_sees_it(books: Books) -> None:
    await books.open(books.session())
    await books.open(books.session("live_2", boot_id="boot_2"))
    asked = await ask_to_end(books)
    assert (asked.state, asked.end_requested_by) == (State.ACTIVE, "ada")
    assert await books.database.read(lambda c: sessions.asked_to_end(c, "boot_1")) == [("live_1", "ada")]
    assert await books.database.read(lambda c: sessions.asked_to_end(c, "boot_2")) == []
    await books.change("live_1", Ended(State.ENDED_BY_ADMIN, "ended_by_admin", NOW_MS, 0))
    assert await books.database.read(lambda c: sessions.asked_to_end(c, "boot_1")) == []
    row = await books.database.read(lambda c: c.execute(select(audit_log)).mappings().one())
    assert (row["actor"], row["action"], row["target"]) == ("ada", "end_session", "session:live_1")
    assert row["detail"] == {"user": "noa", "channel_id": "main", "reason": "loud"}


async def test_what_is_over_or_another_tenants_cannot_be_ended_and_leaves_no_row(books: Books) -> None:
    await books.open(books.session())
    with pytest.raises(UnknownSession):
        await ask_to_end(books, tenant="other")
    await books.change("live_1", Ended(State.COMPLETED, "done", NOW_MS, 0))
    with pytest.raises(Over) as refusal:
        await ask_to_end(books)
    assert refusal.value.session.state is State.COMPLETED
    assert await books.database.read(lambda c: c.execute(select(audit_log)).all()) == []
