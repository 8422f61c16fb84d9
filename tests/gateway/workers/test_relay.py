from dataclasses import replace

import pytest

from gateway.workers.relay import Gap, Relay, RelayLimits
from media import link
from media.captions import Caption
from media.link import BYTES_PER_SECOND
from tests.gateway.workers.fakes import EN, EN_ES, speech

LIMITS = RelayLimits(credit_bytes=1000, full_bytes=4000, texts_max=4, marks_max=2, wait_seconds_max=10.0)


def opened(limits: RelayLimits = LIMITS) -> Relay:
    """A stream that a worker has just taken."""
    relay = Relay(1, "en", limits)
    relay.set_targets(EN_ES)
    relay.assigned()
    assert relay.outgoing() == [link.Open(1, "en", EN_ES)]
    return relay


def final(utterance: int, lang: str = "en", origin: link.Origin = "speech") -> link.Final:
    return link.Final(1, utterance, lang, (Caption("word", 0.0, 1.0),), origin)


def sent_bytes(messages: list[link.ToWorker]) -> int:
    return sum(len(message.pcm) for message in messages if isinstance(message, link.Audio))


# --- credit ------------------------------------------------------------------------------------------


def test_audio_of_one_turn_leaves_as_one_message() -> None:
    relay, pcm = opened(), speech(0.03)
    for at in range(0, 960, 320):
        relay.receive_audio(pcm[at : at + 320], 0.0)

    assert relay.outgoing() == [link.Audio(1, 0, pcm)]
    assert relay.outgoing() == []


def test_no_more_is_sent_ahead_than_the_credit() -> None:
    relay = opened()
    relay.receive_audio(speech(0.1), 0.0)

    assert sent_bytes(relay.outgoing()) == 1000
    relay.receive(link.Progress(1, 300))
    assert sent_bytes(relay.outgoing()) == 300
    assert relay.outgoing() == []


def test_half_a_sample_waits_for_its_other_half() -> None:
    relay = opened()
    relay.receive_audio(b"abc", 0.0)
    assert relay.outgoing() == [link.Audio(1, 0, b"ab")]
    relay.receive_audio(b"d", 0.0)

    assert relay.outgoing() == [link.Audio(1, 2, b"cd")]


def test_a_mark_and_the_end_wait_for_the_audio_before_them() -> None:
    relay = opened()
    relay.receive_audio(speech(0.1)[:1500], 0.0)
    mark = relay.finalize()
    relay.close()

    assert sent_bytes(relay.outgoing()) == 1000
    relay.receive(link.Progress(1, 1000))
    assert [type(message) for message in relay.outgoing()] == [link.Audio, link.Finalize, link.Close]
    assert mark == 1


def test_it_is_full_until_enough_is_committed() -> None:
    relay = opened(replace(LIMITS, credit_bytes=5000))
    relay.receive_audio(speech(0.125), 0.0)
    assert relay.full
    relay.outgoing()
    relay.receive(link.Progress(1, 4000))
    assert relay.full  # heard is not done
    relay.receive(link.Committed(1, 2, 0, b""))

    assert not relay.full
    assert relay.buffered_bytes == 3998


# --- what a worker may not do ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        link.Progress(1, 102),
        link.Committed(1, 102, 0, b""),
        link.Committed(1, 48, 1, b""),
        link.Committed(1, 60, 0, b""),
        link.Committed(1, 61, 1, b""),
        link.Ended(1),
        link.Hello(1, 1),
    ],
)
def test_a_worker_that_breaks_the_contract_is_found_out(message: link.FromWorker) -> None:
    relay = opened()
    relay.receive_audio(bytes(100), 0.0)
    relay.outgoing()
    relay.receive(link.Committed(1, 50, 1, b""))

    with pytest.raises(link.LinkError):
        relay.receive(message)


def test_answers_to_what_was_never_asked_are_left_out() -> None:
    relay = opened()
    for message in (link.Finalized(1, 9), link.TextDone(1, 9), final(9, "es", "text")):
        relay.receive(message)

    assert relay.events() == []


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("x", -1.0, 1.0), ("x", 0.0, float("nan")), ("\ud800", 0.0, 1.0), ("x" * 100_000, 0.0, 1.0)],
)
def test_a_text_that_no_worker_would_take_is_refused_at_once(text: str, start: float, end: float) -> None:
    relay = opened()
    with pytest.raises(link.LinkError):
        relay.send_text(text, start, end)

    assert relay.outgoing() == []


# --- after a loss ------------------------------------------------------------------------------------


def test_a_successor_is_given_what_is_not_committed() -> None:
    relay, pcm = opened(), speech(0.05)[:1000]
    relay.receive_audio(pcm, 0.0)
    number = relay.send_text("hello", 0.0, 1.0)
    relay.outgoing()
    relay.receive(link.Committed(1, 400, 3, b"state"))
    mark = relay.finalize()
    relay.set_targets(EN)
    relay.close()
    relay.outgoing()
    relay.worker_lost()
    assert relay.outgoing() == []
    relay.assigned()

    assert relay.outgoing() == [
        link.Open(1, "en", EN, 400, 3, b"state"),
        link.Text(1, number, "hello", 0.0, 1.0),
        link.Audio(1, 400, pcm[400:]),
        link.Finalize(1, mark),
        link.Close(1),
    ]


def test_a_language_that_came_later_does_not_go_back_behind_what_it_has() -> None:
    """The successor says all languages of all that it hears again, also those that were not wanted then."""
    relay = opened()
    for said in (final(0), final(1), final(1, "es")):
        relay.receive(said)
    relay.worker_lost()
    relay.assigned()
    for said in (final(0), final(0, "es"), final(1), final(1, "es"), final(2), final(2, "es")):
        relay.receive(said)

    assert relay.events() == [final(0), final(1), final(1, "es"), final(2), final(2, "es")]


def test_what_a_lost_worker_says_late_is_not_heard() -> None:
    relay = opened()
    relay.worker_lost()
    relay.receive(final(0))

    assert relay.events() == []


def test_a_mark_that_was_answered_cuts_again_until_the_cut_is_committed() -> None:
    relay = opened()
    relay.receive_audio(bytes(100), 0.0)
    mark = relay.finalize()
    relay.outgoing()
    relay.receive(link.Finalized(1, mark))
    relay.worker_lost()
    relay.assigned()
    assert link.Finalize(1, mark) in relay.outgoing()
    relay.receive(link.Finalized(1, mark))
    relay.receive(link.Committed(1, 100, 1, b""))
    relay.worker_lost()
    relay.assigned()

    assert relay.events() == [link.Finalized(1, mark), link.Committed(1, 100, 1, b"")]
    assert link.Finalize(1, mark) not in relay.outgoing()


def test_a_session_learns_once_that_no_more_voices_come_for_an_utterance_or_a_text() -> None:
    relay = opened()
    relay.receive_audio(bytes(100), 0.0)
    number = relay.send_text("text", 0.0, 1.0)
    relay.outgoing()

    relay.receive(link.Committed(1, 40, 0, b"a rest in silence"))
    for _ in range(2):
        relay.receive(link.Committed(1, 50, 1, b""))
        relay.receive(link.TextDone(1, number))

    assert relay.events() == [link.Committed(1, 50, 1, b""), link.TextDone(1, number)]


def test_marks_at_one_place_are_one_and_too_many_are_gathered() -> None:
    relay = opened()
    assert relay.finalize() == relay.finalize()
    relay.receive_audio(bytes(10), 0.0)
    second = relay.finalize()
    relay.receive_audio(bytes(10), 0.0)

    assert relay.finalize() == second
    assert [type(message) for message in relay.outgoing()] == [
        link.Finalize, link.Audio, link.Finalize,
    ]  # fmt: skip


# --- without a worker --------------------------------------------------------------------------------


def test_nothing_is_given_up_while_there_is_room_or_hope() -> None:
    relay = Relay(1, "en", LIMITS)
    relay.receive_audio(bytes(3000), 0.0)
    relay.handle_time(1000.0)
    assert relay.buffered_bytes == 3000

    waiting = Relay(1, "en", LIMITS)
    waiting.receive_audio(bytes(9000), 0.0)
    waiting.handle_time(9.9)
    assert waiting.buffered_bytes == 9000

    assert relay.events() == waiting.events() == []


def test_the_older_part_is_given_up_as_a_gap_and_its_numbers_are_not_used_again() -> None:
    relay = opened()
    relay.receive_audio(bytes(4000), 0.0)
    relay.outgoing()
    relay.receive(link.Committed(1, 10, 4, b"state"))
    relay.receive(final(4))
    relay.receive(link.Interim(1, 5, 1, "en", Caption("w", 0.0, 1.0)))
    relay.receive_audio(bytes(10), 0.0)
    relay.worker_lost()
    relay.handle_time(1.0)
    relay.handle_time(11.0)
    relay.assigned()

    assert relay.events()[-1] == Gap(1, 10 / BYTES_PER_SECOND, 2010 / BYTES_PER_SECOND, "no_worker")
    assert relay.outgoing()[0] == link.Open(1, "en", EN_ES, 2010, 6, b"state")
    assert not relay.full


def test_texts_without_a_worker_are_bounded_too() -> None:
    relay = Relay(1, "en", LIMITS)
    for second in range(4):
        relay.send_text("hello", second, second + 1)
    assert relay.full
    relay.handle_time(0.0)
    relay.handle_time(10.0)

    assert relay.events() == [Gap(1, 0.0, 1.0, "no_worker"), Gap(1, 1.0, 2.0, "no_worker")]
    assert not relay.full


# --- the end -----------------------------------------------------------------------------------------


def test_failed_is_the_last_word() -> None:
    relay = opened()
    relay.fail("no engine")
    relay.fail("again")
    relay.receive_audio(bytes(100), 0.0)
    relay.receive(final(0))

    assert relay.events() == [link.Failed(1, "no engine")]
    assert relay.outgoing() == []
    assert (relay.over, relay.full, relay.buffered_bytes) == (True, False, 0)
