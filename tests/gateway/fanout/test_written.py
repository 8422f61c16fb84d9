"""Captions that come as text: segments, revisions and repetitions."""

from gateway.fanout.written import SEGMENTS_MAX, Written


def test_revisions_grow_up_to_the_final_and_then_nothing_passes() -> None:
    written = Written("s")
    assert [written.interim("a"), written.interim("b"), written.interim("a")] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
    ]
    assert written.final("a") == ("a", 3)
    assert written.interim("a") is None
    assert written.final("a") is None
    assert written.final("b") == ("b", 2)


def test_without_an_id_captions_belong_to_the_next_final() -> None:
    written = Written("s")
    assert [written.interim(None), written.interim(None), written.final(None)] == [
        ("s.t0", 1), ("s.t0", 2), ("s.t0", 3),
    ]  # fmt: skip
    assert written.final("own") == ("own", 1)
    assert written.final(None) == ("s.t2", 1)


def test_what_is_remembered_is_bounded_and_the_newest_stays() -> None:
    written = Written("s")
    for number in range(3 * SEGMENTS_MAX):
        written.interim(f"i{number}")
        written.final(f"f{number}")
    assert len(written) <= 2 * SEGMENTS_MAX
    assert written.final(f"f{3 * SEGMENTS_MAX - 1}") is None
    assert written.interim(f"i{3 * SEGMENTS_MAX - 1}") == (f"i{3 * SEGMENTS_MAX - 1}", 2)


def test_a_segment_that_is_still_revised_is_not_the_oldest() -> None:
    written = Written("s")
    for number in range(SEGMENTS_MAX - 1):
        written.interim(f"i{number}")
    written.interim("i0")
    written.interim("new")
    written.interim("newer")
    assert written.interim("i0") == ("i0", 3)
