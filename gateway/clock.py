"""The clocks: the only place that reads them. Rules get what these return as an argument."""

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache


def wall() -> float:
    """Return seconds since the epoch, for what leaves this process (tokens, timestamps)."""
    return time.time()


def wall_ms() -> int:
    """Return whole milliseconds since the epoch, for what is stored."""
    return time.time_ns() // 1_000_000


class Clocks:
    """The wall clock beside the clock of an event loop, by which alarms go."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        """Return whole milliseconds since the epoch."""
        return wall_ms()

    def steady(self) -> float:
        """Return seconds of the event loop's clock."""
        return self._loop.time()


def steady() -> float:
    """Return seconds of a clock that never jumps, for deadlines and rates within this process."""
    return time.monotonic()


def rfc3339(epoch_seconds: float) -> str:
    """Return a time as RFC 3339 in UTC, to the second."""
    return _to_the_second(int(epoch_seconds))


def rfc3339_ms(epoch_ms: int) -> str:
    """Return a time as RFC 3339 in UTC, to the millisecond."""
    second, ms = divmod(epoch_ms, 1000)
    return f"{_to_the_second(second)[:-1]}.{ms:03d}Z"


@lru_cache(maxsize=256)
def _to_the_second(epoch_second: int) -> str:
    return datetime.fromtimestamp(epoch_second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
