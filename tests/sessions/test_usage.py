"""What is used and left: never below zero, and the tightest window is the one that a grant would meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions import slices
from sessions.periods import Period
from sessions.slices import UNLIMITED, MediaKind, Quota, QuotaSpent, Terms
from sessions.usage import Tally, WindowUsage, tightest, window_usage

NOW_MS = 1_795_185_000_250
amounts = st.integers(0, 40_000_000)
tallies = st.builds(
    lambda used, held, extra, part: Tally(Quota(used, held, extra), held * part // 100),
    amounts, amounts, amounts, st.integers(0, 100),
)  # fmt: skip


def test_used_is_settled_and_open_and_the_limit_has_what_was_given_besides() -> None:
    tally = Tally(Quota(used_ms=10_000, held_ms=60_000, extra_ms=5_000), open_ms=1_500)
    assert window_usage(Period.HOUR, tally, 100_000, NOW_MS) == WindowUsage(
        Period.HOUR, used_ms=11_500, limit_ms=105_000, remaining_ms=93_500, free_ms=35_000,
        resets_at_ms=1_795_186_800_000,
    )  # fmt: skip


def test_without_a_limit_everything_is_free_whatever_was_given_besides() -> None:
    tally = Tally(Quota(used_ms=10_000, held_ms=60_000, extra_ms=5_000), open_ms=1_500)
    usage = window_usage(Period.DAY, tally, UNLIMITED, NOW_MS)
    assert (usage.used_ms, usage.limit_ms, usage.remaining_ms, usage.free_ms) == (11_500, -1, -1, None)
    assert tightest([usage]) is None


def test_of_two_that_have_as_little_the_one_that_resets_last_counts() -> None:
    usages = [window_usage(period, Tally(), 1000, NOW_MS) for period in Period]
    found = tightest(usages)
    assert found is not None
    assert found.period is Period.MONTH


@given(tallies, st.one_of(st.just(UNLIMITED), amounts))
def test_nothing_is_below_zero_and_what_is_free_also_remains(tally: Tally, limit_ms: int) -> None:
    usage = window_usage(Period.HOUR, tally, limit_ms, NOW_MS)
    assert usage.used_ms >= 0
    if usage.free_ms is not None:
        assert 0 <= usage.free_ms <= usage.remaining_ms <= usage.limit_ms


@given(
    st.tuples(tallies, tallies, tallies),
    st.lists(st.one_of(st.just(UNLIMITED), amounts), min_size=3, max_size=3),
)
def test_it_foretells_what_a_grant_would_say(tallied: tuple[Tally, ...], limits: list[int]) -> None:
    at_ms = slices.charged_at_ms(NOW_MS)
    limits_ms = dict(zip(Period, limits, strict=True))
    windows = dict(zip(Period, tallied, strict=True))
    first = tightest(window_usage(period, windows[period], limits_ms[period], at_ms) for period in Period)
    quotas = {period: tally.quota for period, tally in windows.items()}

    def grant() -> slices.Grant:
        return slices.grant(MediaKind.DUBBING, quotas, Terms(limits_ms), owed_ms=0, live=1, now_ms=NOW_MS)

    if first is None or first.free_ms:
        granted = grant()
        assert first is None or granted.granted_ms <= (first.free_ms or 0)
    else:
        with pytest.raises(QuotaSpent) as spent:
            grant()
        assert spent.value.resets_at_ms <= first.resets_at_ms
