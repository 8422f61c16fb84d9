"""How often: at most N accepted in any window, exactly.

A sliding log: the times, in whole microseconds, of what was accepted. Refused tries are not counted, so a
client that waits as long as it was told gets in. `gateway/stores/redis/rates.lua` is the same rule for many
processes; one table of cases holds both.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count_max` of `what` in any `window_seconds`; a `count_max` of 0 means no limit.

    `name` (a word of small letters) is what it is called in headers, metrics and keys.
    """

    name: str
    what: str
    count_max: int
    window_seconds: float = 60.0

    @classmethod
    def steady(cls, name: str, what: str, per_second: int, burst_max: int) -> "Rate":
        """Return the rate that lets `burst_max` come at once and `per_second` in the long run: at most
        `burst_max` in any `burst_max / per_second` seconds. A burst below `per_second` is `per_second`."""
        count_max = max(per_second, burst_max) if per_second else 0
        return cls(name, what, count_max, count_max / per_second if per_second else 1.0)

    @property
    def window_micro(self) -> int:
        """The window in microseconds."""
        return round(self.window_seconds * MICRO)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one key stands with one rate after a try.

    `remaining` may be accepted at once. `wait_micro` is how long until one more is (0: now); `reset_micro`
    how long until the oldest that is counted no longer is (0: none is).
    """

    rate: Rate
    remaining: int
    wait_micro: int
    reset_micro: int

    @property
    def reset_seconds(self) -> int:
        """`reset_micro` in whole seconds, never too early."""
        return seconds_up(self.reset_micro)


@dataclass(frozen=True, slots=True)
class Admitted:
    """One more was accepted and counted; the standings leave out rates that are off."""

    standings: tuple[Standing, ...] = ()

    @property
    def remaining(self) -> int:
        """How many more are accepted at once by every rate; -1 when none limits."""
        return min((standing.remaining for standing in self.standings), default=-1)

    @property
    def reset_seconds(self) -> int:
        """When the rate with the least remaining counts one less, in whole seconds."""
        tightest = min(self.standings, key=lambda standing: standing.remaining, default=None)
        return tightest.reset_seconds if tightest else 0


class RateLimited(Exception):
    """Too many in a window, and nothing was counted.

    `rate` is the one that is free last, `retry_after_seconds` (at least 1, whole) when it is; the standings
    are those of every rate that was asked.
    """

    def __init__(self, rate: Rate, retry_after_seconds: int, standings: tuple[Standing, ...] = ()) -> None:
        super().__init__(
            f"Too many {rate.what}: at most {rate.count_max} in {rate.window_seconds:g} seconds. "
            f"Try again in {retry_after_seconds} s."
        )
        self.rate = rate
        self.retry_after_seconds = retry_after_seconds
        self.standings = standings


class Window:
    """What one key (a user, an address) has used of one rate: `count_max` times at most, oldest first."""

    __slots__ = ("_accepted",)

    def __init__(self) -> None:
        self._accepted: deque[int] = deque()

    def standing(self, rate: Rate, now_micro: int) -> Standing:
        """Forget what has left the window, and say how things stand."""
        accepted, window_micro = self._accepted, rate.window_micro
        if accepted and accepted[-1] > now_micro:
            # The clock was set back: what it calls future was accepted by now. Keeping those times would lock
            # the key out until the clock is there again.
            self._accepted = accepted = deque(min(moment, now_micro) for moment in accepted)
        while accepted and accepted[0] + window_micro <= now_micro:
            accepted.popleft()
        over = len(accepted) - rate.count_max
        return Standing(
            rate,
            max(0, -over),
            accepted[over] + window_micro - now_micro if over >= 0 else 0,
            accepted[0] + window_micro - now_micro if accepted else 0,
        )

    def accept(self, now_micro: int) -> None:
        """Count one more."""
        self._accepted.append(now_micro)

    def idle(self, window_micro: int, now_micro: int) -> bool:
        """Whether nothing is left in the window, so that the key can be forgotten."""
        return not self._accepted or self._accepted[-1] + window_micro <= now_micro


def admit(windows: Sequence[tuple[Rate, Window]], now_micro: int) -> Admitted:
    """Count one more in every window, or in none. Raises RateLimited."""
    decide([window.standing(rate, now_micro) for rate, window in windows])
    for _, window in windows:
        window.accept(now_micro)
    return Admitted(tuple(window.standing(rate, now_micro) for rate, window in windows))


def decide(standings: Sequence[Standing]) -> None:
    """Raise RateLimited when any rate has none left."""
    latest = max(standings, key=lambda standing: standing.wait_micro, default=None)
    if latest is not None and latest.wait_micro > 0:
        raise RateLimited(latest.rate, max(1, seconds_up(latest.wait_micro)), tuple(standings))


def seconds_up(micro: int) -> int:
    """Return microseconds as whole seconds, rounded up."""
    return -(-micro // MICRO)
