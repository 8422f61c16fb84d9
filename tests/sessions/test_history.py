"""What was sent can be had again whole, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.history import ANCESTORS_MAX, CannotResume, History, HistoryLimits, Past


def filled(count: int, limits: HistoryLimits | None = None) -> History:
    history = History("e", limits or HistoryLimits())
    for i in range(1, count + 1):
        assert history.append(b"<%d>" % i) == i
    return history


def test_what_came_after_an_offset_comes_again_in_order() -> None:
    assert filled(5).since("e", 3) == b"<4><5>"
    assert filled(5).since("e", 5) == b""
    assert filled(5).since("e", 0) == b"<1><2><3><4><5>"


@pytest.mark.parametrize(
    ("epoch", "offset", "reason"),
    [("f", 3, "epoch_changed"), ("e", 6, "unknown_offset"), ("e", 1, "too_old")],
)
def test_what_is_not_here_in_full_is_refused(epoch: str, offset: int, reason: str) -> None:
    with pytest.raises(CannotResume) as refusal:
        filled(5, HistoryLimits(entries_max=3)).since(epoch, offset)

    assert refusal.value.reason == reason


class TestGoingOn:
    """A history that another process began."""

    def test_places_of_the_past_are_good_up_to_where_it_is_known(self) -> None:
        history = History("new", HistoryLimits(), Past("old", 3, (("older", 1),), (b"<2>", b"<3>")))
        assert history.append(b"<4>") == 4
        assert history.since("old", 1) == b"<2><3><4>"
        assert history.since("old", 3) == b"<4>"
        assert history.since("older", 1) == b"<2><3><4>"
        assert history.since("new", 4) == b""

    @pytest.mark.parametrize(
        ("epoch", "offset", "reason"),
        [
            ("old", 4, "unknown_offset"), ("older", 2, "unknown_offset"), ("new", 5, "unknown_offset"),
            ("old", 0, "too_old"), ("older", 0, "too_old"), ("stranger", 3, "epoch_changed"),
        ],
    )  # fmt: skip
    def test_others_are_refused(self, epoch: str, offset: int, reason: str) -> None:
        history = History("new", HistoryLimits(), Past("old", 3, (("older", 1),), (b"<2>", b"<3>")))
        history.append(b"<4>")
        with pytest.raises(CannotResume) as refusal:
            history.since(epoch, offset)
        assert refusal.value.reason == reason

    def test_its_own_bounds_hold_for_the_past_too(self) -> None:
        history = History("new", HistoryLimits(2, 100), Past("old", 3, (), (b"<1>", b"<2>", b"<3>")))
        assert history.oldest == 2
        assert History("new", HistoryLimits(9, 4), Past("old", 2, (), (b"<1>", b"<2>"))).oldest == 2

    def test_the_oldest_ancestors_are_forgotten(self) -> None:
        ancestors = tuple((str(number), 0) for number in range(ANCESTORS_MAX))
        history = History("new", HistoryLimits(), Past("old", 0, ancestors))
        assert len(history.ancestors) == ANCESTORS_MAX
        assert history.since("old", 0) == b""
        with pytest.raises(CannotResume):
            history.since("0", 0)

    def test_pieces_are_bounded_and_never_empty_while_there_is_more(self) -> None:
        history = filled(6)
        assert history.piece(0, 4, 100) == [b"<1>", b"<2>", b"<3>", b"<4>"]
        assert history.piece(4, 4, 100) == [b"<5>", b"<6>"]
        assert history.piece(0, 4, 7) == [b"<1>", b"<2>"]
        assert history.piece(2, 4, 0) == [b"<3>"]
        assert history.piece(6, 4, 100) == []


@given(
    st.lists(st.integers(0, 300), max_size=60),
    st.integers(1, 10),
    st.integers(1, 1000),
    st.integers(0, 70),
)
def test_a_resume_is_complete_or_refused(sizes: list[int], entries: int, size: int, offset: int) -> None:
    history = History("e", HistoryLimits(entries, size))
    frames = [bytes([i % 256]) * size for i, size in enumerate(sizes)]
    for frame in frames:
        history.append(frame)

    try:
        missed = history.since("e", offset)
    except CannotResume:
        return
    assert missed == b"".join(frames[offset:])
