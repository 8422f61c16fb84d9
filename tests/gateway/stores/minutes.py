"""The machine's store in SQL: the journals of minutes, one operation at a time, on one connection."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from gateway.plans import load_plans
from gateway.stores.interface import Refusal
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
)
from gateway.stores.schema import ledger_entries, outbox, quota_slices, usage_events, usage_quotas
from sessions.periods import window_keys
from sessions.plans import Plans, Tariff
from sessions.slices import Grant, MediaKind
from tests.gateway.rehearsal import settings
from tests.sessions.minutes import LIMITS, Window

TENANT = "default"


def plans() -> Plans:
    """Plans whose `free` has the machine's limits, at a rate for which nothing comes out even."""
    minutes = {("free", MediaKind.SUBTITLES, period): limit // 60_000 for period, limit in LIMITS.items()}
    rates = {MediaKind.SUBTITLES: 12_345, MediaKind.DUBBING: 67_891}
    return Plans(load_plans(settings()).facts, Tariff(minutes=minutes, rates_micro=rates))


class SqlStore:
    """Each call is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._acquisitions = Acquisitions(plans())
        self._settlements = Settlements(plans())
        self._adjustments = Adjustments()
        self._checkpoints = Checkpoints()
        self._given = 0

    def acquire(self, subject: str, slice_id: str, session_id: str, owed_ms: int, now_ms: int) -> Grant:
        operation = Acquire(
            slice_id,
            TENANT,
            subject,
            MediaKind.SUBTITLES,
            session_id,
            "main",
            "boot",
            "free",
            owed_ms,
            now_ms,
        )
        answer = self._one(self._acquisitions, operation)
        if isinstance(answer, Spent):
            raise answer.spent
        assert isinstance(answer, Grant)
        return answer

    def settle(self, slice_id: str, used_ms: int | None, now_ms: int) -> None:
        self._one(self._settlements, Settle(slice_id, used_ms, "owner", now_ms))

    def checkpoint(self, marks: list[tuple[str, int]]) -> None:
        self._one(self._checkpoints, Checkpoint(tuple(marks)))

    def extra(self, subject: str, extra_ms: int, now_ms: int) -> None:
        self._given += 1
        operation = Adjust(
            f"grant_{self._given}", TENANT, subject, MediaKind.SUBTITLES,
            tuple(window_keys(now_ms).items()), extra_ms, 0, "ada", "a test", now_ms,
        )  # fmt: skip
        assert self._one(self._adjustments, operation)
        assert not self._one(self._adjustments, operation)

    def windows(self) -> dict[tuple[str, str], Window]:
        with self._engine.connect() as connection:
            return windows(connection)

    def charged_ms(self, session_id: str) -> int:
        query = select(func.sum(usage_events.c.quantity_ms)).where(usage_events.c.session_id == session_id)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def _one(self, journal: Any, operation: Any) -> Any:
        with self._engine.begin() as connection:
            return journal.apply(connection, [operation])[0]


def windows(connection: Connection) -> dict[tuple[str, str], Window]:
    """Return every window by (subject, key), and assert that ledger and outbox match the events."""
    events: Counter[tuple[str, str]] = Counter()
    ids = set()
    for row in connection.execute(select(usage_events)).mappings():
        ids.add(row["id"])
        for name in ("hour_key", "day_key", "month_key"):
            events[row["subject"], row[name]] += row["quantity_ms"]
    held: Counter[tuple[str, str]] = Counter()
    for row in connection.execute(select(quota_slices).where(quota_slices.c.state == "open")).mappings():
        for name in ("hour_key", "day_key", "month_key"):
            held[row["subject"], row[name]] += row["granted_ms"]
    balances: Counter[str] = Counter()
    for row in connection.execute(select(ledger_entries)).mappings():
        balances[row["event_id"]] += row["amount_micro"]
    assert set(balances) == ids
    assert not any(balances.values())
    assert set(connection.execute(select(outbox.c.event_id)).scalars()) == ids
    return {
        (row["subject"], row["period_key"]): Window(
            row["used_ms"],
            row["held_ms"],
            row["extra_ms"],
            events[row["subject"], row["period_key"]],
            held[row["subject"], row["period_key"]],
        )
        for row in connection.execute(select(usage_quotas)).mappings()
    }


def refusals(answers: list[Any]) -> int:
    """Return how many of the answers are refusals."""
    return sum(isinstance(answer, Refusal) for answer in answers)
