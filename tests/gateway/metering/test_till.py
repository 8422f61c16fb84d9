"""The till: every slice that was granted is settled once, whoever has gone and whatever the store does."""

import math
from dataclasses import replace

import pytest

from gateway.alarms import Alarms
from gateway.metering.clock import MediaClock
from gateway.metering.consumption import Consumption
from gateway.metering.till import MARKS_MAX, Till
from gateway.plans import load_plans
from gateway.stores.interface import StoreDown
from gateway.stores.minutes import Checkpoint
from gateway.stores.schema import quota_slices, usage_events
from tests.gateway.metering.desk import FACTS, PaperSpender, plays
from tests.gateway.rehearsal import Clockwork, PaperStore, settings


class Desk:
    """A till on a paper store."""

    def __init__(self, **changes: int) -> None:
        self.clock = Clockwork()
        self.store = PaperStore(self.clock)
        self.alarms = Alarms(self.clock.loop)
        plans = load_plans(settings(**{"live_quota_free_subtitle_minutes_per_hour": 30, **changes}))
        numbers = iter(range(1_000_000))
        self.till = Till(
            self.store, plans, "boot_1", self.alarms, self.clock, lambda prefix: f"{prefix}_{next(numbers)}"
        )
        self.media = MediaClock()
        self.plan = "free"

    def consumption(self, spender: PaperSpender | None = None) -> Consumption:
        """Return one that follows the media."""
        made = Consumption(replace(FACTS, plan=self.plan), self.till)
        made.spender = spender or PaperSpender()
        made.attach(self.media)
        return made

    def moves(self, milliseconds: int) -> None:
        plays(self.media, milliseconds)
        self.clock.turn()

    def slices(self) -> list[tuple[str, str, int]]:
        """Return (state, boot, used) of every slice."""
        return [(r["state"], r["boot_id"], r["cumulative_ms"]) for r in self.store.rows(quota_slices)]

    def charged_ms(self) -> int:
        return sum(row["quantity_ms"] for row in self.store.rows(usage_events))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_slice_is_of_its_session_and_of_this_boot(desk: Desk) -> None:
    mine = desk.consumption()
    desk.moves(20)
    desk.till.boot_id = "boot_2"
    (row,) = desk.store.rows(quota_slices)
    assert (row["id"], row["session_id"], row["channel_id"], row["boot_id"]) == (
        "slice_0", "live_1", "main", "boot_1",
    )  # fmt: skip
    assert (row["granted_ms"], row["opened_at"]) == (60_020, desk.clock.now_ms())
    for _ in range(49):
        desk.moves(1_000)
    assert [boot for _, boot, _ in desk.slices()] == ["boot_1", "boot_2"]
    mine.close()
    assert len(desk.till) == 0


@pytest.mark.parametrize("passed_ms", [0, 20])
def test_one_that_was_closed_before_its_slice_came_pays_what_had_passed(desk: Desk, passed_ms: int) -> None:
    desk.store.held = True
    mine = desk.consumption()
    desk.moves(passed_ms)
    mine.need()
    mine.close()
    assert len(desk.till) == 0
    desk.store.held = False
    desk.store.write_all()
    desk.clock.turn()
    assert (desk.slices(), desk.charged_ms()) == ([("closed", "boot_1", passed_ms)], passed_ms)
    assert not desk.clock.ticking


def test_an_answer_that_was_lost_leaves_no_slice_open(desk: Desk) -> None:
    """The store may have written an acquisition whose answer it could not give."""
    lost: list[object] = []
    submit = desk.store.submit

    def written_but_lost(journal: object, operation: object, *, patience_seconds: float) -> object:
        future = submit(journal, operation, patience_seconds=patience_seconds)  # type: ignore[arg-type]
        if lost or patience_seconds == math.inf:
            return future
        lost.append(operation)
        broken = type(future)(loop=future.get_loop())
        broken.set_exception(StoreDown("the connection was lost in the commit"))
        return broken

    desk.store.submit = written_but_lost  # type: ignore[method-assign,assignment]
    spender = PaperSpender()
    desk.consumption(spender)
    desk.moves(20)
    assert spender.told == ["unavailable"]
    assert (len(lost), desk.slices()) == (1, [("closed", "boot_1", 0)])


def test_settlements_wait_for_a_store_that_is_away_and_are_written_once(desk: Desk) -> None:
    mine = desk.consumption()
    desk.moves(20)
    desk.moves(7_000)
    desk.store.broken = StoreDown("away")
    assert desk.till.down
    mine.close()
    assert desk.charged_ms() == 0
    desk.store.broken = None
    desk.store.write_all()
    desk.store.write_all()
    assert (desk.charged_ms(), desk.till.down) == (7_020, False)


def test_checkpoints_are_of_many_slices_in_few_operations(desk: Desk) -> None:
    desk.plan = "enterprise"
    many = [desk.consumption() for _ in range(MARKS_MAX + 10)]
    desk.moves(20)
    operations: list[Checkpoint] = []
    submit = desk.store.submit

    def noted(journal: object, operation: object, *, patience_seconds: float) -> object:
        if isinstance(operation, Checkpoint):
            operations.append(operation)
        return submit(journal, operation, patience_seconds=patience_seconds)  # type: ignore[arg-type]

    desk.store.submit = noted  # type: ignore[method-assign,assignment]
    desk.moves(1_000)
    desk.till.checkpoint()
    assert [len(one.marks) for one in operations] == [MARKS_MAX, 10]
    assert {used for _, _, used in desk.slices()} == {1_020}
    desk.till.checkpoint()
    assert len(operations) == 2
    for one in many:
        one.close()


def test_a_checkpoint_that_could_not_be_written_is_followed_by_the_next(desk: Desk) -> None:
    desk.consumption()
    desk.moves(20)
    desk.moves(1_000)
    desk.store.broken = StoreDown("away")
    desk.till.checkpoint()
    desk.store.broken = None
    desk.moves(500)
    desk.till.checkpoint()
    assert [used for _, _, used in desk.slices()] == [1_520]


def test_checkpoints_do_not_pile_up_while_the_store_is_slow(desk: Desk) -> None:
    desk.consumption()
    desk.moves(20)
    desk.store.held = True
    for _ in range(5):
        desk.moves(1_000)
        desk.till.checkpoint()
    assert desk.store.waiting == 1
    desk.store.held = False
    desk.store.write_all()
    desk.till.checkpoint()
    assert [used for _, _, used in desk.slices()] == [5_020]


def test_time_is_called_by_the_wall_clock(desk: Desk) -> None:
    desk.consumption()
    desk.moves(20)
    desk.clock.advance(119.9)
    assert [state for state, _, _ in desk.slices()] == ["open"]
    desk.clock.advance(0.3)
    assert desk.slices() == [("closed", "boot_1", 20)]
    assert len(desk.alarms) == 0
