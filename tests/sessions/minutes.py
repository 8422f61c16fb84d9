"""A machine that does with sessions and minutes whatever can happen, and checks every sum after each step.

It runs the meters of `sessions.meter` against a store that a subclass gives: a plain one here, SQL elsewhere.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sessions import meter, slices
from sessions.meter import Meter
from sessions.periods import Period, window_keys
from sessions.slices import Grant, MediaKind, Quota, QuotaSpent, Slice, Terms

NOON_MS = 1_795_262_400_000
"""2026-11-21T12:00:00Z."""
LIMITS = {Period.HOUR: 150_000, Period.DAY: 400_000, Period.MONTH: 1_000_000}
TERMS = Terms(LIMITS)
SUBJECTS = ("dana", "noa")
LIVE_MAX = 6
WHICH = st.integers(0, LIVE_MAX - 1)


@dataclass(frozen=True)
class Window:
    """A window as a store tells of it, with everything that must add up."""

    used_ms: int
    held_ms: int
    extra_ms: int
    events_ms: int
    open_ms: int


class Store(Protocol):
    """What the machine needs of a store."""

    def acquire(self, subject: str, slice_id: str, session_id: str, owed_ms: int, now_ms: int) -> Grant:
        """Grant a slice. Raises QuotaSpent."""

    def settle(self, slice_id: str, used_ms: int | None, now_ms: int) -> None:
        """Close a slice."""

    def checkpoint(self, marks: list[tuple[str, int]]) -> None:
        """Note use."""

    def extra(self, subject: str, extra_ms: int, now_ms: int) -> None:
        """Give minutes for the windows of now."""

    def windows(self) -> dict[tuple[str, str], Window]:
        """Return every window by (subject, key)."""

    def charged_ms(self, session_id: str) -> int:
        """Return the sum of a session's events."""


class PlainStore:
    """Windows and slices in dictionaries."""

    def __init__(self) -> None:
        self._quotas: dict[tuple[str, str], Quota] = {}
        self._slices: dict[str, tuple[str, str, Grant, Slice]] = {}
        self._events: Counter[tuple[str, str]] = Counter()
        self._charged: Counter[str] = Counter()

    def acquire(self, subject: str, slice_id: str, session_id: str, owed_ms: int, now_ms: int) -> Grant:
        if slice_id in self._slices:
            return self._slices[slice_id][2]
        keys = window_keys(slices.charged_at_ms(now_ms))
        quotas = {period: self._quotas.get((subject, key), Quota()) for period, key in keys.items()}
        holders = {one[1] for one in self._slices.values() if one[0] == subject and not one[3].closed}
        live = len(holders | {session_id})
        grant = slices.grant(MediaKind.SUBTITLES, quotas, TERMS, owed_ms=owed_ms, live=live, now_ms=now_ms)
        self._slices[slice_id] = subject, session_id, grant, Slice(grant.granted_ms)
        for period, key in keys.items():
            quota = quotas[period]
            self._quotas[subject, key] = replace(quota, held_ms=quota.held_ms + grant.granted_ms)
        return grant

    def settle(self, slice_id: str, used_ms: int | None, now_ms: int) -> None:
        if slice_id not in self._slices:
            return
        subject, session_id, grant, held = self._slices[slice_id]
        settled = slices.settle(held, used_ms)
        self._slices[slice_id] = subject, session_id, grant, settled.slice
        self._charged[session_id] += settled.used_ms
        for key in grant.keys.values():
            quota = self._quotas[subject, key]
            self._quotas[subject, key] = replace(
                quota,
                used_ms=quota.used_ms + settled.used_ms,
                held_ms=quota.held_ms - settled.released_ms,
            )
            self._events[subject, key] += settled.used_ms

    def checkpoint(self, marks: list[tuple[str, int]]) -> None:
        for slice_id, used_ms in marks:
            subject, session_id, grant, held = self._slices[slice_id]
            self._slices[slice_id] = subject, session_id, grant, slices.checkpoint(held, used_ms)

    def extra(self, subject: str, extra_ms: int, now_ms: int) -> None:
        for key in window_keys(now_ms).values():
            quota = self._quotas.get((subject, key), Quota())
            self._quotas[subject, key] = replace(quota, extra_ms=quota.extra_ms + extra_ms)

    def windows(self) -> dict[tuple[str, str], Window]:
        open_ms: Counter[tuple[str, str]] = Counter()
        for subject, _, grant, held in self._slices.values():
            if not held.closed:
                open_ms.update({(subject, key): grant.granted_ms for key in grant.keys.values()})
        return {
            place: Window(quota.used_ms, quota.held_ms, quota.extra_ms, self._events[place], open_ms[place])
            for place, quota in self._quotas.items()
        }

    def charged_ms(self, session_id: str) -> int:
        return self._charged[session_id]


@dataclass
class Live:
    """A session of the machine: `follows` lets media pass unasked, as a viewer's stream does."""

    session_id: str
    subject: str
    follows: bool
    meter: Meter = field(default_factory=Meter)
    stopped_by: list[QuotaSpent | None] = field(default_factory=list)


class Minutes(RuleBasedStateMachine):
    """Sessions of two users that share minutes, with a store that may be slow, down, or asked twice."""

    make_store: Callable[[], Store] = PlainStore

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = type(self).make_store()
        self.now_ms = NOON_MS
        self.live: dict[str, Live] = {}
        self.gone: dict[str, int] = {}
        self.asked: list[tuple[Live, Meter, int, str]] = []
        self.settles: list[tuple[str, int]] = []
        self.fenced = False
        self.count = 0

    # --- what happens ---------------------------------------------------------------------------------

    @initialize(follows=st.booleans())
    def the_first_begins(self, follows: bool) -> None:
        self.begins(SUBJECTS[0], follows)

    @rule(subject=st.sampled_from(SUBJECTS), follows=st.booleans())
    @precondition(lambda self: len(self.live) < LIVE_MAX)
    def begins(self, subject: str, follows: bool) -> None:
        self.count += 1
        session = Live(f"session_{self.count}", subject, follows)
        self.live[session.session_id] = session

    @rule(
        pieces=st.lists(st.tuples(WHICH, st.integers(1, 70_000)), min_size=1, max_size=10),
        promptly=st.sampled_from([True, True, True, False]),
    )
    def media_comes(self, pieces: list[tuple[int, int]], promptly: bool) -> None:
        """As much as there are minutes for or, to one who follows, all; the store may take its time."""
        for which, ms in pieces:
            self._media_of(which, ms, promptly=promptly)

    def _media_of(self, which: int, ms: int, *, promptly: bool) -> None:
        session = self._one(which)
        while session is not None and ms and not session.meter.stopped:
            one = session.meter
            if not session.follows and one.allowance_ms < ms:
                one.need(self.now_ms)
            passing = min(ms, one.attention_ms() - one.total_ms, ms if session.follows else one.allowance_ms)
            if passing == 0 and not promptly:
                break
            ms -= int(passing)
            one.advance(one.total_ms + int(passing), self.now_ms)
            self._perform(session)
            if promptly:
                self._write()
                while self.asked:
                    self._answer(*self.asked.pop(0))

    @rule(which=st.integers(0, 5))
    def the_store_answers(self, which: int) -> None:
        if self.asked:
            self._answer(*self.asked.pop(which % len(self.asked)))

    @rule()
    def the_store_is_down_for_one(self) -> None:
        if self.asked:
            session, asking, _owed, slice_id = self.asked.pop(0)
            if asking is session.meter:
                session.meter.unavailable(self.now_ms)
                self._perform(session)
            self.store.settle(slice_id, 0, self.now_ms)

    @rule()
    def settlements_are_written(self) -> None:
        self._write()

    @rule()
    def a_settlement_is_written_twice(self) -> None:
        if self.settles:
            slice_id, used_ms = self.settles[0]
            self.store.settle(slice_id, used_ms, self.now_ms)

    @rule(seconds=st.integers(1, 400))
    def time_passes(self, seconds: int) -> None:
        until = self.now_ms + seconds * 1000
        while (due := min((s.meter.deadline_ms() for s in self.live.values()), default=until)) < until:
            self.now_ms = max(self.now_ms, int(due))
            for session in self.live.values():
                if session.meter.deadline_ms() <= self.now_ms:
                    session.meter.handle_deadline(self.now_ms)
                    assert session.meter.deadline_ms() > self.now_ms
                    self._perform(session)
        self.now_ms = until

    @rule(which=WHICH)
    def the_connection_is_lost(self, which: int) -> None:
        if (session := self._one(which)) is not None:
            session.meter.pause()
            self._perform(session)

    @rule(which=WHICH)
    def it_ends(self, which: int) -> None:
        if (session := self._one(which)) is not None:
            del self.live[session.session_id]
            session.meter.close()
            self._perform(session)
            self._write()
            self.gone[session.session_id] = session.meter.billed_ms

    @rule()
    def a_checkpoint(self) -> None:
        for session in self.live.values():
            self.store.checkpoint(session.meter.checkpoints())

    @rule(subject=st.sampled_from(SUBJECTS), seconds=st.integers(1, 100))
    def minutes_are_given(self, subject: str, seconds: int) -> None:
        self.store.extra(subject, seconds * 1000, self.now_ms)

    @rule(really=st.integers(0, 3))
    def the_process_is_killed(self, really: int) -> None:
        """Nothing that was not written is known any more; what was held is settled at its checkpoint."""
        if really:
            return
        for session in self.live.values():
            for held in session.meter._held:
                self.store.settle(held.slice_id, None, self.now_ms)
        # What was submitted and not written is settled at its checkpoint as well.
        for slice_id, _ in self.settles:
            self.store.settle(slice_id, None, self.now_ms)
        for _session, _meter, _owed, slice_id in self.asked:
            self.store.settle(slice_id, None, self.now_ms)
        self.settles.clear()
        self.asked.clear()
        self.live.clear()

    @rule()
    def it_is_wrongly_taken_for_gone(self) -> None:
        """Another process settles what this one still uses; its own reports come late."""
        self.fenced = True
        for session in self.live.values():
            for held in session.meter._held:
                self.store.settle(held.slice_id, None, self.now_ms)

    # --- what holds -----------------------------------------------------------------------------------

    @invariant()
    def the_sums_add_up(self) -> None:
        for (subject, key), window in self.store.windows().items():
            assert window.used_ms == window.events_ms, (subject, key)
            assert window.held_ms == window.open_ms, (subject, key)
            limit_ms = LIMITS[slices_period(key)] + window.extra_ms
            # A process that was taken for gone may have passed it by what it held.
            assert self.fenced or window.used_ms + window.held_ms <= limit_ms, (subject, key)

    @invariant()
    def nothing_is_charged_twice_or_forgotten(self) -> None:
        for session_id, billed_ms in self.gone.items():
            assert self.store.charged_ms(session_id) == billed_ms
        for session in self.live.values():
            one = session.meter
            assert one.billed_ms <= one.total_ms
            if not session.follows and not one.stopped:
                assert one.billed_ms == one.total_ms

    def teardown(self) -> None:
        """Whatever happened, an end in order leaves nothing held."""
        while self.asked:
            self._answer(*self.asked.pop())
        while self.live:
            self.it_ends(0)
        self._write()
        self.the_sums_add_up()
        self.nothing_is_charged_twice_or_forgotten()
        assert all(window.held_ms == 0 for window in self.store.windows().values())

    # --- inside ---------------------------------------------------------------------------------------

    def _one(self, which: int) -> Live | None:
        live = list(self.live.values())
        return live[which % len(live)] if live else None

    def _perform(self, session: Live) -> None:
        for effect in session.meter.effects():
            match effect:
                case meter.Acquire():
                    self.count += 1
                    self.asked.append((session, session.meter, effect.owed_ms, f"slice_{self.count}"))
                case meter.Settle():
                    self.settles.append((effect.slice_id, effect.used_ms))
                case meter.Stop():
                    session.stopped_by.append(effect.spent)
                    assert len(session.stopped_by) == 1
                case meter.Warn() | meter.Allow():
                    pass

    def _answer(self, session: Live, asking: Meter, owed_ms: int, slice_id: str) -> None:
        args: Any = session.subject, slice_id, session.session_id, owed_ms, self.now_ms
        try:
            grant = self.store.acquire(*args)
        except QuotaSpent as spent:
            asking.refused(spent, self.now_ms)
        else:
            assert self.store.acquire(*args).granted_ms == grant.granted_ms
            asking.granted(slice_id, grant, self.now_ms)
        self._perform(session)
        if session.session_id in self.gone:
            # What passed before its last slice came is paid with that, though nobody is there any more.
            self._write()
            self.gone[session.session_id] = asking.billed_ms

    def _write(self) -> None:
        settles, self.settles = self.settles, []
        for slice_id, used_ms in settles:
            self.store.settle(slice_id, used_ms, self.now_ms)


def slices_period(key: str) -> Period:
    """Return the period of a window's key."""
    return {13: Period.HOUR, 10: Period.DAY, 7: Period.MONTH}[len(key)]
