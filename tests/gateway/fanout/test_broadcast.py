"""A broadcast: what a worker makes, and captions that come as text, on their way to the topics."""

from typing import Any, cast

import pytest

from gateway.fanout.broadcast import LINGER_SECONDS, Broadcast
from gateway.fanout.channel import Channel, Key, Track
from gateway.workers.pool import WorkerPool
from media import link
from media.captions import Caption, Word
from sessions import messages
from sessions.history import HistoryLimits
from tests.gateway.rehearsal import Clockwork, PaperPool, PaperStream, PaperWire, caption

PCM = bytes(32_000)


class Speaker:
    """The connection that brings the audio: remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.notices: list[messages.Gap | messages.Warning] = []

    def stream_finalized(self) -> None:
        self.told.append("finalized")

    def stream_ended(self) -> None:
        self.told.append("ended")

    def stream_notice(self, message: messages.Gap | messages.Warning) -> None:
        self.notices.append(message)

    def stream_writable(self) -> None:
        self.told.append("writable")

    def stream_failed(self, reason: str) -> None:
        self.told.append(f"failed: {reason}")


class Stand:
    """A broadcast on a channel that nobody has followed lately, with its speaker."""

    def __init__(self) -> None:
        self.clock = Clockwork()
        self.pool = PaperPool()
        self.channel = Channel(Key("default", "main"), "en", HistoryLimits(), self.clock.loop)
        self.clock.advance(LINGER_SECONDS)
        self.broadcast = Broadcast(self.channel, "s1", "en", cast("WorkerPool", self.pool), self.clock.now)
        self.speaker = Speaker()
        self.broadcast.source = self.speaker

    def follower(self, lang: str = "en", track: Track = None) -> PaperWire:
        wire = PaperWire()
        self.channel.topic(lang, track).join(wire, interim=True)
        return wire

    @property
    def stream(self) -> PaperStream:
        (stream,) = self.pool.opened
        return stream

    def hears(self, pcm: bytes = PCM) -> PaperStream:
        """Take audio, and let the worker have it."""
        self.broadcast.take_audio(pcm, self.clock.now)
        self.stream.sent()
        return self.stream

    def writes(
        self, text: str, start: float = 0.0, end: float = 1.0, *, final: bool = True, **more: Any
    ) -> None:
        said = messages.Caption(type="caption", text=text, start=start, end=end, is_final=final, **more)
        self.broadcast.take_caption(said, self.clock.now)

    def read(self, wire: PaperWire) -> list[Any]:
        self.clock.turn()
        return wire.taken()

    def texts(self, wire: PaperWire) -> list[tuple[int, str]]:
        """Return (offset, text) of the finals that came."""
        return [(m["offset"], m["text"]) for m in subtitles(self.read(wire)) if m["is_final"]]


def subtitles(came: list[Any]) -> list[dict[str, Any]]:
    return [m for m in came if isinstance(m, dict) and m["type"] == "subtitle"]


@pytest.fixture
def stand() -> Stand:
    return Stand()


def final(utterance: int, lang: str, *texts: str, origin: link.Origin = "speech") -> link.Final:
    captions = tuple(
        caption(text, utterance + i / 2, utterance + i / 2 + 0.5) for i, text in enumerate(texts)
    )
    return link.Final(1, utterance, lang, captions, origin)


def voice(utterance: int, lang: str, block: int = 0, *, last: bool = True, origin: link.Origin = "speech",
          encoding: link.VoiceEncoding = "pcm_s16le") -> link.Voice:  # fmt: skip
    audio = f"{utterance}.{block} in {lang}".encode()
    return link.Voice(1, utterance, block, lang, 0.0, 0.5, 24_000, last, encoding, audio, origin)


class TestSpeech:
    def test_a_stream_is_opened_with_the_first_audio_for_what_is_followed_then(self, stand: Stand) -> None:
        stand.follower("es", "pcm_s16le")
        assert stand.pool.opened == []
        stand.broadcast.take_audio(PCM, stand.clock.now)
        opened, audio = stand.stream.sent()
        assert isinstance(opened, link.Open)
        assert (opened.source_lang, opened.targets) == ("en", {"en": (), "es": ("pcm_s16le",)})
        assert isinstance(audio, link.Audio)
        assert audio.pcm == PCM
        assert stand.broadcast.received_seconds == 1.0

    def test_interims_replace_each_other_and_the_final_has_the_highest_revision(self, stand: Stand) -> None:
        wire = stand.follower()
        stream = stand.hears()
        revs = []
        for message in (
            link.Interim(1, 0, 1, "en", caption("the")),
            link.Interim(1, 0, 2, "en", caption("the house")),
            final(0, "en", "the house is", "small"),
        ):
            stream.says(message)
            came = subtitles(stand.read(wire))
            revs += [(m["segment_id"], m["rev"], m["is_final"], m["offset"]) for m in came]
        assert revs == [
            ("s1.0.0", 1, False, 0),
            ("s1.0.0", 2, False, 0),
            ("s1.0.0", 3, True, 1),
            ("s1.0.1", 3, True, 2),
        ]

    def test_each_language_has_its_own_offsets_and_carries_the_source_text(self, stand: Stand) -> None:
        english, spanish = stand.follower("en"), stand.follower("es")
        translated = Caption("la casa", 0.0, 1.0, (), "the house")
        stand.hears().says(final(0, "en", "the", "house"), link.Final(1, 0, "es", (translated,)))
        assert stand.texts(english) == [(1, "the"), (2, "house")]
        (message,) = subtitles(stand.read(spanish))
        assert (message["offset"], message["lang"], message["source_lang"]) == (1, "es", "en")
        assert (message["text"], message["source_text"]) == ("la casa", "the house")

    def test_finals_are_kept_for_the_transcript_whoever_follows(self, stand: Stand) -> None:
        stand.hears().says(final(0, "en", "nobody", "listens"), final(0, "es", "nadie"))
        kept = stand.channel.transcript
        assert {lang: [c.text for c in captions] for lang, captions in kept.items()} == {
            "en": ["nobody", "listens"], "es": ["nadie"],
        }  # fmt: skip

    def test_an_utterance_in_which_nothing_was_said_shows_nothing(self, stand: Stand) -> None:
        wires = [stand.follower("en"), stand.follower("en", "pcm_s16le")]
        stand.hears().says(final(0, "en"), final(1, "en", "now"), voice(1, "en"))
        for wire in wires:
            assert stand.texts(wire) == [(1, "now")]

    def test_new_followers_and_lost_ones_change_what_is_asked_for(self, stand: Stand) -> None:
        stream = stand.hears()
        spanish = stand.follower("es")
        stand.broadcast.retarget(stand.clock.now)
        assert stream.wanted() == {"en": (), "es": ()}
        stand.channel.topic("es", None).leave(spanish)
        stand.clock.advance(LINGER_SECONDS)
        stand.broadcast.retarget(stand.clock.now)
        assert stream.wanted() == {"en": ()}


class TestVoices:
    def test_a_dub_waits_for_its_voices_and_goes_out_whole(self, stand: Stand) -> None:
        listener = stand.follower("es", "pcm_s16le")
        stream = stand.hears()
        stream.says(final(0, "es", "la casa", "es pequeña"))
        assert stand.read(listener) == []
        stream.says(voice(0, "es", 0, last=False))
        assert stand.read(listener) == []
        stream.says(voice(0, "es", 1))

        first, dub, audio, second, dub2, audio2 = stand.read(listener)
        assert [(m["type"], m["segment_id"]) for m in (first, dub, second, dub2)] == [
            ("subtitle", "s1.0.0"), ("dub_audio", "s1.0.0"), ("subtitle", "s1.0.1"), ("dub_audio", "s1.0.1"),
        ]  # fmt: skip
        assert (audio, audio2) == (b"0.0 in es", b"0.1 in es")
        assert (first["offset"], second["offset"]) == (1, 2)
        assert (dub["last"], dub2["last"]) == (False, True)

    def test_subtitles_do_not_wait_for_voices(self, stand: Stand) -> None:
        reader = stand.follower("es")
        stand.follower("es", "pcm_s16le")
        stand.hears().says(final(0, "es", "la casa"))
        assert stand.texts(reader) == [(1, "la casa")]

    def test_each_encoding_is_a_topic_that_gets_its_own_voice(self, stand: Stand) -> None:
        pcm, opus = stand.follower("es", "pcm_s16le"), stand.follower("es", "ogg_opus")
        stand.hears().says(final(0, "es", "la casa"), voice(0, "es", encoding="ogg_opus"))
        assert stand.read(pcm) == []
        assert [m["type"] for m in stand.read(opus) if isinstance(m, dict)] == ["subtitle", "dub_audio"]

    def test_dubs_keep_the_order_of_the_audio(self, stand: Stand) -> None:
        listener = stand.follower("es", "pcm_s16le")
        stream = stand.hears()
        stream.says(final(0, "es", "uno"), final(1, "es", "dos"), voice(1, "es"))
        assert stand.read(listener) == []
        stream.says(link.Committed(1, 6400, 1, b""), link.Committed(1, 12800, 2, b""))
        assert stand.texts(listener) == [(1, "uno"), (2, "dos")]

    def test_a_final_whose_voice_will_never_come_goes_out_without_it_once_it_is_committed(
        self, stand: Stand
    ) -> None:
        listener = stand.follower("es", "pcm_s16le")
        stream = stand.hears()
        stream.says(link.Warned(1, "voice_failed", "No engine could speak"), final(0, "es", "muda"))
        assert stand.read(listener) == []
        stream.says(link.Committed(1, 6400, 1, b""))
        came = stand.read(listener)
        assert [(m["type"], m["text"]) for m in came] == [("subtitle", "muda")]

    def test_the_end_lets_everything_go_that_waits(self, stand: Stand) -> None:
        listener = stand.follower("es", "pcm_s16le")
        stream = stand.hears()
        stream.says(final(0, "es", "uno"), final(1, "es", "dos"))
        stand.broadcast.end()
        stream.sent()
        stream.says(link.Ended(1))
        assert stand.texts(listener) == [(1, "uno"), (2, "dos")]
        assert stand.speaker.told == ["ended"]


class TestText:
    def test_a_final_caption_is_one_final_subtitle_at_once_and_unshaped(self, stand: Stand) -> None:
        wire = stand.follower()
        long_line = "word " * 60
        spoken = {"word": "word", "start": 1.0, "end": 2.0, "confidence": 0.5}
        stand.writes(long_line, 1.0, 2.0, words=[spoken])
        (message,) = stand.read(wire)
        assert (message["text"], message["source_text"]) == (long_line, long_line)
        assert (message["is_final"], message["offset"], message["rev"]) == (True, 1, 1)
        assert message["words"] == [spoken]
        assert stand.pool.opened == []
        assert stand.channel.transcript["en"][0].words == (Word("word", 1.0, 2.0, 0.5),)

    def test_it_is_translated_and_spoken_for_those_who_ask(self, stand: Stand) -> None:
        english, spanish, dubbed = stand.follower(), stand.follower("es"), stand.follower("es", "pcm_s16le")
        stand.writes("the house", segment_id="mine-7")
        opened, text = stand.stream.sent()
        assert isinstance(opened, link.Open)
        assert opened.targets == {"en": (), "es": ("pcm_s16le",)}
        assert isinstance(text, link.Text)
        assert text.text == "the house"
        stand.stream.says(final(text.number, "es", "la casa", origin="text"))
        stand.stream.says(voice(text.number, "es", origin="text"), link.TextDone(1, text.number))

        ids = [(m["segment_id"], m["lang"], m["text"]) for w in (english, spanish) for m in stand.read(w)]
        assert ids == [("mine-7", "en", "the house"), ("mine-7", "es", "la casa")]
        came = stand.read(dubbed)
        assert [m["type"] for m in came if isinstance(m, dict)] == ["subtitle", "dub_audio"]
        assert came[-1] == b"0.0 in es"

    def test_it_is_spoken_in_its_own_language_without_a_second_final(self, stand: Stand) -> None:
        listener = stand.follower("en", "pcm_s16le")
        stand.writes("the house")
        assert stand.read(listener) == []
        _, text = stand.stream.sent()
        assert isinstance(text, link.Text)
        stand.stream.says(voice(text.number, "en", origin="text"), link.TextDone(1, text.number))
        assert stand.texts(listener) == [(1, "the house")]

    def test_a_text_whose_voice_fails_goes_out_without_it_when_the_text_is_done(self, stand: Stand) -> None:
        listener = stand.follower("es", "pcm_s16le")
        stand.writes("the house")
        _, text = stand.stream.sent()
        assert isinstance(text, link.Text)
        stand.stream.says(final(text.number, "es", "la casa", origin="text"))
        assert stand.read(listener) == []
        stand.stream.says(link.TextDone(1, text.number))
        assert stand.texts(listener) == [(1, "la casa")]

    def test_a_dub_that_nobody_wants_any_more_does_not_wait_for_a_voice(self, stand: Stand) -> None:
        listener = stand.follower("en", "pcm_s16le")
        stand.channel.topic("en", "pcm_s16le").leave(listener)
        stand.clock.advance(LINGER_SECONDS)
        stand.writes("unheard")
        assert stand.pool.opened == []
        assert stand.channel.topic("en", "pcm_s16le").offset == 1

    def test_a_repeated_segment_id_is_published_once(self, stand: Stand) -> None:
        wire = stand.follower()
        for text in ("first", "again"):
            stand.writes(text, segment_id="mine")
        stand.writes("other", segment_id="other")
        assert stand.texts(wire) == [(1, "first"), (2, "other")]

    def test_interims_of_a_segment_have_rising_revisions_and_the_final_the_highest(
        self, stand: Stand
    ) -> None:
        wire = stand.follower()
        came = []
        for text, is_final in (("the", False), ("the house", False), ("the house is", True)):
            stand.writes(text, final=is_final, segment_id="mine")
            came += [(m["rev"], m["is_final"], m["text"]) for m in stand.read(wire)]
        assert came == [(1, False, "the"), (2, False, "the house"), (3, True, "the house is")]

    def test_interims_without_an_id_belong_to_the_next_final(self, stand: Stand) -> None:
        wire = stand.follower()
        came = []
        for text, is_final in (("a", False), ("a b", True), ("c", False), ("c d", True)):
            stand.writes(text, final=is_final)
            came += [(m["segment_id"], m["rev"]) for m in stand.read(wire)]
        assert came == [("s1.t0", 1), ("s1.t0", 2), ("s1.t1", 1), ("s1.t1", 2)]

    def test_an_interim_after_its_final_changes_nothing(self, stand: Stand) -> None:
        wire = stand.follower()
        stand.writes("said", segment_id="mine")
        stand.writes("too late", segment_id="mine", final=False)
        assert [m["text"] for m in stand.read(wire)] == ["said"]

    def test_text_that_a_worker_link_must_take_is_always_one_it_takes(self, stand: Stand) -> None:
        stand.follower("es")
        stand.writes("\x00\ufffe\U0001f3ad\n" * 400, 0.0, 9_999_999.0)
        assert isinstance(stand.stream.sent()[-1], link.Text)


class TestTheSource:
    def test_each_finalize_is_answered_once(self, stand: Stand) -> None:
        stream = stand.hears()
        stand.broadcast.finalize()
        stand.broadcast.finalize()
        (mark,) = (m for m in stream.sent() if isinstance(m, link.Finalize))
        assert stand.speaker.told == []
        stream.says(link.Finalized(1, mark.mark))
        assert stand.speaker.told == ["finalized", "finalized"]

    def test_a_finalize_that_nobody_asked_for_is_not_answered(self, stand: Stand) -> None:
        stream = stand.hears()
        stand.broadcast.source = None
        stand.broadcast.finalize()
        (mark,) = (m for m in stream.sent() if isinstance(m, link.Finalize))
        stand.broadcast.source = stand.speaker
        stream.says(link.Finalized(1, mark.mark))
        assert stand.speaker.told == []

    def test_who_comes_back_is_not_answered_for_the_connection_before(self, stand: Stand) -> None:
        stream = stand.hears()
        stand.broadcast.finalize()
        marks = [m for m in stream.sent() if isinstance(m, link.Finalize)]
        successor = Speaker()
        stand.broadcast.source = successor
        stream.says(link.Finalized(1, marks[0].mark))
        assert successor.told == stand.speaker.told == []

    def test_without_audio_there_is_nothing_to_wait_for(self, stand: Stand) -> None:
        stand.broadcast.finalize()
        stand.broadcast.end()
        assert stand.speaker.told == ["finalized", "ended"]
        assert stand.broadcast.ended

    def test_after_its_end_it_answers_at_once(self, stand: Stand) -> None:
        stream = stand.hears()
        stand.broadcast.end()
        stream.sent()
        stream.says(link.Ended(1))
        stand.broadcast.finalize()
        stand.broadcast.end()
        assert stand.speaker.told == ["ended", "finalized", "ended"]

    def test_gaps_and_warnings_are_passed_on_in_the_words_of_the_protocol(self, stand: Stand) -> None:
        stream = stand.hears()
        stream.says(
            link.Warned(1, "engine_switched", "http://10.0.0.5/v1 cannot be reached: whisper takes over"),
            link.Warned(1, "a_code_of_tomorrow", "Which no client knows."),
        )
        assert [m.encoded() for m in stand.speaker.notices] == [
            b'{"type":"warning","code":"engine_switched",'
            b'"message":"An engine failed and another took over; nothing is lost"}'
        ]

    def test_a_stream_that_no_worker_can_go_on_with_has_failed(self, stand: Stand) -> None:
        stand.hears().lost("every engine is gone")
        assert stand.speaker.told == ["failed: every engine is gone"]
        assert stand.broadcast.ended
        assert stand.broadcast.failed

    def test_what_is_dropped_says_nothing_more(self, stand: Stand) -> None:
        stream = stand.hears()
        stand.broadcast.drop()
        assert stream.dropped
        assert stand.broadcast.ended
