"""The rows of minutes written by hand: sqlite3 and nothing else, one transaction for each, without a rule.

What our stores are compared with: the same tables, the same rows, and the same promise (WAL, every commit on
the disk).
"""

import sqlite3
from pathlib import Path

from sqlalchemy import create_engine

from gateway.stores.schema import metadata

KEYS = ("2026-11-20T14", "2026-11-20", "2026-11")
USER_ID = "0" * 32
_SLICE = (
    "INSERT INTO quota_slices (id, tenant_id, user_id, subject, kind, session_id, channel_id, boot_id,"
    " hour_key, day_key, month_key, granted_ms, cumulative_ms, state, opened_at, expires_at, settled_ms)"
    " VALUES (?, 'acme', ?, 'noa', 'subtitles', ?, 'main', 'boot', ?, ?, ?, 60000, 0, 'open', 0, 60000, 0)"
)
_OWN = "tenant_id = 'acme' AND user_id = ? AND kind = 'subtitles' AND period_key"
_EVENT = (
    "INSERT INTO usage_events (id, tenant_id, user_id, subject, kind, session_id, channel_id, slice_id,"
    " hour_key, day_key, month_key, quantity_ms, occurred_at)"
    " VALUES (?1, 'acme', ?2, 'noa', 'subtitles', ?1, 'main', ?1, ?3, ?4, ?5, 1000, 0)"
)
_ENTRY = (
    "INSERT INTO ledger_entries (event_id, account, tenant_id, amount_micro, occurred_at)"
    " VALUES (?, ?, '', 1, 0)"
)
_TOLD = "INSERT INTO outbox (event_id, tenant_id, payload, occurred_at) VALUES (?, 'acme', '{}', 0)"


class PlainStore:
    """One user's minutes in a SQLite file of its own."""

    def __init__(self, path: Path) -> None:
        engine = create_engine(f"sqlite:///{path}")
        metadata.create_all(engine)
        engine.dispose()
        self._own = sqlite3.connect(path, isolation_level=None)
        self._own.execute("PRAGMA journal_mode=WAL")
        self._own.execute("PRAGMA synchronous=FULL")
        for key in KEYS:
            self._own.execute(
                "INSERT INTO usage_quotas (tenant_id, user_id, kind, period_key, period, subject)"
                " VALUES ('acme', ?, 'subtitles', ?, '', 'noa')",
                (USER_ID, key),
            )

    def close(self) -> None:
        """Close the file."""
        self._own.close()

    def acquire(self, slice_id: str) -> None:
        """Read three windows, and hold minutes in each."""
        self._own.execute("BEGIN IMMEDIATE")
        query = f"SELECT used_ms, held_ms FROM usage_quotas WHERE {_OWN} IN (?, ?, ?)"  # noqa: S608 - ours
        self._own.execute(query, (USER_ID, *KEYS)).fetchall()
        self._own.execute(_SLICE, (slice_id, USER_ID, slice_id, *KEYS))
        self._move("held_ms = held_ms + 60000")
        self._own.execute("COMMIT")

    def settle(self, slice_id: str) -> None:
        """Close a slice, use the minutes, and note event, ledger entries and outbox row."""
        self._own.execute("BEGIN IMMEDIATE")
        self._own.execute("SELECT * FROM quota_slices WHERE id = ?", (slice_id,)).fetchall()
        self._own.execute(
            "UPDATE quota_slices SET state = 'closed', settled_ms = 1000 WHERE id = ?", (slice_id,)
        )
        self._move("held_ms = held_ms - 60000, used_ms = used_ms + 1000")
        self._own.execute(_EVENT, (slice_id, USER_ID, *KEYS))
        self._own.executemany(_ENTRY, [(slice_id, "user"), (slice_id, "revenue")])
        self._own.execute(_TOLD, (slice_id,))
        self._own.execute("COMMIT")

    def checkpoint(self, marks: list[tuple[int, str]]) -> None:
        """Note how much of each slice was used: (milliseconds, slice)."""
        self._own.execute("BEGIN IMMEDIATE")
        self._own.executemany("UPDATE quota_slices SET cumulative_ms = ? WHERE id = ?", marks)
        self._own.execute("COMMIT")

    def _move(self, change: str) -> None:
        update = f"UPDATE usage_quotas SET {change} WHERE {_OWN} = ?"  # noqa: S608 - ours
        self._own.executemany(update, [(USER_ID, key) for key in KEYS])
