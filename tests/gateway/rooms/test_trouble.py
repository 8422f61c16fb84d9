"""What goes wrong: a database that is away, clients that send what is nothing or too much of it."""

import asyncio
from typing import Any

import pytest

from gateway.rooms import seats
from gateway.rooms.receiver import MessageLimits
from gateway.stores.interface import Database, StoreDown
from gateway.stores.rooms.operations import LoseSeats
from tests.gateway.rooms.company import Company, Process, codes, company_on


class Outage:
    """A database that takes nothing for a while: what is submitted fails as the writer has it fail."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._submit = process.store.writer.submit
        self.refused: list[Any] = []

    def __enter__(self) -> "Outage":
        def submit(_journal: Any, operation: Any, **_options: Any) -> Any:
            self.refused.append(operation)
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(StoreDown("away"))
            return future

        self._process.store.writer.submit = submit  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.store.writer.submit = self._submit  # type: ignore[method-assign]


async def test_nothing_is_answered_or_told_that_is_not_written_and_it_can_be_sent_again(
    company: Company, process: Process
) -> None:
    room = await company.room()
    olga, ben = await process.joined("olga", room.code), await process.joined("ben", room.code)
    poll = (await olga.send("poll:create", question="Which?", options=["a", "b"]))["poll"]
    with Outage(process):
        refused = [
            await ben.say("Hello", "c1"), await ben.vote(poll, "1", seq=1), await ben.send("room:leave"),
            await process.page("cem").join(room.code),
        ]  # fmt: skip
        assert ben.messages == olga.messages == []
    answers = [await ben.say("Hello", "c1"), await ben.vote(poll, "1", seq=1)]
    await ben.say("Hello", "c1")

    assert codes(refused) == ["STORE_UNAVAILABLE"] * 4
    assert {answer["retry_after_seconds"] for answer in refused} == {5}
    assert codes(answers) == ["ok", "ok"]
    assert olga.messages == ["Hello"]
    assert olga.people == ["olga", "ben"]
    await company.agree(room, olga, ben)


async def test_a_seat_that_could_not_be_given_back_is_given_back_later(
    company: Company, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "RETRY_SECONDS", 0.01)
    room = await company.room()
    olga, ben = await process.joined("olga", room.code), await process.joined("ben", room.code)
    cem = await process.joined("cem", room.code)
    with Outage(process) as outage:
        await ben.leave()
        await cem.leave()
        async with asyncio.timeout(10):
            while not any(isinstance(each, LoseSeats) for each in outage.refused):
                await asyncio.sleep(0.001)
    await cem.reconnect()
    assert (await cem.join(room.code, resume=True))["resumed"]
    await asyncio.sleep(0.03)
    await company.settle()

    whole = await process.store.database.read(_lost)
    assert whole == {"ben"}
    await company.agree(room, olga, cem)


def _lost(connection: Any) -> set[str]:
    from gateway.stores.rooms.schema import room_participants  # noqa: PLC0415 - only here

    own = room_participants.c
    rows = connection.execute(room_participants.select().where(own.lost_at.is_not(None)))
    return {row.subject for row in rows}


@pytest.mark.parametrize(
    ("event", "payload", "param"),
    [
        ("room:join", {}, "roomCode"), ("room:join", {"roomCode": "O0I1L0"}, "roomCode"),
        ("room:join", {"roomCode": ["X"]}, "roomCode"), ("room:message", {"text": "x"}, "clientId"),
        ("poll:vote", {"pollId": "p", "optionIds": "1", "clientVoteSeq": 1}, "optionIds"),
        ("poll:close", {"pollId": 7}, "pollId"),
    ],
)  # fmt: skip
async def test_a_payload_that_is_none_is_refused_by_the_name_of_what_is_wrong(
    process: Process, event: str, payload: dict[str, Any], param: str
) -> None:
    page = process.page("ben")
    refused = await page.send(event, **payload)

    assert (refused["code"], refused["param"]) == ("INVALID", param)


@pytest.mark.parametrize("payload", [7, "text", [1], None, b"bytes"])
async def test_what_is_no_object_is_refused(process: Process, payload: Any) -> None:
    page = process.page("ben")
    refused = await process.hall.send(page.client, "room:message", payload)

    assert (refused["ok"], refused["code"]) == (False, "INVALID")


@pytest.mark.parametrize("text", ["", " \u200b\n", "a\0b", "\ud800", "x" * 2001])
async def test_a_text_that_cannot_be_shown_or_stored_is_refused(
    company: Company, process: Process, text: str
) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    refused = await process.hall.send(olga.client, "room:message", {"text": text, "clientId": "1"})

    assert (refused["code"], refused["param"]) == ("INVALID", "text")


async def test_a_text_is_kept_exactly_as_it_was_typed(company: Company, process: Process) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    typed = " <b>\u202eevil\u2066</b> \U0001f44b\U0001f3fd cafe\u0301\r\n"
    await olga.say(typed)

    assert olga.messages == [typed]
    await company.agree(room, olga)


async def test_an_event_that_there_is_not_is_answered_with_those_there_are(process: Process) -> None:
    refused = await process.page("ben").send("room:explode")

    assert refused["code"] == "UNKNOWN_EVENT"
    assert "room:join" in refused["error"]


async def test_who_writes_too_much_waits_and_so_does_a_room_in_which_all_do(books: Database) -> None:
    async with company_on(books, limits=MessageLimits(3, 7)) as company:
        process = company.process()
        room = await company.room()
        pages = [await process.joined(f"user {number}", room.code) for number in range(3)]
        answers = [[await page.say("x") for _ in range(4)] for page in pages]

        assert [codes(each) for each in answers] == [
            ["ok"] * 3 + ["RATE_LIMITED"], ["ok"] * 3 + ["RATE_LIMITED"], ["ok"] + ["RATE_LIMITED"] * 3,
        ]  # fmt: skip
        refused = answers[0][3]
        assert 1 <= refused["retry_after_seconds"] <= 10
        assert len(pages[0].messages) == 7
