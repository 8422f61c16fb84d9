from gateway.workers.plan import Backoff, Seat, choose, missing


def seats(*loads: int, streams_max: int = 4) -> list[Seat[int]]:
    return [Seat(number, load, streams_max) for number, load in enumerate(loads)]


def test_a_stream_goes_to_the_least_loaded_worker() -> None:
    assert choose(seats(2, 1, 3), busy_max=3) == 1


def test_a_stream_waits_when_every_worker_is_full() -> None:
    assert choose(seats(4, 4), busy_max=2) is None
    assert choose([], busy_max=2) is None


def test_the_spare_is_kept_for_losses_once_enough_workers_are_busy() -> None:
    assert choose(seats(3, 2, 0), busy_max=2) == 1
    assert choose(seats(3, 2, 0), busy_max=3) == 2
    assert choose(seats(4, 4, 0), busy_max=2) == 2


def test_a_worker_that_failed_with_the_stream_is_the_last_choice() -> None:
    assert choose(seats(0, 3), busy_max=2, avoid={0}) == 1
    assert choose(seats(0, 4), busy_max=2, avoid={0}) == 0
    assert choose(seats(0, 4), busy_max=2, never={0}) is None


def wanted(
    children: int = 1, starting: int = 0, idle: int = 0, waiting: int = 0, room: int = 0, workers_max: int = 4
) -> int:
    return missing(
        children=children, starting=starting, idle=idle, waiting=waiting, room=room, streams_max=4,
        workers_max=workers_max,
    )  # fmt: skip


def test_one_worker_has_nothing_to_do() -> None:
    assert wanted(children=0) == 1
    assert wanted(idle=1, room=4) == 0
    assert wanted(starting=1) == 0
    assert wanted(room=3) == 1


def test_streams_without_room_bring_workers_with_them() -> None:
    assert wanted(waiting=9) == 4
    assert wanted(waiting=9, room=1) == 3


def test_processes_are_bounded_with_one_spare_on_top() -> None:
    assert wanted(children=2, waiting=100, workers_max=2) == 1
    assert wanted(children=3, waiting=100, workers_max=2) == 0
    assert wanted(children=5, waiting=100, workers_max=2) == 0


def test_a_process_that_dies_young_is_started_again_ever_later() -> None:
    backoff = Backoff(first_seconds=0.25, seconds_max=2.0, young_seconds=10.0)

    assert [backoff.ended(0.1) for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert backoff.ended(60.0) == 0.0
    assert backoff.ended(0.1) == 0.25


def test_ten_thousand_early_deaths_are_no_overflow() -> None:
    backoff = Backoff(first_seconds=0.25, seconds_max=2.0, young_seconds=10.0)

    assert {backoff.ended(0.0) for _ in range(10_000)} == {0.25, 0.5, 1.0, 2.0}
