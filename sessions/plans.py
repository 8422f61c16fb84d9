"""Plans as data: what each allows, and what a user's limits come to.

Invariant: the most particular word counts: a user's override, then the tenant's, then the settings of the
server, then the plan's own figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sessions.periods import Period
from sessions.slices import UNLIMITED, MediaKind, Terms

MINUTE_MS = 60_000

Amount = Annotated[int, Field(ge=UNLIMITED, le=10_000_000)]


class Facts(BaseModel):
    """Read from a file; an unknown name is an error, so that a slip is not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Minutes(Facts):
    """Minutes of one kind in an hour, a day and a month; -1: no limit."""

    hour: Amount
    day: Amount
    month: Amount


class KindMinutes(Facts):
    """Minutes by what they are of."""

    subtitles: Minutes
    dubbing: Minutes


class Features(Facts):
    """What a plan allows besides minutes; -1: no limit."""

    room_creation: bool
    conversations: Amount
    clips: Amount
    api_calls_per_day: Amount
    analytics: bool


class PlanFacts(Facts):
    """One plan; without a `price_monthly` (US dollars) it is agreed on, without `concurrent_sessions` the
    server's setting counts."""

    display_name: Annotated[str, Field(min_length=1, max_length=64)]
    price_monthly: Annotated[Decimal, Field(ge=0)] | None = None
    trial_days: Annotated[int, Field(ge=0)] = 0
    when_dubbing_is_spent: Literal["subtitles", "stop"] = "subtitles"
    concurrent_sessions: Amount | None = None
    minutes: KindMinutes
    features: Features


@dataclass(frozen=True, slots=True)
class Override:
    """A limit that an admin set for a user or, with an empty `subject`, for everybody in the tenant."""

    subject: str
    kind: MediaKind
    period: Period
    limit_ms: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """What the server's settings add to the plans: minutes that stand in the place of a plan's, by plan,
    kind and period; the length of a slice; the warning's share in percent; live sessions at once (0: no
    limit); cost of a minute by kind in micro-credits."""

    minutes: Mapping[tuple[str, MediaKind, Period], int]
    slice_ms: int = 60_000
    warning_percent: int = 80
    concurrent_sessions: int = 10
    rates_micro: Mapping[MediaKind, int] | None = None

    def rate_micro(self, kind: MediaKind) -> int:
        """Return the cost of a minute in micro-credits."""
        return (self.rates_micro or {}).get(kind, 0)


class Plans:
    """Every plan by its name, under one tariff."""

    def __init__(self, facts: Mapping[str, PlanFacts], tariff: Tariff) -> None:
        self.facts = dict(facts)
        self.tariff = tariff
        self._limits_ms = {
            (plan, kind): self._of_plan(plan, kind) for plan in self.facts for kind in MediaKind
        }

    def _of_plan(self, plan: str, kind: MediaKind) -> dict[Period, int]:
        minutes: Minutes = getattr(self.facts[plan].minutes, kind.value)
        limits = {}
        for period in Period:
            given = self.tariff.minutes.get((plan, kind, period), getattr(minutes, period.value))
            limits[period] = UNLIMITED if given == UNLIMITED else given * MINUTE_MS
        return limits

    def limits_ms(
        self, plan: str, kind: MediaKind, subject: str, overrides: tuple[Override, ...] = ()
    ) -> dict[Period, int]:
        """Return what `subject` may use of `kind` in each window, -1 without a limit."""
        limits = dict(self._limits_ms[plan, kind])
        for override in sorted(overrides, key=lambda override: override.subject != ""):
            if override.kind is kind and override.subject in ("", subject):
                limits[override.period] = override.limit_ms
        return limits

    def terms(self, plan: str, kind: MediaKind, subject: str, overrides: tuple[Override, ...] = ()) -> Terms:
        """Return what a grant to `subject` goes by."""
        limits_ms = self.limits_ms(plan, kind, subject, overrides)
        return Terms(limits_ms, self.tariff.slice_ms, self.tariff.warning_percent)

    def concurrent_sessions(self, plan: str) -> int:
        """Return how many live sessions a user may have at once; 0: no limit."""
        own = self.facts[plan].concurrent_sessions
        return self.tariff.concurrent_sessions if own is None else max(own, 0)
