"""Where speech begins and ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.speech import FRAME_BYTES, QUIET_FRAMES, Endpointer, Event, Hush, Onset, Quiet, Spoken
from tests.speech import SENTENCES, noise, speech

SECOND = 32_000


def events(pcm: bytes, offset_bytes: int = 0) -> list[Event]:
    ends = Endpointer(offset_bytes)
    ends.feed(pcm)
    found: list[Event] = []
    while (event := ends.next()) is not None:
        found.append(event)
    return found


def cuts(found: list[Event]) -> list[Event]:
    return [event for event in found if not isinstance(event, Spoken)]


@pytest.fixture(scope="module")
def two_sentences() -> bytes:
    return speech(SENTENCES[:2])


def test_each_sentence_is_one_utterance_that_begins_and_ends_in_silence(two_sentences: bytes) -> None:
    found = cuts(events(two_sentences))
    assert [type(event) for event in found] == [Onset, Hush, Onset, Hush]
    onset, hush = found[0], found[1]
    assert isinstance(onset, Onset)
    assert isinstance(hush, Hush)
    assert abs(onset.offset_bytes - 1.2 * SECOND) < 0.3 * SECOND
    assert two_sentences[onset.offset_bytes : onset.offset_bytes + len(onset.pcm)] == onset.pcm


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_the_division_into_chunks_changes_nothing(sizes: list[int]) -> None:
    pcm = speech(SENTENCES[:1])
    found: list[Event] = []
    ends, at = Endpointer(), 0
    while at < len(pcm):
        size = sizes[len(found) % len(sizes)]
        ends.feed(pcm[at : at + size])
        at += size
        while (event := ends.next()) is not None:
            found.append(event)
    assert found == events(pcm)


def test_whoever_starts_at_a_reset_is_told_the_same_from_there_on() -> None:
    pcm = speech(SENTENCES[:2]) + noise(11.0)
    whole = events(pcm)
    resets = [(i, event) for i, event in enumerate(whole) if isinstance(event, Hush | Quiet)]
    assert {type(event) for _, event in resets} == {Hush, Quiet}
    for index, event in resets:
        assert events(pcm[event.offset_bytes :], event.offset_bytes) == whole[index + 1 :]


def test_silence_has_a_reset_every_five_seconds_and_no_utterance() -> None:
    found = events(bytes(16 * SECOND))
    assert {type(event) for event in found} == {Quiet}
    assert len(found) == 3


def test_noise_that_is_sometimes_taken_for_speech_does_not_put_the_reset_off_for_ever(
    two_sentences: bytes,
) -> None:
    click = two_sentences[2 * SECOND : 2 * SECOND + 3 * FRAME_BYTES]
    found = cuts(events((click + bytes(7 * FRAME_BYTES)) * 200))
    first = found[0]
    assert not isinstance(first, Spoken)
    assert first.offset_bytes <= 2 * QUIET_FRAMES * FRAME_BYTES


def test_a_part_of_a_frame_waits_and_the_end_of_the_stream_fills_it() -> None:
    ends = Endpointer()
    ends.feed(bytes(FRAME_BYTES + 100))
    assert ends.next() is None
    assert ends.position_bytes == FRAME_BYTES
    ends.pad()
    assert ends.next() is None
    assert ends.position_bytes == 2 * FRAME_BYTES


def test_a_cut_looks_at_its_last_audio_again(two_sentences: bytes) -> None:
    ends = Endpointer()
    ends.feed(two_sentences)
    for _ in range(60):
        ends.next()
    assert ends.speaking
    again = two_sentences[ends.position_bytes - 10 * FRAME_BYTES : ends.position_bytes]
    position = ends.position_bytes
    assert ends.cut(again) == position - len(again)
    assert not ends.speaking
    following = ends.next()
    assert following == events(two_sentences[position - len(again) :], position - len(again))[0]


def test_a_jump_forgets_what_waited() -> None:
    ends = Endpointer()
    ends.feed(bytes(100))
    ends.jump(64_000)
    ends.feed(bytes(FRAME_BYTES))
    ends.next()
    assert ends.position_bytes == 64_000 + FRAME_BYTES
