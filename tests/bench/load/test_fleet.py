"""Load processes together: they add up, measure from the intended moment, and one that fails fails all."""

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from bench.crowd import LoadFailed
from bench.load.fleet import Fleet
from bench.servers import Server, Surroundings
from bench.target import Target
from bench.watch import Watch

CHANNEL = "fleet"
AROUND = Surroundings(warm_up_seconds=0.2)
STOPPED_SECONDS = 0.6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(RECOGNIZERS="silent") as running:
        yield running


def jobs(viewers: int = 4, rate: float = 50) -> list[list[tuple[str, dict[str, object]]]]:
    return [
        [
            ("viewers", {"channels": [CHANNEL], "count": viewers}),
            ("captioners", {"channels": [CHANNEL], "rate": rate}),
        ],
        [("viewers", {"channels": [CHANNEL], "count": viewers})],
    ]


def test_viewers_of_all_processes_see_everything(server: Server) -> None:
    told: list[str] = []
    watch = Watch(server.pid)
    with Fleet(server.target, jobs()) as fleet:
        assert fleet.prepare() == 9
        total = fleet.run(Surroundings(warm_up_seconds=0.2, say=told.append), 1.0, watch)

    said = total.counts["captions said"]
    assert total.counts["finals seen"] == 8 * (said + 1)  # and the last one, which ends the count
    assert 0 < total.whole("caption").count <= 8 * said
    assert 0 < fleet.busy < 1
    assert told[-1].startswith("1 of 1 s")
    assert {course.unit for course in watch.courses("fleet")} == {"% of a core", "MB"}


def test_a_server_that_stands_still_is_seen_by_all_who_were_to_be_served(server: Server) -> None:
    with Fleet(server.target, jobs(rate=100)) as fleet:
        fleet.prepare()
        stop = threading.Timer(1.0, os.kill, (server.pid, signal.SIGSTOP))
        go_on = threading.Timer(1.0 + STOPPED_SECONDS, os.kill, (server.pid, signal.SIGCONT))
        for timer in (stop, go_on):
            timer.start()
        try:
            total = fleet.run(AROUND, 2.0, Watch(server.pid))
        finally:
            for timer in (stop, go_on):
                timer.join()

    whole = total.whole("caption")
    late = whole.count - max(below for value, below in whole.steps() if value <= STOPPED_SECONDS / 6 * 1e9)
    # A closed loop would have counted one of eight viewers' captions once; here it is a quarter of all.
    assert late > whole.count / 8


def test_a_token_that_does_not_hold_fails_the_run_with_the_servers_words(server: Server) -> None:
    target = Target("127.0.0.1", server.port, token="nobody's")
    with Fleet(target, jobs()) as fleet, pytest.raises(LoadFailed, match="INVALID_TOKEN"):
        fleet.prepare()


def test_where_nothing_listens_the_run_says_so() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = Target.here(unused.getsockname()[1])
        with Fleet(target, jobs()) as fleet, pytest.raises(LoadFailed, match="nothing answers at ws://"):
            fleet.prepare()


def test_a_server_that_dies_in_the_middle_fails_the_run() -> None:
    with Server(RECOGNIZERS="silent") as server, Fleet(server.target, jobs()) as fleet:
        fleet.prepare()
        killed = threading.Timer(0.5, os.kill, (server.pid, signal.SIGKILL))
        killed.start()
        with pytest.raises(LoadFailed, match=r"ended|nothing answers"):
            fleet.run(AROUND, 1.0, Watch(server.pid))
        killed.join()
