"""What load processes count: by the intended moment, in slots, and added up."""

import orjson
import pytest

from bench.figures import Course, Distribution, Figure
from bench.load.outcome import dealt, latency
from bench.load.tally import SLOTS_MAX, Tally, Total, slots_of

SECOND = 1_000_000_000
BEGAN = 5 * SECOND


def tally(*times: tuple[int, int]) -> Tally:
    made = Tally()
    made.begin(BEGAN, BEGAN + 2 * SECOND)
    for intended, now in times:
        made.timeline("caption").record(BEGAN + intended, BEGAN + now)
    return made


def total(*tallies: Tally) -> Total:
    made = Total(2.0)
    for each in tallies:
        made.add(orjson.loads(orjson.dumps(each.as_json())))
    return made


def test_the_time_since_the_intended_moment_counts_in_that_moments_slot() -> None:
    made = total(tally((0, 3_000_000), (SECOND, 5 * SECOND)))

    assert [slot.count for slot in made.times["caption"]] == [1, 0, 1, 0]
    assert made.whole("caption").highest == 4 * SECOND
    assert made.per_second("caption") == ((0.25, 2.0), (0.75, 0.0), (1.25, 2.0), (1.75, 0.0))


def test_what_was_intended_before_or_after_does_not_count() -> None:
    assert total(tally((-1, 10), (2 * SECOND, 2 * SECOND + 1))).whole("caption").count == 0


def test_processes_add_up() -> None:
    one, two = tally((0, 1)), tally((0, 2), (0, 3))
    one.counts["clients back"], two.counts["clients back"] = 2, 3

    made = total(one, two)
    assert made.whole("caption").count == 3
    assert made.counts["clients back"] == 5
    assert made.whole("never").count == 0


@pytest.mark.parametrize("seconds", [0.1, 1, 7.3, 59, 61, 3600, 86_400])
def test_a_run_of_any_length_has_a_bounded_number_of_slots_that_cover_it(seconds: float) -> None:
    slot_ns, count = slots_of(int(seconds * SECOND))
    assert 1 <= count <= SLOTS_MAX
    assert slot_ns * count >= int(seconds * SECOND)


def test_a_latency_says_its_distribution_its_percentiles_and_how_many_there_were() -> None:
    made = total(tally(*((0, number * 1_000_000) for number in range(1, 101))))
    results = list(latency("fanout", made, "caption", "a caption", {"p99": 20.0}))

    p50, p99 = (result for result in results if isinstance(result, Figure))
    assert p50.value == pytest.approx(50, rel=0.01)
    assert p99.value == pytest.approx(99, rel=0.01)
    assert (p50.met, p99.met) == (None, False)
    assert {type(result) for result in results} == {Figure, Distribution, Course}


def test_what_never_happened_has_no_latency() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        list(latency("fanout", total(), "caption", "a caption"))


@pytest.mark.parametrize(("count", "dealt_out"), [(10, [4, 3, 3]), (2, [1, 1, 0]), (0, [0, 0, 0])])
def test_clients_are_dealt_out_evenly(count: int, dealt_out: list[int]) -> None:
    assert dealt(count, 3) == dealt_out
