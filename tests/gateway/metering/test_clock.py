"""The clock of a stream's media: audio by its samples, captions by the server's clock, each mark once."""

from collections.abc import Callable

from gateway.metering.clock import REACHED_MAX, MediaClock


class Waiting:
    """A watcher that notes where the media was, and asks again if it has marks left."""

    def __init__(self, *marks_ms: float) -> None:
        self.marks_ms = list(marks_ms)
        self.reached: list[int] = []

    def media_reached(self, clock: MediaClock) -> None:
        self.reached.append(clock.ms)
        if self.marks_ms:
            clock.watch(self.marks_ms.pop(0), self)


def test_audio_counts_by_its_samples_and_parts_of_a_millisecond_add_up() -> None:
    clock = MediaClock()
    assert (clock.ms, clock.heard_at) == (0, None)
    for _ in range(1000):
        clock.take_audio(34, now=5.0)
    assert clock.ms == 34_000 // 32
    assert clock.heard_at == 5.0


def test_captions_count_the_time_between_them_and_a_pause_at_most_ten_seconds() -> None:
    clock, ms = MediaClock(), []
    for now in (100.0, 103.5, 103.5, 113.5, 153.5, 154.0):
        clock.take_caption(now)
        ms.append(clock.ms)
    assert ms == [0, 3_500, 3_500, 13_500, 23_500, 24_000]


def test_captions_that_come_faster_than_milliseconds_are_not_free() -> None:
    clock = MediaClock()
    for number in range(10_001):
        clock.take_caption(100.0 + number * 0.0003)
    assert clock.ms in (2_999, 3_000)  # what is left of one counts with the next caption


def test_of_the_time_between_captions_what_audio_has_counted_is_not_counted_again() -> None:
    clock = MediaClock()
    clock.take_caption(100.0)
    clock.take_caption(101.0)
    clock.take_audio(32_000, 102.0)
    clock.take_caption(105.0)
    assert (clock.ms, clock.heard_at) == (1_000 + 1_000 + 3_000, 105.0)
    clock.take_audio(32 * 4_000, 109.0)
    clock.take_caption(109.0)
    assert clock.ms == 9_000


def test_one_frame_of_audio_makes_no_captions_free() -> None:
    clock = MediaClock()
    clock.take_audio(640, 0.0)
    for second in range(7):
        clock.take_caption(float(second))
    assert clock.ms == 20 + 6_000


def test_each_mark_is_told_once_at_the_first_move_that_reaches_it() -> None:
    clock, near, far = MediaClock(), Waiting(), Waiting()
    clock.watch(2_000, far)
    clock.watch(1_000, near)
    for _ in range(3):
        clock.take_audio(32 * 600, 0.0)
    assert (near.reached, far.reached) == ([1_200], [])
    clock.take_audio(32 * 5_000, 0.0)
    assert (near.reached, far.reached) == ([1_200], [6_800])


def test_a_caption_reaches_marks_as_well() -> None:
    clock, waiting = MediaClock(), Waiting()
    clock.watch(1, waiting)
    clock.take_caption(1.0)
    clock.take_caption(1.5)
    assert waiting.reached == [500]


def test_one_that_asks_again_as_it_is_told_is_told_at_the_next_move() -> None:
    clock, waiting = MediaClock(), Waiting(50, 100_000)
    clock.watch(10, waiting)
    clock.take_audio(32 * 60, 0.0)
    assert waiting.reached == [60]
    clock.take_audio(32, 0.0)
    assert waiting.reached == [60, 61]
    clock.take_audio(32, 0.0)
    assert waiting.reached == [60, 61]


def test_a_crowd_is_called_over_several_turns_of_the_loop_and_nobody_is_left_out() -> None:
    turns: list[Callable[[], None]] = []
    clock = MediaClock(turns.append)
    crowd = [Marker() for _ in range(3 * REACHED_MAX)]
    for one in crowd:
        clock.watch(1, one)
    clock.take_audio(640, 0.0)
    for turn in range(1, 4):
        assert sum(one.called for one in crowd) == turn * REACHED_MAX
        if turns:
            turns.pop()()
    assert all(one.called == 1 for one in crowd)


class Marker:
    called = 0

    def media_reached(self, _clock: MediaClock) -> None:
        self.called += 1
