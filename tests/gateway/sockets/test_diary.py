"""The hub's word to the session book: by the wall clock, once each, and activity only where there was."""

from typing import Any

import pytest

from gateway.session_book import SessionBook
from gateway.sockets.diary import NOTE_SECONDS, BookedDiary
from gateway.stores.schema import live_sessions
from sessions.lifetimes import Bounds
from tests.gateway.rehearsal import MIDDAY_MS, Guest
from tests.gateway.sockets.minutes import joins, metered, speaks


class Written:
    """A stage whose hub writes into a book."""

    def __init__(self) -> None:
        self.stage = metered(live_quota_free_subtitle_minutes_per_hour=30)
        clock = self.stage.clock
        self.over: list[str] = []
        book = SessionBook(
            self.stage.store, "boot_paper", Bounds(), lambda s: self.over.append(s.id), clock.loop
        )
        self.diary = BookedDiary(book, lambda: "boot_paper", clock.now_ms, clock.steady)
        self.stage.hub.diary = self.diary
        self.book = book

    def passes(self, seconds: float) -> None:
        """Let time pass, with a note of activity at its end."""
        self.stage.passes(seconds)
        self.diary.note(self.stage.hub.sessions.values())
        self.book.flush()
        self.stage.settle()

    def row(self, guest: Guest) -> dict[str, Any]:
        """Return what is stored of a guest's session."""
        self.book.flush()
        self.stage.settle()
        rows = [r for r in self.stage.store.rows(live_sessions) if r["id"] == guest.connected["session_id"]]
        (found,) = rows
        return found


@pytest.fixture
def written() -> Written:
    return Written()


def test_a_session_is_written_as_it_begins(written: Written) -> None:
    written.stage.passes(7)
    row = written.row(joins(written.stage, "dubbing", channel="hall", target_lang="es"))
    written_of_it = ("tenant_id", "subject", "channel_id", "kind", "plan", "boot_id")
    assert {name: row[name] for name in written_of_it} == {
        "tenant_id": "default", "subject": "dana", "channel_id": "hall", "kind": "dubbing", "plan": "free",
        "boot_id": "boot_paper",
    }  # fmt: skip
    assert (row["state"], row["started_at"], row["active_at"]) == (
        "ACTIVE",
        MIDDAY_MS + 7_000,
        MIDDAY_MS + 7_000,
    )


def test_those_who_share_minutes_are_known_before_the_first_are_asked_for(written: Written) -> None:
    silent, speaking = joins(written.stage), joins(written.stage)
    assert written.stage.store.rows(live_sessions) == []
    speaks(written.stage, speaking, 0.5)
    assert {row["id"] for row in written.stage.store.rows(live_sessions)} == {
        silent.connected["session_id"], speaking.connected["session_id"],
    }  # fmt: skip


def test_activity_is_noted_when_it_was_and_with_the_media_so_far(written: Written) -> None:
    mine = joins(written.stage)
    speaks(written.stage, mine, 4)
    written.passes(NOTE_SECONDS - 4)
    row = written.row(mine)
    assert (row["active_at"], row["media_ms"]) == (MIDDAY_MS + 3_750, 4_000)


def test_a_viewer_is_active_while_the_stream_moves_and_its_publisher_too(written: Written) -> None:
    viewer, publisher = joins(written.stage), written.stage.joins("publish", user="noa")
    written.passes(100)
    speaks(written.stage, publisher, 1)
    written.passes(14)
    rows = written.row(viewer), written.row(publisher)
    assert [(row["active_at"], row["media_ms"]) for row in rows] == [(MIDDAY_MS + 100_750, 1_000)] * 2


def test_silence_is_no_activity(written: Written) -> None:
    mine = joins(written.stage)
    written.passes(100)
    written.passes(100)
    assert written.row(mine)["active_at"] == MIDDAY_MS
    written.stage.store.held = True
    written.passes(100)
    assert written.stage.store.waiting == 0
    written.stage.store.held = False
    mine.says(type="ping")
    written.passes(100)
    assert written.row(mine)["active_at"] == MIDDAY_MS + 300_000


@pytest.mark.parametrize(
    ("code", "state", "reason"), [(1000, "COMPLETED", "left"), (1006, "INTERRUPTED", "lost")]
)
def test_one_that_left_is_over_after_its_grace(written: Written, code: int, state: str, reason: str) -> None:
    mine = joins(written.stage)
    speaks(written.stage, mine, 3)
    mine.leaves(code)
    written.passes(5)
    assert written.row(mine)["state"] == "ACTIVE"
    written.passes(60)
    row = written.row(mine)
    assert (row["state"], row["end_reason"], row["media_ms"]) == (state, reason, 3_000)
    assert row["ended_at"] == MIDDAY_MS + 68_000


def test_one_that_comes_back_goes_on(written: Written) -> None:
    mine = joins(written.stage)
    mine.leaves()
    written.stage.passes(30)
    back = joins(written.stage, resume=mine.position)
    written.passes(1)
    assert (written.row(back)["state"], written.row(back)["active_at"]) == ("ACTIVE", MIDDAY_MS + 30_000)
    assert len(written.stage.store.rows(live_sessions)) == 1


@pytest.mark.parametrize(("how", "state", "code"), [
    ("end", "COMPLETED", 1000), ("admin", "ENDED_BY_ADMIN", 4003), ("length", "EXPIRED", 4408),
])  # fmt: skip
def test_each_end_by_its_name(written: Written, how: str, state: str, code: int) -> None:
    mine = joins(written.stage)
    if how == "end":
        mine.says(type="end")
    elif how == "admin":
        written.stage.hub.end_by_admin(mine.connected["session_id"])
    else:
        written.stage.passes(120 * 60 + 1)
    written.stage.settle()
    assert (written.row(mine)["state"], mine.wire.close_code) == (state, code)
    assert len(written.book) == 0
