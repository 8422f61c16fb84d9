"""The hub: who publishes, whose session goes on, and what becomes of everything with time."""

from typing import Any

import pytest

from auth.principal import Role
from gateway.fanout.channel import Key
from media import link
from sessions.live import Kind
from tests.gateway.rehearsal import Guest, Rehearsal, caption
from tests.house import token

SECOND = bytes(32_000)
MAIN = Key("default", "main")


@pytest.fixture
def rehearsal() -> Rehearsal:
    return Rehearsal(resume_grace_seconds=60, channel_idle_seconds=600)


def says(publisher: Guest, text: str) -> None:
    publisher.says(type="caption", text=text, start=0, end=1, is_final=True)


def states(guest: Guest) -> list[str]:
    return [message["state"] for message in guest.hears("channel")]


def refused(guest: Guest, bearer: str, resume: Any = None) -> tuple[str, int]:
    answer = guest.authenticates(bearer, resume)
    assert answer["type"] == "error", answer
    return answer["code"], guest.wire.close_code


class TestPublishing:
    def test_viewers_are_told_when_a_stream_starts_and_ends(self, rehearsal: Rehearsal) -> None:
        viewer = rehearsal.joins()
        assert viewer.connected["state"] == "waiting"
        publisher = rehearsal.joins("publish")
        assert states(viewer) == ["live"]
        says(publisher, "hello")
        assert viewer.finals() == [(1, "hello")]
        publisher.says(type="end")
        assert states(viewer) == ["ended"]
        assert publisher.wire.close_code == 1000
        assert rehearsal.joins().connected["state"] == "ended"

    def test_a_second_publisher_is_refused_and_disturbs_nobody(self, rehearsal: Rehearsal) -> None:
        first = rehearsal.joins("publish", user="dana")
        second = rehearsal.arrives("publish")
        assert refused(second, token("noa")) == ("CHANNEL_BUSY", 4003)
        viewer = rehearsal.joins()
        says(first, "still here")
        assert viewer.finals() == [(1, "still here")]
        assert first.wire.close_code == 0

    def test_the_same_name_in_another_tenant_is_another_channel(self, rehearsal: Rehearsal) -> None:
        ours, theirs = rehearsal.joins(), rehearsal.joins(tenant="other", user="eve")
        publisher = rehearsal.joins("publish")
        rehearsal.joins("publish", tenant="other", user="eve")
        theirs.hears()
        says(publisher, "ours alone")
        assert ours.finals() == [(1, "ours alone")]
        assert theirs.hears() == []

    def test_the_publishers_own_second_connection_takes_over_the_stream(self, rehearsal: Rehearsal) -> None:
        first = rehearsal.joins("publish")
        first.sends(SECOND[:8000])
        viewer = rehearsal.joins()
        second = rehearsal.joins("publish")
        assert first.wire.close_code == 4409
        assert [m["code"] for m in first.hears("error")] == ["SUPERSEDED"]
        second.sends(SECOND[:8000])
        assert len(rehearsal.pool.opened) == 1
        assert rehearsal.pool.opened[0].received_seconds == 0.5
        says(second, "go on")
        assert viewer.finals() == [(1, "go on")]
        assert list(rehearsal.hub.sessions) == [
            viewer.connected["session_id"],
            second.connected["session_id"],
        ]
        third = rehearsal.joins("publish", resume=first.position)
        assert third.connected["session_id"] != first.connected["session_id"]

    def test_a_fan_does_not_publish(self, rehearsal: Rehearsal) -> None:
        assert refused(rehearsal.arrives("publish"), token(role=Role.FAN)) == ("NOT_ALLOWED", 4003)
        assert rehearsal.hub.channels == {}

    def test_a_new_language_is_a_new_stream(self, rehearsal: Rehearsal) -> None:
        rehearsal.joins("publish", source_lang="en").sends(SECOND[:8000])
        viewer = rehearsal.joins(target_lang="es")
        again = rehearsal.joins("publish", source_lang="es")
        assert again.connected["source_lang"] == "es"
        says(again, "hola")
        assert viewer.finals() == [(1, "hola")]
        assert rehearsal.pool.opened[0].relay.outgoing()[-1] == link.Close(1)

    def test_viewers_that_nothing_serves_are_refused_when_the_source_is_known(
        self, rehearsal: Rehearsal
    ) -> None:
        lucky, unlucky = rehearsal.joins(target_lang="es"), rehearsal.joins(target_lang="fr")
        rehearsal.joins("publish", source_lang="es")
        (error,) = unlucky.hears("error")
        assert (error["code"], error["param"], unlucky.wire.close_code) == (
            "LANGUAGE_NOT_SERVED",
            "target_lang",
            1008,
        )
        assert {"source_lang": "en", "target_lang": "es"} in error["served"]
        assert lucky.wire.close_code == 0


class TestGrace:
    def test_a_lost_publisher_is_waited_for_and_goes_on(self, rehearsal: Rehearsal) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        publisher.sends(SECOND[:8000])
        publisher.leaves()
        assert states(viewer) == ["live", "paused"]
        rehearsal.passes(59)
        back = rehearsal.joins("publish", resume=publisher.position)
        assert back.connected["session_id"] == publisher.connected["session_id"]
        assert back.connected["resumed"] is True
        assert back.connected["audio"] == {"bytes": 8000, "seconds": 0.25}
        assert states(viewer) == ["live"]
        assert [m["type"] for m in back.hears()] == []

    def test_what_was_heard_is_finished_once_if_the_publisher_stays_away(self, rehearsal: Rehearsal) -> None:
        publisher = rehearsal.joins("publish")
        publisher.sends(SECOND[:8000])
        (stream,) = rehearsal.pool.opened
        stream.sent()
        publisher.leaves()
        rehearsal.passes(2.9)
        assert stream.sent() == []
        rehearsal.passes(0.1)
        (mark,) = stream.sent()
        assert isinstance(mark, link.Finalize)
        stream.says(link.Finalized(1, mark.mark))
        rehearsal.passes(5)
        assert stream.sent() == []

    def test_a_sentence_is_not_cut_by_a_connection_that_is_soon_back(self, rehearsal: Rehearsal) -> None:
        publisher = rehearsal.joins("publish")
        publisher.sends(SECOND[:8000])
        publisher.leaves()
        rehearsal.passes(2)
        back = rehearsal.joins("publish", resume=publisher.position)
        rehearsal.passes(5)
        back.sends(SECOND[:8000])
        assert not [m for m in rehearsal.pool.opened[0].sent() if isinstance(m, link.Finalize)]

    def test_without_its_return_the_stream_ends_for_everybody(self, rehearsal: Rehearsal) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        publisher.sends(SECOND[:8000])
        publisher.leaves()
        rehearsal.passes(60)
        assert states(viewer) == ["live", "paused", "ended"]
        assert rehearsal.pool.opened[0].sent()[-1] == link.Close(1)
        assert MAIN not in rehearsal.hub.broadcasts

        late = rehearsal.joins("publish", resume=publisher.position)
        assert late.connected["session_id"] != publisher.connected["session_id"]
        assert late.connected["resumed"] is False
        assert late.connected["audio"] == {"bytes": 0, "seconds": 0.0}

    def test_another_publishes_only_after_the_grace(self, rehearsal: Rehearsal) -> None:
        rehearsal.joins("publish", user="dana").leaves()
        rehearsal.passes(59.9, sweep=False)
        assert refused(rehearsal.arrives("publish"), token("noa")) == ("CHANNEL_BUSY", 4003)
        rehearsal.passes(0.1, sweep=False)
        rehearsal.joins("publish", user="noa")
        rehearsal.passes(0)
        assert rehearsal.channel().publishing.user == "noa"
        assert MAIN in rehearsal.hub.broadcasts

    def test_who_comes_back_late_but_before_the_sweep_starts_a_stream_from_nothing(
        self, rehearsal: Rehearsal
    ) -> None:
        publisher = rehearsal.joins("publish")
        publisher.sends(SECOND[:8000])
        publisher.leaves()
        rehearsal.passes(61, sweep=False)
        back = rehearsal.joins("publish", resume=publisher.position)
        assert back.connected["audio"] == {"bytes": 0, "seconds": 0.0}
        back.sends(SECOND[:6400])
        assert [stream.received_seconds for stream in rehearsal.pool.opened] == [0.25, 0.2]

    def test_a_viewers_session_is_forgotten_too(self, rehearsal: Rehearsal) -> None:
        viewer = rehearsal.joins()
        viewer.leaves()
        rehearsal.passes(59)
        assert viewer.connected["session_id"] in rehearsal.hub.sessions
        rehearsal.passes(1)
        assert rehearsal.hub.sessions == {}

    def test_a_channel_is_forgotten_when_nobody_has_used_it_for_long(self, rehearsal: Rehearsal) -> None:
        viewer, publisher = rehearsal.joins(), rehearsal.joins("publish")
        publisher.says(type="end")
        for _ in range(5):
            rehearsal.passes(1_000)
            viewer.says(type="ping")
        viewer.leaves()
        rehearsal.passes(60)
        rehearsal.passes(599)
        assert MAIN in rehearsal.hub.channels
        rehearsal.passes(1)
        assert rehearsal.hub.channels == {}

    def test_but_not_while_a_lost_viewer_may_still_come_back(self) -> None:
        rehearsal = Rehearsal(resume_grace_seconds=60, channel_idle_seconds=1)
        viewer = rehearsal.joins()
        viewer.leaves()
        rehearsal.passes(30)
        back = rehearsal.joins(resume=viewer.position)
        assert back.connected["resumed"] is True
        says(rehearsal.joins("publish"), "there you are")
        assert back.finals() == [(1, "there you are")]

    def test_a_channel_that_is_on_is_never_forgotten(self, rehearsal: Rehearsal) -> None:
        rehearsal.joins("publish")
        rehearsal.passes(6000)
        assert MAIN in rehearsal.hub.channels


class TestSessions:
    @pytest.mark.parametrize(
        "changes", [{"user": "eve"}, {"tenant": "other"}, {"channel": "other"}, {"kind": "dubbing"}]
    )
    def test_a_session_goes_on_only_for_its_user_on_its_path(
        self, rehearsal: Rehearsal, changes: dict[str, str]
    ) -> None:
        mine = rehearsal.joins()
        mine.leaves()
        other = rehearsal.joins(**changes, resume=mine.position)  # type: ignore[arg-type]
        assert other.connected["session_id"] != mine.connected["session_id"]

    def test_a_personal_stream_is_found_by_nobody_else(self, rehearsal: Rehearsal) -> None:
        mine = rehearsal.joins(user="dana")
        mine.sends(SECOND[:8000])
        rehearsal.pool.opened[0].sent()
        (target,) = mine.hears("target")
        rehearsal.pool.opened[0].says(link.Final(1, 0, "en", (caption("my secret"),)))
        assert mine.finals() == [(1, "my secret")]
        position = {"session_id": mine.connected["session_id"], "epoch": target["epoch"], "offset": 0}
        eve = rehearsal.joins(user="eve", resume=position)
        assert eve.connected["resumed"] is False
        assert [m["type"] for m in eve.hears()] == ["resync"]
        assert rehearsal.hub.channels[MAIN].transcript == {}

        mine.leaves()
        back = rehearsal.joins(user="dana", resume=position)
        assert back.connected["resumed"] is True
        assert back.finals() == [(1, "my secret")]
        assert back.connected["audio"] == {"bytes": 8000, "seconds": 0.25}

    def test_a_personal_stream_goes_on_with_its_return(self, rehearsal: Rehearsal) -> None:
        mine = rehearsal.joins()
        mine.sends(SECOND[:8000])
        mine.leaves()
        back = rehearsal.joins(resume=mine.position)
        back.sends(SECOND[:8000])
        (stream,) = rehearsal.pool.opened
        assert stream.received_seconds == 0.5
        stream.sent()
        stream.says(link.Final(1, 0, "en", (caption("both halves"),)))
        assert back.finals() == [(1, "both halves")]

    def test_a_personal_stream_that_failed_is_not_gone_on_with(self, rehearsal: Rehearsal) -> None:
        mine = rehearsal.joins()
        mine.sends(SECOND[:8000])
        rehearsal.pool.opened[0].lost("no engine")
        assert mine.hears("error")[0]["code"] == "STREAM_FAILED"
        assert mine.wire.close_code == 1011
        rehearsal.settle()
        back = rehearsal.joins(resume=mine.position)
        assert back.connected["session_id"] != mine.connected["session_id"]
        back.sends(SECOND[:8000])
        assert len(rehearsal.pool.opened) == 2

    def test_one_that_has_ended_gives_what_was_missed_and_ends_again(self, rehearsal: Rehearsal) -> None:
        mine = rehearsal.joins()
        mine.sends(SECOND[:8000])
        (target,) = mine.hears("target")
        mine.says(type="end")
        mine.leaves()
        (stream,) = rehearsal.pool.opened
        stream.sent()
        stream.says(link.Final(1, 0, "en", (caption("the last"),)), link.Ended(1))
        position = {"session_id": mine.connected["session_id"], "epoch": target["epoch"], "offset": 0}
        back = rehearsal.joins(resume=position)
        assert back.finals() == [(1, "the last")]
        back.says(type="end")
        assert [m["type"] for m in back.hears()] == ["ended"]
        assert back.wire.close_code == 1000

    def test_a_session_that_was_closed_for_good_is_not_resumed(self, rehearsal: Rehearsal) -> None:
        viewer = rehearsal.joins()
        viewer.says(type="end")
        assert viewer.wire.close_code == 1000
        again = rehearsal.joins(resume=viewer.position)
        assert again.connected["session_id"] != viewer.connected["session_id"]

    def test_a_lookup_wants_everything_right(self, rehearsal: Rehearsal) -> None:
        session = rehearsal.session(rehearsal.joins())
        right = (session.session_id, "dana", "default", Kind.SUBTITLES, MAIN)
        assert rehearsal.hub.session_of(*right) is session
        wrong = ("live_guess", "eve", "other", Kind.DUBBING, Key("default", "x"))
        for place, value in enumerate(wrong):
            asked: Any = (*right[:place], value, *right[place + 1 :])
            assert rehearsal.hub.session_of(*asked) is None
