"""Alarms: each rings once, not early, at most a tick late, on one timer for all."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms import TICK_SECONDS, Alarms
from tests.gateway.rehearsal import Clockwork


class Sleeper:
    """Remembers when it was woken; may set itself again."""

    def __init__(self, alarms: Alarms, again: float = math.inf) -> None:
        self.alarms = alarms
        self.again = again
        self.rung: list[float] = []

    def alarm(self, now: float) -> None:
        self.rung.append(now)
        again, self.again = self.again, math.inf
        self.alarms.set(self, again)


class Stand:
    """Alarms on a clock that is turned by hand."""

    def __init__(self) -> None:
        self.clock = Clockwork()
        self.clock.now = 0.0
        self.alarms = Alarms(self.clock.loop)

    def sleeper(self, when: float, again: float = math.inf) -> Sleeper:
        sleeper = Sleeper(self.alarms, again)
        self.alarms.set(sleeper, when)
        return sleeper


@pytest.fixture
def stand() -> Stand:
    return Stand()


@given(st.lists(st.floats(0, 50), min_size=1, max_size=60))
def test_each_rings_once_and_neither_early_nor_late(whens: list[float]) -> None:
    stand = Stand()
    sleepers = [stand.sleeper(when) for when in whens]
    stand.clock.advance(60)
    for sleeper, when in zip(sleepers, whens, strict=True):
        (rung,) = sleeper.rung
        assert when <= rung <= max(when, TICK_SECONDS) + TICK_SECONDS
    assert len(stand.alarms) == 0
    assert not stand.clock.ticking


def test_an_alarm_that_is_set_again_moves(stand: Stand) -> None:
    later, sooner = stand.sleeper(5), stand.sleeper(20)
    stand.alarms.set(later, 10)
    stand.alarms.set(sooner, 3)
    stand.clock.advance(9)
    assert (later.rung, len(sooner.rung)) == ([], 1)
    stand.clock.advance(20)
    assert (len(later.rung), len(sooner.rung)) == (1, 1)


def test_what_is_cleared_or_put_off_for_ever_does_not_ring(stand: Stand) -> None:
    cleared, endless = stand.sleeper(1), stand.sleeper(1)
    stand.alarms.clear(cleared)
    stand.alarms.set(endless, math.inf)
    stand.alarms.clear(Sleeper(stand.alarms))
    stand.clock.advance(10)
    assert (cleared.rung, endless.rung) == ([], [])


def test_who_rings_may_set_itself_again(stand: Stand) -> None:
    sleeper = stand.sleeper(1, again=2)
    stand.clock.advance(10)
    assert [round(when, 3) for when in sleeper.rung] == [1, 2]


def test_who_rings_may_clear_a_neighbour(stand: Stand) -> None:
    neighbour = Sleeper(stand.alarms)

    class Clearer(Sleeper):
        def alarm(self, now: float) -> None:
            stand.alarms.clear(neighbour)

    stand.alarms.set(Clearer(stand.alarms), 1)
    stand.alarms.set(neighbour, 1.0)
    stand.clock.advance(10)
    assert neighbour.rung == []


def test_one_that_fails_silences_nobody_else(stand: Stand) -> None:
    class Broken(Sleeper):
        def alarm(self, now: float) -> None:
            raise RuntimeError("broken")

    stand.alarms.set(Broken(stand.alarms), 1)
    others = [stand.sleeper(1), stand.sleeper(5)]
    with pytest.raises(RuntimeError):
        stand.clock.advance(2)
    stand.clock.advance(10)
    assert [len(other.rung) for other in others] == [1, 1]


def test_a_time_that_is_past_rings_at_the_next_tick(stand: Stand) -> None:
    stand.clock.advance(100)
    sleeper = stand.sleeper(3)
    assert sleeper.rung == []
    stand.clock.advance(TICK_SECONDS)
    assert len(sleeper.rung) == 1


def test_nothing_ticks_while_nothing_is_set(stand: Stand) -> None:
    assert not stand.clock.ticking
    sleeper = stand.sleeper(5)
    assert stand.clock.ticking
    stand.alarms.clear(sleeper)
    assert not stand.clock.ticking
    stand.alarms.set(sleeper, 7)
    stand.clock.advance(8)
    assert len(sleeper.rung) == 1
    assert not stand.clock.ticking


def test_however_often_alarms_are_moved_and_cleared_little_is_kept(stand: Stand) -> None:
    stays = stand.sleeper(9000)
    for number in range(10_000):
        passing = stand.sleeper(5000 + number % 7)
        stand.alarms.set(stays, 9000 - number / 10_000)
        stand.alarms.clear(passing)
    assert len(stand.alarms) == 1
    assert stand.alarms.kept <= 256
    stand.clock.advance(9001)
    assert len(stays.rung) == 1
