"""The plans of a server: those that come with it, those of a file, and what is wrong with a file."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from auth.principal import Plan
from gateway.plans import load_plans, micro, read_plans
from sessions.periods import Period
from sessions.slices import UNLIMITED, MediaKind
from tests.gateway.rehearsal import settings

SUBTITLES, DUBBING = MediaKind.SUBTITLES, MediaKind.DUBBING
SHIPPED = Path("gateway/plans.toml").read_text("utf-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "our-plans.toml"
    path.write_text(text, "utf-8")
    return path


def test_every_plan_of_a_token_comes_with_the_server() -> None:
    assert set(read_plans(None)) == {plan.value for plan in Plan}
    assert set(load_plans(settings()).facts) == {plan.value for plan in Plan}


@pytest.mark.parametrize(
    ("plan", "kind", "minutes"),
    [
        ("free", SUBTITLES, (30, 60, 600)),
        ("free", DUBBING, (10, 20, 120)),
        ("premium", SUBTITLES, (120, 480, 6000)),
        ("premium", DUBBING, (60, 240, 2000)),
        ("pro", SUBTITLES, (600, 2400, 30_000)),
        ("enterprise", DUBBING, (UNLIMITED, UNLIMITED, UNLIMITED)),
    ],
)
def test_its_minutes(plan: str, kind: MediaKind, minutes: tuple[int, ...]) -> None:
    limits_ms = load_plans(settings()).limits_ms(plan, kind, "dana")
    assert tuple(limits_ms.values()) == tuple(n if n == UNLIMITED else n * 60_000 for n in minutes)


def test_enterprise_has_as_many_sessions_as_it_likes_and_the_others_what_the_server_says() -> None:
    plans = load_plans(settings(live_quota_concurrent_sessions=4))
    assert [plans.concurrent_sessions(plan.value) for plan in Plan] == [4, 4, 4, 0]


@pytest.mark.parametrize("plan", ["free", "premium"])
@pytest.mark.parametrize(("name", "kind"), [("subtitle", SUBTITLES), ("dubbing", DUBBING)])
@pytest.mark.parametrize("period", Period)
def test_a_setting_stands_in_the_place_of_one_number(
    plan: str, name: str, kind: MediaKind, period: Period
) -> None:
    setting: dict[str, Any] = {f"live_quota_{plan}_{name}_minutes_per_{period.value}": 7}
    before, after = load_plans(settings()), load_plans(settings(**setting))
    changed = {
        (one, of, window)
        for one in before.facts
        for of in MediaKind
        for window in Period
        if before.limits_ms(one, of, "dana")[window] != after.limits_ms(one, of, "dana")[window]
    }
    assert changed == {(plan, kind, period)}
    assert after.limits_ms(plan, kind, "dana")[period] == 420_000


def test_the_rest_of_the_tariff_comes_from_the_settings() -> None:
    tariff = load_plans(
        settings(
            live_quota_slice_seconds=20, live_quota_warning_percent=70,
            live_quota_subtitle_cost_per_minute="0.1", live_quota_dubbing_cost_per_minute="0.25",
        )
    ).tariff  # fmt: skip
    assert (tariff.slice_ms, tariff.warning_percent) == (20_000, 70)
    assert (tariff.rate_micro(SUBTITLES), tariff.rate_micro(DUBBING)) == (100_000, 250_000)


def test_an_amount_is_exact_to_the_millionth() -> None:
    assert micro(Decimal("0.000001")) == 1
    assert micro(Decimal("1.1")) == 1_100_000


def test_a_file_of_ones_own_counts(tmp_path: Path) -> None:
    path = written(tmp_path, SHIPPED.replace("hour = 30, day = 60", "hour = 3, day = -1", 1))
    limits_ms = load_plans(settings(plans_file=path)).limits_ms("free", SUBTITLES, "dana")
    assert (limits_ms[Period.HOUR], limits_ms[Period.DAY]) == (180_000, UNLIMITED)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("hour = 30,", "hour = 30 oops,"), "is no TOML"),
        (("hour = 30,", 'hour = "many",'), "free.minutes.subtitles.hour: "),
        (("hour = 30,", "hour = -2,"), "greater than or equal to -1"),
        (('= "subtitles"', '= "carry on"'), "free.when_dubbing_is_spent"),
        (("trial_days = 0", "trail_days = 0"), "free.trail_days: Extra inputs are not permitted"),
        (
            ("minutes.subtitles = { hour = 30, day = 60, month = 600 }", ""),
            "free.minutes.subtitles: Field required",
        ),
        (("[pro]", "[professional]"), "the plans pro are missing"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(
    tmp_path: Path, change: tuple[str, str], sentence: str
) -> None:
    assert change[0] in SHIPPED
    path = written(tmp_path, SHIPPED.replace(*change, 1))
    with pytest.raises(ValueError, match=r"our-plans\.toml") as refusal:
        load_plans(settings(plans_file=path))
    assert sentence in str(refusal.value)


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "plans.bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"plans\.bin is no TOML"):
        load_plans(settings(plans_file=tmp_path / "plans.bin"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"nowhere\.toml"):
        load_plans(settings(plans_file=tmp_path / "nowhere.toml"))
