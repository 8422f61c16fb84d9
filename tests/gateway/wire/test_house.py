"""One loop timer for all deadlines, and none when there is nothing to wait for."""

import asyncio

from gateway.wire.house import House


class Alarm:
    def __init__(self, house: House, again: int = 0) -> None:
        self.house = house
        self.again = again
        self.due_tick = 0
        self.rang = asyncio.Event()
        self.count = 0

    def expire(self, now: float) -> None:
        self.count += 1
        if self.again:
            self.again -= 1
            self.house.set_deadline(self, 0.01)
        else:
            self.rang.set()


async def test_the_timer_runs_while_something_waits_and_no_longer() -> None:
    house = House(tick_seconds=0.01)
    assert house._timer is None
    alarm = Alarm(house, again=3)
    house.set_deadline(alarm, 0.01)
    await asyncio.wait_for(alarm.rang.wait(), 10)
    assert alarm.count == 4
    assert house._timer is None
    other = Alarm(house)
    house.set_deadline(other, 0.01)
    await asyncio.wait_for(other.rang.wait(), 10)


async def test_what_one_deadline_clears_or_moves_does_not_come_in_the_same_turn() -> None:
    now = [100.0]
    house = House(tick_seconds=1.0, clock=lambda: now[0])

    class Mover(Alarm):
        def expire(self, now: float) -> None:
            super().expire(now)
            for alarm in alarms:
                if not alarm.count:
                    house.set_deadline(alarm, 50)

    alarms = [Mover(house) for _ in range(5)]
    for alarm in alarms:
        house.set_deadline(alarm, 2)
    now[0] += 3
    house.turn()
    assert sum(alarm.count for alarm in alarms) == 1
    house.stop()


async def test_stopping_lets_the_timer_go() -> None:
    house = House(tick_seconds=0.01)
    alarm = Alarm(house)
    house.set_deadline(alarm, 60)
    house.stop()
    house.clear_deadline(alarm)
    assert house._timer is None
    assert len(house.wheel) == 0
