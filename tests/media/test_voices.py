"""Voices as listeners get them, and the engines that make them."""

import io
import shutil

import av
import pytest

from media.engines import EngineError, EngineSettings, Speech
from media.engines.espeak import ENGINE as ESPEAK
from media.engines.espeak import TEXT_LETTERS_MAX, languages, voice_name
from media.engines.flite import ENGINE as FLITE
from media.engines.flite import read_wave
from media.voices import at_voice_rate, encoded, ogg_opus, resample

SETTINGS = EngineSettings()
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="install the Debian package flite")


def seconds(speech: Speech) -> float:
    return len(speech.pcm) / 2 / speech.sample_rate


def loudness(speech: Speech) -> int:
    return max(map(abs, memoryview(speech.pcm).cast("h")), default=0)


async def test_espeak_speaks_many_languages() -> None:
    voice = ESPEAK.create(SETTINGS)
    for lang, text in (("en", "good morning"), ("es", "buenos días"), ("he", "שלום"), ("zh-CN", "你好")):
        speech = await voice.speak(text, lang)
        assert 0.2 < seconds(speech) < 3
        assert loudness(speech) > 3000
    assert len(languages()) > 100
    await voice.aclose()


async def test_espeak_says_the_same_whatever_it_said_before() -> None:
    voice = ESPEAK.create(SETTINGS)
    first = await voice.speak("one two three", "en")
    await voice.speak("uno dos tres", "es")
    assert seconds(await voice.speak("one two three", "en")) == pytest.approx(seconds(first), abs=0.05)


async def test_espeak_follows_its_speed() -> None:
    slow = await ESPEAK.create(EngineSettings(espeak_words_per_minute=100)).speak("a b c d e f", "en")
    fast = await ESPEAK.create(EngineSettings(espeak_words_per_minute=250)).speak("a b c d e f", "en")
    assert seconds(slow) > 1.5 * seconds(fast)


async def test_espeak_refuses_what_it_cannot_say() -> None:
    voice = ESPEAK.create(SETTINGS)
    with pytest.raises(EngineError, match="no voice 'xx'"):
        await voice.speak("hello", "xx")
    with pytest.raises(EngineError, match="at most 2000"):
        await voice.speak("a" * (TEXT_LETTERS_MAX + 1), "en")
    with pytest.raises(EngineError, match="no samples"):
        at_voice_rate(Speech(b"\x01", 22_050))


async def test_a_text_is_never_a_command_to_espeak() -> None:
    voice = ESPEAK.create(SETTINGS)
    said = await voice.speak("<speak><break time='60s'/>[[aaaa]] hi\0 there", "en")
    assert seconds(said) < 20


def test_the_voice_of_a_region_is_taken_where_there_is_one() -> None:
    assert voice_name("en") == "en-us"
    assert voice_name("en_GB-x-rp") == "en-gb-x-rp"
    assert voice_name("pt-BR") == "pt-br"
    assert voice_name("es-AR") == "es"
    assert voice_name("zh") == "cmn"
    assert ESPEAK.serves(SETTINGS, "zh", "zh-TW")
    assert not ESPEAK.serves(SETTINGS, "xx", "xx")


@needs_flite
async def test_flite_speaks_english() -> None:
    speech = await FLITE.create(SETTINGS).speak("-h good morning", "en")
    assert speech.sample_rate == 16_000
    assert 0.5 < seconds(speech) < 3
    assert FLITE.unavailable(SETTINGS) is None
    assert not FLITE.serves(SETTINGS, "es", "es")


def test_flite_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert FLITE.unavailable(SETTINGS) == "The program flite is missing: install the Debian package flite."


def test_what_is_not_a_wave_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="no WAV"):
        read_wave(b"")
    with pytest.raises(EngineError, match="no WAV"):
        read_wave(b"RIFF" + bytes(60))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 48_000])
def test_every_voice_becomes_24_khz(rate: int) -> None:
    pcm = at_voice_rate(Speech(b"\x10\x27" * rate + b"\x01", rate))
    assert abs(len(pcm) - 48_000) < 100


def test_opus_is_one_complete_file_as_long_as_the_speech() -> None:
    pcm = resample(b"\x00\x10\x00\xf0" * 16_000, 16_000, 24_000)
    with av.open(io.BytesIO(ogg_opus(pcm)), "r") as made:
        samples = sum(frame.samples for frame in made.decode(audio=0))
    assert abs(samples / 48_000 - len(pcm) / 48_000) < 0.03
    assert encoded(pcm, "pcm_s16le") == (pcm, 24_000)
    assert encoded(pcm, "ogg_opus")[1] == 48_000
