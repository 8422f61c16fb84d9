"""What one live session uses: its meter, fed by the stream it brings or follows.

Invariant: at most one stream feeds it at a time; what it tells its socket comes in the order of the media.
"""

import math
from dataclasses import dataclass
from typing import Protocol, assert_never

from gateway.metering.clock import BYTES_PER_MS, MediaClock
from gateway.stores.interface import StoreDown
from sessions import meter
from sessions.meter import Meter
from sessions.periods import Period
from sessions.slices import Grant, MediaKind, QuotaSpent


class Spender(Protocol):
    """The socket of a session that uses minutes."""

    def minutes_allowed(self) -> None:
        """There are minutes again for what was held back."""

    def minutes_warned(self, period: Period) -> None:
        """A window of the user has reached its warning."""

    def minutes_spent(self, spent: QuotaSpent) -> None:
        """Nothing more may pass: a window is spent."""

    def minutes_unavailable(self) -> None:
        """Nothing more may pass: the store of minutes is down."""


class Counter(Protocol):
    """Where slices come from, and where they go."""

    def acquire(self, consumption: "Consumption", owed_ms: int) -> None:
        """Ask for a slice; answered by `granted`, `refused` or `unavailable` of the consumption."""

    def settle(self, slice_id: str, used_ms: int, facts: "Facts") -> None:
        """Close a slice."""

    def expect(self, consumption: "Consumption", deadline_ms: float) -> None:
        """Call `handle_deadline` at that time of the wall clock."""

    def closed(self, consumption: "Consumption") -> None:
        """Forget a consumption; nothing more comes from it."""

    def now_ms(self) -> int:
        """Return the time of the wall clock."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Whose minutes a session uses, and for what."""

    tenant_id: str
    subject: str
    plan: str
    kind: MediaKind
    session_id: str
    channel_id: str


class Consumption:
    """One session's minutes. `spender` is its socket, None while that is lost."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_counter",
        "_joined_ms",
        "_meter",
        "_watched_ms",
        "facts",
        "spender",
    )

    def __init__(self, facts: Facts, counter: Counter) -> None:
        self.facts = facts
        self.spender: Spender | None = None
        self._counter = counter
        self._meter = Meter()
        self._clock: MediaClock | None = None
        self._joined_ms = 0
        self._watched_ms = math.inf

    @property
    def billed_ms(self) -> int:
        """What was charged so far."""
        return self._meter.billed_ms

    @property
    def owed_ms(self) -> int:
        """What has passed, and waits for a slice to be charged to."""
        return self._meter.owed_ms

    @property
    def total_ms(self) -> int:
        """How much media the session was sent, or has brought."""
        if self._clock is not None:
            return max(self._meter.total_ms, self._clock.ms - self._joined_ms)
        return self._meter.total_ms

    @property
    def stopped(self) -> bool:
        """Whether nothing passes any more."""
        return self._meter.stopped

    @property
    def allowance_bytes(self) -> int:
        """How much canonical PCM may pass now."""
        allowed_ms = self._meter.allowance_ms
        if self._clock is not None:
            allowed_ms -= self._clock.ms - self._joined_ms - self._meter.total_ms
        return max(0, allowed_ms) * BYTES_PER_MS

    # --- media ----------------------------------------------------------------------------------------

    def attach(self, clock: MediaClock, missed_ms: int = 0) -> None:
        """Use minutes as this stream's media moves, and for `missed_ms` that it was sent afterwards; those of
        another stream no more."""
        self.detach()
        self._clock = clock
        self._joined_ms = clock.ms - self._meter.total_ms - missed_ms
        self._watched_ms = math.inf
        self.catch_up()
        self._watch()

    def detach(self) -> None:
        """Use no more of the stream it was attached to."""
        if self._clock is not None:
            self.catch_up()
            self._clock = None

    def need(self) -> None:
        """Media is about to pass: see that there are minutes for it."""
        self._meter.need(self._counter.now_ms())
        self._perform()

    def catch_up(self) -> None:
        """Count what the stream has moved since it was last looked at."""
        if self._clock is not None:
            self._meter.advance(self._clock.ms - self._joined_ms, self._counter.now_ms())
            self._perform()

    def charge(self, ms: int) -> None:
        """Count media that was sent besides."""
        self.catch_up()
        self._joined_ms -= ms
        self._meter.advance(self._meter.total_ms + ms, self._counter.now_ms())
        self._perform()

    def media_reached(self, clock: MediaClock) -> None:
        """The stream has come to a mark of the meter."""
        if clock is self._clock:
            self._watched_ms = math.inf
            self.catch_up()

    # --- what the store answers -----------------------------------------------------------------------

    def granted(self, slice_id: str, grant: Grant) -> None:
        """A slice is held."""
        self.catch_up()
        self._meter.granted(slice_id, grant, self._counter.now_ms())
        self._perform()

    def refused(self, spent: QuotaSpent) -> None:
        """A window is spent."""
        self.catch_up()
        self._meter.refused(spent, self._counter.now_ms())
        self._perform()

    def unavailable(self, _down: StoreDown) -> None:
        """The store cannot answer."""
        self.catch_up()
        self._meter.unavailable(self._counter.now_ms())
        self._perform()

    # --- time and the end -----------------------------------------------------------------------------

    def handle_deadline(self) -> None:
        """Do what is due by the clock, with what has passed charged to the slice that was open then."""
        self.catch_up()
        self._meter.handle_deadline(self._counter.now_ms())
        self._perform()

    def checkpoints(self, now_ms: int, *, again: bool = False) -> list[tuple[str, int]]:
        """Return the slices whose use has grown since the last call; `again`: all that are used, because what
        the last call returned was not written."""
        if self._clock is not None:
            self._meter.advance(self._clock.ms - self._joined_ms, now_ms)
            # Of each session each second: where nothing is to be done, mark and deadline are as they were.
            if effects := self._meter.effects():
                self._carry_out(effects)
                self._perform()
        return self._meter.checkpoints(again=again)

    def pause(self) -> None:
        """The session's connection is lost: give back what it holds, and count no further."""
        self.detach()
        self._meter.pause()
        self._perform()

    def close(self) -> None:
        """The session is over: settle."""
        self.detach()
        if not self._meter.stopped:
            self._meter.close()
        self._perform()
        self._counter.closed(self)

    # --- inside ---------------------------------------------------------------------------------------

    def _perform(self) -> None:
        while effects := self._meter.effects():
            self._carry_out(effects)
        self._watch()
        self._counter.expect(self, self._meter.deadline_ms())

    def _carry_out(self, effects: list[meter.Effect]) -> None:
        for effect in effects:
            self._perform_one(effect)

    def _perform_one(self, effect: meter.Effect) -> None:
        match effect:
            case meter.Acquire():
                self._counter.acquire(self, effect.owed_ms)
            case meter.Settle():
                self._counter.settle(effect.slice_id, effect.used_ms, self.facts)
            case meter.Warn():
                if self.spender is not None:
                    self.spender.minutes_warned(effect.period)
            case meter.Allow():
                if self.spender is not None:
                    self.spender.minutes_allowed()
            case meter.Stop():
                self._stop(effect.spent)
            case _:
                assert_never(effect)

    def _stop(self, spent: QuotaSpent | None) -> None:
        self._clock = None
        if self.spender is None:
            return
        if spent is None:
            self.spender.minutes_unavailable()
        else:
            self.spender.minutes_spent(spent)

    def _watch(self) -> None:
        if self._clock is None:
            return
        mark_ms = self._meter.attention_ms()
        if mark_ms == math.inf:
            return
        at_ms = mark_ms + self._joined_ms
        if at_ms < self._watched_ms:
            self._watched_ms = at_ms
            self._clock.watch(at_ms, self)
