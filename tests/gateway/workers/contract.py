"""What a link between gateway and workers promises, whichever transport carries it.

A link's own test module makes a subclass with a `crew` fixture: something that opens streams and whose
workers can be lost. See `LinkContract`.
"""

from collections.abc import Callable
from typing import Protocol

import pytest

from gateway.workers.stream import Stream, StreamListener
from media import link
from media.link import BYTES_PER_SECOND
from tests.gateway.workers.fakes import EN, EN_ES, FRAME_BYTES, Listener, speech, texts_of


class Crew(Protocol):
    """Workers with `fakes.Poisoned` pipelines, reached over the link that is tested."""

    def open_stream(self, source_lang: str, targets: link.Wanted, listener: StreamListener) -> Stream:
        """Open a stream."""

    async def lose_worker(self, stream: Stream) -> None:
        """Take the worker from a stream without a warning, as SIGKILL does; another one is there to go on."""


def frames(pcm: bytes, size: int = FRAME_BYTES) -> list[bytes]:
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


def shown_up_to(seconds: float) -> Callable[[Listener], bool]:
    return lambda told: any(interim.caption.end > seconds for interim in told.interims("en"))


class LinkContract:
    """Inherit from this with a fixture `crew`."""

    async def test_what_is_said_comes_back_in_order_in_every_language(self, crew: Crew) -> None:
        listener, pcm = Listener(), speech(3.5)
        stream = crew.open_stream("en", EN_ES, listener)

        for frame in frames(pcm):
            stream.receive_audio(frame)
        stream.close()
        await listener.ended()

        assert isinstance(listener.events[-1], link.Ended)
        assert listener.texts("en") == listener.texts("es") == texts_of(pcm)
        assert [final.utterance for final in listener.finals("es")] == [0, 1, 2, 3]
        assert [voice.utterance for voice in listener.voices("es")] == [0, 1, 2, 3]
        assert stream.received_seconds == stream.processed_seconds == stream.committed_seconds == 3.5

    @pytest.mark.parametrize("size", [1, 333, 50_001])
    async def test_how_the_audio_is_cut_up_changes_nothing(self, crew: Crew, size: int) -> None:
        listener, pcm = Listener(), speech(1.7 if size > 1 else 0.1)
        stream = crew.open_stream("en", EN, listener)

        for part in frames(pcm, size):
            stream.receive_audio(part)
        stream.close()
        await listener.ended()

        assert listener.texts("en") == texts_of(pcm)

    async def test_finalized_comes_after_the_finals_of_everything_before_it(self, crew: Crew) -> None:
        listener, pcm = Listener(), speech(1.5)
        stream = crew.open_stream("en", EN, listener)

        stream.receive_audio(pcm[:20_000])
        mark = stream.finalize()
        stream.receive_audio(pcm[20_000:])
        stream.close()
        await listener.ended()

        told = [e for e in listener.events if not isinstance(e, link.Interim | link.Committed)]
        assert isinstance(told[0], link.Final)
        assert told[1] == link.Finalized(stream.number, mark)
        assert listener.texts("en") == texts_of(pcm, cuts=(20_000,))

    async def test_a_caption_that_came_as_text_is_translated_once(self, crew: Crew) -> None:
        listener = Listener()
        stream = crew.open_stream("en", EN_ES, listener)

        numbers = [stream.send_text(text, 1.0, 2.0) for text in ("one", "two")]
        await listener.until(lambda told: len(told.finals("es", "text")) == 2)
        await crew.lose_worker(stream)
        numbers.append(stream.send_text("three", 3.0, 4.0))
        stream.close()
        await listener.ended()

        assert listener.texts("es", "text") == ["one", "two", "three"]
        assert [final.utterance for final in listener.finals("es", "text")] == numbers

    async def test_wanted_languages_change_while_someone_speaks(self, crew: Crew) -> None:
        listener, pcm = Listener(), speech(2)
        stream = crew.open_stream("en", EN, listener)

        stream.receive_audio(pcm[:BYTES_PER_SECOND])
        await listener.until(lambda told: told.finals("en"))
        stream.set_targets(EN_ES)
        stream.receive_audio(pcm[BYTES_PER_SECOND:])
        stream.close()
        await listener.ended()

        assert listener.texts("en") == texts_of(pcm)
        assert listener.texts("es") == texts_of(pcm)[1:]

    @pytest.mark.parametrize("losses", [1, 4])
    async def test_a_worker_lost_in_mid_sentence_costs_nothing(self, crew: Crew, losses: int) -> None:
        listener, pcm = Listener(), speech(6)
        stream = crew.open_stream("en", EN_ES, listener)
        lost_at = [int((1.5 + number) * BYTES_PER_SECOND) for number in range(losses)]

        sent = 0
        for position in lost_at:
            stream.receive_audio(pcm[sent:position])
            sent = position
            await listener.until(shown_up_to(position / BYTES_PER_SECOND - 0.4))
            await crew.lose_worker(stream)
        stream.receive_audio(pcm[sent:])
        stream.close()
        await listener.ended()

        assert isinstance(listener.events[-1], link.Ended)
        assert listener.texts("en") == listener.texts("es") == texts_of(pcm)
        assert [final.utterance for final in listener.finals("en")] == list(range(6))
        assert [voice.utterance for voice in listener.voices("es")] == list(range(6))
        assert not listener.gaps

    async def test_interims_never_go_back_after_a_loss(self, crew: Crew) -> None:
        listener, pcm = Listener(), speech(2)
        stream = crew.open_stream("en", EN, listener)

        stream.receive_audio(pcm[: BYTES_PER_SECOND * 7 // 4])
        await listener.until(shown_up_to(1.5))
        await crew.lose_worker(stream)
        stream.receive_audio(pcm[BYTES_PER_SECOND * 7 // 4 :])
        stream.close()
        await listener.ended()

        for utterance in (0, 1):
            shown = [interim for interim in listener.interims("en") if interim.utterance == utterance]
            assert len(shown) == 4
            assert [interim.rev for interim in shown] == sorted({interim.rev for interim in shown})
            assert [interim.caption.end for interim in shown] == sorted(i.caption.end for i in shown)

    async def test_a_mark_and_the_end_survive_a_loss(self, crew: Crew) -> None:
        listener, pcm = Listener(), speech(1.5)
        stream = crew.open_stream("en", EN, listener)

        stream.receive_audio(pcm)
        mark = stream.finalize()
        stream.close()
        await crew.lose_worker(stream)
        await listener.ended()

        assert [event for event in listener.events if isinstance(event, link.Finalized)] == [
            link.Finalized(stream.number, mark)
        ]
        assert listener.texts("en") == texts_of(pcm)

    async def test_a_stream_that_always_fails_fails_alone(self, crew: Crew) -> None:
        bad, good, pcm = Listener(), Listener(), speech(2.5)
        failing, other = crew.open_stream("en", EN, bad), crew.open_stream("en", EN, good)

        other.receive_audio(pcm[:50_000])
        failing.send_text("fail", 0.0, 1.0)
        await bad.ended()
        other.receive_audio(pcm[50_000:])
        other.close()
        await good.ended()

        assert bad.events == [link.Failed(failing.number, "RuntimeError: told to fail")]
        assert good.texts("en") == texts_of(pcm)

    async def test_a_dropped_stream_says_nothing_more(self, crew: Crew) -> None:
        dropped, other = Listener(), Listener()
        stream, after = crew.open_stream("en", EN, dropped), crew.open_stream("en", EN, other)

        stream.receive_audio(speech(3))
        stream.drop()
        stream.receive_audio(speech(3))
        after.receive_audio(speech(1))
        after.close()
        await other.ended()

        assert dropped.events == []
        assert stream.over

    async def test_more_audio_than_the_credit_is_taken_as_fast_as_it_is_heard(self, crew: Crew) -> None:
        listener, pcm = Listener(), speech(60)
        stream = crew.open_stream("en", EN, listener)

        stream.receive_audio(pcm)
        assert stream.full
        await listener.until(lambda told: told.writable_count)
        assert not stream.full
        stream.close()
        await listener.ended()

        assert listener.texts("en") == texts_of(pcm)
