"""Room codes: how they are typed, and how they are drawn."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.room_codes import ALPHABET, COUNT, LENGTH, NotARoomCode, generate, normalise

CODES = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)


def test_the_alphabet_has_all_that_cannot_be_mistaken() -> None:
    assert set(ALPHABET) == set(string.ascii_uppercase + string.digits) - set("0O1IL")
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert COUNT == 887_503_681


@pytest.mark.parametrize(
    "typed",
    ["XJ9K2M", "xj9k2m", "Xj9K2m", " XJ9K2M\n", "XJ9-K2M", "xj9 k2m", "X.J.9.K.2.M", "XJ9\u2013K2M",
     "XJ9K2M.", "XJ9_K2M", "\ufeffXJ9K2M\u200b", "XJ9\u00a0K2M", "XJ9/K2M"],
)  # fmt: skip
def test_a_code_is_found_however_it_is_typed(typed: str) -> None:
    assert normalise(typed) == "XJ9K2M"


@pytest.mark.parametrize("look_alike", "0O1ILoil")
def test_what_looks_alike_is_in_no_code(look_alike: str) -> None:
    with pytest.raises(NotARoomCode, match="never 0, O, 1, I or L"):
        normalise("XJ9K2" + look_alike)


@pytest.mark.parametrize(
    "typed",
    ["", "-", "XJ9K2", "XJ9K2MM", "XJ9K2\u00df", "XJ9K\u00df", "XJ9K2\u017f", "XJ9K2\u0131", "XJ9K2\u0663",
     "\uff38\uff2a\uff19\uff2b\uff12\uff2d", "XJ9K2M\0", "XJ9K2%", "XJ9K2\ud800", "' OR 1=1 --", "../../",
     "XJ9K2M" + "-" * 27],
)  # fmt: skip
def test_nothing_else_is_a_code(typed: str) -> None:
    with pytest.raises(NotARoomCode):
        normalise(typed)


def test_a_refusal_does_not_carry_a_megabyte_about() -> None:
    with pytest.raises(NotARoomCode) as refusal:
        normalise("X" * 1_000_000)
    assert len(refusal.value.typed) == 32


@given(CODES, st.lists(st.sampled_from(" -_."), min_size=LENGTH, max_size=LENGTH), st.lists(st.booleans()))
def test_case_and_separators_change_nothing(code: str, between: list[str], lower: list[bool]) -> None:
    smalls = [*lower, *[False] * LENGTH]
    parts = [
        (letter.lower() if small else letter) + gap
        for letter, small, gap in zip(code, smalls, between, strict=False)
    ]
    assert normalise("".join(parts)) == code


@given(st.text(max_size=40))
def test_whatever_is_typed_gives_a_code_or_the_refusal(typed: str) -> None:
    try:
        code = normalise(typed)
    except NotARoomCode:
        return
    assert len(code) == LENGTH
    assert set(code) <= set(ALPHABET)
    assert normalise(code) == code


def number_of(code: str) -> int:
    number = 0
    for character in code:
        number = number * len(ALPHABET) + ALPHABET.index(character)
    return number


@given(st.integers(0, COUNT - 1))
def test_every_number_is_another_code(number: int) -> None:
    code = generate(number)
    assert normalise(code) == code
    assert number_of(code) == number


def test_the_first_and_the_last() -> None:
    assert generate(0) == "222222"
    assert generate(COUNT - 1) == "ZZZZZZ"


@pytest.mark.parametrize("number", [-1, COUNT])
def test_a_draw_from_elsewhere_is_our_mistake(number: int) -> None:
    with pytest.raises(AssertionError):
        generate(number)
