"""What all connections of one server share: limits, the timing wheel with its one timer, the door.

The loop's timer runs only while the wheel holds a deadline; an empty house costs nothing.
"""

import asyncio
import time
from collections.abc import Callable

from gateway.wire.entrance import Entrance
from gateway.wire.interface import Door, Reception
from gateway.wire.limits import WireLimits
from gateway.wire.wheel import Timed, Wheel


class House:
    """One per server; every connection holds it instead of its own copies, timers and loggers."""

    def __init__(
        self,
        limits: WireLimits | None = None,
        door: Door | None = None,
        *,
        reception: Reception | None = None,
        tick_seconds: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits or WireLimits()
        self.door: Door = door or Entrance(self.limits)
        self.reception = reception
        self.wheel = Wheel(tick_seconds)
        self.clock = clock
        self.wall = wall
        self.closing = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def close_timeout_seconds(self) -> float:
        """How long a closing handshake may take now."""
        return self.limits.hasty_close_seconds if self.closing else self.limits.close_timeout_seconds

    def set_deadline(self, item: Timed, seconds: float) -> None:
        """Let `item.expire` be called in `seconds`, or up to a tick later; replaces its deadline before."""
        self.wheel.set(item, self.clock() + seconds)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.wheel.tick_seconds, self._turn)

    def clear_deadline(self, item: Timed) -> None:
        """Forget the deadline of `item`."""
        self.wheel.clear(item)

    def turn(self) -> None:
        """Let everything act whose deadline is over."""
        now = self.clock()
        for item in self.wheel.turn(now):
            if not item.due_tick:
                item.expire(now)

    def _turn(self) -> None:
        self._timer = None
        self.turn()
        if len(self.wheel) and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.wheel.tick_seconds, self._turn)

    def stop(self) -> None:
        """Let the timer go; deadlines that remain are not acted on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
