"""Moments that are fixed beforehand."""

from itertools import pairwise
from random import Random

from bench.crowd import Crowd
from bench.load.stage import NEVER_NS, Arrival, Stage
from bench.target import Target

SECOND = 1_000_000_000


def arrivals(rate: float, seconds: int, seed: int) -> list[int]:
    with Crowd(1) as crowd:
        stage = Stage(crowd, Target.here(1), random=Random(seed))
        stage.begin(0, 0, seconds * SECOND)
        arrival, moments = Arrival(stage, rate), list[int]()
        while arrival.due_ns != NEVER_NS:
            moments.append(arrival.next())
        return moments


def test_moments_rise_and_end_in_time() -> None:
    moments = arrivals(50, 10, seed=1)
    assert moments == sorted(moments)
    assert moments[0] >= 0
    assert moments[-1] < 10 * SECOND


def test_there_are_about_as_many_as_were_asked_for_and_at_random() -> None:
    moments = arrivals(100, 100, seed=2)
    assert 9_500 < len(moments) < 10_500
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert 0.9 < spread / mean < 1.1  # an exponential distribution's is 1


def test_the_same_seed_gives_the_same_moments() -> None:
    assert arrivals(5, 10, seed=3) == arrivals(5, 10, seed=3) != arrivals(5, 10, seed=4)
