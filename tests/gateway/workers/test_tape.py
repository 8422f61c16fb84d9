"""The tape of a stream: whatever is done with it, the bytes are those of a plain copy of everything."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.workers.tape import Tape

ACTS = st.lists(
    st.tuples(st.just("append"), st.integers(0, 9))
    | st.tuples(st.just("take"), st.integers(0, 12))
    | st.tuples(st.just("forget"), st.floats(0, 1))
    | st.tuples(st.just("rewind"), st.just(0))
)


@given(ACTS)
def test_it_gives_out_what_a_plain_copy_of_everything_would(acts: list[tuple[str, float]]) -> None:
    tape, everything = Tape(), b""
    for act, amount in acts:
        if act == "append":
            piece = bytes((len(everything) + n) % 251 for n in range(int(amount)))
            tape.append(piece)
            everything += piece
        elif act == "take":
            place = tape.next
            assert tape.take(int(amount)) == everything[place : place + int(amount)]
            assert tape.next == min(place + int(amount), len(everything))
        elif act == "forget":
            upto = tape.start + int(amount * len(tape))
            tape.forget(upto)
            assert tape.start == upto
        else:
            tape.rewind()
            assert tape.next == tape.start
        assert tape.start <= tape.next <= tape.end == len(everything)
        assert len(tape) == tape.end - tape.start

    tape.rewind()
    assert tape.take(len(everything)) == everything[tape.start :]


def test_a_piece_that_is_taken_whole_is_not_copied() -> None:
    tape, piece = Tape(), bytes(640)
    tape.append(piece)

    assert tape.take(640) is piece


def test_what_is_forgotten_before_it_was_given_out_is_never_given_out() -> None:
    tape = Tape()
    tape.append(b"abcdef")
    tape.take(2)
    tape.forget(4)

    assert tape.take(9) == b"ef"
