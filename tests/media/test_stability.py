"""What may be shown of a text before it is final."""

from media.captions import Word
from media.stability import Agreement, Shown, common, erased, masked


def said(text: str) -> list[Word]:
    return [Word(word, number, number + 1.0, 1.0) for number, word in enumerate(text.split())]


def test_a_word_is_shown_once_two_hypotheses_agree_on_it_and_it_has_settled() -> None:
    agreement = Agreement()
    assert agreement.update(said("the meat"), 2.5) == ()
    assert agreement.update(said("the meeting"), 2.5) == ("the",)
    assert agreement.update(said("the meeting will"), 3.0) == ("the", "meeting")
    assert agreement.update(said("the meeting will"), 3.2) == ("the", "meeting")
    assert agreement.update(said("the meeting will"), 3.4) == ("the", "meeting", "will")


def test_the_first_word_is_shown_before_it_has_settled() -> None:
    agreement = Agreement()
    agreement.update(said("please"), 1.0)
    assert agreement.update(said("please"), 1.0) == ("please",)


def test_what_is_shown_stays_until_two_hypotheses_agree_on_something_else() -> None:
    agreement = Agreement()
    for _ in range(2):
        agreement.update(said("a b c"), 9.0)
    assert agreement.update(said("a b"), 9.0) == ("a", "b", "c")
    assert agreement.update(said("a x"), 9.0) == ("a", "b", "c")
    assert agreement.update(said("a x"), 9.0) == ("a", "x")


def test_a_shown_text_does_not_shrink_to_its_own_beginning() -> None:
    shown = Shown()
    shown.replace(["uno", "dos"])
    assert shown.replace(["uno"]) == ("uno", "dos")
    assert shown.replace(["un"]) == ("un",)


def test_the_end_of_an_unfinished_translation_is_held_back() -> None:
    assert masked(["a", "b", "c"]) == ("a",)
    assert masked(["a"]) == ()


def test_common_beginning() -> None:
    assert common(["a", "b"], ["a", "c"]) == 1
    assert common([], ["a"]) == 0


def test_erased_counts_each_word_that_was_taken_back() -> None:
    assert erased([["a"], ["a", "b"], ["a", "c", "d"]], ["a", "c"]) == 2
    assert erased([], ["a"]) == 0
