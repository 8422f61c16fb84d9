"""A live socket between its rules and the rest: who gets in, what is counted, what is carried out."""

from typing import Any

import pytest

from auth.principal import Plan, Role
from media import link
from tests.gateway.rehearsal import Guest, Rehearsal, caption
from tests.house import token
from tests.media.audio import recorded

SECOND = bytes(32_000)


@pytest.fixture
def rehearsal() -> Rehearsal:
    return Rehearsal()


def refusal(guest: Guest, bearer: str, **more: Any) -> tuple[dict[str, Any], int]:
    """Return the error that answers a first message, and the close code after it."""
    error = guest.authenticates(bearer, **more)
    assert error["type"] == "error", error
    assert guest.hears() == []
    return error, guest.wire.close_code


def says(publisher: Guest, text: str, **more: Any) -> None:
    publisher.says(**{"type": "caption", "text": text, "start": 0, "end": 1, "is_final": True, **more})


class TestAdmission:
    def test_a_bad_token_is_refused_to_the_letter(self, rehearsal: Rehearsal) -> None:
        error, code = refusal(rehearsal.arrives(), "invalid_token")
        assert error == {
            "type": "error", "code": "INVALID_TOKEN", "message": "Invalid or expired token",
            "recoverable": False,
        }  # fmt: skip
        assert code == 4001

    def test_the_sixth_connection_of_a_minute_is_told_when_to_come_back(self, rehearsal: Rehearsal) -> None:
        for _ in range(5):
            rehearsal.joins(user="dana", plan=Plan.FREE)
            rehearsal.clock.advance(1)
        error, code = refusal(rehearsal.arrives(), token("dana", plan=Plan.FREE))
        assert (error["code"], error["status"], error["recoverable"], code) == (
            "RATE_LIMITED",
            429,
            True,
            4029,
        )
        assert error["retry_after_seconds"] == 55
        rehearsal.joins(user="noa", plan=Plan.FREE)
        rehearsal.clock.advance(54.9)
        refusal(rehearsal.arrives(), token("dana", plan=Plan.FREE))
        rehearsal.clock.advance(0.2)
        rehearsal.joins(user="dana", plan=Plan.FREE)

    def test_so_many_sessions_at_once_and_a_place_is_free_when_one_ends(self) -> None:
        rehearsal = Rehearsal(live_quota_websocket_rate_limit=0, live_quota_concurrent_sessions=2)
        first = rehearsal.joins(plan=Plan.PRO)
        rehearsal.joins(plan=Plan.PRO)
        error, code = refusal(rehearsal.arrives(), token(plan=Plan.PRO))
        assert (error["code"], error["status"], code) == ("TOO_MANY_SESSIONS", 429, 4029)
        assert error["retry_after_seconds"] >= 1
        first.leaves()
        rehearsal.joins(plan=Plan.PRO)
        for _ in range(20):
            rehearsal.joins(plan=Plan.ENTERPRISE)

    def test_a_refused_first_message_takes_no_place(self) -> None:
        rehearsal = Rehearsal(live_quota_websocket_rate_limit=0, live_quota_concurrent_sessions=1)
        rehearsal.joins("publish", user="noa")
        for _ in range(3):
            error, _ = refusal(rehearsal.arrives("publish"), token("dana", plan=Plan.PRO))
            assert error["code"] == "CHANNEL_BUSY"
            error, _ = refusal(rehearsal.arrives(target_lang="fi"), token("dana", plan=Plan.PRO))
            assert error["code"] == "LANGUAGE_NOT_SERVED"
        rehearsal.joins(user="dana", plan=Plan.PRO)

    def test_one_whose_connection_broke_unnoticed_is_not_kept_out_by_itself(self) -> None:
        rehearsal = Rehearsal(live_quota_websocket_rate_limit=0, live_quota_concurrent_sessions=1)
        viewer = rehearsal.joins(plan=Plan.PRO)
        for _ in range(3):
            back = rehearsal.joins(plan=Plan.PRO, resume=viewer.position)
            assert back.connected["session_id"] == viewer.connected["session_id"]
            assert viewer.wire.close_code == 4409
            viewer = back
        refusal(rehearsal.arrives(), token(plan=Plan.PRO))
        viewer.leaves()

        publisher = rehearsal.joins("publish", plan=Plan.PRO)
        again = rehearsal.joins("publish", plan=Plan.PRO)
        assert publisher.wire.close_code == 4409
        again.leaves()
        rehearsal.joins(plan=Plan.PRO)

    def test_a_language_that_nothing_serves_is_refused_with_those_that_are(
        self, rehearsal: Rehearsal
    ) -> None:
        error, code = refusal(rehearsal.arrives(target_lang="fi"), token())
        assert (error["code"], error["param"], code) == ("LANGUAGE_NOT_SERVED", "target_lang", 1008)
        assert {"source_lang": "en", "target_lang": "fr"} in error["served"]
        assert "en to es" in error["message"]

    def test_a_voice_that_nobody_has_is_refused_for_dubbing_only(self, rehearsal: Rehearsal) -> None:
        query: Any = {"target_lang": "de", "source_lang": "de"}
        error, code = refusal(rehearsal.arrives("dubbing", **query), token())
        assert (error["code"], code) == ("VOICE_NOT_SERVED", 1008)
        rehearsal.joins("subtitles", **query)

    def test_who_waits_for_a_token_is_counted_until_it_has_come_or_they_have_gone(self) -> None:
        rehearsal = Rehearsal(address_unauthenticated_max=2)
        rehearsal.joins()
        for _ in range(3):
            gone = rehearsal.arrives()
            gone.leaves()
            refusal(rehearsal.arrives(), "bad token")
            silent = rehearsal.arrives()
            rehearsal.passes(11)
            assert silent.wire.close_code == 4001
        assert rehearsal.stage.door._waiting.total == 0

    def test_the_answer_says_where_everything_stands(self, rehearsal: Rehearsal) -> None:
        says(rehearsal.joins("publish"), "before")
        connected = rehearsal.joins(user="noa", plan=Plan.PRO).connected
        topic = rehearsal.channel().topic("en", None)
        assert connected == {
            "type": "connected", "session_id": connected["session_id"], "channel_id": "main",
            "source_lang": "en", "target_lang": "en", "expires_at": connected["expires_at"],
            "quota": {
                "plan": "pro", "kind": "subtitles", "used_seconds": 0.0, "limit_seconds": 36_000.0,
                "remaining_seconds": 36_000.0, "window": "hour", "resets_at": "2026-11-21T13:00:00Z",
            },
            "epoch": topic.epoch, "offset": 1, "state": "live", "resumed": False,
        }  # fmt: skip


class TestTime:
    def test_without_a_token_in_time_the_socket_closes(self) -> None:
        rehearsal = Rehearsal(authenticate_seconds=3)
        guest = rehearsal.arrives()
        rehearsal.passes(2.9)
        assert guest.wire.close_code == 0
        rehearsal.passes(0.2)
        assert ([m["code"] for m in guest.hears()], guest.wire.close_code) == (["AUTHENTICATE_TIMEOUT"], 4001)

    def test_a_session_has_a_longest_length_and_says_so_before(self) -> None:
        rehearsal = Rehearsal(session_minutes_max=120, session_idle_minutes=0)
        viewer = rehearsal.joins()
        rehearsal.passes(115 * 60 - 1)
        assert viewer.hears() == []
        rehearsal.passes(2)
        assert [m["code"] for m in viewer.hears("warning")] == ["session_ending"]
        rehearsal.passes(5 * 60)
        assert ([m["code"] for m in viewer.hears()], viewer.wire.close_code) == (["SESSION_TOO_LONG"], 4408)

    def test_a_session_without_activity_is_ended_and_media_or_a_word_is_activity(self) -> None:
        rehearsal = Rehearsal(session_idle_minutes=30, session_minutes_max=0)
        quiet, talking = rehearsal.joins(), rehearsal.joins()
        rehearsal.passes(29 * 60)
        talking.says(type="ping")
        rehearsal.passes(2 * 60)
        assert ([m["code"] for m in quiet.hears("error")], quiet.wire.close_code) == (["SESSION_IDLE"], 1013)
        says(rehearsal.joins("publish"), "still on")
        rehearsal.passes(29 * 60)
        assert talking.wire.close_code == 0
        rehearsal.passes(2 * 60)
        assert talking.wire.close_code == 1013

    def test_a_reconnect_does_not_start_the_count_anew(self) -> None:
        rehearsal = Rehearsal(session_minutes_max=120, session_idle_minutes=0)
        viewer = rehearsal.joins()
        rehearsal.passes(100 * 60)
        back = rehearsal.joins(resume=viewer.position)
        rehearsal.passes(20 * 60 + 1)
        assert back.wire.close_code == 4408

    def test_audio_that_stops_is_noticed_once(self, rehearsal: Rehearsal) -> None:
        mine = rehearsal.joins()
        mine.sends(SECOND[:3200])
        rehearsal.passes(11)
        assert [m["code"] for m in mine.hears("warning")] == ["audio_stalled"]
        rehearsal.passes(60)
        assert mine.hears("warning") == []


class TestAudio:
    def test_audio_of_a_viewer_starts_a_stream_of_its_own(self, rehearsal: Rehearsal) -> None:
        mine, other = rehearsal.joins(target_lang="es"), rehearsal.joins()
        mine.sends(SECOND[:8000], SECOND[:8000])
        (stream,) = rehearsal.pool.opened
        assert stream.wanted() == {"en": (), "es": ()}
        target, ack = mine.hears()
        assert (target["type"], target["target_lang"], target["offset"]) == ("target", "es", 0)
        assert target["epoch"] != mine.connected["epoch"]
        assert ack == {"type": "audio_ack", "bytes": 16_000, "seconds": 0.5}
        stream.says(link.Final(1, 0, "es", (caption("mía"),)))
        assert mine.finals() == [(1, "mía")]
        assert other.hears() == []

    def test_it_is_acknowledged_once_a_second_in_bytes_as_sent_and_seconds_as_heard(
        self, rehearsal: Rehearsal
    ) -> None:
        publisher = rehearsal.joins("publish", sample_rate="8000")
        for _ in range(20):
            publisher.sends(bytes(1600))
            rehearsal.clock.advance(0.1)
        acks = [(m["bytes"], m["seconds"]) for m in publisher.hears("audio_ack")]
        assert [taken for taken, _ in acks] == [1600, 17_600]
        assert acks[1][1] == pytest.approx(1.1, abs=0.05)

    def test_recognition_that_falls_behind_is_told_and_so_is_its_catching_up(
        self, rehearsal: Rehearsal
    ) -> None:
        publisher = rehearsal.joins("publish")
        lags = []
        for second in range(5):
            for _ in range(4):
                publisher.sends(SECOND[:8000])
            rehearsal.clock.advance(1)
            if second == 3:
                (stream,) = rehearsal.pool.opened
                stream.sent()
                stream.says(link.Progress(1, 4 * 32_000))
            lags += [(m["received_seconds"], m["processed_seconds"]) for m in publisher.hears("lag")]
        assert lags == [(2.25, 0.0), (3.25, 0.0), (4.25, 4.0)]

    def test_a_stream_that_is_full_is_read_no_further_until_there_is_room(self, rehearsal: Rehearsal) -> None:
        publisher = rehearsal.joins("publish")
        while publisher.wire.reading:
            publisher.sends(SECOND[:8000])
        (stream,) = rehearsal.pool.opened
        assert stream.received_seconds == 30.0
        publisher.socket.stream_writable()
        assert publisher.wire.reading

    def test_so_is_one_with_more_captions_than_a_worker_translates(self, rehearsal: Rehearsal) -> None:
        rehearsal.joins(target_lang="es")
        publisher, count = rehearsal.joins("publish"), 0
        while publisher.wire.reading and count < 1000:
            says(publisher, f"line {count}")
            count += 1
        assert count == 64
        publisher.socket.stream_writable()
        assert publisher.wire.reading

    @pytest.mark.parametrize(
        ("query", "payload", "advice"),
        [
            ({}, recorded(SECOND, "webm")[:400], "encoding=webm_opus"),
            ({}, recorded(SECOND, "ogg")[:400], "encoding=ogg_opus"),
            ({}, b"RIFF\x00\x00\x00\x00WAVEfmt ", "WAV"),
            ({"encoding": "webm_opus"}, b"\x99" * 600, "WebM"),
            ({"encoding": "ogg_opus"}, b"\x99" * 600, "Ogg"),
            ({"encoding": "webm_opus"}, SECOND[:640], "WebM"),
            ({}, SECOND[:8002], "too long"),
            ({}, SECOND[:641], "even number"),
        ],
    )
    def test_what_is_not_the_audio_that_was_announced_ends_the_session(
        self, rehearsal: Rehearsal, query: Any, payload: bytes, advice: str
    ) -> None:
        publisher = rehearsal.joins("publish", **query)
        publisher.sends(payload)
        (error,) = publisher.hears("error")
        assert (error["code"], error["recoverable"], publisher.wire.close_code) == ("NOT_AUDIO", False, 1008)
        assert advice.lower() in error["message"].lower()

    def test_a_language_that_nobody_hears_is_refused_with_the_first_audio(self, rehearsal: Rehearsal) -> None:
        mine = rehearsal.joins(target_lang="es", source_lang="es")
        mine.sends(SECOND[:640])
        (error,) = mine.hears("error")
        assert (error["code"], error["param"]) == ("LANGUAGE_NOT_SERVED", "source_lang")
        assert mine.wire.close_code == 1008
        assert rehearsal.pool.opened == []

    def test_finalize_and_end_wait_for_what_was_heard(self, rehearsal: Rehearsal) -> None:
        mine = rehearsal.joins()
        mine.sends(SECOND[:8000])
        (stream,) = rehearsal.pool.opened
        mine.hears()
        mine.says(type="finalize")
        mark = stream.sent()[-1]
        assert isinstance(mark, link.Finalize)
        assert mine.hears() == []
        stream.says(link.Final(1, 0, "en", (caption("so far"),)), link.Finalized(1, mark.mark))
        assert [m["type"] for m in mine.hears()] == ["subtitle", "finalized"]

        mine.says(type="end")
        assert mine.wire.close_code == 0
        assert stream.sent() == [link.Close(1)]
        stream.says(link.Final(1, 1, "en", (caption("the rest"),)), link.Ended(1))
        said, ended = mine.hears()
        assert said["text"] == "the rest"
        assert ended == {"type": "ended", "audio_seconds": 0.25, "billed_seconds": 0.25}
        assert mine.wire.close_code == 1000

    def test_without_audio_they_are_answered_at_once(self, rehearsal: Rehearsal) -> None:
        viewer = rehearsal.joins()
        says(rehearsal.joins("publish"), "just now")
        viewer.says(type="finalize")
        viewer.says(type="end")
        types = [m["type"] for m in viewer.hears()]
        assert types == ["channel", "subtitle", "finalized", "ended"]
        assert viewer.wire.close_code == 1000

    def test_a_final_of_the_same_moment_comes_before_the_end(self, rehearsal: Rehearsal) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        viewer.hears()
        publisher.socket.receive_text('{"type":"caption","text":"last","start":0,"end":1,"is_final":true}')
        viewer.socket.receive_text('{"type":"end"}')
        assert [m["type"] for m in viewer.hears()] == ["subtitle", "ended"]


class TestTargets:
    def test_another_language_from_now_on(self, rehearsal: Rehearsal) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        says(publisher, "one")
        viewer.hears()
        viewer.says(type="set_target", target_lang="es")
        (target,) = viewer.hears()
        topic = rehearsal.channel().topic("es", None)
        assert target == {"type": "target", "target_lang": "es", "epoch": topic.epoch, "offset": 0}
        says(publisher, "two")
        assert viewer.hears() == []
        (stream,) = rehearsal.pool.opened
        (text,) = (m for m in stream.sent() if isinstance(m, link.Text))
        stream.says(link.Final(1, text.number, "es", (caption("dos"),), "text"))
        assert viewer.finals() == [(1, "dos")]

    def test_a_final_of_the_moment_of_the_change_is_not_lost(self, rehearsal: Rehearsal) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        viewer.hears()
        publisher.socket.receive_text('{"type":"caption","text":"now","start":0,"end":1,"is_final":true}')
        viewer.socket.receive_text('{"type":"set_target","target_lang":"es"}')
        assert [m["type"] for m in viewer.hears()] == ["subtitle", "target"]

    @pytest.mark.parametrize(("kind", "lang", "code"), [
        ("subtitles", "fi", "LANGUAGE_NOT_SERVED"), ("dubbing", "de", "LANGUAGE_NOT_SERVED"),
        ("publish", "es", "NOT_A_VIEWER"),
    ])  # fmt: skip
    def test_what_is_not_served_changes_nothing(
        self, rehearsal: Rehearsal, kind: str, lang: str, code: str
    ) -> None:
        guest = rehearsal.joins(kind)
        guest.says(type="set_target", target_lang=lang)
        (error,) = guest.hears()
        assert (error["code"], error["recoverable"], error["param"]) == (code, True, "target_lang")
        assert guest.wire.close_code == 0

    def test_a_voice_that_is_not_served_changes_nothing(self, rehearsal: Rehearsal) -> None:
        guest = rehearsal.joins("dubbing")
        guest.says(type="set_target", target_lang="it")
        assert [m["code"] for m in guest.hears()] == ["VOICE_NOT_SERVED"]
        assert guest.wire.close_code == 0

    def test_all_spellings_of_a_language_are_one_topic(self, rehearsal: Rehearsal) -> None:
        viewer = rehearsal.joins()
        for number in range(200):
            viewer.says(type="set_target", target_lang=f"es-{number:04}")
        assert {m["target_lang"] for m in viewer.hears("target")} == {"es"}
        assert len(rehearsal.channel().topics) == 2


class TestResume:
    def test_missed_finals_come_in_order_and_then_the_new_ones(self, rehearsal: Rehearsal) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        for text in ("one", "two", "three"):
            says(publisher, text)
        viewer.leaves()
        back = rehearsal.joins(resume=viewer.position | {"offset": 1})
        assert back.connected["resumed"] is True
        assert back.connected["offset"] == 3
        assert back.connected["session_id"] == viewer.connected["session_id"]
        says(publisher, "four")
        assert back.finals() == [(2, "two"), (3, "three"), (4, "four")]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"epoch": "x"}, "epoch_changed"),
            ({"offset": 99}, "unknown_offset"),
            ({"epoch": ""}, "epoch_changed"),
        ],
    )
    def test_what_cannot_be_resumed_is_said_and_goes_on_from_now(
        self, rehearsal: Rehearsal, change: dict[str, Any], reason: str
    ) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        says(publisher, "missed")
        viewer.leaves()
        back = rehearsal.joins(resume=viewer.position | change)
        assert back.connected["resumed"] is False
        epoch = rehearsal.channel().topic("en", None).epoch
        assert back.hears() == [{"type": "resync", "reason": reason, "epoch": epoch, "offset": 1}]
        says(publisher, "next")
        assert back.finals() == [(2, "next")]

    def test_a_history_that_is_too_short_is_said(self) -> None:
        rehearsal = Rehearsal(history_finals_max=2)
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        for number in range(3):
            says(publisher, str(number))
        viewer.leaves()
        assert [m["reason"] for m in rehearsal.joins(resume=viewer.position).hears()] == ["too_old"]

    def test_a_publisher_without_captions_is_sent_none_of_them(self, rehearsal: Rehearsal) -> None:
        publisher = rehearsal.joins("publish")
        says(publisher, "mine")
        publisher.leaves()
        back = rehearsal.joins("publish", resume=publisher.position)
        assert back.connected["resumed"] is True
        assert back.hears() == []

    def test_a_publisher_needs_no_position_to_resume(self, rehearsal: Rehearsal) -> None:
        publisher = rehearsal.joins("publish")
        publisher.leaves()
        back = rehearsal.joins("publish", resume={"session_id": publisher.connected["session_id"]})
        assert back.connected["resumed"] is True
        assert back.hears() == []

    def test_a_publisher_with_captions_gets_those_it_missed(self, rehearsal: Rehearsal) -> None:
        publisher = rehearsal.joins("publish", captions="1")
        says(publisher, "mine")
        publisher.leaves()
        back = rehearsal.joins("publish", captions="1", resume=publisher.position)
        assert back.finals() == [(1, "mine")]

    def test_who_wants_no_interims_gets_none(self, rehearsal: Rehearsal) -> None:
        calm, eager, publisher = rehearsal.joins(interim="0"), rehearsal.joins(), rehearsal.joins("publish")
        says(publisher, "so", is_final=False)
        assert [m["is_final"] for m in eager.hears("subtitle")] == [False]
        says(publisher, "so it is")
        assert [m["is_final"] for m in calm.hears("subtitle")] == [True]


class TestNonsense:
    def test_a_second_authentication_ends_the_session(self, rehearsal: Rehearsal) -> None:
        viewer = rehearsal.joins()
        viewer.says(type="authenticate", token=token())
        assert [m["code"] for m in viewer.hears()] == ["ALREADY_AUTHENTICATED"]
        assert viewer.wire.close_code == 4001

    def test_audio_before_authentication_ends_it_before_it_begins(self, rehearsal: Rehearsal) -> None:
        guest = rehearsal.arrives()
        guest.sends(SECOND[:640])
        assert ([m["code"] for m in guest.hears()], guest.wire.close_code) == (["AUTHENTICATE_FIRST"], 4001)

    def test_after_the_close_nothing_counts(self, rehearsal: Rehearsal) -> None:
        guest = rehearsal.arrives()
        guest.sends(SECOND[:640])
        guest.socket.receive_text(f'{{"type":"authenticate","token":"{token()}"}}')
        guest.socket.receive_binary([SECOND[:640]])
        assert rehearsal.hub.sessions == {}

    def test_nonsense_without_end_ends(self, rehearsal: Rehearsal) -> None:
        viewer = rehearsal.joins()
        for number in range(25):
            viewer.socket.receive_text(f"nonsense {number}")
        errors = viewer.hears("error")
        assert len(errors) == 20
        assert errors[-1]["recoverable"] is False
        assert viewer.wire.close_code == 1008

    @pytest.mark.parametrize(
        "text",
        [
            '{"type":"caption","text":"x","start":1e308,"end":1e309,"is_final":true}',
            '{"type":"caption","text":"\\ud800","start":0,"end":1,"is_final":true}',
            '{"type":"caption","text":"x","start":0,"end":1,"is_final":true,"segment_id":"a b"}',
            '{"type":"caption","text":"x","start":2,"end":1,"is_final":true}',
            '{"type":"caption","text":"","start":0,"end":1,"is_final":true}',
            '{"type":"caption","text":"x","start":NaN,"end":1,"is_final":true}',
            '{"type":"set_target","target_lang":"en\\n"}',
            '{"type":"ping","id":' + "9" * 5000 + "}",
            '{"type":"ping","id":' + "[" * 5000 + "]" * 5000 + "}",
            "[" * 100_000,
            '{"type":["authenticate"]}',
            "\ufeff{}",
        ],
    )
    def test_hostile_messages_are_answered_with_an_error_and_the_session_goes_on(
        self, rehearsal: Rehearsal, text: str
    ) -> None:
        rehearsal.joins(target_lang="es")
        publisher = rehearsal.joins("publish")
        publisher.socket.receive_text(text)
        assert [(m["type"], m["recoverable"]) for m in publisher.hears()] == [("error", True)]
        says(publisher, "fine")
        assert publisher.wire.close_code == 0


def test_roles_that_publish(rehearsal: Rehearsal) -> None:
    rehearsal.joins("publish", user="a", channel="a", role=Role.ADMIN)
    rehearsal.joins("publish", user="b", channel="b", role=Role.CREATOR)
