"""One stream: audio and texts in, captions and voices out."""

import asyncio
import functools
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import link
from tests.media.engines import (
    CountingEngine,
    HumEngine,
    Run,
    UpperEngine,
    always,
    engine_set,
    texts,
)
from tests.speech import SENTENCES, noise, said, speech

OPEN = link.Open(1, "en", {"en": (), "es": ("pcm_s16le",)})
UNSPOKEN = link.Open(1, "en", {"en": (), "es": ()})


@functools.cache
def three() -> bytes:
    return speech(SENTENCES[:3], gap_seconds=0.8)


@functools.cache
def utterance() -> bytes:
    return noise(0.4) + said(SENTENCES[0]) + noise(1.0)


def fakes() -> tuple[CountingEngine, UpperEngine, HumEngine]:
    return CountingEngine(), UpperEngine(), HumEngine()


async def undisturbed(pcm: bytes) -> list[link.FromWorker]:
    async with Run(engine_set(*fakes()), OPEN) as run:
        run.audio(pcm)
        await run.ended()
    return run.sent


@functools.cache
def expected(pcm: bytes) -> list[link.FromWorker]:
    """What comes of speech that nothing disturbs, made once."""
    return asyncio.run(undisturbed(pcm))


async def test_every_utterance_comes_in_every_language_in_order_and_is_then_committed() -> None:
    sent = await undisturbed(three())
    assert [number for number, _ in texts(sent, "en")] == [0, 1, 2]
    assert texts(sent, "es") == [(n, f"es:{text.upper()}") for n, text in texts(sent, "en")]
    committed = [m for m in sent if isinstance(m, link.Committed)]
    assert [m.utterance for m in committed][:3] == [1, 2, 3]
    for number in range(3):
        done = next(i for i, m in enumerate(sent) if isinstance(m, link.Committed) and m.utterance > number)
        finals = [i for i, m in enumerate(sent) if isinstance(m, link.Final) and m.utterance == number]
        voices = [i for i, m in enumerate(sent) if isinstance(m, link.Voice) and m.utterance == number]
        assert len(finals) == 2
        assert len(voices) == 1
        assert max(finals + voices) < done
    assert isinstance(sent[-1], link.Ended)
    assert max(m.offset_bytes for m in sent if isinstance(m, link.Progress)) == len(three())


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=40))
@settings(max_examples=12, deadline=None)
def test_the_division_into_chunks_changes_no_final(sizes: list[int]) -> None:
    async def check() -> None:
        async with Run(engine_set(*fakes()), OPEN) as run:
            at = number = 0
            while at < len(three()):
                size = sizes[number % len(sizes)]
                run.audio(three()[at : at + size], size, at)
                at, number = at + size, number + 1
            await run.ended()
        assert [m for m in run.sent if isinstance(m, link.Committed)] == [
            m for m in calm if isinstance(m, link.Committed)
        ]
        for lang in ("en", "es"):
            assert finals(run.sent)[lang] == finals(calm)[lang]

    calm = expected(three())
    asyncio.run(check())


def finals(sent: list[link.FromWorker]) -> dict[str, dict[int, link.Final]]:
    found: dict[str, dict[int, link.Final]] = {}
    for message in sent:
        if isinstance(message, link.Final):
            found.setdefault(message.lang, {}).setdefault(message.utterance, message)
    return found


@given(st.floats(0, 1), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_a_successor_gives_the_rest_as_an_undisturbed_run_would(stop: float, turns: int) -> None:
    async def check() -> None:
        stopped = int(stop * len(pcm))
        async with Run(engine_set(*fakes()), OPEN) as first:
            first.audio(pcm[:stopped])
            for _ in range(turns * 40):
                await asyncio.sleep(0)
            if turns == 3:
                await first.heard()
        sent = list(first.sent)
        committed = [m for m in sent if isinstance(m, link.Committed)]
        at = committed[-1] if committed else link.Committed(1, 0, 0, b"")
        again = link.Open(1, "en", OPEN.targets, at.offset_bytes, at.utterance, at.state)
        async with Run(engine_set(*fakes()), again) as second:
            second.audio(pcm[at.offset_bytes :], 6400, at.offset_bytes)
            await second.ended()
        assert finals(sent + second.sent) == finals(calm)

    pcm = three() + noise(7.0) + three()
    calm = expected(pcm)
    asyncio.run(check())


async def test_interims_come_often_and_none_after_its_final() -> None:
    async with Run(engine_set(*fakes()), OPEN) as run:
        for at in range(0, len(utterance()), 640):
            run.audio(utterance()[at : at + 640], 640, at)
            await run.heard()
        await run.ended()
    for lang in ("en", "es"):
        interims = [m for m in run.sent if isinstance(m, link.Interim) and m.lang == lang]
        final = next(i for i, m in enumerate(run.sent) if isinstance(m, link.Final) and m.lang == lang)
        assert max(run.sent.index(m) for m in interims) < final
        revisions = [m.rev for m in interims]
        assert revisions == sorted(set(revisions))
        ends = [m.caption.end for m in interims]
        assert max(b - a for a, b in itertools.pairwise(ends)) <= 0.4801
        assert all(len(m.caption.text.split("\n")) <= 2 for m in interims)


async def test_a_language_added_in_mid_stream_applies_from_the_next_final_on() -> None:
    async with Run(engine_set(*fakes()), link.Open(1, "en", {"en": ()})) as run:
        first = len(noise(0.8)) + len(said(SENTENCES[0])) + len(noise(0.8)) // 2 * 2
        run.audio(three()[:first])
        await run.heard()
        run.pipeline.receive(link.Targets(1, {"fr": ("ogg_opus",), "en": ()}))
        run.audio(three()[first:], 3200, first)
        await run.ended()
    assert [number for number, _ in texts(run.sent, "en")] == [0, 1, 2]
    assert [number for number, _ in texts(run.sent, "fr")] == [1, 2]
    voices = [m for m in run.sent if isinstance(m, link.Voice)]
    assert {(m.lang, m.encoding, m.last, m.sample_rate) for m in voices} == {("fr", "ogg_opus", True, 48_000)}
    assert all(m.audio.startswith(b"OggS") for m in voices)


async def test_finalize_ends_what_is_being_said_and_is_answered_after_it() -> None:
    async with Run(engine_set(*fakes()), OPEN) as run:
        half = 2 * 32_000
        run.audio(utterance()[:half])
        run.pipeline.receive(link.Finalize(1, 77))
        await run.heard()
        assert [number for number, _ in texts(run.sent, "es")] == [0]
        assert run.sent[-1] == link.Finalized(1, 77)
        run.pipeline.receive(link.Finalize(1, 78))
        await run.heard()
        assert run.sent[-1] == link.Finalized(1, 78)
        await run.ended()


async def test_a_text_is_translated_and_spoken_but_not_sent_back() -> None:
    targets: link.Wanted = {"en": ("pcm_s16le",), "es": ()}
    async with Run(engine_set(*fakes()), link.Open(1, "en", targets)) as run:
        run.pipeline.receive(link.Text(1, 5, "good\nmorning", 1.0, 2.5))
        await run.ended()
    (final,) = run.of(link.Final)
    assert (final.lang, final.utterance, final.origin) == ("es", 5, "text")
    (caption,) = final.captions
    assert (caption.text, caption.start, caption.end) == ("es:GOOD\nMORNING", 1.0, 2.5)
    assert caption.source_text == "good\nmorning"
    (voice,) = [m for m in run.sent if isinstance(m, link.Voice)]
    assert (voice.lang, voice.origin, voice.start) == ("en", "text", 1.0)
    assert run.sent.index(voice) < run.sent.index(link.TextDone(1, 5))


async def test_a_slow_translation_keeps_the_order_of_its_language_and_delays_no_other() -> None:
    gate = asyncio.Event()
    slow = UpperEngine(interims=False, gate=lambda text: gate if "-0-" in text else None)
    async with Run(engine_set(CountingEngine(), slow), UNSPOKEN) as run:
        run.audio(three() + noise(0.8))
        await run.heard()
        assert [number for number, _ in texts(run.sent, "en")] == [0, 1, 2]
        assert texts(run.sent, "es") == []
        assert not [m for m in run.sent if isinstance(m, link.Committed)]
        gate.set()
        await run.ended()
    assert [number for number, _ in texts(run.sent, "es")] == [0, 1, 2]


async def test_hearing_waits_when_too_much_waits_for_translations() -> None:
    gate = asyncio.Event()
    stuck = UpperEngine(interims=False, gate=lambda _: gate)
    async with Run(engine_set(CountingEngine(), stuck, timeout_seconds=60), UNSPOKEN) as run:
        for number in range(12):
            run.pipeline.receive(link.Text(1, number, "x", 0.0, 1.0))
        run.audio(bytes(640))
        for _ in range(200):
            await asyncio.sleep(0)
        assert run.pipeline.backlog_bytes > 640
        gate.set()
        await run.ended()
    assert [number for number, _ in texts(run.sent, "es")] == list(range(12))


async def test_a_recognizer_that_fails_is_replaced_and_nothing_is_lost() -> None:
    broken = CountingEngine("broken", fails=lambda count: count == 1)
    async with Run(engine_set(broken, CountingEngine("spare"), UpperEngine()), UNSPOKEN) as run:
        run.audio(three())
        await run.ended()
    said_in_order = [text for _, text in texts(run.sent, "en")]
    assert [text.split("-")[0] for text in said_in_order] == ["broken", "spare", "spare"]
    calm = [text.split("-")[2] for _, text in texts(await undisturbed(three()), "en")]
    assert [text.split("-")[2] for text in said_in_order] == calm  # the whole utterance was heard again
    warned = [m for m in run.sent if isinstance(m, link.Warned)]
    assert {m.code for m in warned} == {"engine_switched"}
    assert "spare" in warned[-1].detail


async def test_an_utterance_that_no_engine_can_hear_is_an_empty_final_and_a_warning() -> None:
    async with Run(engine_set(CountingEngine(fails=always), UpperEngine()), UNSPOKEN) as run:
        run.audio(utterance())
        await run.ended()
    assert [final.captions for final in run.of(link.Final)] == [(), ()]
    assert [m.code for m in run.sent if isinstance(m, link.Warned)][-1] == "recognition_failed"
    assert isinstance(run.sent[-1], link.Ended)


async def test_a_translation_that_fails_goes_to_the_next_engine() -> None:
    broken = UpperEngine("broken", fails=always)
    async with Run(engine_set(CountingEngine(), broken, UpperEngine("spare")), UNSPOKEN) as run:
        run.audio(utterance())
        await run.ended()
    (only,) = texts(run.sent, "es")
    assert only[1].startswith("es:COUNTING")
    details = [m.detail for m in run.sent if isinstance(m, link.Warned) and m.code == "engine_switched"]
    assert "broken failed" in details[0]
    assert "done by spare" in details[1]


async def test_what_nobody_can_translate_is_sent_in_its_own_language_marked_and_not_spoken() -> None:
    async with Run(engine_set(CountingEngine(), UpperEngine(fails=always), HumEngine()), OPEN) as run:
        run.audio(utterance())
        await run.ended()
    (text,) = [text for _, text in texts(run.sent, "es")]
    assert text.startswith("[en]")
    assert [m.code for m in run.sent if isinstance(m, link.Warned)][-1] == "translation_failed"
    assert not [m for m in run.sent if isinstance(m, link.Voice)]


async def test_a_translator_that_does_not_answer_is_given_up_after_its_time() -> None:
    stuck = UpperEngine("stuck", interims=False, gate=lambda _: asyncio.Event())
    engines = engine_set(CountingEngine(), stuck, UpperEngine("spare"), timeout_seconds=0.01)
    async with Run(engines, UNSPOKEN) as run:
        run.audio(utterance())
        await run.ended()
    assert texts(run.sent, "es")[0][1].startswith("es:")
    assert "no answer in time" in next(m.detail for m in run.sent if isinstance(m, link.Warned))


async def test_a_voice_that_fails_is_a_warning_and_the_subtitle_comes() -> None:
    engines = engine_set(CountingEngine(), UpperEngine(), HumEngine(fails=always))
    async with Run(engines, OPEN) as run:
        run.audio(utterance())
        await run.ended()
    assert len(texts(run.sent, "es")) == 1
    assert [m.code for m in run.sent if isinstance(m, link.Warned)][-1] == "voice_failed"
    assert not [m for m in run.sent if isinstance(m, link.Voice)]


async def test_audio_that_comes_twice_is_heard_once_and_missing_audio_is_told() -> None:
    pcm = three()
    async with Run(engine_set(*fakes()), OPEN) as run:
        run.audio(pcm[:64_000])
        run.audio(pcm[32_000:], 3200, 32_000)
        await run.ended()
    assert finals(run.sent) == finals(await undisturbed(pcm))
    async with Run(engine_set(*fakes()), OPEN) as run:
        run.audio(utterance()[:64_000])
        run.audio(utterance(), 3200, 96_000)
        await run.ended()
    assert [m.detail for m in run.sent if isinstance(m, link.Warned)] == ["1.00 s of audio did not arrive."]
    starts = [final.captions[0].start for final in run.of(link.Final) if final.lang == "en"]
    assert starts[-1] > 3.0


async def test_silence_is_committed_so_that_a_successor_need_not_hear_it_again() -> None:
    async with Run(engine_set(*fakes()), OPEN) as run:
        run.audio(bytes(11 * 32_000), 32_000)
        await run.heard()
        committed = [m for m in run.sent if isinstance(m, link.Committed)]
        assert committed[-1].offset_bytes > 8 * 32_000
        assert committed[-1].utterance == 0


@pytest.mark.parametrize("messages", [0, 1])
async def test_a_stream_with_hardly_anything_in_it_ends(messages: int) -> None:
    async with Run(engine_set(*fakes()), OPEN) as run:
        run.audio(bytes(11 * messages), 11)
        await run.ended()
    assert isinstance(run.sent[-1], link.Ended)
    assert texts(run.sent, "en") == []


async def test_a_recognizer_comes_back_for_the_next_stream_even_when_its_stream_is_dropped() -> None:
    engines = engine_set(*fakes())
    async with Run(engines, OPEN) as run:
        run.audio(utterance()[:64_000])
        await run.heard()
    made = await engines.borrow(engines.catalogue.recognizers("en")[0], "en")
    assert await engines.borrow(engines.catalogue.recognizers("en")[0], "en") is not made
