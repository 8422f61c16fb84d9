"""What was sent can be had again whole, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.history import CannotResume, History, HistoryLimits


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


def test_frames_added_later_belong_to_their_entry() -> None:
    history = filled(3)
    history.extend(2, b"(voice)")

    assert history.since("e", 1) == b"<2>(voice)<3>"


def test_frames_for_an_entry_that_has_gone_are_not_kept() -> None:
    history = filled(5, HistoryLimits(entries_max=3))
    history.extend(1, b"(voice)")
    history.extend(9, b"(voice)")

    assert history.since("e", 2) == b"<3><4><5>"


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
