"""What becomes of live sockets as minutes run out, or cannot be counted."""

from pathlib import Path

import pytest

from auth.principal import Plan, Role
from gateway.session_book import SessionBook
from gateway.sockets.diary import BookedDiary
from gateway.stores.schema import quota_overrides
from media import link
from sessions.lifetimes import Bounds
from tests.gateway.rehearsal import Guest, Rehearsal, caption
from tests.gateway.sockets.minutes import (
    FRAME,
    charged_ms,
    finishes,
    heard_ms,
    held_ms,
    joins,
    metered,
    plans_where,
    refused,
    speaks,
)
from tests.house import token

ONE = "2026-11-21T13:00:00Z"
SPENT = {
    "type": "error", "code": "QUOTA_EXCEEDED", "recoverable": False, "kind": "subtitles", "window": "hour",
    "resets_at": ONE, "held": False, "message": "Your subtitles time for this hour is used up",
}  # fmt: skip


@pytest.fixture
def stage() -> Rehearsal:
    return metered()


def outcomes(rehearsal: Rehearsal, guest: Guest) -> list[str]:
    """Return how the diary has a guest's session end."""
    session_id = guest.connected["session_id"]
    return [how for what, who, how in rehearsal.diary.entries if (what, who) == ("ended", session_id)]


def overrides(rehearsal: Rehearsal, limit_ms: int) -> None:
    """Have dana's hour be of another size."""
    row = {
        "tenant_id": "default", "subject": "dana", "kind": "subtitles", "period": "hour",
        "limit_ms": limit_ms, "actor": "ada", "changed_at": rehearsal.clock.now_ms(),
    }  # fmt: skip
    rehearsal.store.ask(lambda connection: connection.execute(quota_overrides.insert(), [row]))


class TestSpent:
    def test_a_stream_of_ones_own_is_finished_first(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 60.5)
        (stream,) = stage.pool.opened
        assert mine.hears("error") == [SPENT]
        assert heard_ms(stream) == charged_ms(stage) == 60_000
        assert mine.wire.close_code == 0
        stream.sent()
        stream.says(link.Final(1, 0, "en", (caption("the rest"),)))
        finishes(stage)
        said, ended = mine.hears()
        assert said["text"] == "the rest"
        assert ended == {"type": "ended", "audio_seconds": 60.0, "billed_seconds": 60.0}
        assert mine.wire.close_code == 4402
        assert outcomes(stage, mine) == ["COMPLETED minutes_spent"]
        assert (held_ms(stage), len(stage.till), stage.hub.sessions) == (0, 0, {})
        assert refused(stage) == (SPENT, 4402)

    def test_also_when_decoding_has_kept_something_back(self, stage: Rehearsal) -> None:
        mine = joins(stage, sample_rate="8000")
        for _ in range(300):
            mine.sends(FRAME[:4_000])
        assert mine.hears("error") == [SPENT]
        finishes(stage)
        assert [m["type"] for m in mine.hears("ended")] == ["ended"]
        assert (mine.wire.close_code, charged_ms(stage)) == (4402, 60_000)

    def test_a_frame_that_is_worth_more_than_what_is_left_is_cut(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        mine.sends(bytes(16 * 7))
        speaks(stage, mine, 61)
        assert heard_ms(stage.pool.opened[0]) == charged_ms(stage) == 60_000

    def test_a_viewer_is_told_and_closed_at_once(self, stage: Rehearsal) -> None:
        viewer, other = joins(stage), joins(stage, user="kim", plan=Plan.PRO)
        publisher = stage.joins("publish", user="noa")
        speaks(stage, publisher, 59)
        assert viewer.wire.close_code == 0
        speaks(stage, publisher, 2)
        assert viewer.hears("error") == [SPENT]
        assert viewer.wire.close_code == 4402
        assert outcomes(stage, viewer) == ["COMPLETED minutes_spent"]
        speaks(stage, publisher, 5)
        assert charged_ms(stage) == 60_000
        assert (other.wire.close_code, publisher.wire.close_code) == (0, 0)
        assert refused(stage) == (SPENT, 4402)

    def test_where_publishers_pay_theirs_end_the_stream_and_viewers_are_free(self) -> None:
        stage = metered(channel_metering="publisher")
        viewer, publisher = joins(stage, user="kim"), joins(stage, "publish")
        speaks(stage, publisher, 61)
        assert publisher.hears("error") == [SPENT]
        finishes(stage)
        assert publisher.wire.close_code == 4402
        assert [m["state"] for m in viewer.hears("channel")][-1] == "ended"
        assert (viewer.wire.close_code, charged_ms(stage), charged_ms(stage, "kim")) == (0, 60_000, 0)
        assert refused(stage, "publish") == (SPENT, 4402)
        joins(stage)

    def test_captions_end_with_the_minutes_as_well(self) -> None:
        stage = metered(channel_metering="publisher")
        publisher = joins(stage, "publish")
        for _ in range(8):
            publisher.says(type="caption", text="line", start=0, end=1, is_final=True)
            stage.passes(9)
        assert publisher.hears("error") == [SPENT]
        assert (publisher.wire.close_code, charged_ms(stage)) == (4402, 60_000)

    def test_a_connection_lost_before_its_last_finals_is_not_gone_on_with(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 61)
        mine.leaves()
        assert outcomes(stage, mine) == ["COMPLETED minutes_spent"]
        stage.clock.advance(3_600)
        back = joins(stage, resume=mine.position)
        assert back.connected["session_id"] != mine.connected["session_id"]
        speaks(stage, back, 1)
        back.leaves()
        assert charged_ms(stage) == 61_000

    @pytest.mark.parametrize("personal", [True, False])
    @pytest.mark.parametrize("noticed", [True, False])
    def test_one_whose_connection_broke_is_not_kept_out_by_what_it_holds(
        self, stage: Rehearsal, personal: bool, noticed: bool
    ) -> None:
        mine = joins(stage)
        speaker = mine if personal else stage.joins("publish", user="noa")
        speaks(stage, speaker, 5)
        assert held_ms(stage) == 60_000
        assert refused(stage)[0] == SPENT | {
            "held": True, "message": "Your subtitles time for this hour is in use by your other sessions",
        }  # fmt: skip
        stage.store.held = True  # what is given back is not written yet
        if noticed:
            mine.leaves()
        back = joins(stage, resume=mine.position)
        assert back.connected["session_id"] == mine.connected["session_id"]
        stage.store.held = False
        stage.store.write_all()
        speaks(stage, back if personal else speaker, 2)
        back.leaves()
        assert (charged_ms(stage), held_ms(stage)) == (7_000, 0)

    def test_but_by_what_its_user_has_spent_meanwhile(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 5)
        mine.leaves()
        speaks(stage, joins(stage), 56)
        assert mine.connected["session_id"] in stage.hub.sessions
        back = stage.arrives()
        error = back.authenticates(token("dana", Role.CREATOR, Plan.FREE), mine.position)
        assert error == SPENT

    def test_nor_is_a_publisher_by_its_own_second_connection(self) -> None:
        stage = metered(channel_metering="publisher")
        first = joins(stage, "publish")
        speaks(stage, first, 5)
        second = joins(stage, "publish")
        assert first.wire.close_code == 4409
        speaks(stage, second, 2)
        second.leaves()
        assert charged_ms(stage) == 7_000

    def test_of_many_sessions_at_once_none_passes_the_limit_and_nobody_else_is_held_up(
        self, stage: Rehearsal
    ) -> None:
        book = SessionBook(stage.store, "boot_paper", Bounds(), lambda _session: None, stage.clock.loop)
        stage.hub.diary = BookedDiary(book, lambda: "boot_paper", stage.clock.now_ms, stage.clock.steady)
        many, other = [joins(stage) for _ in range(12)], joins(stage, user="kim", plan=Plan.PRO)
        rounds = 0
        while not all(guest.gone for guest in many):
            rounds += 1
            assert rounds < 300
            for guest in (*many, other):
                if not guest.gone:
                    guest.sends(FRAME)
            for number, guest in enumerate(many, start=1):
                if guest.hears("error"):
                    finishes(stage, number)
            stage.passes(0.25)
        streams = stage.pool.opened
        assert {guest.wire.close_code for guest in many} == {4402}
        assert sum(map(heard_ms, streams[:12])) == charged_ms(stage) == 60_000
        assert min(map(heard_ms, streams[:12])) > 3_000
        assert (other.wire.close_code, heard_ms(streams[12])) == (0, rounds * 250)

    def test_the_next_hour_is_another_one(self, stage: Rehearsal) -> None:
        speaks(stage, joins(stage), 61)
        assert refused(stage)[0]["code"] == "QUOTA_EXCEEDED"
        stage.clock.advance(3_600)
        speaks(stage, joins(stage), 1)

    def test_an_override_counts_for_the_next_slice(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 10)
        overrides(stage, -1)
        speaks(stage, mine, 80)
        assert mine.hears("error") == []
        mine.leaves()
        assert charged_ms(stage) == 90_000

    @pytest.mark.parametrize("publisher", [False, True])
    def test_an_answer_for_the_connection_before_ends_the_present_one(self, publisher: bool) -> None:
        stage = metered(channel_metering="publisher")
        kind = "publish" if publisher else "subtitles"
        first = joins(stage, kind)
        stage.store.held = True
        first.sends(FRAME)
        second = joins(stage, kind, resume=first.position)
        assert first.wire.close_code == 4409
        overrides(stage, 0)
        stage.store.held = False
        stage.store.write_all()
        stage.settle()
        assert [m["type"] for m in second.hears("error", "ended")] == ["error", "ended"]
        assert (second.wire.close_code, stage.pool.opened, held_ms(stage)) == (4402, [], 0)


class TestVoice:
    def test_goes_on_as_subtitles_when_dubbing_is_spent(self, stage: Rehearsal) -> None:
        listener = joins(stage, "dubbing", target_lang="es")
        publisher = stage.joins("publish", user="noa")
        speaks(stage, publisher, 1)
        listener.hears()
        speaks(stage, publisher, 60)
        told = listener.hears("warning", "quota", "target", "error")
        (spent,) = [m for m in told if m.get("code") == "dubbing_spent"]
        assert spent["message"].startswith("Your dubbing time for this hour is used up")
        (target,) = [m for m in told if m["type"] == "target"]
        assert target["epoch"] == stage.channel().topic("es", None).epoch
        assert listener.wire.close_code == 0
        stream = stage.pool.opened[0]
        stream.sent()
        stream.says(link.Final(1, 0, "es", (caption("dicho"),)))
        assert listener.finals() == [(1, "dicho")]
        speaks(stage, publisher, 9)
        listener.says(type="end")
        (ended,) = listener.hears("ended")
        assert ended["audio_seconds"] == 70.0
        assert charged_ms(stage, kind="dubbing") == 60_000
        assert charged_ms(stage) == pytest.approx(9_750, abs=250)

    def test_and_ends_when_those_are_spent_too(self, stage: Rehearsal) -> None:
        listener = joins(stage, "dubbing", target_lang="es")
        speaks(stage, stage.joins("publish", user="noa"), 122)
        assert [m["kind"] for m in listener.hears("error")] == ["subtitles"]
        assert listener.wire.close_code == 4402
        assert (charged_ms(stage, kind="dubbing"), charged_ms(stage)) == (60_000, 60_000)
        error, code = refused(stage, "dubbing")
        assert (error["code"], code) == ("QUOTA_EXCEEDED", 4402)

    def test_of_a_personal_stream_loses_no_audio(self, stage: Rehearsal) -> None:
        mine = joins(stage, "dubbing", target_lang="es")
        mine.sends(bytes(32 * 30))
        for _ in range(280):
            assert mine.wire.reading
            speaks(stage, mine, 0.25)
        assert mine.hears("error") == []
        mine.says(type="end")
        finishes(stage)
        assert mine.hears("ended")[0]["billed_seconds"] == 70.03
        assert (charged_ms(stage, kind="dubbing"), charged_ms(stage)) == (60_000, 10_030)
        assert heard_ms(stage.pool.opened[0]) == 70_030

    def test_stays_away_after_a_reconnect(self, stage: Rehearsal) -> None:
        listener = joins(stage, "dubbing", target_lang="es")
        publisher = stage.joins("publish", user="noa")
        speaks(stage, publisher, 62)
        listener.leaves()
        back = joins(stage, "dubbing", target_lang="es", resume=listener.position)
        assert back.connected["epoch"] == stage.channel().topic("es", None).epoch
        speaks(stage, publisher, 3)
        back.leaves()
        assert charged_ms(stage, kind="dubbing") == 60_000

    def test_ends_at_once_where_the_plan_says_so(self, tmp_path: Path) -> None:
        stage = metered(plans_file=plans_where(tmp_path, when_dubbing_is_spent="stop"))
        listener = joins(stage, "dubbing", target_lang="es")
        speaks(stage, stage.joins("publish", user="noa"), 61)
        mine = joins(stage, "dubbing", user="kim")
        speaks(stage, mine, 61)
        for guest in (listener, mine):
            assert [m["kind"] for m in guest.hears("error")] == ["dubbing"]
        finishes(stage, 2)
        assert (listener.wire.close_code, mine.wire.close_code) == (4402, 4402)
        assert (charged_ms(stage), charged_ms(stage, kind="dubbing")) == (0, 60_000)
        assert refused(stage, "dubbing")[0]["kind"] == "dubbing"
        joins(stage, "subtitles")


class TestWarning:
    def test_comes_once_in_an_hour_with_what_is_left(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 47.75)
        assert mine.hears("warning", "quota") == []
        speaks(stage, mine, 0.5)
        warning, quota = mine.hears("warning", "quota")
        assert (warning["code"], ONE in warning["message"]) == ("quota_80", True)
        assert (quota["kind"], quota["window"], quota["limit_seconds"], quota["resets_at"]) == (
            "subtitles", "hour", 60.0, ONE,
        )  # fmt: skip
        speaks(stage, mine, 10)
        assert mine.hears("warning", "quota") == []

    def test_and_again_in_the_next(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 50)
        stage.passes(3_600)
        mine.hears()
        speaks(stage, mine, 50)
        assert [m["code"] for m in mine.hears("warning")] == ["quota_80"]

    def test_not_at_all_where_there_is_no_limit(self, stage: Rehearsal) -> None:
        mine = stage.joins(plan=Plan.ENTERPRISE)
        speaks(stage, mine, 200)
        assert mine.hears("warning", "quota") == []
        mine.leaves()
        assert charged_ms(stage) == 200_000
