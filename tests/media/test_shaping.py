"""Text cut into blocks that can be read."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.captions import Word
from media.shaping import LINE_COLUMNS_MAX, columns, count_words, flow, shape, spread, tokens, wrap

SPACELESS = (
    "今日はとても良い天気ですので、公園に行って友達と一緒に"
    "お弁当を食べることにしました。明日は雨が降るそうです。"
)
HEBREW = "שלום לכולם וברוכים הבאים לשידור החי שלנו, היום נדבר על ההיסטוריה של העיר ועל האנשים שגרו בה"
letters = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=300)


def words(text: str) -> list[Word]:
    return [Word(word, 0.4 * n, 0.4 * n + 0.4, 1.0) for n, word in enumerate(text.split())]


def test_a_short_text_stays_one_line() -> None:
    assert wrap("can you tell me what time it is") == ["can you tell me what time it is"]


def test_lines_break_where_a_clause_begins_and_never_after_an_article() -> None:
    assert wrap("we need to buy some bread and milk before the store closes") == [
        "we need to buy some bread\nand milk before the store closes"
    ]
    (block,) = wrap("she put the old letters into a small box under the window")
    assert block.split("\n")[0].split()[-1] not in {"the", "a", "into", "under"}


def test_a_sentence_that_ends_ends_the_block() -> None:
    text = "It was late. Nobody had come to the station, and the last train had left an hour before that."
    blocks = wrap(text)
    assert " ".join(" ".join(blocks).split()) == text
    assert len(blocks) == 2


@pytest.mark.parametrize("text", [SPACELESS, HEBREW, "w" * 100, "สวัสดีครับวันนี้อากาศดีมากเลยนะครับ" * 3])
def test_other_scripts_fit_and_lose_nothing(text: str) -> None:
    for block in wrap(text):
        lines = block.split("\n")
        assert len(lines) <= 2
        assert all(columns(line) <= LINE_COLUMNS_MAX for line in lines)
    assert "".join("".join(wrap(text)).split()) == "".join(text.split())


def test_no_line_of_japanese_begins_with_what_closes() -> None:
    lines = [line for block in wrap(SPACELESS * 2) for line in block.split("\n")]
    assert not [line for line in lines if line[0] in "、。」"]


@given(letters)
@settings(max_examples=150, deadline=None)
def test_any_text_fits_and_loses_nothing(text: str) -> None:
    blocks = wrap(text)
    assert "".join("".join(blocks).split()) == "".join(text.split())
    for block in blocks:
        lines = block.split("\n")
        assert 1 <= len(lines) <= 2
        assert all(columns(line) <= LINE_COLUMNS_MAX for line in lines)


@given(letters)
@settings(max_examples=100, deadline=None)
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(tokens(text)) == " ".join(text.split())


@given(st.lists(st.text("abcdefg今日", min_size=1, max_size=60), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_captions_hold_every_word_once_and_follow_each_other(said: list[str]) -> None:
    spoken = words(" ".join(said))
    captions = shape(spoken)
    assert [word for caption in captions for word in caption.words] == spoken
    assert "".join("".join(c.text for c in captions).split()) == "".join(said)
    for before, after in itertools.pairwise(captions):
        assert before.start <= after.start
        assert before.end <= after.end


def test_a_caption_lasts_from_its_first_word_to_its_last() -> None:
    (caption,) = shape(words("please open the window"))
    assert (caption.start, caption.end) == (0.0, 1.6)
    assert caption.source_text == "please open the window"


def test_nothing_said_makes_no_caption() -> None:
    assert shape([]) == ()
    assert wrap("  ") == []


def test_a_translation_shares_the_time_in_proportion_and_keeps_what_was_said() -> None:
    said = words("this is a rather long sentence that somebody said " * 3)
    captions = spread("una frase bastante larga que alguien dijo una vez " * 4, said)
    assert len(captions) > 1
    assert captions[0].start == said[0].start
    assert captions[-1].end == pytest.approx(said[-1].end)
    assert all(a.end == b.start for a, b in itertools.pairwise(captions))
    assert " ".join(c.source_text for c in captions if c.source_text) == " ".join(w.word for w in said)


def test_a_growing_text_keeps_the_breaks_it_had() -> None:
    text = "my name is john and i live in a small house near the river where it is quiet and cool in summer"
    shown: list[str] = []
    for count in range(1, len(text.split()) + 1):
        lines = flow(" ".join(text.split()[:count])).split("\n")
        if shown and len(lines) == len(shown) and lines[0] == shown[0]:
            assert lines[-1].startswith(shown[-1])
        assert len(lines) <= 2
        shown = lines


def test_words_are_counted_as_they_are_read() -> None:
    assert count_words("one two\nthree") == 3
    assert count_words("今日は良い") == 3
    assert count_words("") == 0
