"""Minutes of live sockets: who is charged, for what, in which hour, and never twice."""

from typing import Any

import pytest

from gateway.stores.schema import quota_slices, usage_events
from media import link
from sessions.lifetimes import State
from tests.gateway.rehearsal import Guest, PaperStream, Rehearsal, caption
from tests.gateway.sockets.minutes import (
    FRAME,
    charged_ms,
    finishes,
    heard_ms,
    held_ms,
    joins,
    metered,
    open_slices,
    speaks,
)

PLENTY: dict[str, Any] = {"live_quota_free_subtitle_minutes_per_hour": 30}


@pytest.fixture
def stage() -> Rehearsal:
    return metered(**PLENTY)


def writes(publisher: Guest, text: str, **more: Any) -> None:
    publisher.says(**{"type": "caption", "text": text, "start": 0, "end": 1, "is_final": True, **more})


def hours(rehearsal: Rehearsal, user: str = "dana") -> dict[str, int]:
    """Return what a user was charged by hour."""
    charged: dict[str, int] = {}
    for row in rehearsal.store.rows(usage_events):
        if row["subject"] == user:
            charged[row["hour_key"]] = charged.get(row["hour_key"], 0) + row["quantity_ms"]
    return charged


class TestPersonalStream:
    def test_is_charged_for_exactly_what_it_brought_over_several_slices(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        assert stage.store.rows(quota_slices) == []
        speaks(stage, mine, 130)
        mine.sends(bytes(123 * 32))
        assert len(stage.store.rows(quota_slices)) >= 3
        mine.says(type="end")
        finishes(stage)
        (ended,) = mine.hears("ended")
        assert (ended["audio_seconds"], ended["billed_seconds"]) == (130.123, 130.123)
        assert (charged_ms(stage), held_ms(stage)) == (130_123, 0)
        assert len(stage.till) == 0

    @pytest.mark.parametrize("before_seconds", [30, 90, 17])
    def test_each_hour_has_what_came_in_it(self, stage: Rehearsal, before_seconds: int) -> None:
        stage.clock.advance(3_600 - before_seconds)
        mine = joins(stage)
        speaks(stage, mine, before_seconds + 45)
        mine.leaves()
        by_hour = hours(stage)
        # What comes within a tick of the edge is charged to the slice that is open then.
        assert by_hour["2026-11-21T12"] == pytest.approx(before_seconds * 1000, abs=250)
        assert sum(by_hour.values()) == charged_ms(stage) == (before_seconds + 45) * 1000
        assert (len(by_hour), held_ms(stage)) == (2, 0)

    def test_faster_than_it_is_spoken_it_is_audio_all_the_same(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        for _ in range(600):
            mine.sends(FRAME)
        mine.leaves()
        assert charged_ms(stage) == 150_000

    def test_another_rate_is_charged_by_what_it_sounds(self, stage: Rehearsal) -> None:
        mine = joins(stage, sample_rate="8000")
        for _ in range(40):
            mine.sends(bytes(4_000))
        mine.says(type="end")
        finishes(stage)
        assert charged_ms(stage) == heard_ms(stage.pool.opened[0])
        assert charged_ms(stage) == pytest.approx(10_000, abs=5)

    def test_a_stall_costs_nothing_and_holds_nothing_for_long(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 1)
        assert held_ms(stage) == 60_000
        stage.passes(118)
        assert held_ms(stage) == 60_000
        stage.passes(2)
        assert (charged_ms(stage), held_ms(stage)) == (1_000, 0)
        stage.passes(600)
        speaks(stage, mine, 1)
        mine.leaves()
        assert (charged_ms(stage), held_ms(stage)) == (2_000, 0)

    def test_a_loss_settles_and_what_comes_back_goes_on(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        speaks(stage, mine, 5)
        mine.leaves()
        assert (charged_ms(stage), held_ms(stage)) == (5_000, 0)
        back = joins(stage, resume=mine.position)
        assert held_ms(stage) == 0
        speaks(stage, back, 2)
        back.says(type="end")
        finishes(stage)
        assert back.hears("ended")[0]["billed_seconds"] == 7.0
        assert (charged_ms(stage), held_ms(stage)) == (7_000, 0)

    def test_who_followed_a_channel_before_pays_for_both_one_after_the_other(self, stage: Rehearsal) -> None:
        publisher, viewer = stage.joins("publish", user="noa"), joins(stage)
        speaks(stage, publisher, 4)
        speaks(stage, viewer, 3)
        speaks(stage, publisher, 10)
        viewer.leaves()
        assert charged_ms(stage) == 7_000

    def test_pays_nothing_for_the_channel_that_it_has_left(self, stage: Rehearsal) -> None:
        mine, publisher = joins(stage), stage.joins("publish", user="noa")
        speaks(stage, mine, 3)
        speaks(stage, publisher, 10)
        mine.leaves()
        back = joins(stage, resume=mine.position)
        speaks(stage, publisher, 10)
        speaks(stage, back, 1)
        back.leaves()
        assert charged_ms(stage) == 4_000

    def test_checkpoints_say_how_much_of_a_slice_is_used(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        stage.passes(0.5)
        speaks(stage, mine, 2.75)
        assert [row["cumulative_ms"] for row in open_slices(stage)] == [2_500]
        speaks(stage, mine, 1)
        assert [row["cumulative_ms"] for row in open_slices(stage)] == [3_500]


class TestViewers:
    def test_are_charged_for_what_passed_while_they_followed(self, stage: Rehearsal) -> None:
        early = joins(stage)
        stage.passes(300)
        publisher = stage.joins("publish", user="noa")
        stage.passes(300)
        assert stage.store.rows(quota_slices) == []
        speaks(stage, publisher, 5)
        late = joins(stage, user="kim", target_lang="es")
        speaks(stage, publisher, 7)
        publisher.says(type="end")
        finishes(stage)
        stage.passes(300)
        again = stage.joins("publish", user="noa")
        speaks(stage, again, 3)
        early.leaves()
        speaks(stage, again, 70)
        late.says(type="end")
        assert (charged_ms(stage, "dana"), charged_ms(stage, "kim")) == (15_000, 80_000)
        assert late.hears("ended")[0] == {
            "type": "ended", "audio_seconds": 80.0, "billed_seconds": 80.0,
        }  # fmt: skip
        assert charged_ms(stage, "noa") == held_ms(stage) == 0

    def test_who_ends_before_the_first_slice_has_come_is_told_when_it_has(self, stage: Rehearsal) -> None:
        viewer, publisher = joins(stage), stage.joins("publish", user="noa")
        stage.store.held = True
        publisher.sends(FRAME)
        viewer.says(type="end")
        stage.settle()
        assert viewer.hears("ended") == []
        publisher.sends(FRAME)
        stage.store.held = False
        stage.store.write_all()
        stage.settle()
        (ended,) = viewer.hears("ended")
        assert (ended["audio_seconds"], ended["billed_seconds"]) == (0.25, 0.25)
        assert viewer.wire.close_code == 1000
        assert (charged_ms(stage), held_ms(stage)) == (250, 0)

    def test_another_language_is_no_second_charge(self, stage: Rehearsal) -> None:
        viewer, publisher = joins(stage), stage.joins("publish", user="noa")
        speaks(stage, publisher, 2)
        for lang in ("es", "fr", "es"):
            viewer.says(type="set_target", target_lang=lang)
            speaks(stage, publisher, 1)
        viewer.leaves()
        assert charged_ms(stage) == 5_000

    def test_what_was_replayed_after_a_loss_is_charged_once(self, stage: Rehearsal) -> None:
        viewer, publisher = joins(stage), stage.joins("publish", user="noa")
        speaks(stage, publisher, 5)
        viewer.leaves()
        assert (charged_ms(stage), held_ms(stage)) == (5_000, 0)
        speaks(stage, publisher, 3)
        (stream,) = stage.pool.opened
        stream.sent()
        stream.says(link.Final(1, 0, "en", (caption("missed"),)))
        back = joins(stage, resume=viewer.position)
        assert back.finals() == [(1, "missed")]
        speaks(stage, publisher, 2)
        back.leaves()
        assert charged_ms(stage) == 10_000

    def test_what_is_replayed_to_a_stranger_is_charged_by_what_the_finals_stand_for(
        self, stage: Rehearsal
    ) -> None:
        first, publisher = joins(stage, user="ada"), stage.joins("publish", user="noa")
        (stream,) = said_every_five_seconds(stage, publisher, 3)
        position = first.position | {"session_id": "live_nobodys"}
        for time in (1, 2):
            stranger = joins(stage, user="eve", resume=position)
            assert [offset for offset, _ in stranger.finals()] == [1, 2, 3]
            stranger.leaves()
            assert charged_ms(stage, "eve") == time * 15_000
        assert stream.received_seconds == 15.0

    def test_a_session_pays_as_well_for_what_came_before_it_joined(self, stage: Rehearsal) -> None:
        first, publisher = joins(stage, user="ada"), stage.joins("publish", user="noa")
        said_every_five_seconds(stage, publisher, 3)
        late = joins(stage, user="eve")
        speaks(stage, publisher, 2)
        late.leaves()
        back = joins(
            stage, user="eve", resume=late.position | {"offset": 0, "epoch": first.position["epoch"]}
        )
        assert back.connected["session_id"] == late.connected["session_id"]
        back.leaves()
        assert charged_ms(stage, "eve") == 2_000 + 15_000

    def test_what_could_not_be_replayed_is_not_charged(self, stage: Rehearsal) -> None:
        viewer, publisher = joins(stage), stage.joins("publish", user="noa")
        speaks(stage, publisher, 5)
        viewer.leaves()
        speaks(stage, publisher, 3)
        back = joins(stage, resume=viewer.position | {"epoch": "another"})
        assert [m["type"] for m in back.hears("resync")] == ["resync"]
        speaks(stage, publisher, 2)
        back.leaves()
        assert charged_ms(stage) == 7_000

    def test_what_passed_of_another_stream_meanwhile_is_not_charged(self, stage: Rehearsal) -> None:
        viewer, publisher = joins(stage), stage.joins("publish", user="noa")
        speaks(stage, publisher, 5)
        viewer.leaves()
        publisher.says(type="end")
        finishes(stage)
        again = stage.joins("publish", user="noa")
        speaks(stage, again, 9)
        back = joins(stage, resume=viewer.position)
        speaks(stage, again, 2)
        back.leaves()
        assert charged_ms(stage) == 7_000

    def test_a_connection_that_broke_unnoticed_is_charged_once(self, stage: Rehearsal) -> None:
        viewer, publisher = joins(stage), stage.joins("publish", user="noa")
        speaks(stage, publisher, 5)
        back = joins(stage, resume=viewer.position)
        assert viewer.wire.close_code == 4409
        speaks(stage, publisher, 2)
        back.leaves()
        assert (charged_ms(stage), held_ms(stage)) == (7_000, 0)

    def test_captions_count_by_the_servers_clock_and_a_pause_at_most_ten_seconds(
        self, stage: Rehearsal
    ) -> None:
        viewer, publisher = joins(stage), stage.joins("publish", user="noa")
        for seconds in (0, 3, 40, 2):
            stage.passes(seconds)
            writes(publisher, "line", start=1_000, end=9_000)
        viewer.leaves()
        assert charged_ms(stage) == 15_000

    def test_dubbing_is_charged_as_dubbing_alone(self, stage: Rehearsal) -> None:
        listener, publisher = joins(stage, "dubbing", target_lang="es"), stage.joins("publish", user="noa")
        speaks(stage, publisher, 5)
        listener.leaves()
        assert (charged_ms(stage, kind="dubbing"), charged_ms(stage)) == (5_000, 0)

    def test_of_one_user_in_two_tenants_each_pays(self, stage: Rehearsal) -> None:
        here, there = joins(stage), joins(stage, tenant="acme")
        speaks(stage, stage.joins("publish", user="noa"), 5)
        here.leaves()
        there.leaves()
        rows = stage.store.rows(usage_events)
        assert [(row["tenant_id"], row["quantity_ms"]) for row in rows] == [("default", 5_000)]


class TestPublisherPays:
    @pytest.fixture
    def stage(self) -> Rehearsal:
        return metered(**PLENTY, channel_metering="publisher")

    def test_once_whatever_the_audience(self, stage: Rehearsal) -> None:
        for user in ("kim", "lou", "max"):
            joins(stage, user=user)
        publisher = joins(stage, "publish")
        speaks(stage, publisher, 65)
        publisher.says(type="end")
        finishes(stage)
        assert publisher.hears("ended")[0]["billed_seconds"] == 65.0
        assert {row["subject"] for row in stage.store.rows(usage_events)} == {"dana"}
        assert (charged_ms(stage), held_ms(stage)) == (65_000, 0)

    def test_also_for_captions(self, stage: Rehearsal) -> None:
        publisher = joins(stage, "publish")
        for seconds in (0, 3, 40):
            stage.passes(seconds)
            writes(publisher, "line")
        publisher.leaves()
        assert charged_ms(stage) == 13_000

    def test_a_reconnect_goes_on(self, stage: Rehearsal) -> None:
        publisher = joins(stage, "publish")
        speaks(stage, publisher, 5)
        publisher.leaves()
        assert held_ms(stage) == 0
        back = joins(stage, "publish", resume=publisher.position)
        speaks(stage, back, 2)
        back.leaves()
        assert charged_ms(stage) == 7_000

    def test_one_who_is_superseded_is_settled_and_the_next_pays_for_the_rest(self, stage: Rehearsal) -> None:
        first = joins(stage, "publish")
        speaks(stage, first, 5)
        second = joins(stage, "publish")
        assert first.wire.close_code == 4409
        assert (charged_ms(stage), held_ms(stage)) == (5_000, 0)
        speaks(stage, second, 3)
        second.leaves()
        stage.passes(120)
        by_session = {row["session_id"]: row["quantity_ms"] for row in stage.store.rows(usage_events)}
        assert by_session == {
            first.connected["session_id"]: 5_000, second.connected["session_id"]: 3_000,
        }  # fmt: skip


def test_an_end_by_an_admin_is_one_end(stage: Rehearsal) -> None:
    mine = joins(stage)
    speaks(stage, mine, 2)
    session_id = mine.connected["session_id"]
    stage.hub.end_by_admin(session_id)
    stage.hub.end_by_admin(session_id)
    stage.settle()
    assert [m["code"] for m in mine.hears("error")] == ["ENDED_BY_ADMIN"]
    assert mine.wire.close_code == 4003
    ends = [entry for entry in stage.diary.entries if entry[:2] == ("ended", session_id)]
    assert ends == [("ended", session_id, "ENDED_BY_ADMIN ended_by_admin")]
    assert (charged_ms(stage), held_ms(stage)) == (2_000, 0)
    assert joins(stage, resume=mine.position).connected["session_id"] != session_id


def test_an_end_of_the_server_settles_everything(stage: Rehearsal) -> None:
    guests = [joins(stage, user=user) for user in ("dana", "kim")]
    viewer, publisher = joins(stage, user="lou"), stage.joins("publish", user="noa")
    for guest in (*guests, publisher):
        speaks(stage, guest, 2)
    for session in list(stage.hub.sessions.values()):
        stage.hub.end(session, State.INTERRUPTED, "restart")
    assert {user: charged_ms(stage, user) for user in ("dana", "kim", "lou", "noa")} == {
        "dana": 2_000, "kim": 2_000, "lou": 2_000, "noa": 0,
    }  # fmt: skip
    assert (held_ms(stage), len(stage.till), stage.hub.sessions) == (0, 0, {})
    viewer.leaves()
    assert charged_ms(stage, "lou") == 2_000
    assert stage.diary.entries.count(("ended", viewer.connected["session_id"], "INTERRUPTED restart")) == 1


def said_every_five_seconds(stage: Rehearsal, publisher: Guest, times: int) -> list[PaperStream]:
    """Let somebody speak, with a final after each five seconds."""
    for time in range(times):
        speaks(stage, publisher, 5)
        (stream,) = stage.pool.opened
        stream.sent()
        stream.says(link.Final(1, time, "en", (caption(f"final {time}"),)))
    return stage.pool.opened
