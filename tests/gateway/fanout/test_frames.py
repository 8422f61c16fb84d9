"""Ready-made frames say exactly what the models of the messages say."""

import orjson
import pytest

from gateway.fanout import frames
from media.captions import Caption, Word
from media.link import Voice
from sessions import messages
from tests.gateway.rehearsal import read

CAPTION = Caption(
    'La casa\nes "pequeña" \x00 </script>', 1.23456, 2.0, (Word("La", 1.23456, 1.5, 0.875),), "the house"
)


def test_a_subtitle_is_one_message_of_the_protocol() -> None:
    (message,) = read(frames.subtitle("s_1.0.0", 3, 7, CAPTION, "es", "en", is_final=True))

    parsed = messages.Subtitle.model_validate(message)
    assert set(message) == set(messages.Subtitle.model_fields)
    assert (parsed.segment_id, parsed.rev, parsed.offset, parsed.is_final) == ("s_1.0.0", 3, 7, True)
    assert (parsed.text, parsed.lang, parsed.source_text, parsed.source_lang) == (
        CAPTION.text, "es", "the house", "en",
    )  # fmt: skip
    assert (parsed.start, parsed.end) == (1.235, 2.0)
    assert parsed.words[0].word == "La"
    assert set(message["words"][0]) == {"word", "start", "end", "confidence"}


@pytest.mark.parametrize("last", [True, False])
def test_a_voice_is_a_message_of_the_protocol_and_then_its_audio(last: bool) -> None:
    voice = Voice(1, 0, 0, "es", 1.23456, 0.5, 24_000, last, "pcm_s16le", b"\x01\x02" * 99)

    head, audio = read(frames.dub_audio("s_1.0.0", voice))

    assert messages.DubAudio.model_validate(head).last is last
    assert set(head) == set(messages.DubAudio.model_fields)
    assert head["segment_id"] == "s_1.0.0"
    assert audio == voice.audio


def test_what_is_encoded_once_is_what_a_model_would_encode() -> None:
    (message,) = read(frames.subtitle("s_1.0.0", 3, 7, CAPTION, "es", "en", is_final=True))
    assert orjson.loads(messages.Subtitle.model_validate(message).encoded()) == message
