"""What tests of metering share: a counter and a spender that note what they are asked and told."""

import math
from typing import Any

from gateway.metering.clock import MediaClock
from gateway.metering.consumption import Consumption, Facts
from sessions.periods import Period, window_keys
from sessions.slices import Grant, MediaKind, QuotaSpent

NOON_MS = 1_795_262_400_000
"""2026-11-21T12:00:00Z."""
FACTS = Facts("default", "dana", "free", MediaKind.SUBTITLES, "live_1", "main")
SPENT = QuotaSpent(MediaKind.SUBTITLES, Period.HOUR, NOON_MS + 3_600_000, held=False)


def grant(granted_ms: int = 60_000, *, expires_ms: int = 120_000, warn_at_ms: int | None = None) -> Grant:
    """Return a grant that is good until `expires_ms` after noon."""
    period = None if warn_at_ms is None else Period.HOUR
    return Grant(granted_ms, window_keys(NOON_MS), NOON_MS + expires_ms, False, warn_at_ms, period)


class PaperCounter:
    """A counter whose answers a test gives."""

    def __init__(self) -> None:
        self.ms = NOON_MS
        self.asked: list[int] = []
        self.settled: list[tuple[str, int]] = []
        self.deadline_ms = math.inf
        self.forgotten: list[Consumption] = []

    def acquire(self, consumption: Consumption, owed_ms: int) -> None:
        self.asked.append(owed_ms)

    def settle(self, slice_id: str, used_ms: int, facts: Facts) -> None:
        self.settled.append((slice_id, used_ms))

    def expect(self, consumption: Consumption, deadline_ms: float) -> None:
        self.deadline_ms = deadline_ms

    def closed(self, consumption: Consumption) -> None:
        self.forgotten.append(consumption)

    def now_ms(self) -> int:
        return self.ms


class PaperSpender:
    """A socket that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def minutes_allowed(self) -> None:
        self.told.append("allowed")

    def minutes_warned(self, period: Period) -> None:
        self.told.append(period)

    def minutes_spent(self, spent: QuotaSpent) -> None:
        self.told.append(spent)

    def minutes_unavailable(self) -> None:
        self.told.append("unavailable")


def plays(clock: MediaClock, milliseconds: int) -> None:
    """Let audio pass, in frames of 20 ms."""
    for _ in range(milliseconds // 20):
        clock.take_audio(640, 0.0)
