"""Slices of minutes: what is granted, and what closing one comes to."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.periods import Period
from sessions.slices import (
    UNLIMITED,
    Grant,
    MediaKind,
    Quota,
    QuotaSpent,
    Slice,
    Terms,
    checkpoint,
    cost_micro,
    grant,
    settle,
)

NOON_MS = int(datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000
FREE = {Period.HOUR: 600_000, Period.DAY: 1_200_000, Period.MONTH: 6_000_000}
NONE = dict.fromkeys(Period, UNLIMITED)


def granted(
    used: dict[Period, Quota] | None = None,
    limits: dict[Period, int] | None = None,
    *,
    owed_ms: int = 0,
    live: int = 1,
    now_ms: int = NOON_MS,
    warning_percent: int = 80,
) -> Grant:
    quotas = dict.fromkeys(Period, Quota()) | (used or {})
    terms = Terms(limits or FREE, warning_percent=warning_percent)
    return grant(MediaKind.SUBTITLES, quotas, terms, owed_ms=owed_ms, live=live, now_ms=now_ms)


class TestGrant:
    def test_it_is_a_minute_of_all_three_windows(self) -> None:
        given = granted()
        assert given.granted_ms == 60_000
        assert given.keys == {
            Period.HOUR: "2026-11-20T12", Period.DAY: "2026-11-20", Period.MONTH: "2026-11",
        }  # fmt: skip
        assert not given.final

    def test_it_is_no_more_than_the_scarcest_window_has_and_then_the_last(self) -> None:
        given = granted({Period.DAY: Quota(used_ms=1_100_000, held_ms=60_001)})
        assert (given.granted_ms, given.final) == (39_999, True)

    def test_what_was_given_besides_counts(self) -> None:
        given = granted({Period.HOUR: Quota(used_ms=600_000, extra_ms=20_000)})
        assert (given.granted_ms, given.final) == (20_000, True)

    @pytest.mark.parametrize(
        ("used", "period", "resets", "held"),
        [
            ({Period.HOUR: Quota(600_000)}, Period.HOUR, "2026-11-20T13", False),
            ({Period.DAY: Quota(1_200_000)}, Period.DAY, "2026-11-21T00", False),
            ({Period.MONTH: Quota(6_000_000)}, Period.MONTH, "2026-12-01T00", False),
            (
                {Period.HOUR: Quota(600_000), Period.MONTH: Quota(6_000_000)},
                Period.MONTH,
                "2026-12-01T00",
                False,
            ),
            ({Period.HOUR: Quota(540_000, held_ms=60_000)}, Period.HOUR, "2026-11-20T13", True),
        ],
    )
    def test_with_nothing_left_it_says_which_window_and_until_when(
        self, used: dict[Period, Quota], period: Period, resets: str, held: bool
    ) -> None:
        with pytest.raises(QuotaSpent) as refusal:
            granted(used)
        at_ms = int(datetime.strptime(resets, "%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp() * 1000)
        assert (refusal.value.period, refusal.value.resets_at_ms, refusal.value.held) == (period, at_ms, held)

    def test_a_limit_of_none_at_all_refuses_at_once(self) -> None:
        with pytest.raises(QuotaSpent):
            granted(limits={**NONE, Period.HOUR: 0})

    def test_without_limits_it_is_never_the_last(self) -> None:
        given = granted({Period.MONTH: Quota(10**12)}, NONE)
        assert (given.granted_ms, given.final, given.warn_at_ms) == (60_000, False, None)

    def test_what_is_scarce_is_shared_among_the_sessions_of_a_user(self) -> None:
        assert granted({Period.HOUR: Quota(540_000)}, live=50).granted_ms == 1_200
        assert granted({Period.HOUR: Quota(599_000)}, live=50).granted_ms == 1_000

    def test_what_was_sent_already_comes_on_top_and_first(self) -> None:
        assert granted(owed_ms=90_000).granted_ms == 150_000
        assert granted({Period.HOUR: Quota(599_000)}, owed_ms=999).granted_ms == 1_000

    def test_of_more_that_is_owed_than_is_left_all_that_is_left_is_charged(self) -> None:
        given = granted({Period.HOUR: Quota(599_000)}, owed_ms=7_500)
        assert (given.granted_ms, given.final) == (1_000, True)
        with pytest.raises(QuotaSpent):
            granted({Period.HOUR: Quota(600_000)}, owed_ms=6_500)

    def test_it_ends_with_the_hour(self) -> None:
        given = granted(now_ms=NOON_MS + HOUR_MS - 20_000)
        assert (given.granted_ms, given.expires_at_ms, given.final) == (20_000, NOON_MS + HOUR_MS, False)

    def test_in_the_last_second_of_a_window_it_is_of_the_next(self) -> None:
        given = granted(now_ms=NOON_MS + HOUR_MS - 999)
        assert given.keys[Period.HOUR] == "2026-11-20T13"
        assert given.granted_ms == 60_000

    def test_it_is_not_held_for_longer_than_twice_its_length(self) -> None:
        assert granted().expires_at_ms == NOON_MS + 120_000

    @pytest.mark.parametrize(
        ("used", "warn_at_ms", "period"),
        [
            ({}, None, None),
            ({Period.HOUR: Quota(430_000)}, 50_000, Period.HOUR),
            ({Period.HOUR: Quota(400_000, held_ms=50_000)}, 30_000, Period.HOUR),
            ({Period.HOUR: Quota(500_000)}, 0, Period.HOUR),
            ({Period.DAY: Quota(950_000), Period.HOUR: Quota(430_000)}, 10_000, Period.DAY),
        ],
    )
    def test_it_knows_where_the_warning_is(
        self, used: dict[Period, Quota], warn_at_ms: int | None, period: Period | None
    ) -> None:
        given = granted(used)
        assert (given.warn_at_ms, given.warn_period) == (warn_at_ms, period)

    def test_a_warning_may_be_off(self) -> None:
        assert granted({Period.HOUR: Quota(500_000)}, warning_percent=0).warn_at_ms is None

    @given(
        st.lists(st.integers(0, 100_000), min_size=3, max_size=3),
        st.lists(st.integers(0, 200_000) | st.just(UNLIMITED), min_size=3, max_size=3),
        st.integers(0, 5_000),
        st.integers(1, 60),
        st.integers(0, HOUR_MS - 1),
    )
    def test_it_never_passes_a_limit_nor_the_edge(
        self, used: list[int], limits: list[int], owed_ms: int, live: int, offset_ms: int
    ) -> None:
        quotas = {period: Quota(amount) for period, amount in zip(Period, used, strict=True)}
        limited = dict(zip(Period, limits, strict=True))
        now_ms = NOON_MS + offset_ms
        spent = None
        try:
            given = granted(quotas, limited, owed_ms=owed_ms, live=live, now_ms=now_ms)
        except QuotaSpent as refusal:
            spent = refusal
        if spent is not None:
            assert limited[spent.period] != UNLIMITED
            assert quotas[spent.period].used_ms >= limited[spent.period]
            return
        assert given.granted_ms > owed_ms or given.final
        assert given.granted_ms - owed_ms <= given.expires_at_ms - now_ms
        for period, limit in limited.items():
            if limit != UNLIMITED:
                assert quotas[period].used_ms + given.granted_ms <= limit


class TestUse:
    def test_a_checkpoint_only_moves_forward_and_not_past_the_grant(self) -> None:
        held = checkpoint(Slice(60_000), 5_000)
        assert held.cumulative_ms == 5_000
        assert checkpoint(held, 4_000) == held
        assert checkpoint(held, 70_000).cumulative_ms == 60_000
        assert checkpoint(settle(held, 6_000).slice, 9_000).cumulative_ms == 6_000

    def test_settling_releases_all_and_charges_what_was_used(self) -> None:
        settled = settle(Slice(60_000, 5_000), 7_000)
        assert (settled.released_ms, settled.used_ms, settled.quantity_ms, settled.late) == (
            60_000,
            7_000,
            7_000,
            False,
        )
        assert settled.slice == Slice(60_000, 7_000, 7_000, closed=True)

    def test_without_its_owner_the_last_checkpoint_counts(self) -> None:
        assert settle(Slice(60_000, 5_000), None).used_ms == 5_000
        assert settle(Slice(60_000, 5_000), 3_000).used_ms == 5_000

    def test_an_unused_slice_leaves_no_event(self) -> None:
        assert settle(Slice(60_000), 0).quantity_ms is None

    def test_settling_again_changes_nothing(self) -> None:
        closed = settle(Slice(60_000), 7_000).slice
        for cumulative_ms in (None, 0, 7_000):
            again = settle(closed, cumulative_ms)
            assert (again.slice, again.released_ms, again.used_ms) == (closed, 0, 0)

    def test_a_late_report_adds_the_difference_once(self) -> None:
        closed = settle(Slice(60_000, 5_000), None).slice
        late = settle(closed, 8_000)
        assert (late.used_ms, late.released_ms, late.late) == (3_000, 0, True)
        assert settle(late.slice, 8_000).used_ms == 0
        assert settle(closed, 99_000).used_ms == 55_000

    @given(st.integers(0, 60_000), st.lists(st.integers(0, 70_000) | st.none(), min_size=1, max_size=6))
    def test_whatever_the_order_the_charge_is_the_highest_report(
        self, checkpointed_ms: int, reports: list[int | None]
    ) -> None:
        held, charged, released = checkpoint(Slice(60_000), checkpointed_ms), 0, 0
        for report in reports:
            settled = settle(held, report)
            held, charged, released = settled.slice, charged + settled.used_ms, released + settled.released_ms
        assert charged == min(60_000, max([checkpointed_ms, *(report or 0 for report in reports)]))
        assert released == 60_000


class TestCost:
    @pytest.mark.parametrize(
        ("quantity_ms", "rate", "cost"),
        [(60_000, 10_000, 10_000), (1, 30_000, 1), (1, 29_999, 0), (0, 10_000, 0), (90_000, 10_001, 15_002)],
    )
    def test_it_is_whole_micro_credits_rounded_half_up(self, quantity_ms: int, rate: int, cost: int) -> None:
        assert cost_micro(quantity_ms, rate) == cost
