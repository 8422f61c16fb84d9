"""The plans of this server: `plans.toml` read, checked, and put under the settings' tariff."""

import tomllib
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from auth.principal import Plan
from gateway.settings import Settings
from sessions.periods import Period
from sessions.plans import PlanFacts, Plans, Tariff
from sessions.slices import MediaKind

MICRO = 1_000_000
_NAMES = {MediaKind.SUBTITLES: "subtitle", MediaKind.DUBBING: "dubbing"}


def load_plans(settings: Settings) -> Plans:
    """Return the plans that the settings ask for. Raises ValueError with what is wrong in the file, and
    OSError when it cannot be read."""
    facts = read_plans(settings.plans_file)
    missing = [plan.value for plan in Plan if plan.value not in facts]
    if missing:
        raise ValueError(f"{_named(settings.plans_file)}: the plans {', '.join(missing)} are missing")
    return Plans(facts, tariff(settings))


def read_plans(path: Path | None) -> dict[str, PlanFacts]:
    """Return the plans of a file; None: of the one that comes with the server. Raises ValueError, OSError."""
    file = path or files("gateway").joinpath("plans.toml")
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{_named(path)} is no TOML: {error}") from error
    return {name: _facts(table, f"{_named(path)}: {name}") for name, table in tables.items()}


def _facts(table: Any, named: str) -> PlanFacts:
    try:
        return PlanFacts.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join([named, *map(str, first["loc"])])
        raise ValueError(f"{where}: {first['msg']}") from error


def tariff(settings: Settings) -> Tariff:
    """Return what the settings say of minutes and their cost."""
    minutes = {}
    for plan in (Plan.FREE, Plan.PREMIUM):
        for kind, name in _NAMES.items():
            for period in Period:
                given = getattr(settings, f"live_quota_{plan.value}_{name}_minutes_per_{period.value}")
                if given is not None:
                    minutes[plan.value, kind, period] = given
    return Tariff(
        minutes=minutes,
        slice_ms=settings.live_quota_slice_seconds * 1000,
        warning_percent=settings.live_quota_warning_percent,
        concurrent_sessions=settings.live_quota_concurrent_sessions,
        rates_micro={
            MediaKind.SUBTITLES: micro(settings.live_quota_subtitle_cost_per_minute),
            MediaKind.DUBBING: micro(settings.live_quota_dubbing_cost_per_minute),
        },
    )


def micro(amount: Decimal) -> int:
    """Return an amount of credits in micro-credits."""
    return int(amount * MICRO)


def _named(path: Path | None) -> str:
    return "plans.toml" if path is None else str(path)
