"""The minutes of one session: what is asked for when, what is settled at what, and when nothing passes."""

import math

import pytest

from sessions.meter import RETRY_MS, STILL_MS, Acquire, Allow, Meter, Settle, Stop, Warn
from sessions.periods import Period, window_keys
from sessions.slices import Grant, MediaKind, QuotaSpent

NOON_MS = 1_795_262_400_000
"""2026-11-21T12:00:00Z."""
HOUR_MS = 3_600_000
SPENT = QuotaSpent(MediaKind.SUBTITLES, Period.HOUR, NOON_MS + HOUR_MS, held=False)


def grant(
    granted_ms: int = 60_000, *, final: bool = False, expires_ms: int = 120_000,
    warn: tuple[int, Period] | None = None, at_ms: int = NOON_MS,
) -> Grant:  # fmt: skip
    """Return a grant that is good until `expires_ms` after noon."""
    warn_at_ms, period = warn if warn is not None else (None, None)
    return Grant(granted_ms, window_keys(at_ms), NOON_MS + expires_ms, final, warn_at_ms, period)


def holding(granted: Grant | None = None) -> Meter:
    """Return a meter that holds the slice `one`, of which nothing is used."""
    meter = Meter()
    meter.need(NOON_MS)
    meter.granted("one", granted or grant(), NOON_MS)
    meter.effects()
    return meter


def used(meter: Meter, total_ms: int, at_ms: int = 0) -> list[object]:
    """Let the media come to `total_ms` at so many milliseconds after noon; return what follows."""
    meter.advance(total_ms, NOON_MS + at_ms)
    return list(meter.effects())


class TestAsking:
    def test_nothing_is_asked_for_before_there_is_media(self) -> None:
        meter = Meter()
        meter.handle_deadline(NOON_MS)
        assert meter.effects() == []
        assert (meter.deadline_ms(), meter.allowance_ms) == (math.inf, 0)

    def test_a_slice_is_asked_for_once_and_then_more_may_pass(self) -> None:
        meter = Meter()
        meter.need(NOON_MS)
        meter.need(NOON_MS + 10)
        assert meter.effects() == [Acquire(0)]
        meter.granted("one", grant(), NOON_MS + 20)
        assert meter.effects() == [Allow()]
        assert meter.allowance_ms == 60_000

    def test_what_passed_unasked_is_owed_and_charged_to_the_first_slice(self) -> None:
        meter = Meter()
        assert used(meter, 250) == [Acquire(250)]
        assert used(meter, 400) == []
        meter.granted("one", grant(60_250), NOON_MS)
        assert (meter.billed_ms, meter.owed_ms, meter.allowance_ms) == (400, 0, 59_850)

    def test_the_next_is_asked_for_at_eighty_percent_and_not_before(self) -> None:
        meter = holding()
        assert used(meter, 47_999) == []
        assert used(meter, 48_000) == [Acquire(0)]
        assert used(meter, 59_000) == []

    def test_it_waits_behind_the_present_one_which_is_settled_when_used_up(self) -> None:
        meter = holding()
        used(meter, 48_000)
        meter.granted("two", grant(), NOON_MS)
        assert meter.effects() == []
        assert meter.allowance_ms == 72_000
        assert used(meter, 60_000) == [Settle("one", 60_000)]
        assert used(meter, 60_500) == []
        meter.close()
        assert meter.effects() == [Settle("two", 500)]
        assert meter.billed_ms == 60_500

    def test_one_step_may_use_up_a_slice_and_go_on_in_the_next(self) -> None:
        meter = holding()
        used(meter, 48_000)
        meter.granted("two", grant(), NOON_MS)
        assert used(meter, 70_000) == [Settle("one", 60_000)]
        assert meter.checkpoints() == [("two", 10_000)]

    def test_the_media_never_goes_back(self) -> None:
        meter = holding()
        used(meter, 5_000)
        assert used(meter, 4_000) == []
        assert (meter.total_ms, meter.billed_ms) == (5_000, 5_000)

    def test_the_last_of_all_slices_is_used_up_before_more_is_asked_for(self) -> None:
        meter = holding(grant(10_000, final=True))
        assert used(meter, 9_999) == []
        assert used(meter, 10_000) == [Settle("one", 10_000), Acquire(0)]


class TestAttention:
    """A viewer's media passes unasked: `attention_ms` says when the meter has to look, and no earlier."""

    def test_at_the_first_millisecond_then_at_the_renewal_then_at_the_end(self) -> None:
        meter = Meter()
        assert meter.attention_ms() == 1
        used(meter, 1)
        assert meter.attention_ms() == math.inf  # until the store answers
        meter.granted("one", grant(60_001), NOON_MS)
        assert meter.attention_ms() == 48_000
        used(meter, 48_000)
        assert meter.attention_ms() == 60_001

    def test_at_the_warning(self) -> None:
        assert holding(grant(warn=(20_000, Period.HOUR))).attention_ms() == 20_000

    def test_not_at_a_renewal_that_will_not_be(self) -> None:
        assert holding(grant(final=True)).attention_ms() == 60_000

    def test_never_once_nothing_passes(self) -> None:
        meter = holding()
        meter.close()
        assert meter.attention_ms() == math.inf


class TestSpent:
    def test_with_nothing_held_that_is_the_end(self) -> None:
        meter = Meter()
        meter.need(NOON_MS)
        meter.effects()
        meter.refused(SPENT, NOON_MS)
        assert meter.effects() == [Stop(SPENT)]
        assert meter.stopped
        assert used(meter, 1_000) == []
        meter.need(NOON_MS)
        assert meter.effects() == []

    def test_what_is_held_is_used_up_first_and_then_asked_for_once_more(self) -> None:
        meter = holding()
        used(meter, 48_000)
        meter.refused(SPENT, NOON_MS)
        assert meter.effects() == []
        assert used(meter, 59_000) == []
        assert used(meter, 60_000) == [Settle("one", 60_000), Acquire(0)]
        meter.refused(SPENT, NOON_MS)
        assert meter.effects() == [Stop(SPENT)]

    def test_another_session_may_have_given_something_back_by_then(self) -> None:
        meter = holding()
        used(meter, 48_000)
        meter.refused(SPENT, NOON_MS)
        used(meter, 60_000)
        meter.granted("two", grant(1_000), NOON_MS)
        assert meter.effects() == [Allow()]
        assert used(meter, 60_800) == [Acquire(0)]

    def test_an_early_answer_that_comes_too_late_is_the_last_word(self) -> None:
        meter = holding()
        used(meter, 48_000)
        assert used(meter, 60_000) == [Settle("one", 60_000)]
        meter.refused(SPENT, NOON_MS)
        assert meter.effects() == [Stop(SPENT)]


class TestStoreDown:
    def test_with_nothing_held_nothing_passes(self) -> None:
        meter = Meter()
        meter.need(NOON_MS)
        meter.effects()
        meter.unavailable(NOON_MS)
        assert meter.effects() == [Stop(None)]

    def test_it_goes_on_to_the_end_of_what_is_held_and_asks_again_meanwhile(self) -> None:
        meter = holding()
        used(meter, 48_000)
        meter.unavailable(NOON_MS)
        assert used(meter, 49_000, RETRY_MS - 1) == []
        assert meter.deadline_ms() == NOON_MS + RETRY_MS
        meter.handle_deadline(NOON_MS + RETRY_MS)
        assert meter.effects() == [Acquire(0)]
        meter.unavailable(NOON_MS + RETRY_MS)
        assert used(meter, 60_000, RETRY_MS + 1) == [Settle("one", 60_000), Acquire(0)]
        meter.unavailable(NOON_MS + RETRY_MS + 2)
        assert meter.effects() == [Stop(None)]


class TestTime:
    def test_a_slice_that_nobody_uses_is_given_back_when_it_expires_and_not_renewed(self) -> None:
        meter = holding()
        used(meter, 5_000)
        assert meter.deadline_ms() == NOON_MS + 119_000
        meter.handle_deadline(NOON_MS + 119_000)
        assert meter.effects() == []
        assert meter.deadline_ms() == NOON_MS + 120_000
        meter.handle_deadline(NOON_MS + 120_000)
        assert meter.effects() == [Settle("one", 5_000)]
        assert meter.deadline_ms() == math.inf

    def test_it_asks_when_it_moves_again(self) -> None:
        meter = holding()
        meter.handle_deadline(NOON_MS + 120_000)
        meter.effects()
        meter.need(NOON_MS + 500_000)
        assert meter.effects() == [Acquire(0)]

    @pytest.mark.parametrize(
        ("moved_ms", "asks"), [(119_000 - STILL_MS + 1, True), (119_000 - STILL_MS, False)]
    )
    def test_what_moves_is_renewed_a_second_before_its_end(self, moved_ms: int, asks: bool) -> None:
        meter = holding()
        used(meter, 5_000, moved_ms)
        meter.handle_deadline(NOON_MS + 119_000)
        assert meter.effects() == ([Acquire(0)] if asks else [])

    def test_what_has_passed_by_the_end_is_charged_to_it_and_the_rest_to_the_next(self) -> None:
        meter = holding(grant(expires_ms=30_000))
        used(meter, 5_000, 29_000)
        assert used(meter, 5_900, 30_050) == [Settle("one", 5_900)]
        assert used(meter, 6_000, 30_150) == []
        meter.granted("two", grant(60_000, expires_ms=150_000, at_ms=NOON_MS + HOUR_MS), NOON_MS + 30_200)
        assert meter.checkpoints() == [("two", 100)]


class TestEnd:
    def test_a_lost_connection_gives_back_what_is_held_and_what_comes_late(self) -> None:
        meter = holding()
        used(meter, 48_000)
        meter.pause()
        assert meter.effects() == [Settle("one", 48_000)]
        meter.granted("two", grant(), NOON_MS)
        assert meter.effects() == [Settle("two", 0)]
        assert not meter.stopped

    def test_a_refusal_that_comes_after_the_loss_ends_nothing(self) -> None:
        for spent in (SPENT, None):
            meter = Meter()
            meter.need(NOON_MS)
            meter.effects()
            meter.pause()
            if spent is not None:
                meter.refused(spent, NOON_MS)
            else:
                meter.unavailable(NOON_MS)
            assert (meter.effects(), meter.stopped) == ([], False)
            meter.need(NOON_MS + 1_000)
            assert meter.effects() == [Acquire(0)]

    def test_what_is_back_before_the_answer_has_the_slice_that_was_asked_for(self) -> None:
        meter = Meter()
        meter.need(NOON_MS)
        meter.effects()
        meter.pause()
        meter.need(NOON_MS + 100)
        assert meter.effects() == []
        meter.granted("one", grant(), NOON_MS + 200)
        assert meter.effects() == [Allow()]

    def test_what_passed_before_the_slice_came_is_paid_even_then(self) -> None:
        meter = Meter()
        used(meter, 250)
        meter.close()
        meter.granted("one", grant(60_250), NOON_MS)
        assert meter.effects() == [Settle("one", 250)]
        assert (meter.billed_ms, meter.owed_ms) == (250, 0)

    def test_a_closed_meter_keeps_nothing(self) -> None:
        meter = Meter()
        meter.need(NOON_MS)
        meter.close()
        meter.effects()
        meter.granted("one", grant(), NOON_MS)
        assert meter.effects() == [Settle("one", 0)]
        meter.close()
        assert (meter.effects(), meter.allowance_ms, meter.deadline_ms()) == ([], 0, math.inf)


class TestWarnings:
    def test_a_window_is_warned_of_once(self) -> None:
        meter = holding(grant(warn=(20_000, Period.HOUR)))
        assert used(meter, 19_999) == []
        assert used(meter, 20_000) == [Warn(Period.HOUR)]
        used(meter, 48_000)
        meter.granted("two", grant(warn=(0, Period.HOUR)), NOON_MS)
        assert Warn(Period.HOUR) not in [*meter.effects(), *used(meter, 70_000)]

    def test_and_again_in_the_next_window_of_its_kind(self) -> None:
        meter = holding(grant(warn=(0, Period.HOUR)))
        used(meter, 48_000)
        meter.granted("two", grant(warn=(0, Period.HOUR), at_ms=NOON_MS + HOUR_MS), NOON_MS)
        assert Warn(Period.HOUR) in used(meter, 60_001)

    def test_one_that_is_reached_already_is_warned_of_at_once(self) -> None:
        meter = Meter()
        meter.need(NOON_MS)
        meter.effects()
        meter.granted("one", grant(warn=(0, Period.DAY)), NOON_MS)
        assert meter.effects() == [Warn(Period.DAY), Allow()]


def test_checkpoints_are_of_what_has_grown() -> None:
    meter = holding()
    assert meter.checkpoints() == []
    used(meter, 1_000)
    assert meter.checkpoints() == [("one", 1_000)]
    assert meter.checkpoints() == []
