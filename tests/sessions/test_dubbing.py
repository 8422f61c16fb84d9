"""Finals leave a dubbing topic whole and in order."""

from hypothesis import given
from hypothesis import strategies as st

from sessions.dubbing import Dubbing


def test_a_final_leaves_with_its_voices() -> None:
    dub: Dubbing[str, str] = Dubbing()
    dub.final(1, ["a", "b"])
    dub.voice(1, 0, "A", last=False)
    assert dub.ready() == []

    dub.voice(1, 1, "B", last=True)
    assert dub.ready() == [[("a", "A"), ("b", "B")]]
    assert len(dub) == 0


def test_a_final_waits_for_the_one_before() -> None:
    dub: Dubbing[str, str] = Dubbing()
    dub.final(1, ["a"])
    dub.final(2, ["b"])
    dub.voice(2, 0, "B", last=True)
    assert dub.ready() == []

    dub.settle(1)
    assert dub.ready() == [[("a", None)], [("b", "B")]]


def test_an_utterance_without_words_holds_nobody() -> None:
    dub: Dubbing[str, str] = Dubbing()
    dub.final(1, [])
    dub.final(2, ["b"])
    dub.settle(2)

    assert dub.ready() == [[("b", None)]]


def test_a_voice_nobody_waits_for_is_left_out() -> None:
    dub: Dubbing[str, str] = Dubbing()
    dub.voice(1, 0, "A", last=True)
    dub.settle(1)

    assert dub.ready() == []


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_in_whatever_order_voices_come_finals_leave_in_theirs(order: list[int], silent: set[int]) -> None:
    dub: Dubbing[int, int] = Dubbing()
    for key in range(6):
        dub.final(key, [key])
    left = []
    for key in order:
        if key in silent:
            dub.settle(key)
        else:
            dub.voice(key, 0, key, last=True)
        left += dub.ready()

    assert left == [[(key, None if key in silent else key)] for key in range(6)]
