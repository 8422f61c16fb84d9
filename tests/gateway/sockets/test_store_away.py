"""Live sockets whose store of minutes is away, slow, or hangs; and clients gone before it answers."""

import asyncio
from typing import Any, cast

import pytest

from auth.principal import Plan, Role
from gateway.stores.interface import StoreDown
from gateway.stores.schema import quota_slices, usage_events
from media import link
from tests.gateway.rehearsal import Rehearsal
from tests.gateway.sockets.minutes import (
    FRAME,
    charged_ms,
    heard_ms,
    held_ms,
    joins,
    metered,
    refused,
    speaks,
)
from tests.house import token

AWAY = StoreDown("the database is away")


@pytest.fixture
def stage() -> Rehearsal:
    return metered()


class TestStoreAway:
    def test_nobody_new_gets_in_who_would_have_to_pay(self, stage: Rehearsal) -> None:
        stage.store.broken = AWAY
        error, code = refused(stage)
        assert (error["code"], error["status"], error["recoverable"], code) == (
            "STORE_UNAVAILABLE", 503, True, 1013,
        )  # fmt: skip
        assert error["retry_after_seconds"] > 0
        stage.joins("publish", user="noa")
        stage.store.broken = None
        joins(stage)

    def test_who_is_in_goes_on_to_the_end_of_the_slice_and_is_settled_once_it_is_back(self) -> None:
        stage = metered(live_quota_free_subtitle_minutes_per_hour=30)
        mine = joins(stage)
        speaks(stage, mine, 20)
        stage.store.broken = AWAY
        speaks(stage, mine, 39)
        assert mine.hears("error") == []
        speaks(stage, mine, 2)
        assert [m["code"] for m in mine.hears("error")] == ["STORE_UNAVAILABLE"]
        assert mine.wire.close_code == 1013
        assert heard_ms(stage.pool.opened[0]) == 60_000
        assert stage.store.rows(usage_events) == []
        stage.store.broken = None
        stage.store.write_all()
        assert (charged_ms(stage), held_ms(stage)) == (60_000, 0)
        stage.store.write_all()
        assert charged_ms(stage) == 60_000

    @pytest.mark.parametrize("personal", [True, False])
    def test_who_comes_back_then_goes_on_and_pays(self, personal: bool) -> None:
        stage = metered(live_quota_free_subtitle_minutes_per_hour=30)
        guest = joins(stage)
        speaker = guest if personal else stage.joins("publish", user="noa")
        speaks(stage, speaker, 20)
        stage.store.broken = AWAY
        speaks(stage, speaker, 42)
        assert guest.wire.close_code == 1013
        stage.store.broken = None
        stage.store.write_all()
        back = joins(stage, resume=guest.position)
        assert back.connected["session_id"] == guest.connected["session_id"]
        speaks(stage, back if personal else speaker, 5)
        assert back.wire.reading
        back.leaves()
        # A viewer is sent again what it missed of the stream meanwhile, and pays for that.
        assert (charged_ms(stage), held_ms(stage)) == (65_000 if personal else 67_000, 0)

    def test_a_short_absence_is_not_noticed(self) -> None:
        stage = metered(live_quota_free_subtitle_minutes_per_hour=30)
        mine = joins(stage)
        speaks(stage, mine, 20)
        stage.store.broken = AWAY
        speaks(stage, mine, 30)
        stage.store.broken = None
        speaks(stage, mine, 100)
        assert mine.hears("error") == []
        mine.leaves()
        stage.store.write_all()
        assert (charged_ms(stage), held_ms(stage)) == (150_000, 0)


class SlowStore:
    """A store that reads only once a test says so."""

    def __init__(self, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = cast("asyncio.AbstractEventLoop", rehearsal.clock)
        self._rehearsal = rehearsal
        self._answer: asyncio.Future[None] = asyncio.Future(loop=loop)
        self._read = rehearsal.store.read
        monkeypatch.setattr(rehearsal.store, "read", self.read)

    async def read(self, query: Any) -> Any:
        await self._answer
        return await self._read(query)

    def answers(self) -> None:
        self._answer.set_result(None)
        self._rehearsal.settle()


class TestWhileTheTokenIsChecked:
    def test_what_comes_waits_and_is_taken_in_order(
        self, stage: Rehearsal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, mine = SlowStore(stage, monkeypatch), stage.arrives()
        mine.says(type="authenticate", token=token("dana", plan=Plan.FREE))
        assert mine.wire.reading
        mine.sends(FRAME)
        assert not mine.wire.reading
        mine.says(type="finalize")
        mine.says(type="ping", id=7)
        assert (mine.hears(), stage.pool.opened) == ([], [])
        store.answers()
        told = [m["type"] for m in mine.hears()]
        assert (told[0], set(told) >= {"connected", "audio_ack", "pong"}) == ("connected", True)
        assert mine.wire.reading
        sent = [type(one) for one in stage.pool.opened[0].sent()]
        assert sent.index(link.Audio) < sent.index(link.Finalize)

    def test_more_than_fits_ends_it_before_it_begins(
        self, stage: Rehearsal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, mine = SlowStore(stage, monkeypatch), stage.arrives()
        mine.says(type="authenticate", token=token("dana", plan=Plan.FREE))
        for _ in range(33):
            mine.sends(FRAME)
        assert ([m["code"] for m in mine.hears()], mine.wire.close_code) == (["TOO_EARLY"], 1008)
        store.answers()
        assert (mine.hears(), stage.hub.sessions, stage.pool.opened) == ([], {}, [])

    def test_a_store_that_hangs_is_not_the_clients_fault(
        self, stage: Rehearsal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, mine = SlowStore(stage, monkeypatch), stage.arrives()
        mine.says(type="authenticate", token=token("dana", plan=Plan.FREE))
        stage.passes(11)
        (error,) = mine.hears()
        assert (error["code"], error["recoverable"], mine.wire.close_code) == (
            "STORE_UNAVAILABLE",
            True,
            1013,
        )
        store.answers()
        assert stage.hub.sessions == {}


class TestGone:
    @pytest.mark.parametrize("kind", ["subtitles", "dubbing", "publish"])
    def test_between_its_token_and_the_answer_nothing_is_left_behind(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage = metered(channel_metering="publisher", live_quota_concurrent_sessions=1)
        store, guest = SlowStore(stage, monkeypatch), stage.arrives(kind)
        guest.says(type="authenticate", token=token("dana", Role.CREATOR, Plan.FREE))
        guest.sends(FRAME)
        assert (guest.hears(), guest.wire.reading) == ([], False)
        guest.leaves()
        store.answers()
        assert (guest.hears(), stage.hub.sessions, stage.pool.opened) == ([], {}, [])
        assert (stage.store.rows(quota_slices), stage.diary.entries) == ([], [])
        assert stage.stage.door._waiting.total == 0
        monkeypatch.undo()
        joins(stage, kind)

    def test_before_its_slice_is_granted_it_is_given_back(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        stage.store.held = True
        mine.sends(FRAME)
        mine.leaves()
        stage.store.write_all()
        stage.settle()
        stage.store.write_all()
        assert (held_ms(stage), charged_ms(stage), stage.pool.opened) == (0, 0, [])
