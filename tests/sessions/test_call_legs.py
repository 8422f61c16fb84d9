"""A leg: in the media, heard of, and out again."""

from hypothesis import example, given
from hypothesis import strategies as st

from sessions.call_legs import Leg, heard, joined, left

CHANGES = st.lists(st.tuples(st.sampled_from([joined, left, heard]), st.integers(0, 1000)))


def test_who_left_is_back_only_by_coming_back() -> None:
    gone = left(joined(Leg(), 10), 20)
    assert not gone.in_media
    assert not heard(gone, 30).in_media
    assert heard(gone, 30).last_sign_ms == 20
    assert joined(gone, 40) == Leg(joined_at_ms=10, heard_at_ms=40)


def test_who_was_never_in_cannot_leave_and_a_heartbeat_does_not_bring_them_in() -> None:
    assert left(Leg(), 10) == Leg()
    assert heard(Leg(), 10) == Leg(heard_at_ms=10)
    assert not heard(Leg(), 10).in_media


@given(CHANGES)
@example([(joined, 10), (left, 20), (joined, 5), (heard, 1)])
def test_the_last_sign_never_goes_back_whatever_the_clock_does(changes: list[tuple[object, int]]) -> None:
    leg = Leg()
    for change, at_ms in changes:
        after: Leg = change(leg, at_ms)  # type: ignore[operator]
        assert after.last_sign_ms >= leg.last_sign_ms
        leg = after
