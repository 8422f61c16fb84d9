"""Calls at work: who is told what on which device, in which process, and what happens by itself."""

import asyncio
from collections.abc import AsyncIterator, Collection

import pytest

from gateway.calls import switchboard
from gateway.calls.devices import UserOf
from gateway.calls.store import CallStore
from gateway.metrics import REGISTRY
from gateway.stores.calls.operations import UnknownCall
from gateway.stores.interface import Database
from gateway.tasks import Tasks
from sessions.call_events import CancelRequested, DeclineRequested, EndRequested, HeartbeatSeen
from sessions.call_records import Bounds, Call, State
from sessions.calls import AlreadyAnswered
from sessions.invitations import CoolingDown
from tests.gateway.calls.exchange import Exchange, Process, exchange_on, until


@pytest.fixture
async def exchange(shared_database: Database) -> AsyncIterator[Exchange]:
    async with exchange_on(shared_database) as exchange:
        yield exchange


@pytest.fixture
async def hasty(shared_database: Database) -> AsyncIterator[Exchange]:
    """An exchange in which nothing takes long."""
    bounds = Bounds(
        ring_ms=3_400, join_ms=300, caller_grace_ms=300, heartbeat_ms=100, lost_ms=300, cooldown_ms=0
    )
    async with exchange_on(shared_database, bounds) as exchange:
        yield exchange


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("stagedoor_calls_total", {"outcome": outcome}) or 0.0


class TestTelling:
    async def test_it_rings_on_every_device_of_the_fan(self, exchange: Exchange) -> None:
        process = exchange.process()
        devices = [await process.device("noa", name) for name in ("phone", "tablet", None)]
        other = await process.device("dan")
        call = await process.ring()
        for device in devices:
            (told,) = device.heard("incoming")
            assert told["call"]["id"] == call.id
            assert 44_000 < told["remainingMs"] <= 45_000
        assert other.events == []

    async def test_a_device_that_connects_later_hears_how_long_it_still_rings(
        self, exchange: Exchange
    ) -> None:
        process = exchange.process()
        call = await process.ring()
        device = await process.device("noa")
        told = await device.hears("incoming")
        assert told["call"]["id"] == call.id
        assert told["remainingMs"] < 45_000
        await process.calls.act(exchange.tenant, call.id, CancelRequested("cleo"))
        later = await process.device("noa")
        assert later.events == []

    async def test_what_rings_just_after_a_device_has_connected_rings_there_once(
        self, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(switchboard, "ARRIVALS_SECONDS", 0.3)
        process = exchange.process()
        first = await process.device("noa")
        await process.ring()
        assert first.events == ["incoming"]
        # Looked up later than the first, or with it.
        later = await process.device("noa")
        await later.hears("incoming")
        assert first.events == ["incoming"]

    async def test_a_device_that_was_told_the_end_is_not_rung_afterwards(
        self, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process = exchange.process()
        call = await process.ring()
        looked_up = CallStore.open_calls

        async def meanwhile(store: CallStore, users: Collection[UserOf]) -> dict[UserOf, Call]:
            found = await looked_up(store, users)
            await process.calls.act(exchange.tenant, call.id, CancelRequested("cleo"))
            return found

        monkeypatch.setattr(CallStore, "open_calls", meanwhile)
        fan = await process.device("noa")
        await fan.hears("cancelled")
        await process.device("noa")
        assert fan.events == ["cancelled"]

    async def test_the_others_stop_when_one_accepts(self, exchange: Exchange) -> None:
        process = exchange.process()
        creator = await process.device("cleo", "desk")
        phone, tablet = [await process.device("noa", name) for name in ("phone", "tablet")]
        call = await process.ring(device="desk")
        await process.accept(call, "tablet")
        assert phone.events == ["incoming", "answered_elsewhere"]
        assert tablet.events == ["incoming"]
        assert creator.heard("accepted")[0]["call"]["state"] == "ACCEPTED"
        with pytest.raises(AlreadyAnswered):
            await process.accept(call, "phone")

    async def test_a_whole_call(self, exchange: Exchange) -> None:
        process = exchange.process()
        creator, fan = await process.device("cleo", "desk"), await process.device("noa", "phone")
        before = counted("completed")
        call = await process.ring(device="desk")
        await process.accept(call, "phone")
        await process.connect(call)
        await process.calls.act(exchange.tenant, call.id, EndRequested("noa"))
        assert creator.events == ["accepted", "connected", "ended"]
        assert fan.events == ["incoming", "connected", "ended"]
        ended = fan.heard("ended")[0]["call"]
        assert (ended["endReason"], ended["billedSeconds"], ended["amount"]) == ("hung_up", 60, 0)
        versions = [told["call"]["version"] for event in ("accepted", "connected", "ended")
                    for told in creator.heard(event)]  # fmt: skip
        assert versions == sorted(set(versions))
        assert counted("completed") == before + 1

    @pytest.mark.parametrize(
        ("event", "state", "heard"),
        [
            (DeclineRequested("noa"), State.DECLINED, "declined"),
            (CancelRequested("cleo"), State.CANCELLED, "cancelled"),
        ],
    )
    async def test_both_hear_that_nothing_came_of_it(
        self, exchange: Exchange, event: DeclineRequested | CancelRequested, state: State, heard: str
    ) -> None:
        process = exchange.process()
        devices = [await process.device(user) for user in ("cleo", "noa")]
        call = await process.ring()
        assert (await process.calls.act(exchange.tenant, call.id, event)).state is state
        for device in devices:
            assert device.events[-1] == heard

    async def test_a_block_looks_like_a_decline(self, exchange: Exchange) -> None:
        process = exchange.process()
        creator = await process.device("cleo")
        call = await process.ring()
        await process.calls.block(exchange.tenant, "noa", "cleo")
        (told,) = creator.heard("declined")
        assert (told["call"]["state"], told["call"]["endReason"]) == ("DECLINED", "declined")
        assert (await process.calls.one(exchange.tenant, "cleo", call.id)).state is State.DECLINED

    async def test_what_is_written_is_told_although_who_asked_has_gone(self, exchange: Exchange) -> None:
        process = exchange.process()
        fan = await process.device("noa")
        asking = Tasks().start(process.ring(), name="asking")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        await fan.hears("incoming")

    async def test_a_refusal_is_raised_as_the_rule_raised_it(self, exchange: Exchange) -> None:
        process = exchange.process()
        call = await process.ring()
        await process.calls.act(exchange.tenant, call.id, CancelRequested("cleo"))
        with pytest.raises(CoolingDown):
            await process.ring()
        for tenant, user, call_id in (
            ("other", "cleo", call.id), (exchange.tenant, "dan", call.id), (exchange.tenant, "cleo", "x"),
        ):  # fmt: skip
            with pytest.raises(UnknownCall):
                await process.calls.one(tenant, user, call_id)


class TestProcesses:
    async def test_devices_in_another_process_hear_it_too(self, exchange: Exchange) -> None:
        here, there = exchange.process(), exchange.process()
        fan, creator = await there.device("noa"), await there.device("cleo")
        call = await here.ring()
        await fan.hears("incoming")
        await here.accept(call)
        told = await creator.hears("accepted")
        assert told["call"]["state"] == "ACCEPTED"
        await fan.hears("answered_elsewhere")
        await there.connect(call)
        await here.calls.act(exchange.tenant, call.id, EndRequested("cleo"))
        await fan.hears("ended")
        assert fan.events == ["incoming", "answered_elsewhere", "connected", "ended"]

    async def test_what_nobody_says_is_read_from_the_outbox(self, exchange: Exchange) -> None:
        """As where there is no Redis, or the process that wrote it died before it said so."""
        here, deaf = exchange.process(), exchange.process(deaf=True)
        fan = await deaf.device("noa")
        call = await here.ring()
        await deaf.switchboard.look()
        assert fan.events == ["incoming"]
        await here.calls.act(exchange.tenant, call.id, CancelRequested("cleo"))
        for _ in range(3):
            await deaf.switchboard.look()
        assert fan.events == ["incoming", "cancelled"]

    async def test_what_rang_as_the_device_connected_is_not_rung_again_from_the_outbox(
        self, exchange: Exchange
    ) -> None:
        here, deaf = exchange.process(), exchange.process(deaf=True)
        await here.ring()
        fan = await deaf.device("noa")
        await fan.hears("incoming")
        await deaf.switchboard.look()
        assert fan.events == ["incoming"]

    async def test_the_outbox_is_looked_at_by_itself(self, exchange: Exchange) -> None:
        here, deaf = exchange.process(), exchange.process(deaf=True)
        fan = await deaf.device("noa")
        await here.ring()
        await fan.hears("incoming")

    async def test_an_invitation_that_is_over_is_not_shown(self, exchange: Exchange) -> None:
        here, deaf = exchange.process(), exchange.process(deaf=True)
        fan = await deaf.device("noa")
        call = await here.ring()
        await here.calls.act(exchange.tenant, call.id, CancelRequested("cleo"))
        await deaf.switchboard.look()
        assert fan.events == ["cancelled"]

    async def test_heard_and_read_it_is_told_once(self, exchange: Exchange) -> None:
        here, there = exchange.process(), exchange.process()
        fan = await there.device("noa")
        await here.ring()
        await fan.hears("incoming")
        await there.switchboard.look()
        assert fan.events == ["incoming"]


class TestByItself:
    async def test_a_ring_that_nobody_answers_is_missed(self, hasty: Exchange) -> None:
        process = hasty.process()
        fan, before = await process.device("noa"), counted("missed")
        await process.ring()
        told = await fan.hears("missed")
        assert told["call"]["endReason"] == "expired"
        assert counted("missed") == before + 1

    async def test_media_that_never_come_fail_the_call(self, hasty: Exchange) -> None:
        process = hasty.process()
        fan = await process.device("noa")
        call = await process.ring()
        await process.accept(call)
        told = await fan.hears("ended")
        assert (told["call"]["state"], told["call"]["amount"]) == ("FAILED", 0)

    async def test_a_side_that_is_silent_ends_it_at_its_last_heartbeat(self, hasty: Exchange) -> None:
        process = hasty.process()
        creator = await process.device("cleo")
        call = await process.ring()
        await process.accept(call)
        connected = await process.connect(call)
        await process.calls.act(hasty.tenant, call.id, HeartbeatSeen("cleo"))
        told = await creator.hears("ended")
        assert told["call"]["endReason"] == "connection_lost"
        ended = await process.calls.one(hasty.tenant, "cleo", call.id)
        assert connected.fan_leg.heard_at_ms == ended.ended_at_ms

    async def test_a_caller_who_is_lost_is_waited_for(self, hasty: Exchange) -> None:
        process = hasty.process()
        fan, creator = await process.device("noa"), await process.device("cleo")
        call = await process.ring()
        await creator.leave()
        await until(lambda: len(fan.heard("cancelled")) == 1)
        assert fan.heard("cancelled")[0]["call"]["endReason"] == "caller_lost"
        assert (await process.calls.one(hasty.tenant, "noa", call.id)).state is State.CANCELLED

    async def test_a_caller_who_comes_back_in_time_goes_on(self, exchange: Exchange) -> None:
        process = exchange.process()
        creator = await process.device("cleo")
        call = await process.ring()
        await creator.leave()
        await _until_lost(process, call.id, lost=True)
        await process.device("cleo")
        await _until_lost(process, call.id, lost=False)

    async def test_a_caller_is_missed_where_they_were_though_another_process_wrote_the_call(
        self, exchange: Exchange
    ) -> None:
        here, there = exchange.process(), exchange.process()
        creator = await there.device("cleo")
        call = await here.ring()
        await creator.leave()
        await _until_lost(here, call.id, lost=True)

    async def test_a_caller_with_another_connection_elsewhere_is_not_lost(self, exchange: Exchange) -> None:
        here, there = exchange.process(), exchange.process()
        creator, _ = await here.device("cleo"), await there.device("cleo")
        call = await here.ring()
        await creator.leave()
        await _until_lost(here, call.id, lost=True)
        await there.switchboard.look()
        await _until_lost(there, call.id, lost=False)

    async def test_a_fan_who_leaves_changes_nothing(self, exchange: Exchange) -> None:
        process = exchange.process()
        fan = await process.device("noa")
        call = await process.ring()
        await fan.leave()
        await asyncio.sleep(0.05)
        assert (await process.calls.one(exchange.tenant, "noa", call.id)) == call

    async def test_the_sweep_ends_what_another_process_left(self, hasty: Exchange) -> None:
        gone, heir = hasty.process(), hasty.process()
        fan = await heir.device("noa")
        call = await gone.ring()
        await gone.accept(call)
        await gone.aclose()
        await asyncio.sleep(0.35)
        swept = 0
        while swept == 0:
            swept = await heir.calls.due(0, 200)
        await fan.hears("ended")
        assert (await heir.calls.one(hasty.tenant, "noa", call.id)).state is State.FAILED
        hasty.processes.remove(gone)


async def _until_lost(process: Process, call_id: str, *, lost: bool) -> None:
    async with asyncio.timeout(5):
        while True:
            call = await process.calls.one(process.tenant, "cleo", call_id)
            if (call.caller_lost_at_ms is not None) is lost:
                return
            await asyncio.sleep(0.01)
