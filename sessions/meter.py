"""One session's use of minutes as rules: when to hold more, what to settle, when to warn and when to stop.

                 +--------------- renewed: the next slice waits behind the present one ------------+
                 v                                                                                 |
    EMPTY --ask--> EMPTY, asking --granted--> HOLDING --80 % used, or about to expire--> HOLDING, asking
      ^                  |                        |                                                |
      |                  +-- refused: STOPPED     +-- expired unused: settled                      |
      +--------------------------------------------------------------------- used up, nothing behind it

Invariant: every millisecond is charged to one slice, each slice is settled once, and nothing passes that no
slice holds but what `owed_ms` says. The owner hands in how far the session's media has come, with `now_ms`;
then takes `effects()` and carries them out in order. No socket, no store, no clock.
"""

import math
from dataclasses import dataclass
from enum import Enum

from sessions.periods import Period
from sessions.slices import SMALLEST_MS, Grant, QuotaSpent

RENEW_PERCENT = 80
"""Of a slice: used this far, the next is asked for, well before it is needed (RFC 8506, section 5.1.1)."""
STILL_MS = 5_000
"""A session whose media has not moved for this long is not renewed: it would hold what others could use."""
RETRY_MS = 1_000
"""Between two tries while the store is down."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """Ask the store for a slice, then call `granted`, `refused` or `unavailable`."""

    owed_ms: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Close a slice at what was used of it."""

    slice_id: str
    used_ms: int


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the user that a window has reached its warning."""

    period: Period


@dataclass(frozen=True, slots=True)
class Allow:
    """More may pass: go on with what was held back."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more may pass; `spent` says why, None that the store is down."""

    spent: QuotaSpent | None


Effect = Acquire | Settle | Warn | Allow | Stop


class Held:
    """A slice that this session holds, and what was used of it; at `renewal_ms` the next is asked for."""

    __slots__ = ("grant", "renewal_ms", "reported_ms", "slice_id", "used_ms")

    def __init__(self, slice_id: str, grant: Grant) -> None:
        self.slice_id = slice_id
        self.grant = grant
        self.renewal_ms = grant.granted_ms * RENEW_PERCENT // 100
        self.used_ms = 0
        self.reported_ms = 0

    @property
    def left_ms(self) -> int:
        """What may still be used of it."""
        return self.grant.granted_ms - self.used_ms


class Asking(Enum):
    """Whether a slice was asked for, and what depends on the answer."""

    NO = "no"
    EARLY = "early"
    NEEDED = "needed"


class Meter:
    """The minutes of one session. `total_ms` is how far its media has come, `billed_ms` what of it was
    charged, `stopped` that nothing passes any more."""

    __slots__ = (
        "_again_ms", "_asking", "_effects", "_held", "_looked_ms", "_moved_ms", "_needed_last", "_paused",
        "_warned", "billed_ms", "stopped", "total_ms",
    )  # fmt: skip

    def __init__(self) -> None:
        self.total_ms = 0
        self.billed_ms = 0
        self.stopped = False
        self._held: list[Held] = []
        self._asking = Asking.NO
        self._needed_last = False
        self._paused = False
        self._moved_ms = 0
        self._looked_ms = 0
        self._again_ms = 0
        self._warned: set[str] = set()
        self._effects: list[Effect] = []

    @property
    def owed_ms(self) -> int:
        """What has passed that no slice was charged with."""
        return self.total_ms - self.billed_ms

    @property
    def allowance_ms(self) -> int:
        """How much more may pass now."""
        return 0 if self.stopped else sum(held.left_ms for held in self._held)

    def effects(self) -> list[Effect]:
        """Drain what is to be done, in order."""
        if not self._effects:
            return []
        effects, self._effects = self._effects, []
        return effects

    # --- media ----------------------------------------------------------------------------------------

    def need(self, now_ms: int) -> None:
        """Media is about to pass: see that there is a slice for it."""
        if not self.stopped:
            self._moves(now_ms)
            self._tend(now_ms)

    def advance(self, total_ms: int, now_ms: int) -> None:
        """The session's media has come this far; it never goes back."""
        if total_ms <= self.total_ms or self.stopped:
            return
        self.total_ms = total_ms
        self._moves(now_ms)
        # It came since the last look, which is never long before a slice expires: that one has to pay.
        self._charge()
        self._expire(now_ms)
        self._tend(now_ms)

    def attention_ms(self) -> float:
        """Return how far the media may come before `advance` must be called; infinity when it need not."""
        if self.stopped or (not self._held and self._asking is not Asking.NO):
            return math.inf
        if not self._held:
            return self.total_ms + 1
        held = self._held[0]
        marks = [held.grant.granted_ms]
        if len(self._held) == 1 and self._asking is Asking.NO and self._renewable(held):
            marks.append(held.renewal_ms)
        if held.grant.warn_at_ms is not None:
            marks.append(held.grant.warn_at_ms)
        return self.total_ms + min(mark - held.used_ms for mark in marks if mark > held.used_ms)

    # --- what the store answers -----------------------------------------------------------------------

    def granted(self, slice_id: str, grant: Grant, now_ms: int) -> None:
        """A slice is held; settled at once if nobody needs it any more, at what had passed without one."""
        self._asking = Asking.NO
        if self.stopped or self._paused:
            used_ms = min(self.owed_ms, grant.granted_ms)
            self.billed_ms += used_ms
            self._effects.append(Settle(slice_id, used_ms))
            return
        waited = not self._held
        self._needed_last = False
        self._held.append(Held(slice_id, grant))
        self._warn(self._held[0])
        self._charge()
        self._tend(now_ms)
        if waited and self.allowance_ms:
            self._effects.append(Allow())

    def refused(self, spent: QuotaSpent, now_ms: int) -> None:
        """Nothing is left to hold. What is held is used up first, and then asked for once more: meanwhile
        other sessions of the user may have given something back."""
        asked, self._asking = self._asking, Asking.NO
        if self.stopped or self._paused:
            return
        if asked is Asking.NEEDED:
            self._stop(spent)
        else:
            self._needed_last = True
            self._tend(now_ms)

    def unavailable(self, now_ms: int) -> None:
        """The store is down: go on to the end of what is held."""
        asked, self._asking = self._asking, Asking.NO
        if self.stopped or self._paused:
            return
        if asked is Asking.NEEDED:
            self._stop(None)
        else:
            self._again_ms = now_ms + RETRY_MS

    # --- time -----------------------------------------------------------------------------------------

    def deadline_ms(self) -> float:
        """Return when `handle_deadline` is to be called next, by the wall clock; infinity when never."""
        if self.stopped or not self._held:
            return math.inf
        due = [held.grant.expires_at_ms for held in self._held]
        if len(self._held) == 1 and self._asking is Asking.NO:
            due += [self._again_ms, due[0] - SMALLEST_MS]
        return min((when for when in due if when > self._looked_ms), default=math.inf)

    def handle_deadline(self, now_ms: int) -> None:
        """Do what is due at `now_ms`; harmless when nothing is. Say first how far the media has come."""
        if not self.stopped:
            self._expire(now_ms)
            self._tend(now_ms)

    # --- the end --------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Give back what is held, and what may still be granted; the next media asks anew."""
        self._paused = True
        while self._held:
            self._settle_first()

    def close(self) -> None:
        """Settle everything; nothing passes any more."""
        self.pause()
        self.stopped = True

    def checkpoints(self, *, again: bool = False) -> list[tuple[str, int]]:
        """Return the slices whose use has grown since the last call, with what was used of each; `again`: all
        that are used."""
        grown = []
        for held in self._held:
            if held.used_ms > (0 if again else held.reported_ms):
                held.reported_ms = held.used_ms
                grown.append((held.slice_id, held.used_ms))
        return grown

    # --- inside ---------------------------------------------------------------------------------------

    def _moves(self, now_ms: int) -> None:
        self._paused = False
        self._moved_ms = now_ms

    def _charge(self) -> None:
        """Put what is owed on the slices held, in order; settle those that are used up."""
        while self._held and (owed_ms := self.total_ms - self.billed_ms):
            held = self._held[0]
            left_ms = held.left_ms
            charged_ms = min(owed_ms, left_ms)
            held.used_ms += charged_ms
            self.billed_ms += charged_ms
            self._warn(held)
            if charged_ms == left_ms:
                self._settle_first()

    def _expire(self, now_ms: int) -> None:
        while self._held and self._held[0].grant.expires_at_ms <= now_ms:
            self._settle_first()

    def _tend(self, now_ms: int) -> None:
        """Ask for what is needed, or will be soon."""
        self._looked_ms = now_ms
        if self._asking is not Asking.NO:
            if not self._held:
                self._asking = Asking.NEEDED
        elif not self._held:
            # What a session that stands still would hold, others can use: it asks when it moves again.
            if self._moved_ms == now_ms or self.owed_ms:
                self._ask(Asking.NEEDED)
        elif len(self._held) == 1 and now_ms >= self._again_ms and self._due(self._held[0], now_ms):
            self._ask(Asking.EARLY)

    def _due(self, held: Held, now_ms: int) -> bool:
        ends = now_ms >= held.grant.expires_at_ms - SMALLEST_MS and now_ms - self._moved_ms < STILL_MS
        return (ends or held.used_ms >= held.renewal_ms) and self._renewable(held)

    def _renewable(self, held: Held) -> bool:
        return not held.grant.final and not self._needed_last

    def _ask(self, how: Asking) -> None:
        self._asking = how
        self._effects.append(Acquire(self.owed_ms))

    def _settle_first(self) -> None:
        held = self._held.pop(0)
        self._effects.append(Settle(held.slice_id, held.used_ms))

    def _stop(self, spent: QuotaSpent | None) -> None:
        self.close()
        self._effects.append(Stop(spent))

    def _warn(self, held: Held) -> None:
        grant = held.grant
        if grant.warn_at_ms is None or grant.warn_period is None or held.used_ms < grant.warn_at_ms:
            return
        window = grant.keys[grant.warn_period]
        if window not in self._warned:
            self._warned.add(window)
            self._effects.append(Warn(grant.warn_period))
