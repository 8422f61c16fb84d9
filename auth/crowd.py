"""How many at once: things that are open per key and in all, each bound exact, 0 meaning none."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CrowdLimits:
    """At most `each_max` open under one key and `all_max` in all; 0 turns a bound off."""

    each_max: int
    all_max: int = 0


class TooManyAtOnce(Exception):
    """One more would pass a bound; `count_max` says which."""

    def __init__(self, what: str, count_max: int) -> None:
        super().__init__(f"Too many {what} at once: at most {count_max}. Close one, or try again shortly.")
        self.count_max = count_max


class Crowd:
    """Counts what is open; `leave` must be called once for each `enter` that returned."""

    def __init__(self, what: str, limits: CrowdLimits) -> None:
        self._what = what
        self.limits = limits
        self._open: Counter[str] = Counter()
        self.total = 0

    def __getitem__(self, key: str) -> int:
        return self._open[key]

    def enter(self, key: str, each_max: int | None = None) -> None:
        """Count one more under `key`; `each_max` is this key's own bound. Raises TooManyAtOnce and counts
        nothing."""
        limits = self.limits
        each_max = limits.each_max if each_max is None else each_max
        if each_max and self._open[key] >= each_max:
            raise TooManyAtOnce(self._what, each_max)
        if limits.all_max and self.total >= limits.all_max:
            raise TooManyAtOnce(self._what, limits.all_max)
        self._open[key] += 1
        self.total += 1

    def leave(self, key: str) -> None:
        """Count one less under `key`."""
        assert self._open[key] > 0, f"{key!r} left more often than it entered"
        self._open[key] -= 1
        self.total -= 1
        if not self._open[key]:
            del self._open[key]
