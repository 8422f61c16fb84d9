"""How often: at most N accepted in any window, exactly.

A sliding log: the times of what was accepted. Refused tries are not counted, so a client that waits as
long as it was told gets in.
"""

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count_max` in any `window_seconds`; a `count_max` of 0 means no limit."""

    count_max: int
    window_seconds: float = 60.0


class RateLimited(Exception):
    """Too many in the window; `retry_after_seconds` (at least 1, whole) is when one is free again."""

    def __init__(self, what: str, rate: Rate, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many {what}: at most {rate.count_max} in {rate.window_seconds:g} seconds. "
            f"Try again in {retry_after_seconds} s."
        )
        self.rate = rate
        self.retry_after_seconds = retry_after_seconds


class Window:
    """What one key (a user, an address) has used of one rate."""

    __slots__ = ("_accepted",)

    def __init__(self) -> None:
        self._accepted: deque[float] = deque()

    def admit(self, what: str, rate: Rate, now: float) -> int:
        """Count one more and return how many are left. Raises RateLimited."""
        if rate.count_max == 0:
            return -1
        accepted = self._accepted
        while accepted and accepted[0] + rate.window_seconds <= now:
            accepted.popleft()
        if len(accepted) >= rate.count_max:
            wait_seconds = accepted[len(accepted) - rate.count_max] + rate.window_seconds - now
            raise RateLimited(what, rate, max(1, math.ceil(wait_seconds)))
        accepted.append(now)
        return rate.count_max - len(accepted)

    def idle_since(self) -> float:
        """Return when the newest was accepted; a key idle for a window can be forgotten."""
        return self._accepted[-1] if self._accepted else -math.inf
