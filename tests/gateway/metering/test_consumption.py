"""One session's use: fed by one stream at a time, looked at only where it must be, told in order."""

import math

import pytest

from gateway.metering.clock import MediaClock
from gateway.metering.consumption import Consumption
from gateway.stores.interface import StoreDown
from sessions.periods import Period
from tests.gateway.metering.desk import FACTS, NOON_MS, SPENT, PaperCounter, PaperSpender, grant, plays


class Looked(MediaClock):
    """A clock that counts how often it has called somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = 0

    def watch(self, mark_ms: float, watcher: object) -> None:
        self.watched += 1
        super().watch(mark_ms, watcher)  # type: ignore[arg-type]


@pytest.fixture
def counter() -> PaperCounter:
    return PaperCounter()


@pytest.fixture
def spender() -> PaperSpender:
    return PaperSpender()


@pytest.fixture
def viewer(counter: PaperCounter, spender: PaperSpender) -> Consumption:
    made = Consumption(FACTS, counter)
    made.spender = spender
    return made


def test_it_asks_with_the_first_media_and_pays_for_that_too(
    viewer: Consumption, counter: PaperCounter
) -> None:
    clock = MediaClock()
    plays(clock, 5_000)
    viewer.attach(clock)
    assert counter.asked == []
    plays(clock, 100)
    assert counter.asked == [20]
    viewer.granted("one", grant(60_020))
    viewer.close()
    assert counter.settled == [("one", 100)]
    assert counter.forgotten == [viewer]


def test_a_frame_costs_nothing_where_no_mark_is_reached(viewer: Consumption, counter: PaperCounter) -> None:
    clock = Looked()
    viewer.attach(clock)
    plays(clock, 20)
    viewer.granted("one", grant())
    plays(clock, 59_000)
    assert counter.asked == [20, 0]
    assert clock.watched < 6


def test_of_two_streams_only_the_present_one_counts(viewer: Consumption, counter: PaperCounter) -> None:
    first, second = MediaClock(), MediaClock()
    viewer.attach(first)
    plays(first, 1_000)
    viewer.granted("one", grant())
    plays(second, 7_000)
    viewer.attach(second)
    plays(first, 9_000)
    plays(second, 500)
    assert (viewer.total_ms, first.ms, second.ms) == (1_500, 10_000, 7_500)
    viewer.detach()
    plays(second, 9_000)
    viewer.close()
    assert counter.settled == [("one", 1_500)]


def test_what_was_sent_again_is_paid_at_once(viewer: Consumption, counter: PaperCounter) -> None:
    clock = MediaClock()
    plays(clock, 8_000)
    viewer.attach(clock, missed_ms=3_000)
    assert counter.asked == [3_000]
    viewer.granted("one", grant(63_000))
    plays(clock, 100)
    viewer.close()
    assert counter.settled == [("one", 3_100)]


def test_a_deadline_charges_what_has_passed_before_it(viewer: Consumption, counter: PaperCounter) -> None:
    clock = MediaClock()
    viewer.attach(clock)
    plays(clock, 1_000)
    viewer.granted("one", grant(expires_ms=30_000))
    plays(clock, 9_000)
    assert counter.deadline_ms == NOON_MS + 29_000
    counter.ms = NOON_MS + 30_000
    viewer.handle_deadline()
    assert counter.settled == [("one", 10_000)]
    assert viewer.billed_ms == 10_000


def test_a_loss_gives_back_and_its_media_is_nobodys(viewer: Consumption, counter: PaperCounter) -> None:
    clock = MediaClock()
    viewer.attach(clock)
    plays(clock, 1_000)
    viewer.granted("one", grant())
    viewer.spender = None
    viewer.pause()
    plays(clock, 5_000)
    assert (counter.settled, counter.deadline_ms) == ([("one", 1_000)], math.inf)
    viewer.granted("late", grant())
    assert counter.settled == [("one", 1_000), ("late", 0)]


def test_the_socket_is_told_in_order(
    viewer: Consumption, spender: PaperSpender, counter: PaperCounter
) -> None:
    clock = MediaClock()
    viewer.attach(clock)
    viewer.need()
    assert viewer.allowance_bytes == 0
    viewer.granted("one", grant(10_000, warn_at_ms=5_000))
    assert (spender.told, viewer.allowance_bytes) == (["allowed"], 320_000)
    plays(clock, 4_000)
    assert viewer.allowance_bytes == 192_000
    plays(clock, 6_000)
    assert spender.told == ["allowed", Period.HOUR]
    viewer.refused(SPENT)
    assert spender.told[2:] == [SPENT]
    assert viewer.stopped
    plays(clock, 1_000)
    assert viewer.total_ms == 10_000
    viewer.close()
    assert counter.settled == [("one", 10_000)]


@pytest.mark.parametrize("spent", [True, False])
def test_a_bad_answer_finds_all_that_had_passed_by_then(viewer: Consumption, spent: bool) -> None:
    clock = MediaClock()
    viewer.attach(clock)
    plays(clock, 520)
    if spent:
        viewer.refused(SPENT)
    else:
        viewer.unavailable(StoreDown("away"))
    assert (viewer.owed_ms, viewer.total_ms) == (520, 520)


def test_a_store_that_is_away_is_told_too(viewer: Consumption, spender: PaperSpender) -> None:
    viewer.need()
    viewer.unavailable(StoreDown("away"))
    assert spender.told == ["unavailable"]


def test_nobody_is_told_while_the_socket_is_lost(viewer: Consumption, counter: PaperCounter) -> None:
    viewer.spender = None
    viewer.need()
    viewer.refused(SPENT)
    assert viewer.stopped


def test_checkpoints_are_up_to_now(viewer: Consumption) -> None:
    clock = MediaClock()
    viewer.attach(clock)
    plays(clock, 1_000)
    viewer.granted("one", grant())
    plays(clock, 2_000)
    assert viewer.checkpoints(NOON_MS) == [("one", 3_000)]
    assert viewer.checkpoints(NOON_MS) == []
