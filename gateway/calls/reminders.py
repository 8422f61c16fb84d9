"""Deadlines of the calls that this process has changed last: each rings once, a moment after its time.

Invariant: a reminder only has the rule looked at; whoever is late, or another process, finds the same.
"""

from collections.abc import Callable

from gateway import clock
from gateway.alarms import Alarms
from sessions.call_deadlines import deadline_ms
from sessions.call_records import Bounds, Call

AFTER_MS = 20
"""So that the database's clock has passed the deadline too."""
AGAIN_MS = 1000
"""Until what is overdue is looked at again: the database's clock may be behind."""


class Reminder:
    """The deadline of one call."""

    def __init__(self, call: Call, due: Callable[[Call], None]) -> None:
        self.call = call
        self._due = due

    def alarm(self, _now: float) -> None:
        """Have the call looked at."""
        self._due(self.call)


class Reminders:
    """The deadlines, by the id of the call; `due` is told of a call whose time has come."""

    def __init__(self, alarms: Alarms, steady: Callable[[], float], bounds: Bounds) -> None:
        self.due: Callable[[Call], None] = lambda call: None
        self._alarms = alarms
        self._steady = steady
        self._bounds = bounds
        self._set: dict[str, Reminder] = {}

    def __len__(self) -> int:
        return len(self._set)

    def set(self, call: Call) -> None:
        """Ring when something has to happen to a call; never, for one that is over."""
        if call.state.over:
            reminder = self._set.pop(call.id, None)
            if reminder is not None:
                self._alarms.clear(reminder)
            return
        reminder = self._set.setdefault(call.id, Reminder(call, self._ring))
        reminder.call = call
        wait_ms = deadline_ms(call, self._bounds) + AFTER_MS - clock.wall_ms()
        self._alarms.set(reminder, self._steady() + (wait_ms if wait_ms > 0 else AGAIN_MS) / 1000)

    def _ring(self, call: Call) -> None:
        self._set.pop(call.id, None)
        self.due(call)

    def clear(self) -> None:
        """Forget them all."""
        for reminder in self._set.values():
            self._alarms.clear(reminder)
        self._set.clear()
