"""One process played: as busy as the model says where its assumptions hold, and slower where they do not."""

import dataclasses
from random import Random

import pytest

from bench.capacity.model import Costs, Crowd, Fleet, Machine, fleet
from bench.capacity.simulation import channel_sizes, simulate, topics_here


def played(crowd: Crowd, found: Fleet, costs: Costs | None = None) -> float:
    return simulate(costs or Costs(), crowd, found, 20.0, seed=5).used


def test_one_process_is_as_busy_as_the_model_says() -> None:
    crowd = Crowd(10_000, channel_viewers=1000)
    found = fleet(Costs(), crowd, Machine())
    modelled = found.loads["CPU of the gateways"] * Machine().used_max
    assert played(crowd, found) == pytest.approx(modelled, rel=0.15)


@pytest.mark.parametrize("viewers", [1_000_000, 10_000_000])
def test_the_fullest_process_of_a_large_fleet_keeps_up(viewers: int) -> None:
    crowd = Crowd(viewers)
    found = simulate(Costs(), crowd, fleet(Costs(), crowd, Machine()), 10.0, seed=1)
    assert found.used < 0.8
    assert found.delays.percentile(0.99) < 1e9


def test_too_small_a_fleet_falls_behind() -> None:
    crowd = Crowd(1_000_000)
    enough = fleet(Costs(), crowd, Machine())
    small = dataclasses.replace(enough, processes=enough.processes // 2)
    assert played(crowd, small) > 1
    late = simulate(Costs(), crowd, small, 10.0, seed=1).delays.percentile(0.99)
    assert late > 3 * simulate(Costs(), crowd, enough, 10.0, seed=1).delays.percentile(0.99)


def test_the_same_seed_plays_the_same() -> None:
    crowd, found = Crowd(50_000), fleet(Costs(), Crowd(50_000), Machine())
    one, other = (simulate(Costs(), crowd, found, 5.0, seed=9) for _ in range(2))
    assert one.delays.as_json() == other.delays.as_json()


def test_every_viewer_has_a_place() -> None:
    crowd = Crowd(300_000)
    assert sum(channel_sizes(crowd)) == pytest.approx(300_000)
    assert sum(topics_here(crowd, 1, Random(1))) == pytest.approx(300_000, rel=0.01)
    # The fullest of ten has little more than a tenth.
    assert 30_000 * 0.98 < sum(topics_here(crowd, 10, Random(1))) < 30_000 * 1.25
