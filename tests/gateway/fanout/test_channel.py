"""A channel: which languages and voices it asks for, and what its followers are told of it."""

import pytest

from gateway.fanout import channel as channels
from gateway.fanout.channel import LANGUAGES_MAX, Channel, Key, Track
from media import link
from media.link import Wanted
from media.link_format import check
from sessions.history import HistoryLimits
from sessions.publishing import Publishing
from tests.gateway.rehearsal import Clockwork, PaperWire, caption

LINGER = 30.0


class Stand:
    """A channel with its clock."""

    def __init__(self) -> None:
        self.clock = Clockwork()
        self.channel = Channel(Key("default", "main"), "en", HistoryLimits(), self.clock.loop)
        self.clock.advance(LINGER)

    def follower(self, lang: str, track: Track = None) -> PaperWire:
        wire = PaperWire()
        self.channel.topic(lang, track).join(wire, interim=True)
        return wire

    def wanted(self) -> Wanted:
        return self.channel.wanted(self.clock.now, LINGER)


def test_the_spoken_language_is_always_wanted_and_nothing_else_unasked() -> None:
    assert Stand().wanted() == {"en": ()}


def test_what_is_followed_is_wanted_with_its_voices_in_each_encoding_once() -> None:
    stand = Stand()
    for _ in range(3):
        stand.follower("es")
        stand.follower("es", "pcm_s16le")
    stand.follower("es", "ogg_opus")
    stand.follower("fr")
    assert stand.wanted() == {"en": (), "es": ("ogg_opus", "pcm_s16le"), "fr": ()}


def test_a_language_lingers_after_its_last_follower_and_is_then_forgotten() -> None:
    stand = Stand()
    first, last = stand.follower("es"), stand.follower("es")
    topic = stand.channel.topic("es", None)
    topic.leave(first)
    stand.clock.advance(2 * LINGER)
    assert "es" in stand.wanted()

    topic.leave(last)
    stand.clock.advance(LINGER - 1)
    assert "es" in stand.wanted()
    stand.clock.advance(1)
    assert stand.wanted() == {"en": ()}


def test_a_topic_is_made_once_and_its_epoch_stays() -> None:
    channel = Stand().channel
    assert channel.topic("es", None) is channel.topic("es", None)
    assert channel.topic("es", None) is not channel.topic("es", "pcm_s16le")
    assert channel.topic("es", None).epoch != channel.topic("fr", None).epoch
    assert [track for track, _ in channel.tracks("es")] == [None, "pcm_s16le"]


def test_however_many_languages_are_asked_for_a_worker_can_be_asked_for_those_that_are_followed_most() -> (
    None
):
    stand = Stand()
    for number in range(200):
        lang = f"q{chr(97 + number // 26)}{chr(97 + number % 26)}"
        stand.channel.topic(lang, None).leave(PaperWire())
    followed = {"es": 3, "fr": 2, "de": 1}
    for lang, count in followed.items():
        for _ in range(count):
            stand.follower(lang)

    wanted = stand.wanted()

    assert len(wanted) == LANGUAGES_MAX
    assert {"en", *followed} <= wanted.keys()
    check(link.Targets(1, wanted))


def test_followers_of_every_topic_are_told_the_state() -> None:
    stand = Stand()
    wires = [stand.follower("en"), stand.follower("es", "ogg_opus")]
    stand.channel.publishing = Publishing("live", "dana", "live_1")
    stand.channel.start("s_1", "en")
    stand.clock.turn()
    for wire in wires:
        assert wire.taken() == [{"type": "channel", "state": "live", "source_lang": "en", "stream_id": "s_1"}]
    assert stand.channel.followers() == 2


def test_a_new_stream_starts_an_empty_transcript() -> None:
    channel = Stand().channel
    channel.keep("en", [caption("old")])
    channel.start("s_2", "en")
    assert channel.transcript == {}


def test_a_transcript_loses_its_oldest_captions_past_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "TRANSCRIPT_CAPTIONS_MAX", 3)
    channel = Stand().channel
    channel.keep("en", [caption("a"), caption("b")])
    channel.keep("en", [caption("c"), caption("d")])
    channel.keep("es", [caption("otra")])
    assert [kept.text for kept in channel.transcript["en"]] == ["b", "c", "d"]
    assert [kept.text for kept in channel.transcript["es"]] == ["otra"]
