"""Rates in memory: never waited for, bounded, and quick.

What they count is in tests/gateway/stores/test_rates.py.
"""

import time

import pytest

from auth.rate_limits import Rate, RateLimited
from gateway.stores.memory import rates as memory
from gateway.stores.memory.rates import MemoryRates

MINUTE = Rate("minute", "tries", 3)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_never_suspends() -> None:
    asked = MemoryRates().admit("dana", [MINUTE])
    with pytest.raises(StopIteration) as done:
        asked.send(None)
    assert done.value.value.remaining == 2


def test_past_the_bound_the_one_that_was_idle_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEYS_MAX", 10)
    rates, rate = MemoryRates(Clock()), Rate("knocks", "knocks", 1000)
    for number in range(100):
        rates.admit_now("busy", [rate])
        rates.admit_now(f"passer-by {number}", [rate])
    assert len(rates) == 10
    assert rates.admit_now("busy", [rate]).remaining == 1000 - 101
    assert rates.admit_now("passer-by 0", [rate]).remaining == 999


def test_a_flood_at_one_rate_makes_no_other_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEYS_MAX", 10)
    rates, strangers = MemoryRates(Clock()), Rate("address", "requests", 60)
    for _ in range(3):
        rates.admit_now("dana", [MINUTE])
    for number in range(1000):
        rates.admit_now(f"2001:db8:0:{number:x}::/64", [strangers])
    with pytest.raises(RateLimited):
        rates.admit_now("dana", [MINUTE])


def test_whose_window_is_empty_goes_by_itself() -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    for number in range(1000):
        rates.admit_now(f"early {number}", [MINUTE])
    clock.now = 60.0
    for number in range(1000):
        rates.admit_now(f"late {number}", [MINUTE])
    assert len(rates) == 1000


def test_a_hundred_thousand_keys_are_kept_and_no_more() -> None:
    rates = MemoryRates(Clock())
    for number in range(memory.KEYS_MAX + 500):
        rates.admit_now(f"default/{number}", [MINUTE])
    assert len(rates) == memory.KEYS_MAX == 100_000


def test_what_was_let_in_elsewhere_counts() -> None:
    rates = MemoryRates(Clock())
    for _ in range(5):
        rates.note("dana", [MINUTE, Rate("none", "tries", 0)])
    with pytest.raises(RateLimited):
        rates.admit_now("dana", [MINUTE])
    assert len(rates) == 1


@pytest.mark.alone
def test_a_decision_takes_less_than_50_microseconds() -> None:
    rates, tried = MemoryRates(), [Rate("api", "requests", 100), Rate("check", "quota checks", 20)]

    def decide(count: int) -> None:
        for number in range(count):
            key = f"default/{number % 50}"
            try:
                rates.admit_now(key, tried)
            except RateLimited:
                continue

    taken = []
    for _ in range(5):
        began = time.process_time()
        decide(2000)
        taken.append((time.process_time() - began) / 2000)
    assert min(taken) < 50e-6
