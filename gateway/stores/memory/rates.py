"""Rates kept in this process.

Invariant: never suspends, and keeps at most `KEYS_MAX` keys for each rate: those whose window is empty go by
themselves, past the bound the one that was idle longest.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from auth.rate_limits import MICRO, Admitted, Rate, Window, admit
from gateway import clock

KEYS_MAX = 100_000
SWEEP_MAX = 2
"""Keys looked at for each that is counted: more than one, so that emptying is faster than filling."""


class MemoryRates:
    """Windows by rate and key. `now` returns seconds of a clock that does not jump."""

    def __init__(self, now: Callable[[], float] = clock.steady) -> None:
        self._now = now
        self._windows: dict[str, OrderedDict[str, Window]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._windows.values()))

    async def admit(self, key: str, rates: Sequence[Rate]) -> Admitted:
        """Count one more for `key` with every rate, or with none. Raises RateLimited."""
        return self.admit_now(key, rates)

    def admit_now(self, key: str, rates: Sequence[Rate]) -> Admitted:
        """Do what `admit` does, for callers that cannot await. Raises RateLimited."""
        now_micro = round(self._now() * MICRO)
        return admit(
            [(rate, self._window(key, rate, now_micro)) for rate in rates if rate.count_max], now_micro
        )

    async def admit_together(self, _name: str, keyed: Sequence[tuple[str, Rate]]) -> Admitted:
        """Count one more with every rate for its own key, or with none. Raises RateLimited."""
        return self.admit_together_now(keyed)

    def admit_together_now(self, keyed: Sequence[tuple[str, Rate]]) -> Admitted:
        """Do what `admit_together` does, for callers that cannot await. Raises RateLimited."""
        now_micro = round(self._now() * MICRO)
        return admit(
            [(rate, self._window(key, rate, now_micro)) for key, rate in keyed if rate.count_max], now_micro
        )

    def note(self, key: str, rates: Sequence[Rate]) -> None:
        """Count one more that was let in elsewhere."""
        now_micro = round(self._now() * MICRO)
        for rate in rates:
            if rate.count_max:
                window = self._window(key, rate, now_micro)
                window.standing(rate, now_micro)
                window.accept(now_micro)

    def _window(self, key: str, rate: Rate, now_micro: int) -> Window:
        windows = self._windows.setdefault(rate.name, OrderedDict())
        window = windows.get(key)
        if window is not None:
            windows.move_to_end(key)
            return window
        for _ in range(SWEEP_MAX):
            oldest = next(iter(windows.values()), None)
            if oldest is None or not oldest.idle(rate.window_micro, now_micro):
                break
            windows.popitem(last=False)
        if len(windows) >= KEYS_MAX:
            windows.popitem(last=False)
        window = windows[key] = Window()
        return window
