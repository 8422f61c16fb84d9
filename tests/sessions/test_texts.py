"""Text that people type: what is kept as it is, and what no store or wire could carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.texts import TextRefused, checked


@pytest.mark.parametrize(
    "text",
    [
        "Hi",
        "  spaces around  ",
        "two\nlines\tand a tab",
        "<script>alert(1)</script>",
        "abc\u202edef",
        "e\u0301",
        "\u05e9\u05dc\u05d5\u05dd",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001fae8",  # an emoji younger than the tables of some Pythons
        "\ue000",
    ],
)
def test_what_can_be_read_is_kept_to_the_letter(text: str) -> None:
    assert checked(text, "text", 25) == text


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "\u200b\u200b", "\u2060\ufeff", "\u3000", "\u202e", "\x07"]
)
def test_what_shows_nothing_is_refused(text: str) -> None:
    with pytest.raises(TextRefused) as refusal:
        checked(text, "question", 20)
    assert (refusal.value.param, refusal.value.fault) == ("question", "empty")


@pytest.mark.parametrize("text", ["a\0b", "\0", "half \ud83d a pair", "\udc00"])
def test_what_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(TextRefused) as refusal:
        checked(text, "text", 20)
    assert refusal.value.fault == "not_text"


def test_the_length_is_exact_and_in_characters() -> None:
    assert checked("\U0001f600" * 5, "text", 5) == "\U0001f600" * 5
    with pytest.raises(TextRefused, match="at most 5 characters") as refusal:
        checked("a" * 6, "text", 5)
    assert (refusal.value.fault, refusal.value.characters_max) == ("too_long", 5)


@given(st.text(st.characters(exclude_categories=[]), max_size=50))
def test_whatever_passes_is_the_same_and_can_be_sent(text: str) -> None:
    passes = "\0" not in text and all(not 0xD800 <= ord(character) < 0xE000 for character in text)
    try:
        passed = checked(text, "text", 50)
    except TextRefused as refusal:
        fault = refusal.fault
    else:
        assert passes
        assert passed == text
        assert passed.encode().decode() == text
        return
    assert fault == ("empty" if passes else "not_text")
