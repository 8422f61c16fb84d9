"""The events of one client: in order, one at a time, few waiting, to the end of what has begun."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from auth.rate_limits import Rate, RateLimited
from gateway.http.errors import Refused
from gateway.socketio.client import SocketClient
from gateway.socketio.hall import Hall
from gateway.socketio.interface import Ack, Client
from gateway.socketio.turns import WAITING_MAX, Turn
from gateway.stores.interface import StoreDown
from tests.gateway.rehearsal import Clockwork
from tests.gateway.socketio.fakes import principal
from tests.gateway.socketio.paper import Carrier, hall


class Desk:
    """A receiver that is as slow as a test wants: a payload that is a future is awaited."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def connected(self, client: Client) -> None:
        self.log.append("connected")

    def gone(self, client: Client) -> None:
        self.log.append("gone")

    def receive(self, client: Client, event: str, payload: Any) -> Ack | Awaitable[Ack]:
        self.log.append(event)
        if isinstance(payload, Exception):
            raise payload
        return (
            self._wait(event, payload) if isinstance(payload, asyncio.Future) else {"ok": True, "did": event}
        )

    async def _wait(self, event: str, until: asyncio.Future[None]) -> Ack:
        await until
        self.log.append(f"{event} done")
        return {"ok": True, "did": event}


class Office:
    """One client, whose events a test hands in."""

    def __init__(self) -> None:
        self.clockwork = Clockwork()
        self.hall: Hall = hall(self.clockwork)
        self.desk = Desk()
        self.hall.register(self.desk, "do:")
        self.carrier = Carrier()
        self.client = SocketClient("sid", principal(), self.carrier, self.hall)
        self.client.begin()

    def take(self, event: str, payload: Any = None, ack_id: int | None = 1) -> None:
        self.client.take(Turn(self.desk, event, payload, ack_id))

    @property
    def tasks(self) -> int:
        return len(self.hall.tasks)


@pytest.fixture
async def office() -> Office:
    return Office()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def later() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_what_is_done_at_once_costs_no_task(office: Office) -> None:
    office.take("do:a", ack_id=7)
    assert office.tasks == 0
    assert office.carrier.taken() == ['437[{"ok":true,"did":"do:a"}]']


async def test_the_next_event_waits_for_the_one_before(office: Office) -> None:
    first, third = later(), later()
    for event, payload in (("do:a", first), ("do:b", None), ("do:c", third), ("do:d", None)):
        office.take(event, payload)
    await turns()
    assert office.desk.log == ["connected", "do:a"]
    assert office.tasks == 1
    first.set_result(None)
    await turns()
    assert office.desk.log[1:] == ["do:a", "do:a done", "do:b", "do:c"]
    third.set_result(None)
    await turns()
    assert office.desk.log[4:] == ["do:c", "do:c done", "do:d"]
    assert [text[-7:-3] for text in office.carrier.taken()] == ["do:a", "do:b", "do:c", "do:d"]
    assert office.tasks == 0


async def test_who_sends_more_than_can_wait_is_not_read_until_it_was_handled(office: Office) -> None:
    first = later()
    office.take("do:first", first)
    for number in range(WAITING_MAX):
        assert office.carrier.reading, number
        office.take("do:more")
    assert not office.carrier.reading
    first.set_result(None)
    await turns()
    assert office.carrier.reading
    assert len(office.carrier.taken()) == WAITING_MAX + 1


async def test_it_is_gone_once_after_what_has_begun_and_before_what_has_not(office: Office) -> None:
    first = later()
    office.take("do:a", first)
    office.take("do:b")
    office.client.leave()
    office.client.leave()
    await turns()
    assert office.desk.log == ["connected", "do:a"]
    first.set_result(None)
    await turns()
    assert office.desk.log == ["connected", "do:a", "do:a done", "gone"]
    assert office.carrier.taken() == []


async def test_it_is_gone_also_when_the_server_ends_first(office: Office) -> None:
    office.take("do:a", later())
    await turns()
    office.client.leave()
    await office.hall.tasks.aclose()
    assert office.desk.log == ["connected", "do:a", "gone"]


async def test_who_is_put_out_is_gone_only_after_the_one_who_puts_out_has_finished(office: Office) -> None:
    office.client.disconnect()
    office.client.disconnect("again")
    assert office.desk.log == ["connected"]
    office.clockwork.turn()
    assert office.desk.log == ["connected", "gone"]
    assert office.carrier.taken() == ["41"]


@pytest.mark.parametrize(
    ("error", "code", "fields"),
    [
        (Refused(409, "NOT_NOW", "Not now", later=1), "NOT_NOW", '"later":1'),
        (RateLimited(Rate("user", "votes", 1), 7), "RATE_LIMITED", '"retry_after_seconds":7'),
        (StoreDown("gone"), "STORE_UNAVAILABLE", '"retry_after_seconds":5'),
    ],
)
async def test_a_refusal_is_the_answer(office: Office, error: Exception, code: str, fields: str) -> None:
    failing = later()
    failing.set_exception(error)
    office.take("do:a", error, ack_id=3)
    office.take("do:a", failing, ack_id=4)
    await turns()
    for number, answer in enumerate(office.carrier.taken(), 3):
        assert answer.startswith(f'43{number}[{{"ok":false,"code":"{code}"')
        assert fields in answer


async def test_a_fault_of_ours_is_told_without_its_details_and_the_next_event_comes(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    failing = later()
    failing.set_exception(KeyError("a secret"))
    with caplog.at_level(logging.ERROR):
        office.take("do:a", failing)
        office.take("do:b")
        await turns()
    failed, done = office.carrier.taken()
    assert "INTERNAL_ERROR" in failed
    assert "secret" not in failed
    assert "do:b" in done
    assert [record.message for record in caplog.records] == ["An event failed"]


async def test_a_receiver_that_fails_keeps_no_other_from_knowing(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Desk):
        def gone(self, client: Client) -> None:
            raise KeyError

    office.hall.receivers.insert(0, Broken())
    office.client.leave()
    assert office.desk.log == ["connected", "gone"]
    assert "failed" in caplog.text


async def test_an_answer_that_is_no_json_is_a_fault_of_ours_like_any_other(office: Office) -> None:
    class Careless(Desk):
        def receive(self, client: Client, event: str, payload: Any) -> Ack | Awaitable[Ack]:
            return {"ok": object()}

    office.client.take(Turn(Careless(), "do:a", None, 1))
    office.take("do:b")
    failed, done = office.carrier.taken()
    assert "INTERNAL_ERROR" in failed
    assert "do:b" in done


async def test_who_leaves_in_a_burst_is_read_again(office: Office) -> None:
    slow: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    office.take("do:first", slow)
    for number in range(WAITING_MAX):
        office.take(f"do:{number}")
    assert not office.carrier.reading
    office.client.leave()
    assert office.carrier.reading
    office.take("do:late")
    slow.set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert office.desk.log == ["connected", "do:first", "do:first done", "gone"]
