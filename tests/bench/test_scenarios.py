"""Each scenario, small and short: it measures what it says and would notice a frame too many or too few."""

import dataclasses
import os
from collections.abc import Iterator

import pytest

from bench.crowd import Crowd, LoadFailed, Peer
from bench.figures import Check, Figure
from bench.processes import cpu_seconds, memory_bytes, resident_bytes, two_sides
from bench.scenarios import ELSEWHERE, SCENARIOS, Scenario
from bench.scenarios.audio import SETTINGS, Audio, Choir
from bench.scenarios.calls import Calls
from bench.scenarios.captions import Captions
from bench.scenarios.churn import Churn
from bench.scenarios.connect import Connect
from bench.scenarios.fanout import Audience, Fanout
from bench.scenarios.hold import Hold
from bench.scenarios.idle import Idle
from bench.scenarios.latency import Latency
from bench.scenarios.limiter import Limiter
from bench.scenarios.minutes import Minutes
from bench.scenarios.mixed import Mix, Mixed
from bench.scenarios.poll import Poll
from bench.scenarios.reaper import Reap
from bench.scenarios.rooms import Rooms
from bench.scenarios.slow import Slow
from bench.scenarios.soak import Soak
from bench.servers import Elsewhere, RawLoop, Server, Surroundings, token

AROUND = Surroundings(warm_up_seconds=0.1)
MIX = Mix(channels=2, viewers=4, captions=20, speakers=2, connects=10, churners=6, churn=20)
SMALL: dict[str, Scenario] = {
    "fanout": Fanout(viewers=30, captions=4, burst=2, passes=1, seconds=0.5, around=AROUND),
    "poll": Poll(voters=40, passes=1),
    "rooms": Rooms(people=60, messages=20, burst=5, vanishing=60, passes=1),
    "audio": Audio(publishers=5, frames=20, frames_in_time=5, passes=1, seconds=1.1, around=AROUND),
    "calls": Calls(pairs=6, rate=20, talk_seconds=0.05, seconds=0.6, around=AROUND),
    "connect": Connect(clients=20, at_once=5, passes=1, rate=40, seconds=0.5, around=AROUND),
    "idle": Idle(seconds=0.2, settling_seconds=0.0, listeners=30),
    "hold": Hold(connections=30, seconds=0.8, around=AROUND),
    "latency": Latency(streams=3, viewers=12, seconds=1.0),
    "captions": Captions(talks=1, viewers=3, seconds=3.6, warm_up_seconds=0.1, around=AROUND),
    "churn": Churn(clients=10, rate=40, captions=40, seconds=1.0, around=AROUND),
    "slow": Slow(viewers=4, frozen=2, rate=450, seconds=1.0, around=AROUND),
    "mixed": Mixed(MIX, seconds=1.1, around=AROUND),
    "soak": Soak(MIX, seconds=2.0, around=AROUND),
    "minutes": Minutes(operations=5, rates=(200,), seconds=0.1, sessions=20, passes=1),
    "limiter": Limiter(tries=200, trips=20, passes=1),
    "reaper": Reap(sessions=500, due=210, passes=1),
}
SHARED = {"churn", "mixed", "soak"}
"""Those whose own server would be like any: they are tested with one that is there already."""


@pytest.fixture(autouse=True)
def _cores_as_before() -> Iterator[None]:
    cores = os.sched_getaffinity(0)
    yield
    assert os.sched_getaffinity(0) == cores


def test_every_scenario_has_its_small_form() -> None:
    assert SMALL.keys() == SCENARIOS.keys()
    assert set(ELSEWHERE) <= SCENARIOS.keys()


@pytest.fixture(scope="module")
def site() -> Iterator[Elsewhere]:
    with Server(**SETTINGS) as server:
        yield Elsewhere(server.target, server.pid)


def at(site: Elsewhere, name: str) -> Scenario:
    """The small form of a scenario, for a server that is there already."""
    around = dataclasses.replace(AROUND, elsewhere=site, processes=1)
    return dataclasses.replace(SMALL[name], around=around)  # type: ignore[type-var]


@pytest.mark.parametrize("name", sorted(SMALL.keys() - SHARED))
def test_it_runs_and_gives_figures(name: str) -> None:
    scenario, steps = SMALL[name], list[str]()
    results = scenario.run(steps.append)
    figures = [result for result in results if isinstance(result, Figure)]

    assert len(steps) == scenario.steps
    assert {result.scenario for result in results} == {name}
    assert any(figure.goal is not None for figure in figures)
    assert all(figure.value >= 0 or "memory" in figure.name for figure in figures)
    assert all(figure.reference is None or figure.reference > 0 for figure in figures)
    assert all(result.times > 0 for result in results if isinstance(result, Check))


@pytest.mark.parametrize("name", sorted({*ELSEWHERE} - {"captions", "slow"}))
def test_it_loads_a_server_that_somebody_else_runs(name: str, site: Elsewhere) -> None:
    scenario, steps = at(site, name), list[str]()
    results = scenario.run(steps.append)

    assert len(steps) == scenario.steps
    assert all(result.times > 0 for result in results if isinstance(result, Check))
    assert "CPU of the server meanwhile" in {result.name for result in results if isinstance(result, Figure)}


def test_an_engine_that_hears_nothing_fails_and_says_so(site: Elsewhere) -> None:
    with pytest.raises(LoadFailed, match="0 % were understood"):
        at(site, "captions").run(lambda _: None)


@pytest.fixture(scope="module")
def raw() -> Iterator[RawLoop]:
    with RawLoop() as loop:
        yield loop


def test_a_viewer_who_is_sent_something_else_is_noticed(raw: RawLoop) -> None:
    with Crowd(raw.port) as crowd:
        audience = Audience(crowd, raw, "/viewer", "/captions", 3)
        audience.publish(2, 1)
        sock = next(iter(crowd._peers.values())).sock
        audience._hear(Peer(sock, 0), b'{"is_final":true,"offset":3}')
        with pytest.raises(LoadFailed, match="viewer 1 was sent something else"):
            audience._hear(Peer(sock, 1), b'{"is_final":true,"offset":4}')


def test_a_frame_that_a_viewer_never_saw_is_noticed(raw: RawLoop) -> None:
    with Crowd(raw.port) as crowd:
        audience = Audience(crowd, raw, "/viewer", "/captions", 3)
        audience.publish(2, 1)
        audience._hear(Peer(next(iter(crowd._peers.values())).sock, 0), b'{"is_final":true,"offset":3}')
        with pytest.raises(LoadFailed, match="of 2 captions"):
            audience.check()


def test_audio_that_the_server_has_not_taken_is_noticed(raw: RawLoop) -> None:
    with Crowd(raw.port) as crowd:
        choir = Choir(crowd, raw, "/audio%d", 1)
        choir.sing(50)
        crowd.until = lambda done, seconds=60.0: choir._finalized.append(0.98)  # type: ignore[method-assign]
        with pytest.raises(LoadFailed, match=r"1.00 s of audio were sent, and the server has taken 0.98 s"):
            choir.check()


def test_a_server_that_refuses_a_client_spoils_the_run(raw: RawLoop) -> None:
    with Crowd(raw.port) as crowd:
        peer = crowd.dial("/viewer")
        peer.messages.append(b'{"type":"error","code":"RATE_LIMITED"}')
        with pytest.raises(LoadFailed, match="RATE_LIMITED"):
            crowd._check_joined(peer)


def test_one_connection_takes_more_than_a_socket_buffer_in_order(raw: RawLoop) -> None:
    with Crowd(raw.port) as crowd:
        (peer,) = crowd.join(["/audio0"], token())
        choir = Choir(crowd, raw, "/audio%d", 1)
        assert choir.sing(20_000) > 0
        assert not peer.closed


def test_this_process_has_a_cost_and_a_size() -> None:
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) == before:  # counted from one tick of the kernel to the next
        assert sum(range(300_000)) > 0
    resident, share = memory_bytes(os.getpid())
    assert resident >= share > 1_000_000
    assert abs(resident_bytes(os.getpid()) - resident) < resident / 2


def test_where_there_are_two_cores_the_sides_share_none() -> None:
    measured, load = two_sides()
    assert len(measured) == 1
    assert measured.isdisjoint(load) == (len(os.sched_getaffinity(0)) > 1)
