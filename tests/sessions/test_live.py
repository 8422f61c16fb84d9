"""The rules of a live socket: what comes first, what is refused, and when time is up."""

import math
from typing import Any

import orjson
import pytest

from sessions import endings, live, messages
from sessions.live import Kind, Limits, LiveSession, Request, State

LIMITS = Limits(idle_seconds_max=0)
CONNECTED = messages.Connected(
    session_id="live_1", channel_id="main", source_lang="en", target_lang="en",
    expires_at="2026-01-01T00:00:00Z",
    quota=messages.Quota(
        plan="free", kind="subtitles", used_seconds=0, limit_seconds=-1, remaining_seconds=-1
    ),
    epoch="e", offset=0, state="waiting",
    resumed=False,
)  # fmt: skip


def text(**message: Any) -> str:
    return orjson.dumps(message).decode()


AUTHENTICATE = text(type="authenticate", token="t")


def arrived(kind: Kind = Kind.SUBTITLES, limits: Limits = LIMITS) -> LiveSession:
    return LiveSession(Request("main", kind, "en"), limits, now=0.0)


def admitted(kind: Kind = Kind.SUBTITLES, limits: Limits = LIMITS) -> LiveSession:
    session = arrived(kind, limits)
    session.receive_text(AUTHENTICATE, 0.0)
    session.effects()
    session.admitted(CONNECTED, started_at=0.0)
    session.effects()
    return session


def refusal(session: LiveSession) -> tuple[str, int]:
    """Return the code of the error just sent and of the close that follows it, and nothing else."""
    error, close = session.effects()
    assert isinstance(error, live.Send)
    assert isinstance(error.message, messages.Error)
    assert isinstance(close, live.CloseSocket)
    assert error.message.recoverable is close.ending.retry
    assert session.state is State.CLOSED
    return error.message.code, close.ending.code


def sent(session: LiveSession) -> list[messages.ServerMessage]:
    effects = session.effects()
    assert all(isinstance(effect, live.Send) for effect in effects), effects
    return [effect.message for effect in effects if isinstance(effect, live.Send)]


class TestBeforeAuthentication:
    def test_the_first_message_brings_the_token_and_where_to_resume(self) -> None:
        session = arrived()
        session.receive_text(
            text(type="authenticate", token="t", resume={"session_id": "live_1", "epoch": "e", "offset": 7}),
            1.0,
        )

        resume = messages.Resume(session_id="live_1", epoch="e", offset=7)
        assert session.effects() == [live.Authenticate("t", resume)]

    @pytest.mark.parametrize(
        "first",
        [
            text(type="ping"),
            text(type="caption", text="hi", start=0, end=1, is_final=True),
            text(type="authenticate"),
            text(type="authenticate", token=7),
            text(type="nonsense"),
            "not json",
            "[]",
            "",
            "\x00",
        ],
    )
    def test_anything_else_first_is_refused(self, first: str) -> None:
        session = arrived()
        session.receive_text(first, 1.0)

        assert refusal(session) == ("AUTHENTICATE_FIRST", 4001)

    def test_audio_first_is_refused(self) -> None:
        session = arrived()
        session.receive_audio([b"\0\0"], 1.0)

        assert refusal(session) == ("AUTHENTICATE_FIRST", 4001)

    def test_the_token_must_come_in_time(self) -> None:
        session = arrived()
        assert session.deadline() == 10.0

        session.handle_deadline(9.9)
        assert session.effects() == []
        session.handle_deadline(10.0)
        assert refusal(session) == ("AUTHENTICATE_TIMEOUT", 4001)

    def test_a_bad_token_is_told_to_the_letter(self) -> None:
        session = arrived()
        session.receive_text(AUTHENTICATE, 0.0)
        session.effects()
        session.refuse("INVALID_TOKEN", "Invalid or expired token", endings.NOT_AUTHENTICATED)

        error, close = session.effects()
        assert isinstance(error, live.Send)
        assert orjson.loads(error.message.encoded()) == {
            "type": "error", "code": "INVALID_TOKEN", "message": "Invalid or expired token",
            "recoverable": False,
        }  # fmt: skip
        assert close == live.CloseSocket(endings.NOT_AUTHENTICATED)

    def test_after_a_refusal_nothing_is_listened_to(self) -> None:
        session = arrived()
        session.receive_audio([b"\0\0"], 0.0)
        session.effects()

        session.receive_text(AUTHENTICATE, 0.0)
        session.receive_audio([b"\0\0"], 0.0)
        session.handle_deadline(1e9)
        session.refuse("X", "x", endings.POLICY)
        assert session.effects() == []
        assert session.deadline() == math.inf


class TestWhileTheTokenIsChecked:
    def checking(self, limits: Limits = LIMITS) -> LiveSession:
        session = arrived(Kind.PUBLISH, limits)
        session.receive_text(AUTHENTICATE, 0.0)
        assert [type(effect) for effect in session.effects()] == [live.Authenticate]
        return session

    def test_what_comes_waits_and_is_taken_in_order_after_connected(self) -> None:
        session = self.checking()
        session.receive_audio([b"ab"], 0.1)
        session.receive_text(text(type="finalize"), 0.1)
        session.receive_audio([b"cd", b"ef"], 0.2)
        session.receive_text(text(type="end"), 0.2)
        session.handle_deadline(0.3)
        assert session.effects() == []
        session.admitted(CONNECTED, started_at=0.0)
        assert [m.type for m in sent(session)] == ["connected"]

        session.go_on(0.5)
        assert session.effects() == [
            live.TakeAudio([b"ab"]), live.FinalizeStream(), live.TakeAudio([b"cd", b"ef"]), live.EndStream(),
        ]  # fmt: skip
        session.go_on(0.6)
        assert session.effects() == []

    def test_nonsense_counts_only_then(self) -> None:
        session = self.checking()
        session.receive_text("nonsense", 0.1)
        session.receive_text(AUTHENTICATE, 0.1)
        assert session.effects() == []
        session.admitted(CONNECTED, started_at=0.0)
        session.effects()
        session.go_on(0.5)

        objection, error, close = session.effects()
        assert isinstance(objection, live.Send)
        assert isinstance(error, live.Send)
        assert [getattr(one.message, "code", "") for one in (objection, error)] == [
            "BAD_MESSAGE", "ALREADY_AUTHENTICATED",
        ]  # fmt: skip
        assert close == live.CloseSocket(endings.NOT_AUTHENTICATED)

    @pytest.mark.parametrize("as_text", [False, True])
    def test_more_than_fits_is_refused(self, as_text: bool) -> None:
        session = self.checking(Limits(early_bytes_max=1000))

        def bring(size: int) -> None:
            if as_text:
                session.receive_text(" " * size, 0.1)
            else:
                session.receive_audio([b"x" * (size // 2), b"x" * (size - size // 2)], 0.1)

        bring(600)
        bring(400)
        assert session.effects() == []
        bring(1)
        assert refusal(session) == ("TOO_EARLY", 1008)
        session.go_on(0.2)
        assert session.effects() == []

    def test_a_refusal_forgets_it(self) -> None:
        session = self.checking()
        session.receive_audio([b"ab"], 0.1)
        session.refuse("INVALID_TOKEN", "Invalid or expired token", endings.NOT_AUTHENTICATED)
        session.effects()
        session.go_on(0.2)
        assert session.effects() == []

    def test_an_answer_that_never_comes_does_not_hold_the_socket(self) -> None:
        session = self.checking()
        session.handle_deadline(10.0)
        assert refusal(session) == ("STORE_UNAVAILABLE", 1013)


class TestOpen:
    def test_a_second_authenticate_is_refused(self) -> None:
        session = admitted()
        session.receive_text(AUTHENTICATE, 1.0)

        assert refusal(session) == ("ALREADY_AUTHENTICATED", 4001)

    def test_ping_is_answered_with_its_id(self) -> None:
        session = admitted()
        session.receive_text(text(type="ping", id=5), 1.0)
        session.receive_text(text(type="ping"), 1.0)

        assert session.effects() == [live.AnswerPing(5), live.AnswerPing(None)]

    def test_audio_is_handed_on_as_it_came(self) -> None:
        session = admitted()
        session.receive_audio([b"ab", b"cd"], 1.0)

        assert session.effects() == [live.TakeAudio([b"ab", b"cd"])]

    def test_only_a_publisher_brings_captions(self) -> None:
        caption = text(type="caption", text="hi", start=0, end=1, is_final=True)
        viewer, publisher = admitted(), admitted(Kind.PUBLISH)
        viewer.receive_text(caption, 1.0)
        publisher.receive_text(caption, 1.0)

        assert [m.type for m in sent(viewer)] == ["error"]
        assert [type(effect) for effect in publisher.effects()] == [live.TakeCaption]

    @pytest.mark.parametrize(
        ("caption", "param"),
        [
            ({"text": "hi", "start": 2, "end": 1, "is_final": True}, "end"),
            ({"text": "", "start": 0, "end": 1, "is_final": True}, "text"),
            ({"text": "hi", "start": -1, "end": 1, "is_final": True}, "start"),
            ({"text": "hi", "start": 0, "end": 1}, "is_final"),
            ({"text": "hi", "start": 0, "end": 1, "is_final": True, "segment_id": "a b"}, "segment_id"),
        ],
    )
    def test_a_bad_caption_is_named_and_the_session_goes_on(
        self, caption: dict[str, Any], param: str
    ) -> None:
        session = admitted(Kind.PUBLISH)
        session.receive_text(text(type="caption", **caption), 1.0)

        (error,) = sent(session)
        assert isinstance(error, messages.Error)
        assert (error.code, error.recoverable, error.model_extra) == ("BAD_MESSAGE", True, {"param": param})
        assert session.state is State.OPEN

    def test_nonsense_without_end_closes(self) -> None:
        session = admitted()
        for _ in range(LIMITS.bad_messages_max - 1):
            session.receive_text("nonsense", 1.0)
        assert len(sent(session)) == LIMITS.bad_messages_max - 1

        session.receive_text("nonsense", 1.0)
        assert refusal(session) == ("BAD_MESSAGE", 1008)

    def test_a_publisher_has_no_target(self) -> None:
        session = admitted(Kind.PUBLISH)
        session.receive_text(text(type="set_target", target_lang="es"), 1.0)

        assert [m.type for m in sent(session)] == ["error"]

    def test_a_language_is_a_language_tag(self) -> None:
        session = admitted()
        session.receive_text(text(type="set_target", target_lang="es"), 1.0)
        session.receive_text(text(type="set_target", target_lang="../.."), 1.0)

        retarget, error = session.effects()
        assert retarget == live.Retarget("es")
        assert isinstance(error, live.Send)

    def test_audio_is_acknowledged_once_a_second(self) -> None:
        session = admitted(Kind.PUBLISH)
        acknowledged = []
        for i in range(100):
            now = i * 0.02
            session.receive_audio([b"\0" * 640], now)
            session.audio_taken(640 * (i + 1), 0.02 * (i + 1), 0.02 * (i + 1), now)
            acknowledged += [e.message for e in session.effects() if isinstance(e, live.Send)]

        assert acknowledged == [messages.AudioAck(bytes=640, seconds=0.02),
                                messages.AudioAck(bytes=640 * 51, seconds=1.02)]  # fmt: skip

    def test_lag_is_told_while_it_lasts_and_once_when_it_is_over(self) -> None:
        session = admitted(Kind.PUBLISH)
        for now, processed in ((1.0, 1.0), (4.0, 1.0), (6.0, 6.0), (8.0, 8.0)):
            session.audio_taken(1, now, processed, now)

        assert [m for m in sent(session) if m.type == "lag"] == [
            messages.Lag(received_seconds=4.0, processed_seconds=1.0),
            messages.Lag(received_seconds=6.0, processed_seconds=6.0),
        ]

    def test_audio_faster_than_time_is_warned_of_once(self) -> None:
        session = admitted(Kind.PUBLISH)
        session.receive_audio([b""], 100.0)
        session.effects()
        for sent_seconds in (5.0, 10.9, 11.1, 50.0):
            session.audio_ahead(sent_seconds, 101.0)

        assert [m.code for m in sent(session) if isinstance(m, messages.Warning)] == ["audio_too_fast"]


class TestTime:
    def test_audio_that_stops_is_warned_of_once_until_it_comes_again(self) -> None:
        session = admitted(Kind.PUBLISH)
        session.receive_audio([b""], 5.0)
        session.effects()
        assert session.deadline() == 15.0

        session.handle_deadline(15.0)
        session.handle_deadline(20.0)
        assert [m.code for m in sent(session) if isinstance(m, messages.Warning)] == ["audio_stalled"]
        session.audio_taken(1, 1.0, 1.0, 30.0)
        session.receive_audio([b""], 30.0)
        assert session.deadline() == 40.0

    def test_a_viewer_is_never_stalled(self) -> None:
        session = admitted()
        session.handle_deadline(3600.0)

        assert session.effects() == []

    def test_a_session_is_warned_and_then_ended_at_its_maximum_length(self) -> None:
        session = admitted()
        assert session.deadline() == 115 * 60

        session.handle_deadline(115 * 60)
        assert [m.type for m in sent(session)] == ["warning"]
        session.handle_deadline(120 * 60)
        assert refusal(session) == ("SESSION_TOO_LONG", 4408)

    def test_a_resumed_session_is_not_longer(self) -> None:
        session = arrived()
        session.receive_text(AUTHENTICATE, 0.0)
        session.effects()
        session.admitted(CONNECTED, started_at=-110 * 60)

        assert session.deadline() == 5 * 60

    def test_one_that_nothing_is_heard_of_is_ended_and_may_come_back(self) -> None:
        session = admitted(limits=Limits(idle_seconds_max=1800))
        assert session.deadline() == 1800
        session.receive_text(text(type="ping"), 600.0)
        session.effects()
        session.active(900.0)
        session.active(700.0)
        assert session.deadline() == 2700

        session.handle_deadline(2699.9)
        assert session.effects() == []
        session.handle_deadline(2700.0)
        assert refusal(session) == ("SESSION_IDLE", 1013)

    def test_audio_is_activity(self) -> None:
        session = admitted(Kind.PUBLISH, Limits(idle_seconds_max=1800))
        session.receive_audio([b""], 100.0)
        assert session.active_at == 100.0

    def test_one_that_is_ending_is_not_idle(self) -> None:
        session = admitted(Kind.PUBLISH, Limits(idle_seconds_max=5))
        session.receive_text(text(type="end"), 1.0)
        session.effects()
        session.handle_deadline(7.0)
        assert session.effects() == []

    def test_limits_of_zero_are_off(self) -> None:
        limits = Limits(authenticate_seconds=0, session_seconds_max=0, idle_seconds_max=0, bad_messages_max=0)

        assert arrived(limits=limits).deadline() == math.inf
        assert admitted(limits=limits).deadline() == math.inf


class TestEnd:
    def test_end_waits_for_the_last_captions_and_says_what_was_heard(self) -> None:
        session = admitted(Kind.PUBLISH)
        session.receive_text(text(type="end"), 1.0)
        assert session.effects() == [live.EndStream()]
        session.receive_audio([b"late"], 1.1)
        session.receive_text(text(type="finalize"), 1.1)
        assert session.effects() == []

        session.stream_ended(12.3456, 12.0)
        ended, close = session.effects()
        assert ended == live.Send(messages.Ended(audio_seconds=12.346, billed_seconds=12.0))
        assert close == live.CloseSocket(endings.DONE)

    def test_captions_that_never_come_do_not_hold_the_socket(self) -> None:
        session = admitted(Kind.PUBLISH)
        session.receive_text(text(type="end"), 1.0)
        session.effects()

        session.handle_deadline(31.0)
        assert refusal(session) == ("FINISH_TIMEOUT", 1011)

    def test_what_is_spent_lets_the_rest_become_final_and_then_closes(self) -> None:
        session = admitted()
        session.finish("QUOTA_EXCEEDED", "spent", endings.SPENT, 1.0, window="hour")
        error, end = session.effects()
        assert isinstance(error, live.Send)
        assert orjson.loads(error.message.encoded()) == {
            "type": "error", "code": "QUOTA_EXCEEDED", "message": "spent", "recoverable": False,
            "window": "hour",
        }  # fmt: skip
        assert end == live.EndStream()
        session.receive_audio([b"more"], 1.1)
        session.receive_text(text(type="end"), 1.1)
        assert session.effects() == []

        session.stream_ended(60.0, 60.0)
        ended, close = session.effects()
        assert ended == live.Send(messages.Ended(audio_seconds=60.0, billed_seconds=60.0))
        assert close == live.CloseSocket(endings.SPENT)

    def test_finals_that_never_come_do_not_hold_what_is_spent(self) -> None:
        session = admitted()
        session.finish("QUOTA_EXCEEDED", "spent", endings.SPENT, 1.0)
        session.effects()
        session.handle_deadline(31.0)
        assert session.effects() == [live.CloseSocket(endings.SPENT)]

    def test_one_that_was_ending_when_it_was_spent_closes_as_spent(self) -> None:
        session = admitted()
        session.receive_text(text(type="end"), 1.0)
        session.effects()
        session.finish("QUOTA_EXCEEDED", "spent", endings.SPENT, 1.0)
        assert session.effects() == []
        session.stream_ended(60.0, 60.0)
        assert session.effects()[-1] == live.CloseSocket(endings.SPENT)

    def test_a_reconnect_elsewhere_closes_this_one(self) -> None:
        session = admitted()
        session.superseded()

        assert refusal(session) == ("SUPERSEDED", 4409)
