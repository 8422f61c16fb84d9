"""What was said, as a file."""

import itertools
import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from media.captions import Caption, Word
from media.shaping import count_words
from media.transcript import as_json, cues, srt, vtt


def test_vtt_has_its_head_numbers_and_times() -> None:
    made = vtt([Caption("please open\nthe window", 1.37, 4.26), Caption("thank you", 3605.0, 3606.5)], "en")
    assert made == (
        "WEBVTT\nLanguage: en\n"
        "\n1\n00:00:01.370 --> 00:00:04.260\nplease open\nthe window\n"
        "\n2\n01:00:05.000 --> 01:00:06.500\nthank you\n"
    )


def test_srt_has_commas() -> None:
    assert srt([Caption("hello you", 0.0, 1.0)]) == "1\n00:00:00,000 --> 00:00:01,000\nhello you\n"


def test_a_text_cannot_become_a_tag_a_cue_or_a_comment() -> None:
    hostile = "<script>&amp;\n\nNOTE\n\n00:00:00.000 --> 00:00:09.000\r\rx\x00"
    made = vtt([Caption(hostile, 0.0, 1.0)], "en\nSTYLE -->")
    assert made.count("-->") == 1
    assert "<" not in made
    assert "&lt;script&gt;&amp;amp;" in made
    assert made.count("\n\n") == 1
    assert made.split("\n")[1] == "Language: en STYLE"
    assert srt([Caption(hostile, 0.0, 1.0)]).count("-->") == 1


def test_a_cue_waits_for_one_that_needs_its_time_to_be_read() -> None:
    first, second = cues([Caption("one two three four five six", 0.0, 0.5), Caption("seven", 0.6, 1.0)])
    assert first.end_ms == 1800
    assert second.start_ms == 1800


def test_a_cue_stays_longer_where_there_is_room_but_not_long_after_the_words() -> None:
    (short,) = cues([Caption("yes", 1.0, 1.1)])
    assert short.end_ms == 1833
    (slow,) = cues([Caption("one two", 0.0, 9.0)])
    assert slow.end_ms == 9000


def test_nothing_said_is_left_out() -> None:
    assert vtt([Caption(" ", 0.0, 1.0)]) == "WEBVTT\n"
    assert srt([]) == ""


def test_json_keeps_the_times_as_they_were_spoken() -> None:
    word = Word("hola", 0.1, 0.4, 0.9)
    made = json.loads(as_json([Caption("hola", 0.1, 0.4, (word,), "hola")], "es"))
    entry = {"word": "hola", "start": 0.1, "end": 0.4, "confidence": 0.9}
    caption = {"text": "hola", "start": 0.1, "end": 0.4, "source_text": "hola", "words": [entry]}
    assert made == {"lang": "es", "captions": [caption]}


captions = st.builds(
    lambda text, start, length: Caption(text, start, start + length),
    st.text(min_size=1, max_size=80),
    st.floats(0, 500),
    st.floats(0, 8),
)


@given(st.lists(captions, max_size=12))
@settings(max_examples=150, deadline=None)
def test_cues_never_overlap_and_can_always_be_read(given_captions: list[Caption]) -> None:
    made = cues(given_captions)
    for before, after in itertools.pairwise(made):
        assert before.end_ms <= after.start_ms
    for cue in made:
        assert cue.end_ms - cue.start_ms >= 300 * count_words(cue.text)
        assert cue.end_ms > cue.start_ms


@given(st.lists(captions, max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_vtt_file_always_has_as_many_cues_as_captions_with_text(given_captions: list[Caption]) -> None:
    made = vtt(given_captions)
    assert len(re.findall(r"^\d\d+:\d\d:\d\d\.\d{3} --> ", made, re.MULTILINE)) == len(cues(given_captions))
    assert made.count("-->") == len(cues(given_captions))
