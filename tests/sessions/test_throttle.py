"""How often a room is told of its polls."""

from hypothesis import given
from hypothesis import strategies as st

from sessions.throttle import INTERVAL_MS, Throttle, changed, deadline_ms, take


def test_nothing_waits_in_an_empty_room() -> None:
    assert deadline_ms(Throttle(), 1000) is None
    assert take(Throttle(), 1000) == (Throttle(), None)
    assert take(Throttle(taken_at_ms=0), 1000) == (Throttle(taken_at_ms=0), None)


def test_the_first_change_goes_out_at_once_and_the_next_in_its_time() -> None:
    throttle = changed(Throttle(), "lunch")
    assert deadline_ms(throttle, 1000) == 1000
    throttle, due = take(throttle, 1000)
    assert due == "lunch"
    throttle = changed(throttle, "lunch")
    assert deadline_ms(throttle, 1001) == 1000 + INTERVAL_MS
    assert take(throttle, 999 + INTERVAL_MS) == (throttle, None)
    throttle, due = take(throttle, 1000 + INTERVAL_MS)
    assert (due, throttle.waiting) == ("lunch", ())


def test_a_late_timer_has_its_due_at_once() -> None:
    throttle = Throttle(taken_at_ms=0, waiting=("lunch",))
    assert deadline_ms(throttle, 60_000) == 60_000
    assert take(throttle, 60_000)[1] == "lunch"


def test_a_poll_waits_once_and_each_has_its_turn() -> None:
    throttle = Throttle()
    for poll in ("lunch", "drinks", "lunch", "lunch"):
        throttle = changed(throttle, poll)
    assert throttle.waiting == ("lunch", "drinks")
    throttle, first = take(throttle, 0)
    throttle = changed(throttle, "lunch")
    throttle, second = take(throttle, INTERVAL_MS)
    throttle, third = take(throttle, 2 * INTERVAL_MS)
    assert (first, second, third) == ("lunch", "drinks", "lunch")


@given(
    st.lists(st.tuples(st.integers(0, 120), st.sampled_from(["lunch", "drinks", None])), max_size=150),
    st.integers(0, 30),
)
def test_however_many_vote_four_a_second_go_out_and_the_last_change_does(
    votes: list[tuple[int, str | None]], lateness_ms: int
) -> None:
    throttle, now = Throttle(), 0
    sent: list[tuple[int, str]] = []
    changes: dict[str, int] = {}

    def wake(until: int | None) -> None:
        """Let the timer fire as often as it is due, a little late as timers are."""
        nonlocal throttle, now
        while (due := deadline_ms(throttle, now)) is not None and (
            until is None or due + lateness_ms <= until
        ):
            now = max(now, due + lateness_ms)
            throttle, poll = take(throttle, now)
            assert poll is not None
            sent.append((now, poll))

    for pause_ms, poll in votes:
        wake(now + pause_ms)
        now += pause_ms
        if poll is not None:
            throttle, changes[poll] = changed(throttle, poll), now
            assert len(throttle.waiting) <= 2
    wake(None)
    times = [at for at, _ in sent]
    assert all(len([at for at in times if start <= at <= start + 1000]) <= 4 for start in times)
    for poll, changed_at in changes.items():
        last = max(at for at, told in sent if told == poll)
        assert changed_at <= last <= changed_at + 2 * (INTERVAL_MS + lateness_ms)
