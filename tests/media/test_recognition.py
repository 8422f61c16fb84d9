"""Real recognition: speech that is made, heard word for word, also after a take-over."""

import asyncio
import functools
import itertools

import pytest

from media import link
from media.captions import Word
from media.engines import EngineSettings
from media.engines.catalogue import Catalogue
from media.engines.pocketsphinx import ENGINE, PocketSphinx
from media.engines.silent import ENGINE as SILENT
from media.pipeline import EngineSet
from media.speech import Endpointer, Hush, Onset, Spoken
from media.stability import erased
from tests.media.engines import Run, texts
from tests.speech import SENTENCES, needs_apertium, noise, said, speech, word_errors

pytestmark = pytest.mark.speech


@functools.cache
def engines() -> EngineSet:
    """One set for all tests of this module: a decoder takes half a second to load."""
    return EngineSet(Catalogue.load(EngineSettings()))


OPENED = link.Open(1, "en", {"en": ()})
Timed = list[tuple[float, link.FromWorker]]


@pytest.fixture(scope="module")
def heard() -> Timed:
    """What comes of the five sentences, handed over a frame at a time, and at which second of the audio."""

    async def hear() -> Timed:
        pcm, clock, own = speech(), list[float](), EngineSet(Catalogue.load(EngineSettings()))
        async with Run(own, OPENED) as run:
            for at in range(0, len(pcm), 640):
                run.audio(pcm[at : at + 640], 640, at)
                await run.heard()
                clock += [(at + 640) / 32_000] * (len(run.sent) - len(clock))
            await run.ended()
        await own.aclose()
        return list(zip(clock, run.sent, strict=False))

    return asyncio.run(hear())


def utterances(pcm: bytes) -> list[list[bytes]]:
    ends = Endpointer()
    ends.feed(pcm)
    found: list[list[bytes]] = []
    while (event := ends.next()) is not None:
        match event:
            case Onset(_, first):
                found.append([first])
            case Spoken(frame, _):
                found[-1].append(frame)
            case Hush():
                pass
    return found


async def recognise(recognizer: PocketSphinx, frames: list[bytes], state: bytes) -> tuple[Word, ...]:
    recognizer.start(state)
    for frame in frames:
        recognizer.feed(frame)
    return await recognizer.finish()


PHRASES = tuple(" ".join(sentence.split()[at : at + 4]) for at in (0, 3, 5) for sentence in SENTENCES)


@pytest.mark.parametrize("count", [6, pytest.param(32, marks=[pytest.mark.chaos, pytest.mark.timeout(300)])])
async def test_a_carried_state_gives_a_fresh_decoder_the_very_same_words(count: int) -> None:
    spoken = utterances(speech((PHRASES * 3)[:count], gap_seconds=0.7))
    assert len(spoken) >= count - 2
    undisturbed = PocketSphinx()
    states, heard = [b""], []
    for frames in spoken:
        heard.append(await recognise(undisturbed, frames, states[-1]))
        states.append(undisturbed.state())
    assert all(len(state) <= link.STATE_BYTES_MAX for state in states)
    other = PocketSphinx()
    for number in reversed(range(len(spoken))):  # in another order, so that nothing else can be carried
        assert await recognise(other, spoken[number], states[number]) == heard[number]


def finals_of(heard: Timed) -> list[link.Final]:
    return [message for _, message in heard if isinstance(message, link.Final)]


def test_five_sentences_are_heard_without_an_error_by_the_whole_pipeline(heard: Timed) -> None:
    finals = [text.replace("\n", " ") for _, text in texts((message for _, message in heard), "en")]
    assert finals == list(SENTENCES)
    words = [w for f in finals_of(heard) for c in f.captions for w in c.words]
    assert all(a.end <= b.start + 0.011 for a, b in itertools.pairwise(words))
    assert all(0 <= word.confidence <= 1 for word in words)
    begin = 1.2
    for sentence, final in zip(SENTENCES, finals_of(heard), strict=True):
        length = len(said(sentence)) / 32_000
        assert abs(final.captions[0].start - begin) < 0.3
        assert abs(final.captions[-1].end - begin - length) < 0.4
        begin += length + 1.2


async def test_speech_without_a_pause_is_cut_without_an_error() -> None:
    pcm = noise(0.5) + b"".join(said(sentence) for sentence in SENTENCES) + noise(1.0)
    async with Run(engines(), link.Open(1, "en", {"en": ()})) as run:
        run.audio(pcm)
        await run.ended()
    heard = " ".join(text.replace("\n", " ").replace(" / ", " ") for _, text in texts(run.sent, "en"))
    assert word_errors(" ".join(SENTENCES), heard) == 0
    committed = [m.offset_bytes for m in run.sent if isinstance(m, link.Committed)]
    assert max(b - a for a, b in zip([0, *committed], committed, strict=False)) <= 7 * 32_000


def test_finals_come_soon_and_interims_often_and_little_is_taken_back(heard: Timed) -> None:
    taken_back = words = 0
    for number in range(len(SENTENCES)):
        final_at, final = next(
            (at, m) for at, m in heard if isinstance(m, link.Final) and m.utterance == number
        )
        interims = [(at, m) for at, m in heard if isinstance(m, link.Interim) and m.utterance == number]
        assert final_at - final.captions[-1].end <= 0.9  # of 1.0 s: the rest is the decoder's last passes
        times = [at for at, _ in interims]
        assert times[0] - final.captions[0].start <= 1.3
        assert max(b - a for a, b in itertools.pairwise(times)) <= 0.5
        wanted = " ".join(caption.text for caption in final.captions).split()
        taken_back += erased([m.caption.text.split() for _, m in interims], wanted)
        words += len(wanted)
    assert taken_back / words < 0.2


@needs_apertium
async def test_english_speech_is_read_and_heard_in_spanish() -> None:
    pcm = speech(SENTENCES[:3])
    async with Run(engines(), link.Open(1, "en", {"en": (), "es": ("pcm_s16le",)})) as run:
        for at in range(0, len(pcm), 3200):
            run.audio(pcm[at : at + 3200], 3200, at)
            await run.heard()
            await asyncio.sleep(0.005)  # as in life, translations have a little time between chunks
        await run.ended()
    assert [text.replace("\n", " ") for _, text in texts(run.sent, "es")] == [
        "Complacer abrir la ventana y turno en la luz",
        "La reunión empezará en nueve en punto mañana por la mañana",
        "Mi nombre es john y vivo en una casa pequeña se acerca el río",
    ]
    assert [m for m in run.sent if isinstance(m, link.Interim) and m.lang == "es"]
    voices = [m for m in run.sent if isinstance(m, link.Voice)]
    assert [v.utterance for v in voices] == [0, 1, 2]
    assert all(abs(len(v.audio) / 48_000 - v.duration) < 0.001 and v.last for v in voices)
    translators = {engine.name for engine in engines().catalogue.translators("en", "es")}
    assert translators == {"apertium"}
    await engines().aclose()
    engines.cache_clear()


async def test_a_recognizer_that_was_interrupted_starts_anew() -> None:
    recognizer = ENGINE.create(EngineSettings(), "en")
    (frames,) = utterances(speech(SENTENCES[:1]))
    recognizer.start(b"")
    recognizer.feed(frames[0])
    recognizer.start(b"")
    for frame in frames:
        recognizer.feed(frame)
    assert recognizer.partial()
    assert " ".join(word.word for word in await recognizer.finish()) == SENTENCES[0]
    await recognizer.aclose()


async def test_the_silent_recognizer_hears_a_word_for_every_step_of_speech() -> None:
    recognizer = SILENT.create(EngineSettings(silent_word="na", silent_word_seconds=0.5), "en")
    recognizer.start(b"")
    recognizer.feed(bytes(48_000))
    assert recognizer.partial() == tuple(Word("na", n / 2, n / 2 + 0.5, 1.0) for n in range(3))
    recognizer.start(b"")
    recognizer.feed(bytes(3200))
    assert await recognizer.finish() == (Word("na", 0.0, 0.1, 1.0),)
    assert recognizer.state() == b""


async def test_a_successor_hears_the_same_words_from_the_middle_of_a_sentence_on(heard: Timed) -> None:
    pcm = speech(SENTENCES[:3])
    async with Run(engines(), OPENED) as killed:
        killed.audio(pcm[: 7 * 32_000])  # in the middle of the second sentence
        await killed.heard()
    at = [m for m in killed.sent if isinstance(m, link.Committed)][-1]
    assert at.utterance == 1
    again = link.Open(1, "en", {"en": ()}, at.offset_bytes, at.utterance, at.state)
    async with Run(engines(), again) as successor:
        successor.audio(pcm[at.offset_bytes :], 6400, at.offset_bytes)
        await successor.ended()
    assert killed.of(link.Final) + successor.of(link.Final) == finals_of(heard)[:3]
