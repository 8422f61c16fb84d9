"""From costs to machines: nothing beyond a bound, nothing more than is needed, and the bound is named."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.capacity.model import Costs, Crowd, Machine, fleet, line, loads

CROWDS = st.builds(
    Crowd,
    viewers=st.integers(1, 5_000_000),
    channel_viewers=st.integers(10, 100_000),
    languages=st.integers(1, 8),
    captions_per_second=st.floats(0.1, 5),
    channel_processes=st.integers(1, 4),
)


@given(CROWDS)
def test_the_fleet_is_within_every_bound_and_one_process_less_is_not(crowd: Crowd) -> None:
    found = fleet(Costs(), crowd, Machine())

    assert max(found.loads.values()) <= 1 + 1e-9
    assert found.machines == math.ceil(found.processes / Machine().gateway_cores)
    if found.processes > 1:
        fewer = loads(Costs(), crowd, Machine(), found.processes - 1, 0)
        assert max(fewer.values()) > 1


@given(CROWDS, st.sampled_from([field.name for field in dataclasses.fields(Costs)]))
def test_dearer_is_never_less(crowd: Crowd, cost: str) -> None:
    dearer = dataclasses.replace(Costs(), **{cost: getattr(Costs(), cost) * 2})
    assert fleet(dearer, crowd, Machine()).processes >= fleet(Costs(), crowd, Machine()).processes


def test_one_process_needs_no_redis_and_many_do() -> None:
    assert fleet(Costs(), Crowd(1000), Machine()).redis == 0
    assert fleet(Costs(), Crowd(1_000_000), Machine()).redis >= 1


@pytest.mark.parametrize(
    ("costs", "machine", "bound"),
    [
        ({}, {}, "CPU of the gateways"),
        ({"viewer_bytes": 1e7}, {}, "memory"),
        ({}, {"network_bits": 1e8}, "network"),
        ({}, {"delay_us_max": 100.0}, "a caption's way through one process"),
        ({"publish_us": 3e4}, {}, "Redis"),
    ],
)
def test_what_is_scarce_is_named(costs: dict[str, float], machine: dict[str, float], bound: str) -> None:
    scarce = dataclasses.replace(Machine(), **machine)  # type: ignore[arg-type]
    found = fleet(dataclasses.replace(Costs(), **costs), Crowd(1_000_000), scarce)
    assert bound in {found.bottleneck, found.next_bottleneck}
    assert found.bottleneck != found.next_bottleneck


def test_viewers_who_go_anywhere_make_every_process_hear_every_channel() -> None:
    routed = fleet(Costs(), Crowd(10_000_000), Machine()).processes
    anywhere = fleet(Costs(), Crowd(10_000_000, channel_processes=0), Machine()).processes
    assert anywhere > 10 * routed


def test_what_no_number_of_processes_carries_is_said() -> None:
    with pytest.raises(ValueError, match="no number of processes"):
        fleet(dataclasses.replace(Costs(), caption_us=1e7), Crowd(1000), Machine())


def test_a_line_goes_through_its_points() -> None:
    assert line([(1, 5), (2, 7), (3, 9)]) == pytest.approx((3, 2))
    assert line([(0, 1), (0, 3), (2, 4), (2, 6)]) == pytest.approx((2, 1.5))
    with pytest.raises(ValueError, match="two points"):
        line([(1, 5), (1, 6)])


@pytest.mark.parametrize("change", [{"frame_us": -1}, {"frame_us": 0}, {"frame_us": "x"}, {"more": 1.0}])
def test_what_are_no_costs_is_refused(change: dict[str, object]) -> None:
    written = dataclasses.asdict(Costs())
    assert Costs.from_json(written) == Costs()
    with pytest.raises(ValueError, match=r"cost|float"):
        Costs.from_json(written | change)
