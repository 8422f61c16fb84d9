"""What a session pays with: through reconnects, and from the voice to subtitles, each millisecond once."""

from typing import Any

import pytest

from gateway.metering.clock import MediaClock
from gateway.metering.consumption import Facts
from gateway.metering.purse import Purse, Spent
from gateway.stores.interface import StoreDown
from gateway.stores.schema import usage_events
from sessions.slices import MediaKind
from tests.gateway.metering.desk import PaperSpender, plays
from tests.gateway.rehearsal import Rehearsal
from tests.gateway.sockets.minutes import charged_ms, held_ms, metered


@pytest.fixture
def stage() -> Rehearsal:
    return metered(live_quota_free_subtitle_minutes_per_hour=30)


def purse(rehearsal: Rehearsal, kind: MediaKind = MediaKind.SUBTITLES, spender: Any = None) -> Purse:
    """Return the purse of a free user's session."""
    made = Purse(Facts("default", "dana", "free", kind, "live_1", "main"), rehearsal.till)
    made.hold(spender or PaperSpender())
    return made


def moves(rehearsal: Rehearsal, clock: MediaClock, milliseconds: int) -> None:
    """Let audio pass, with the store's answers between the frames."""
    for _ in range(milliseconds // 20):
        plays(clock, 20)
        rehearsal.clock.turn()


def test_the_same_stream_is_attached_once(stage: Rehearsal) -> None:
    mine, clock = purse(stage), MediaClock()
    mine.attach(clock)
    moves(stage, clock, 1_000)
    mine.attach(clock)
    moves(stage, clock, 1_000)
    mine.close()
    assert (mine.spent, charged_ms(stage), held_ms(stage)) == (Spent(2_000, 2_000), 2_000, 0)


@pytest.mark.parametrize(("replayed", "charged"), [(True, 9_000), (False, 4_000)])
def test_what_was_missed_of_the_same_stream_is_paid_if_it_was_sent_again(
    stage: Rehearsal, replayed: bool, charged: int
) -> None:
    mine, clock = purse(stage), MediaClock()
    mine.attach(clock)
    moves(stage, clock, 3_000)
    mine.pause()
    moves(stage, clock, 5_000)
    mine.hold(PaperSpender())
    mine.go_on(clock, replayed=replayed)
    moves(stage, clock, 1_000)
    mine.close()
    assert charged_ms(stage) == charged


def test_of_another_stream_nothing_was_missed(stage: Rehearsal) -> None:
    mine, first, second = purse(stage), MediaClock(), MediaClock()
    mine.attach(first)
    moves(stage, first, 3_000)
    mine.pause()
    moves(stage, second, 20_000)
    mine.hold(PaperSpender())
    mine.go_on(second, replayed=True)
    moves(stage, second, 1_000)
    mine.close()
    assert charged_ms(stage) == 4_000


def test_what_was_missed_is_paid_once_over_two_losses(stage: Rehearsal) -> None:
    mine, clock = purse(stage), MediaClock()
    mine.attach(clock)
    for _ in range(2):
        moves(stage, clock, 1_000)
        mine.pause()
        moves(stage, clock, 1_000)
        mine.hold(PaperSpender())
        mine.go_on(clock, replayed=True)
    mine.close()
    stage.clock.turn()
    assert charged_ms(stage) == 4_000


def test_a_store_that_was_away_is_no_free_ticket(stage: Rehearsal) -> None:
    spender = PaperSpender()
    mine, clock = purse(stage, spender=spender), MediaClock()
    mine.attach(clock)
    stage.store.broken = StoreDown("away")
    moves(stage, clock, 100)
    assert (spender.told, mine.stopped) == (["unavailable"], True)
    mine.pause()
    stage.store.broken = None
    mine.hold(PaperSpender())
    assert not mine.stopped
    mine.go_on(clock, replayed=False)
    moves(stage, clock, 1_000)
    mine.close()
    stage.store.write_all()
    assert charged_ms(stage) == 1_020  # with what passed before it was known that the store is away


class TestVoice:
    def test_the_rest_is_charged_as_subtitles(self, stage: Rehearsal) -> None:
        mine, clock = purse(stage, MediaKind.DUBBING), MediaClock()
        mine.attach(clock)
        moves(stage, clock, 60_020)
        assert mine.stopped
        assert mine.turn_to_subtitles()
        assert (mine.kind, mine.stopped) == (MediaKind.SUBTITLES, False)
        moves(stage, clock, 5_000)
        mine.close()
        assert (charged_ms(stage, kind="dubbing"), charged_ms(stage)) == (60_000, 5_000)
        assert mine.spent.billed_ms == 65_000
        assert {row["session_id"] for row in stage.store.rows(usage_events)} == {"live_1"}
        assert len(stage.till) == 0

    def test_what_passed_before_the_store_said_so_is_charged_once_and_as_subtitles(
        self, stage: Rehearsal
    ) -> None:
        mine, clock = purse(stage, MediaKind.DUBBING), MediaClock()
        mine.attach(clock)
        moves(stage, clock, 59_000)
        stage.store.held = True
        moves(stage, clock, 1_400)
        stage.store.held = False
        stage.store.write_all()
        stage.clock.turn()
        assert mine.stopped
        mine.turn_to_subtitles()
        moves(stage, clock, 1_000)
        mine.close()
        assert mine.spent == Spent(61_400, 61_400)
        assert (charged_ms(stage, kind="dubbing"), charged_ms(stage)) == (60_000, 1_400)

    def test_from_subtitles_there_is_nowhere_to_turn(self, stage: Rehearsal) -> None:
        assert not purse(stage).turn_to_subtitles()

    def test_whoever_is_told_is_told_of_both(self) -> None:
        stage, spender = metered(live_quota_free_subtitle_minutes_per_hour=0), PaperSpender()
        mine, clock = purse(stage, MediaKind.DUBBING, spender), MediaClock()
        mine.attach(clock)
        moves(stage, clock, 60_020)
        mine.turn_to_subtitles()
        moves(stage, clock, 20)
        assert [told.kind.value for told in spender.told if hasattr(told, "kind")] == ["dubbing", "subtitles"]


def test_what_passes_until_a_lost_connection_is_gone_is_paid_if_it_is_replayed(stage: Rehearsal) -> None:
    mine, clock = purse(stage), MediaClock()
    mine.attach(clock)
    moves(stage, clock, 1_000)
    mine.pause()
    moves(stage, clock, 100)
    mine.pause()
    mine.hold(PaperSpender())
    mine.go_on(clock, replayed=True)
    moves(stage, clock, 1_000)
    mine.close()
    stage.clock.turn()
    assert charged_ms(stage) == 2_100
