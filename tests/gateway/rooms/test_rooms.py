"""Rooms as their people see them: all see the same, in the same order, whichever process they are in."""

import asyncio
import random

import pytest

from gateway.stores.interface import Database
from gateway.stores.rooms.bounds import RoomBounds
from gateway.stores.rooms.operations import LOST_AT_ONCE_MAX
from sessions.room_events import CloseRequested, HandOverRequested, KickRequested
from sessions.room_records import Bounds
from tests.gateway.rooms.company import Company, Page, Process, codes, company_on


async def test_who_comes_in_is_shown_the_room_and_told_of_what_follows(
    company: Company, process: Process
) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code.lower())
    await olga.say("Welcome")
    ben = process.page("ben")
    answer = await ben.join(f" {room.code[:3]}-{room.code[3:]} ")
    await ben.say("Hello")

    assert (answer["resumed"], answer["room"]["name"], answer["epoch"]) == (False, "Talk", room.epoch)
    assert olga.messages == ben.messages == ["Welcome", "Hello"]
    assert olga.people == ben.people == ["olga", "ben"]
    assert ben.heard("room:authenticated") == [{"roomId": room.id, "participants": answer["participants"]}]
    await company.agree(room, olga, ben)


async def test_a_message_is_answered_with_what_was_stored(company: Company, process: Process) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    first = await olga.say("One", "c1")
    again = await olga.say("Another text for the same", "c1")
    second = await olga.say("Two", "c2")

    assert first["message"] | {"text": "One", "userId": "olga", "offset": 2} == first["message"]
    assert again == first
    assert second["message"]["offset"] == 3
    assert olga.messages == ["One", "Two"]


async def test_two_hundred_who_come_at_once_fill_a_room_of_fifty_exactly(
    company: Company, process: Process
) -> None:
    other = company.process()
    room = await company.room(most=50)
    pages = [(process, other)[number % 2].page(f"user {number}") for number in range(200)]
    answers = await asyncio.gather(*(page.join(room.code) for page in pages))

    assert sorted(codes(answers)) == ["ROOM_FULL"] * 150 + ["ok"] * 50
    assert {answer["max_participants"] for answer in answers if not answer["ok"]} == {50}
    inside = [page for page, answer in zip(pages, answers, strict=True) if answer["ok"]]
    await company.agree(room, *inside)
    assert process.rooms.connections + other.rooms.connections == 50


async def test_the_order_of_one_user_and_of_all_is_the_same_everywhere(anywhere: Company) -> None:
    company = anywhere
    one, other = company.process(), company.process()
    room = await company.room()
    pages = [await (one, other)[number % 2].joined(f"user {number}", room.code) for number in range(6)]

    async def chatter(page: Page) -> None:
        for number in range(10):
            await page.say(f"{page.user}: {number}")

    await asyncio.gather(*map(chatter, pages))
    await company.agree(room, *pages)
    shown = pages[0].messages
    for page in pages:
        assert page.messages == shown
        own = [int(text.rpartition(": ")[2]) for text in shown if text.startswith(page.user)]
        assert own == sorted(own)
    assert {len(page.heard("room:message")) for page in pages} == {60}


async def test_two_tabs_are_one_participant_until_the_last_is_gone(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    olga = await one.joined("olga", room.code)
    tabs = [await one.joined("ben", room.code), await other.joined("ben", room.code)]
    await tabs[0].leave()
    await company.settle()
    await olga.say("Still here?")

    assert olga.people == ["olga", "ben"]
    assert tabs[1].messages == ["Still here?"]
    await tabs[1].send("room:leave")
    assert olga.people == ["olga"]


async def test_leaving_takes_every_tab_along(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    olga = await one.joined("olga", room.code)
    tabs = [await one.joined("ben", room.code), await other.joined("ben", room.code)]
    assert await tabs[0].send("room:leave") == {"ok": True}
    await olga.say("Alone")

    for tab in tabs:
        assert tab.people == ["olga"]
        assert tab.messages == []
        assert (await tab.say("x"))["code"] == "NOT_IN_ROOM"
    assert other.rooms.count == 0


async def test_a_kick_sticks_whatever_door_one_tries(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    olga = await one.joined("olga", room.code)
    ben = [await one.joined("ben", room.code), await other.joined("ben", room.code)]
    await one.rooms.act(room.tenant_id, room.id, KickRequested("olga", "ben"))
    await olga.say("He is gone")

    assert olga.people == ["olga"]
    for page in ben:
        assert page.heard("room:participant_left")[-1]["reason"] == "kicked"
        assert page.messages == []
        tries = [await page.say("x"), await page.join(room.code), await page.join(room.code, resume=True)]
        assert codes(tries) == ["NOT_IN_ROOM", "KICKED_OUT", "KICKED_OUT"]
    await ben[0].reconnect(other)
    assert (await ben[0].join(room.code, resume=True))["code"] == "KICKED_OUT"
    assert (await other.page("ben").send("room:typing"))["code"] == "NOT_IN_ROOM"
    await company.agree(room, olga)


async def test_who_is_kicked_while_coming_in_is_not_in(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    await one.joined("olga", room.code)
    ben = other.page("ben")
    joining, _ = await asyncio.gather(
        ben.join(room.code), one.rooms.act(room.tenant_id, room.id, KickRequested("olga", "ben"))
    )
    await company.settle()

    assert (await ben.join(room.code))["code"] == "KICKED_OUT"
    assert other.rooms.connections == 0
    assert joining["ok"] is False or ben.heard("room:participant_left")[-1]["reason"] == "kicked"


async def test_the_host_goes_and_another_is_host_until_the_owner_returns(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    olga, ben = await one.joined("olga", room.code), await other.joined("ben", room.code)
    cem = await one.joined("cem", room.code)
    await one.rooms.act(room.tenant_id, room.id, HandOverRequested("olga", "cem"))
    assert (ben.read() or {})["room"]["host_user_id"] == "cem"
    await cem.send("room:leave")
    await olga.send("room:leave")
    assert (ben.read() or {})["room"]["host_user_id"] == "ben"
    await olga.join(room.code)
    await company.agree(room, olga, ben)


async def test_a_room_that_is_closed_lets_everybody_go_and_nobody_in(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    pages = [await one.joined("olga", room.code), await other.joined("ben", room.code)]
    await other.rooms.act(room.tenant_id, room.id, CloseRequested("olga"))

    for page in pages:
        assert page.heard("room:closed") == [{"offset": 3, "reason": "host"}]
        assert (await page.say("x"))["code"] == "NOT_IN_ROOM"
        assert (await page.join(room.code))["code"] == "NOT_FOUND"
    await company.agree(room, *pages)
    assert one.rooms.count == other.rooms.count == 0


async def test_typing_is_shown_to_the_others_now_and_then(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    olga, ben = await one.joined("olga", room.code), await other.joined("ben", room.code)
    for _ in range(5):
        assert await olga.send("room:typing") == {"ok": True}

    assert ben.heard("room:typing") == [{"userId": "olga"}]
    assert olga.heard("room:typing") == []


async def test_a_connection_is_in_one_room_at_a_time(company: Company, process: Process) -> None:
    first, second = await company.room(), await company.room()
    olga = await process.joined("olga", first.code)
    refused = await olga.join(second.code)

    assert (refused["code"], refused["roomId"]) == ("IN_ANOTHER_ROOM", first.id)
    await olga.send("room:leave")
    assert (await olga.join(second.code))["room"]["id"] == second.id


async def test_joining_again_on_the_same_connection_shows_the_room_again(
    company: Company, process: Process
) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    await olga.say("One")
    answer = await olga.join(room.code)
    await olga.say("Two")

    assert [message["text"] for message in answer["messages"]] == ["One"]
    assert len(olga.heard("room:message")) == 2
    assert olga.people == ["olga"]


async def test_another_tenants_room_is_one_that_never_was(company: Company, process: Process) -> None:
    room = await company.room()
    await process.joined("olga", room.code)
    stranger = process.page("olga", tenant="other")
    unknown = "ZZZZZZ" if room.code != "ZZZZZZ" else "YYYYYY"
    there, nowhere = await stranger.join(room.code), await stranger.join(unknown)

    assert there | {"timestamp": ""} == nowhere | {"timestamp": ""}
    assert there["code"] == "NOT_FOUND"


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_pages_show_what_a_newcomer_is_shown(company: Company, seed: int) -> None:
    dice = random.Random(seed)
    one, other = company.process(), company.process()
    room = await company.room(most=5)
    pages = [(one, other)[number % 2].page(f"user {number}") for number in range(7)]
    pages[0] = one.page("olga")
    inside: set[Page] = set()

    async def step() -> None:
        page = dice.choice(pages)
        match dice.choice(["join", "join", "say", "say", "leave", "drop", "kick", "host"]):
            case "join" if page not in inside:
                resume = page.view is not None and dice.random() < 0.7
                if (await page.join(room.code, resume=resume))["ok"]:
                    inside.add(page)
            case "say":
                await page.say(f"{dice.random()}")
            case "leave":
                await page.send("room:leave")
                inside.discard(page)
            case "drop":
                await page.reconnect(dice.choice([one, other]))
                inside.discard(page)
            case "kick" if dice.random() < 0.2 and page.user != await owner():
                await one.rooms.act(room.tenant_id, room.id, KickRequested(await owner(), page.user))
                inside.discard(page)
            case "host" if inside:
                to = dice.choice(sorted(inside, key=lambda each: each.user)).user
                await one.rooms.act(room.tenant_id, room.id, HandOverRequested(await owner(), to))

    async def owner() -> str:
        return (await one.store.one(room.tenant_id, room.id) or room).owner

    for _ in range(40):
        await step()
        await company.agree(room, *inside)


# --- lost connections ---------------------------------------------------------------------------------


async def test_who_comes_back_in_time_gets_exactly_what_was_missed(anywhere: Company) -> None:
    company = anywhere
    one, other = company.process(), company.process()
    room = await company.room()
    olga, ben = await one.joined("olga", room.code), await one.joined("ben", room.code)
    await olga.say("One")
    await ben.leave()
    await olga.say("Two")
    await olga.say("Three")
    cem = await one.joined("cem", room.code)
    await ben.reconnect(other)
    answer = await ben.join(room.code, resume=True)
    await cem.say("Four")

    assert answer["resumed"] is True
    assert [missed["event"] for missed in answer["missed"]] == [
        "room:message", "room:message", "room:participant_joined",
    ]  # fmt: skip
    assert ben.messages == ["One", "Two", "Three", "Four"]
    assert ben.heard("room:joined") == []
    assert ben.heard("room:authenticated")[-1]["roomId"] == room.id
    await company.agree(room, olga, ben, cem)


async def test_who_missed_nothing_is_told_nothing(company: Company, process: Process) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    await olga.say("One")
    await olga.reconnect()
    answer = await olga.join(room.code, resume=True)

    assert (answer["resumed"], answer["missed"]) == (True, [])
    await company.agree(room, olga)


@pytest.mark.parametrize("place", [{"epoch": "another", "offset": 1}, {"epoch": "", "offset": 999}])
async def test_who_was_elsewhere_gets_the_whole_room(
    company: Company, process: Process, place: dict[str, object]
) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    await olga.reconnect()
    answer = await olga.send("room:join", roomCode=room.code, resume={"epoch": room.epoch} | place)

    assert (answer["resumed"], answer["participants"][0]["userId"]) == (False, "olga")


async def test_who_comes_back_too_late_is_new(books: Database) -> None:
    bounds = RoomBounds(room=Bounds(grace_ms=0))
    async with company_on(books, bounds) as company:
        process = company.process()
        room = await company.room()
        olga, ben = await process.joined("olga", room.code), await process.joined("ben", room.code)
        await ben.reconnect()
        await company.settle()
        assert olga.people == ["olga"]
        answer = await ben.join(room.code, resume=True)

        assert answer["resumed"] is False
        assert olga.people == ["olga", "ben"]
        await company.agree(room, olga, ben)


async def test_who_does_not_come_back_is_out_when_the_time_is_over(books: Database) -> None:
    bounds = RoomBounds(room=Bounds(grace_ms=300))
    async with company_on(books, bounds) as company:
        one, other = company.process(), company.process()
        room = await company.room()
        olga, ben = await one.joined("olga", room.code), await other.joined("ben", room.code)
        cem = await one.joined("cem", room.code)
        await ben.leave()
        await cem.leave()
        await company.settle()
        assert olga.people == ["olga", "ben", "cem"]
        async with asyncio.timeout(10):
            while olga.people != ["olga"]:
                await one.rooms.look([room.id])  # It was another process that noted the loss of one.
                await asyncio.sleep(0.01)

        assert {left["reason"] for left in olga.heard("room:participant_left")} == {"lost"}
        await company.agree(room, olga)


async def test_many_who_go_at_once_are_few_operations(company: Company, process: Process) -> None:
    room = await company.room(most=300)
    pages = await asyncio.gather(*(process.joined(f"user {number}", room.code) for number in range(250)))
    submitted: list[int] = []
    lose = process.store.writer.submit

    def counted(journal, operation, **options):  # type: ignore[no-untyped-def]
        submitted.append(len(operation.users))
        return lose(journal, operation, **options)

    process.store.writer.submit = counted  # type: ignore[method-assign]
    for page in pages[1:]:
        page.client.connected = False
        process.receiver.gone(page.client)
    await company.settle()

    assert sum(submitted) == 249
    assert len(submitted) == -(-249 // LOST_AT_ONCE_MAX)
    heads = await process.store.heads([room.id])
    assert heads[room.id].lost_at_ms is not None


# --- processes that hear nothing of each other --------------------------------------------------------


async def test_what_nobody_tells_is_found_in_the_database(anywhere: Company) -> None:
    company = anywhere
    one, other = company.process(), company.process()
    room = await company.room()
    olga, ben = await one.joined("olga", room.code), await other.joined("ben", room.code)
    other.topics.up = False
    for number in range(5):
        await olga.say(f"{number}")
    assert ben.messages == []
    await other.rooms.look([room.id])
    await company.settle()

    assert ben.messages == ["0", "1", "2", "3", "4"]
    await olga.say("5")
    other.topics.up = True
    await olga.say("6")
    await company.agree(room, olga, ben)
    assert ben.messages == ["0", "1", "2", "3", "4", "5", "6"]


async def test_a_process_that_was_taken_for_gone_takes_its_seats_again(company: Company) -> None:
    one, other = company.process(), company.process()
    room = await company.room()
    olga, ben = await one.joined("olga", room.code), await other.joined("ben", room.code)
    cem = await one.joined("cem", room.code)
    await other.rooms.act(room.tenant_id, room.id, KickRequested("olga", "cem"))
    one.boot_id = "boot_again"
    await one.rooms.reseat()
    await ben.say("Is anybody there?")

    assert olga.messages == ["Is anybody there?"]
    assert cem.messages == []
    await company.agree(room, olga, ben)
