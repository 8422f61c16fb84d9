"""A timing wheel: coarse deadlines of all connections in one place, each turned once, none early.

Pure: `now` is an argument. One timer of the event loop turns it while it holds anything (`turning.py`).
"""

from typing import Final, Protocol

GOLDEN: Final = 0.6180339887498949
"""Multiples of it, modulo 1, lie apart however many there are (Knuth, TAOCP 6.4): successive connections are
spread over an interval without chance."""


class Timed(Protocol):
    """Something with one deadline at a time. `due_tick` belongs to the wheel: 0 means none."""

    due_tick: int

    def expire(self, now: float) -> None:
        """Act on the deadline, which is over; it may be set anew."""


class Wheel:
    """Deadlines in ticks of `tick_seconds`; setting or clearing one costs the same among 15,000 as alone."""

    def __init__(self, tick_seconds: float = 1.0) -> None:
        self.tick_seconds = tick_seconds
        self._ticks: dict[int, set[Timed]] = {}
        self._turned = 0
        self._count = 0
        self._spread = 0.0

    def __len__(self) -> int:
        return self._count

    def set(self, item: Timed, deadline: float) -> None:
        """Call `item.expire` in the first turn at or after `deadline` (seconds); replaces an earlier one."""
        if item.due_tick:
            self.clear(item)
        tick = max(-int(-deadline // self.tick_seconds), self._turned + 1)
        item.due_tick = tick
        bucket = self._ticks.get(tick)
        if bucket is None:
            self._ticks[tick] = {item}
        else:
            bucket.add(item)
        self._count += 1

    def clear(self, item: Timed) -> None:
        """Forget the deadline of `item`, if it has one."""
        if not item.due_tick:
            return
        bucket = self._ticks[item.due_tick]
        bucket.discard(item)
        if not bucket:
            del self._ticks[item.due_tick]
        item.due_tick = 0
        self._count -= 1

    def spread(self, seconds: float) -> float:
        """Give a share of `seconds`, another one at each call, so that connections made together part."""
        self._spread = (self._spread + GOLDEN) % 1.0
        return self._spread * seconds

    def turn(self, now: float) -> list[Timed]:
        """Take out everything whose deadline is over at `now`; the caller calls `expire` of each."""
        tick = int(now // self.tick_seconds)
        if tick <= self._turned:
            return []
        due: list[Timed] = []
        if tick - self._turned > len(self._ticks):
            passed = sorted(old for old in self._ticks if old <= tick)
        else:
            passed = [old for old in range(self._turned + 1, tick + 1) if old in self._ticks]
        for old in passed:
            for item in self._ticks.pop(old):
                item.due_tick = 0
                due.append(item)
        self._turned = tick
        self._count -= len(due)
        return due
