"""The wheel with a clock in the test's hand: never early, at most a tick late, level under a crowd."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.wheel import Wheel


class Alarm:
    def __init__(self, name: str = "") -> None:
        self.due_tick = 0
        self.name = name

    def expire(self, now: float) -> None:
        """Nothing to do."""


def test_a_deadline_is_never_early_and_at_most_a_tick_late() -> None:
    wheel, alarm = Wheel(1.0), Alarm()
    wheel.turn(100.0)
    wheel.set(alarm, 105.5)
    assert [moment for moment in range(101, 110) if wheel.turn(float(moment))] == [106]
    assert len(wheel) == 0


def test_a_later_deadline_replaces_the_first() -> None:
    wheel, alarm = Wheel(1.0), Alarm()
    wheel.set(alarm, 5.0)
    wheel.set(alarm, 9.0)
    assert wheel.turn(8.0) == []
    assert wheel.turn(9.0) == [alarm]


def test_a_cleared_deadline_does_not_come() -> None:
    wheel, alarm = Wheel(1.0), Alarm()
    wheel.set(alarm, 5.0)
    wheel.clear(alarm)
    wheel.clear(alarm)
    assert (wheel.turn(10.0), len(wheel), alarm.due_tick) == ([], 0, 0)


def test_a_deadline_that_is_over_already_comes_with_the_next_tick() -> None:
    wheel, alarm = Wheel(1.0), Alarm()
    wheel.turn(50.0)
    wheel.set(alarm, 3.0)
    assert wheel.turn(50.5) == []
    assert wheel.turn(51.0) == [alarm]


def test_a_turn_after_a_long_sleep_finds_everything_that_is_due() -> None:
    wheel = Wheel(1.0)
    alarms = [Alarm() for _ in range(10)]
    for index, alarm in enumerate(alarms):
        wheel.set(alarm, 1.0 + index * 1000)
    assert set(wheel.turn(5001.0)) == set(alarms[:6])
    assert len(wheel) == 4


def test_fifteen_thousand_connections_made_at_once_ping_level() -> None:
    wheel = Wheel(1.0)
    ticks = Counter(int(10 + wheel.spread(10.0)) for _ in range(15_000))
    assert set(ticks) == set(range(10, 20))
    assert max(ticks.values()) < 1.05 * 1500


@given(st.lists(st.tuples(st.floats(0, 60), st.booleans()), max_size=30), st.floats(0.1, 5))
def test_every_deadline_that_stays_comes_once(plans: list[tuple[float, bool]], tick_seconds: float) -> None:
    wheel = Wheel(tick_seconds)
    alarms = [(Alarm(), deadline, stays) for deadline, stays in plans]
    for alarm, deadline, _ in alarms:
        wheel.set(alarm, deadline)
    for alarm, _, stays in alarms:
        if not stays:
            wheel.clear(alarm)
    came: dict[int, float] = {}
    for step in range(1, 1400):
        now = step * 0.05
        for item in wheel.turn(now):
            assert id(item) not in came
            came[id(item)] = now
    assert set(came) == {id(alarm) for alarm, _, stays in alarms if stays}
    for alarm, deadline, stays in alarms:
        if stays:
            assert deadline <= came[id(alarm)] + 1e-6
            assert came[id(alarm)] <= deadline + 2 * tick_seconds + 0.1
