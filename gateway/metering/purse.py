"""The minutes of one live session over all its life: reconnects, and the turn from dubbing to subtitles.

Invariant: the session is charged once for each millisecond, whichever connection it had and of whichever
kind the minutes were.
"""

from dataclasses import dataclass, replace

from gateway.metering.clock import MediaClock
from gateway.metering.consumption import Consumption, Facts, Spender
from gateway.metering.till import Till
from sessions.plans import PlanFacts
from sessions.slices import MediaKind


@dataclass(frozen=True, slots=True)
class Spent:
    """What a session has used in all, in milliseconds: media it was sent or brought, and what was charged."""

    media_ms: int
    billed_ms: int


class Purse:
    """What a session pays with."""

    __slots__ = ("_before", "_clock", "_consumption", "_left", "_owed_ms", "_plan", "_spender", "_till")

    def __init__(self, facts: Facts, till: Till) -> None:
        self._till = till
        self._plan: PlanFacts = till.plans.facts[facts.plan]
        self._consumption = Consumption(facts, till)
        self._before = Spent(0, 0)
        self._spender: Spender | None = None
        self._clock: MediaClock | None = None
        self._left: tuple[MediaClock, int] | None = None
        self._owed_ms = 0

    @property
    def kind(self) -> MediaKind:
        """What its minutes are of now."""
        return self._consumption.facts.kind

    @property
    def plan(self) -> str:
        """The plan its minutes are by."""
        return self._consumption.facts.plan

    @property
    def spent(self) -> Spent:
        """What was used and charged so far."""
        now, before = self._consumption, self._before
        return Spent(before.media_ms + now.total_ms, before.billed_ms + now.billed_ms)

    @property
    def stopped(self) -> bool:
        """Whether nothing passes any more."""
        return self._consumption.stopped

    def hold(self, spender: Spender | None) -> None:
        """Tell this socket from now on; None: the connection is lost. Whoever was stopped and may come back,
        because the store was down, begins anew."""
        if spender is not None and self._consumption.stopped:
            self._replace(self._consumption.facts)
        self._spender = self._consumption.spender = spender

    def attach(self, clock: MediaClock) -> None:
        """Use minutes as this stream's media moves."""
        if clock is not self._clock:
            self._attach(clock)

    @property
    def allowance_bytes(self) -> int:
        """How much canonical PCM may pass now."""
        return self._consumption.allowance_bytes

    def need(self) -> None:
        """Audio waits: see that there are minutes for it."""
        self._consumption.need()

    def catch_up(self) -> None:
        """Charge everything that has passed."""
        self._consumption.catch_up()

    def leave_off(self) -> int:
        """Count no further; return how many milliseconds wait for a slice to be charged to."""
        self._clock = None
        self._consumption.detach()
        return self._consumption.owed_ms

    async def noted(self) -> None:
        """Have what was used written, so that what is read next knows it. Raises StoreDown."""
        await self._till.noted(self._consumption)

    def pause(self) -> None:
        """The connection is lost, or told to come back: give back what is held. What passes from now on is
        not sent; again does no harm."""
        self.hold(None)
        if self._clock is not None:
            self._left = self._clock, self._clock.ms
            self._clock = None
        self._consumption.pause()

    def go_on(self, clock: MediaClock, *, replayed: bool) -> None:
        """The connection is back, and follows this stream. If what it missed of the same stream was sent
        again, that is paid for, as it would have been without the loss."""
        left, self._left = self._left, None
        missed_ms = clock.ms - left[1] if replayed and left is not None and left[0] is clock else 0
        self._attach(clock, missed_ms)

    def charge(self, ms: int) -> None:
        """Pay for media that was sent besides what the stream's clock tells of."""
        if ms:
            self._consumption.charge(ms)

    def turn_to_subtitles(self) -> bool:
        """Go on with minutes of subtitles, if those of dubbing are spent and the plan says so."""
        facts = self._consumption.facts
        if facts.kind is not MediaKind.DUBBING or self._plan.when_dubbing_is_spent != "subtitles":
            return False
        self._replace(replace(facts, kind=MediaKind.SUBTITLES))
        self._consumption.spender = self._spender
        if self._clock is not None:
            self._attach(self._clock)
        return True

    def close(self) -> None:
        """The session is over: settle."""
        self._consumption.close()
        self._clock = None

    def _attach(self, clock: MediaClock, missed_ms: int = 0) -> None:
        self._clock = clock
        owed_ms, self._owed_ms = self._owed_ms, 0
        self._consumption.attach(clock, missed_ms + owed_ms)

    def _replace(self, facts: Facts) -> None:
        """Begin a consumption in the place of one that was stopped, which the next pays for what passed while
        it waited in vain."""
        spent, owed_ms = self.spent, self._consumption.owed_ms
        self._before = Spent(spent.media_ms - owed_ms, spent.billed_ms)
        self._owed_ms += owed_ms
        self._consumption.close()
        self._consumption = Consumption(facts, self._till)
