"""Plans: which word counts of an override, a setting and a plan, and what no file of plans may say."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from sessions.periods import Period
from sessions.plans import Override, PlanFacts, Plans, Tariff
from sessions.slices import UNLIMITED, MediaKind

SUBTITLES, DUBBING = MediaKind.SUBTITLES, MediaKind.DUBBING
FACTS: dict[str, Any] = {
    "display_name": "Free",
    "price_monthly": "9.99",
    "minutes": {
        "subtitles": {"hour": 30, "day": 60, "month": 600},
        "dubbing": {"hour": 10, "day": 20, "month": -1},
    },
    "features": {
        "room_creation": False, "conversations": 50, "clips": -1, "api_calls_per_day": 100, "analytics": True,
    },
}  # fmt: skip


def plans(minutes: Mapping[tuple[str, MediaKind, Period], int] | None = None, **facts: Any) -> Plans:
    tariff = Tariff(minutes or {}, slice_ms=30_000, warning_percent=70, rates_micro={DUBBING: 50_000})
    return Plans({"free": PlanFacts.model_validate(FACTS | facts)}, tariff)


def test_a_plans_own_minutes_are_those_of_its_file() -> None:
    assert plans().limits_ms("free", SUBTITLES, "dana") == {
        Period.HOUR: 1_800_000, Period.DAY: 3_600_000, Period.MONTH: 36_000_000,
    }  # fmt: skip
    assert plans().limits_ms("free", DUBBING, "dana")[Period.MONTH] == UNLIMITED


@pytest.mark.parametrize(("given", "limit_ms"), [(5, 300_000), (0, 0), (-1, UNLIMITED)])
def test_what_the_settings_say_comes_before_the_plan(given: int, limit_ms: int) -> None:
    changed = plans({("free", SUBTITLES, Period.HOUR): given})
    assert changed.limits_ms("free", SUBTITLES, "dana")[Period.HOUR] == limit_ms
    assert changed.limits_ms("free", SUBTITLES, "dana")[Period.DAY] == 3_600_000
    assert changed.limits_ms("free", DUBBING, "dana")[Period.HOUR] == 600_000


@pytest.mark.parametrize("turned", [False, True])
def test_a_users_override_comes_before_the_tenants_and_both_before_the_settings(turned: bool) -> None:
    own = Override("dana", SUBTITLES, Period.HOUR, UNLIMITED)
    all_of_them = Override("", SUBTITLES, Period.HOUR, 7_000)
    overrides = (all_of_them, own) if turned else (own, all_of_them)
    changed = plans({("free", SUBTITLES, Period.HOUR): 5})
    assert changed.limits_ms("free", SUBTITLES, "dana", overrides)[Period.HOUR] == UNLIMITED
    assert changed.limits_ms("free", SUBTITLES, "noa", overrides)[Period.HOUR] == 7_000
    assert changed.limits_ms("free", DUBBING, "dana", overrides)[Period.HOUR] == 600_000


def test_the_terms_of_a_grant_come_from_plan_and_tariff() -> None:
    terms = plans().terms("free", DUBBING, "dana")
    assert (terms.limits_ms[Period.DAY], terms.slice_ms, terms.warning_percent) == (1_200_000, 30_000, 70)


def test_what_has_no_rate_costs_nothing() -> None:
    tariff = plans().tariff
    assert (tariff.rate_micro(DUBBING), tariff.rate_micro(SUBTITLES)) == (50_000, 0)


@pytest.mark.parametrize(("own", "at_once"), [(None, 10), (3, 3), (0, 0), (-1, 0)])
def test_live_sessions_at_once_are_the_plans_or_else_the_servers(own: int | None, at_once: int) -> None:
    facts: dict[str, Any] = {} if own is None else {"concurrent_sessions": own}
    assert plans(**facts).concurrent_sessions("free") == at_once


def test_unless_it_says_otherwise_a_plan_costs_nothing_extra_and_falls_back_to_subtitles() -> None:
    facts = plans().facts["free"]
    assert (facts.when_dubbing_is_spent, facts.trial_days, facts.price_monthly) == (
        "subtitles", 0, Decimal("9.99"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {
            "minutes": {
                "subtitles": {"hour": 30, "day": 60, "month": -2},
                "dubbing": FACTS["minutes"]["dubbing"],
            }
        },
        {"minutes": {"subtitles": FACTS["minutes"]["subtitles"]}},
        {"minutes": FACTS["minutes"] | {"video": FACTS["minutes"]["dubbing"]}},
        {"when_dubbing_is_spent": "carry_on"},
        {"price_monthly": "-1"},
        {"display_name": ""},
        {"concurent_sessions": 3},
        {"trial_days": -1},
    ],
    ids=repr,
)
def test_a_slip_in_a_plan_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PlanFacts.model_validate(FACTS | wrong)
