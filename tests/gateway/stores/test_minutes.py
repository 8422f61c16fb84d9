"""Minutes in SQL: everything adds up whatever happens, and nobody wins what only one may have."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import StaticPool, create_engine

from gateway.stores.interface import Database
from gateway.stores.minutes import (
    Acquire,
    Acquisitions,
    Adjust,
    Adjustments,
    Checkpoint,
    Checkpoints,
    Settle,
    Settlements,
    Spent,
    UnknownSlice,
)
from gateway.stores.schema import audit_log, metadata, quota_adjustments, quota_overrides, usage_events
from gateway.stores.writer import GroupWriter
from sessions.periods import Period, window_keys
from sessions.slices import Grant, MediaKind, Settled
from tests.gateway.stores.minutes import TENANT, SqlStore, plans, windows
from tests.sessions.minutes import LIMITS, NOON_MS, Minutes

NOON_KEYS = {period.value: key for period, key in window_keys(NOON_MS).items()}


def in_memory() -> SqlStore:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return SqlStore(engine)


class SqlMinutes(Minutes):
    make_store = staticmethod(in_memory)


@pytest.mark.timeout(300)
def test_everything_adds_up_whatever_happens() -> None:
    few = settings(max_examples=60, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(SqlMinutes, settings=few)


@pytest.mark.chaos
def test_everything_adds_up_whatever_happens_for_long() -> None:
    many = settings(max_examples=1500, stateful_step_count=60, deadline=None)
    run_state_machine_as_test(SqlMinutes, settings=many)


def acquire(slice_id: str, session_id: str = "session", **changes: Any) -> Acquire:
    facts: dict[str, Any] = {
        "tenant_id": TENANT, "subject": "dana", "kind": MediaKind.SUBTITLES, "session_id": session_id,
        "channel_id": "main", "boot_id": "boot", "plan": "free", "owed_ms": 0, "now_ms": NOON_MS,
    }  # fmt: skip
    return Acquire(slice_id, **{**facts, **changes})


def given(grant_id: str, extra_ms: int = 0, used_ms: int = 0) -> Adjust:
    return Adjust(
        grant_id, TENANT, "dana", MediaKind.SUBTITLES, ((Period.HOUR, NOON_KEYS["hour"]),),
        extra_ms, used_ms, "ada", "asked for", NOON_MS,
    )  # fmt: skip


class Minutely:
    """The journals on a real database, through its group-commit writer."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.writer = GroupWriter(database)
        self._journals: dict[type, Any] = {
            Acquire: Acquisitions(plans()),
            Settle: Settlements(plans()),
            Checkpoint: Checkpoints(),
            Adjust: Adjustments(),
        }

    async def do(self, *operations: Any) -> list[Any]:
        """Submit all at once; return each one's result or refusal."""
        futures = [
            self.writer.submit(self._journals[type(operation)], operation, patience_seconds=20)
            for operation in operations
        ]
        return await asyncio.gather(*futures, return_exceptions=True)

    async def hour(self) -> Any:
        """Return dana's hour."""
        return (await self.database.read(windows))["dana", NOON_KEYS["hour"]]

    async def count(self, table: Any) -> int:
        """Return how many rows a table has."""
        return len(await self.database.read(lambda c: c.execute(table.select()).all()))


@pytest.fixture
async def minutely(database: Database) -> AsyncIterator[Minutely]:
    made = Minutely(database)
    yield made
    await made.writer.aclose(5)


async def test_forty_sessions_at_once_never_hold_more_than_there_is(minutely: Minutely) -> None:
    answers = await minutely.do(*(acquire(f"slice_{n}", f"session_{n}") for n in range(40)))
    held = [answer.granted_ms for answer in answers if isinstance(answer, Grant)]
    assert len(held) + sum(isinstance(answer, Spent) for answer in answers) == 40
    assert sum(held) == (await minutely.hour()).held_ms <= LIMITS[Period.HOUR] // 60_000 * 60_000


async def test_two_processes_never_both_get_the_last_minute(database: Database, minutely: Minutely) -> None:
    other = Minutely(database)
    await minutely.do(acquire("first"), Settle("first", 60_000, "owner", NOON_MS))
    mine, theirs = await asyncio.gather(
        minutely.do(*(acquire(f"mine_{n}", f"mine_{n}") for n in range(20))),
        other.do(*(acquire(f"their_{n}", f"their_{n}") for n in range(20))),
    )
    await other.writer.aclose(5)
    held = sum(answer.granted_ms for answer in [*mine, *theirs] if isinstance(answer, Grant))
    assert held == (await minutely.hour()).held_ms
    assert held <= 60_000


async def test_a_slice_is_settled_once_by_forty(minutely: Minutely) -> None:
    await minutely.do(acquire("one"))
    answers = await minutely.do(*(Settle("one", 7_000, "owner", NOON_MS) for _ in range(40)))
    assert sum(answer.used_ms for answer in answers) == 7_000
    hour = await minutely.hour()
    assert (hour.used_ms, hour.held_ms, await minutely.count(usage_events)) == (7_000, 0, 1)


async def test_a_grant_of_minutes_comes_once_however_often_it_is_asked(minutely: Minutely) -> None:
    answers = await minutely.do(*(given("grant", extra_ms=60_000) for _ in range(40)))
    assert answers.count(True) == 1
    assert (await minutely.hour()).extra_ms == 60_000
    assert await minutely.count(quota_adjustments) == await minutely.count(audit_log) == 1


async def test_one_grant_asked_of_two_processes_at_once_comes_once(
    database: Database, minutely: Minutely
) -> None:
    other = Minutely(database)
    for number in range(10):
        mine, theirs = await asyncio.gather(
            *(one.do(given(f"grant_{number}", extra_ms=60_000)) for one in (minutely, other))
        )
        assert sorted([*mine, *theirs]) == [False, True]
    await other.writer.aclose(5)
    assert (await minutely.hour()).extra_ms == 600_000
    assert await minutely.count(quota_adjustments) == await minutely.count(audit_log) == 10


async def test_a_window_set_back_is_at_zero_and_never_below(minutely: Minutely) -> None:
    await minutely.do(acquire("one"), Settle("one", 7_000, "owner", NOON_MS))
    assert await minutely.do(given("reset", used_ms=-(10**15)), given("again", used_ms=-1)) == [True, True]
    rows = await minutely.database.read(lambda c: c.execute(quota_adjustments.select()).mappings().all())
    assert sorted(row["used_ms"] for row in rows) == [-7_000, 0]


async def test_a_slice_asked_for_again_is_the_one_that_was_granted(minutely: Minutely) -> None:
    (first,) = await minutely.do(acquire("one"))
    (again,) = await minutely.do(acquire("one"))
    assert (again.granted_ms, again.keys, again.expires_at_ms) == (
        first.granted_ms,
        first.keys,
        first.expires_at_ms,
    )
    assert (await minutely.hour()).held_ms == first.granted_ms


async def test_checkpoints_count_when_nobody_settles(minutely: Minutely) -> None:
    await minutely.do(acquire("one"))
    await minutely.do(Checkpoint((("one", 5_000), ("unknown", 1))), Checkpoint((("one", 3_000),)))
    await minutely.do(Checkpoint((("one", 10**9),)))
    (settled,) = await minutely.do(Settle("one", None, "recovery", NOON_MS))
    assert isinstance(settled, Settled)
    assert settled.used_ms == 5_000
    late, again = await minutely.do(*(Settle("one", 9_000, "owner", NOON_MS) for _ in range(2)))
    assert (late.used_ms, late.late, again.used_ms) == (4_000, True, 0)
    hour = await minutely.hour()
    assert (hour.used_ms, hour.held_ms) == (9_000, 0)


async def test_what_is_not_there_cannot_be_settled(minutely: Minutely) -> None:
    (answer,) = await minutely.do(Settle("nobody's", 5, "owner", NOON_MS))
    assert isinstance(answer, UnknownSlice)


async def test_an_override_counts_at_once(minutely: Minutely) -> None:
    row = {"tenant_id": TENANT, "kind": "subtitles", "period": "hour", "actor": "ada", "changed_at": NOON_MS}
    await minutely.database.write(
        lambda c: c.execute(
            quota_overrides.insert(),
            [row | {"subject": "", "limit_ms": 0}, row | {"subject": "noa", "limit_ms": -1}],
        )
    )
    refused, granted = await minutely.do(acquire("hers"), acquire("his", subject="noa"))
    assert isinstance(refused, Spent)
    assert refused.spent.period is Period.HOUR
    assert granted.granted_ms == 60_000


async def test_users_with_one_name_in_two_tenants_share_nothing(minutely: Minutely) -> None:
    await minutely.do(acquire("one"), acquire("two", tenant_id="other"))
    subjects = await minutely.database.read(lambda c: c.execute(usage_events.select()).all())
    assert subjects == []
    held = await minutely.do(acquire("three"), acquire("four", tenant_id="other"))
    assert all(isinstance(answer, Grant) for answer in held)
