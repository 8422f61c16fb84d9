"""The rule of rates as a table: what is asked when, and what is answered.

The rule itself, its memory form and its Lua form are all held to it, and to a model that counts everything
anew each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from auth.rate_limits import MICRO, Admitted, Rate, RateLimited, Standing

FIVE = Rate("five", "tries", 5)
BURST = Rate.steady("burst", "tries", 10, 20)
MINUTE = 60 * MICRO


@dataclass(frozen=True)
class Ask:
    """One try at `at` (microseconds); `answer` is how many remain, or how long to wait in microseconds."""

    at: int
    rates: tuple[Rate, ...]
    remaining: int | None = None
    wait_micro: int = 0


@dataclass(frozen=True)
class Case:
    says: str
    asks: tuple[Ask, ...]


def _five(at: int, remaining: int | None = None, wait_micro: int = 0) -> Ask:
    return Ask(at, (FIVE,), remaining, wait_micro)


def _of(count_max: int, at: int, remaining: int | None = None, wait_micro: int = 0) -> Ask:
    return Ask(at, (Rate("live", "tries", count_max),), remaining, wait_micro)


CASES = (
    Case("five at once, and the sixth a minute after the first", (
        *(_five(0, left) for left in (4, 3, 2, 1, 0)),
        _five(0, wait_micro=MINUTE), _five(MINUTE - 1, wait_micro=1), _five(MINUTE, 4),
    )),
    Case("each place is free again a window after it was taken, to the microsecond", (
        *(_five(second * MICRO, 4 - second) for second in range(5)),
        _five(MINUTE - 1, wait_micro=1), _five(MINUTE, 0), _five(MINUTE, wait_micro=MICRO),
        _five(MINUTE + MICRO - 1, wait_micro=1), _five(MINUTE + MICRO, 0),
    )),
    Case("refused tries do not count", (
        *(_five(0, left) for left in (4, 3, 2, 1, 0)),
        *(_five(at, wait_micro=MINUTE - at) for at in range(1, 1000, 7)), _five(MINUTE, 4),
    )),
    Case("of several rates all have room, or none counts", (
        Ask(0, (FIVE, Rate("two", "checks", 2)), 1), Ask(0, (FIVE, Rate("two", "checks", 2)), 0),
        Ask(1, (FIVE, Rate("two", "checks", 2)), wait_micro=MINUTE - 1),
        Ask(1, (FIVE,), 2), Ask(2, (FIVE,), 1), Ask(3, (FIVE,), 0),
        Ask(MINUTE, (FIVE, Rate("two", "checks", 2)), 1),
    )),
    Case("the wait is for the last of them", (
        Ask(0, (Rate("slow", "tries", 1, 90.0),), 0), Ask(10 * MICRO, (Rate("quick", "tries", 1, 60.0),), 0),
        Ask(20 * MICRO, (Rate("quick", "tries", 1), Rate("slow", "tries", 1, 90.0)), wait_micro=70 * MICRO),
    )),
    Case("rates by the same name share a count, rates by another do not", (
        Ask(0, (Rate("one", "tries", 1),), 0), Ask(0, (Rate("other", "tries", 1),), 0),
        Ask(0, (Rate("one", "tries", 1),), wait_micro=MINUTE),
    )),
    Case("a burst, then the long run", (
        *(Ask(0, (BURST,), 19 - done) for done in range(20)), Ask(0, (BURST,), wait_micro=2 * MICRO),
        Ask(2 * MICRO, (BURST,), 19),
    )),
    Case("zero is off, beside others too", (
        *(Ask(0, (Rate("none", "tries", 0),), -1) for _ in range(50)),
        Ask(0, (Rate("none", "tries", 0), FIVE), 4),
    )),
    Case("a limit that is lowered holds at once, and one that is raised", (
        *(_of(4, second * MICRO, 3 - second) for second in range(4)),
        _of(2, 5 * MICRO, wait_micro=MINUTE - 3 * MICRO), _of(2, MINUTE + 2 * MICRO, 0),
        _of(5, MINUTE + 2 * MICRO, 2), _of(5, MINUTE + 2 * MICRO, 1),
    )),
    Case("a clock that is set back locks nobody out for longer than a window", (
        *(_five(1000 * MICRO, left) for left in (4, 3, 2, 1, 0)),
        _five(500 * MICRO, wait_micro=MINUTE), _five(530 * MICRO, wait_micro=MINUTE - 30 * MICRO),
        _five(560 * MICRO - 1, wait_micro=1), _five(560 * MICRO, 4),
    )),
    Case("and lets nobody in twice", (
        _five(1000 * MICRO, 4), _five(1010 * MICRO, 3), _five(1005 * MICRO, 2), _five(900 * MICRO, 1),
        _five(900 * MICRO, 0), _five(901 * MICRO, wait_micro=MINUTE - MICRO),
    )),
    Case("a clock in this century is exact, too", (
        *(_five(1_795_000_000_123_456, left) for left in (4, 3, 2, 1, 0)),
        _five(1_795_000_060_123_455, wait_micro=1), _five(1_795_000_060_123_456, 4),
    )),
)  # fmt: skip


def judge(ask: Ask, outcome: Admitted | RateLimited) -> None:
    """Fail unless `outcome` is what the table says."""
    if ask.remaining is None:
        assert isinstance(outcome, RateLimited), ask
        assert max(standing.wait_micro for standing in outcome.standings) == ask.wait_micro, ask
        assert outcome.retry_after_seconds == max(1, -(-ask.wait_micro // MICRO))
    else:
        assert isinstance(outcome, Admitted), (ask, outcome)
        assert outcome.remaining == ask.remaining, ask


class Model:
    """The rule as one would say it: everything that was accepted is kept, and counted anew each time."""

    def __init__(self) -> None:
        self._accepted: dict[str, list[int]] = {}

    def ask(self, now: int, rates: Sequence[Rate]) -> tuple[bool, tuple[Standing, ...]]:
        """Return whether it is let in, and the standings after that."""
        limiting = [rate for rate in rates if rate.count_max]
        for rate in limiting:
            self._accepted[rate.name] = [
                min(moment, now)
                for moment in self._accepted.get(rate.name, [])
                if min(moment, now) > now - rate.window_micro
            ]
        admitted = all(len(self._accepted[rate.name]) < rate.count_max for rate in limiting)
        if admitted:
            for rate in limiting:
                self._accepted[rate.name].append(now)
        return admitted, tuple(self._standing(now, rate) for rate in limiting)

    def _standing(self, now: int, rate: Rate) -> Standing:
        leaving = [moment + rate.window_micro - now for moment in self._accepted[rate.name]]
        waits = [wait for wait in [0, *leaving] if sum(left > wait for left in leaving) < rate.count_max]
        room = max(0, rate.count_max - len(leaving))
        return Standing(rate, room, min(waits), min(leaving, default=0))
