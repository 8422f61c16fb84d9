"""Rooms and polls of real servers: one on SQLite that is killed, two on one PostgreSQL and one Redis."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Postgres, Redis, apart
from tests.databases import redis_server as run_redis
from tests.end_to_end.guests import Guest, Json, Party, new_room, party, post
from tests.gateway.socketio.node import browsing
from tests.house import NO_LIMITS, House, close_house, open_house, token

QUIET = NO_LIMITS | {"RECOGNIZERS": "silent", "BOOT_LEASE_SECONDS": "3"}
VOTERS = 200
OPTIONS = ["this", "that", "neither"]


@pytest.fixture
async def guests() -> AsyncIterator[Party]:
    async with party() as here:
        yield here


class Two:
    """Two servers, and what they stand on."""

    def __init__(self, one: House, other: House, redis: Redis) -> None:
        self.one = one
        self.other = other
        self.redis = redis


@pytest.fixture(scope="module")
def two(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder, url = tmp_path_factory.mktemp("rooms"), apart(postgres.migrated_database())
    with ExitStack() as stack:
        stack.callback(lambda: apart(postgres.drop(url)))
        redis = stack.enter_context(run_redis())
        settings = QUIET | {"DATABASE_URL": url, "REDIS_URL": redis.url}
        with ThreadPoolExecutor(2) as threads:
            starting = [threads.submit(open_house, folder / name, **settings) for name in ("a", "b")]
        houses = [started.result() for started in starting]
        for house in houses:
            stack.callback(close_house, house)
        yield Two(houses[0], houses[1], redis)


def votes(poll: Json) -> list[int]:
    return [option["votes"] for option in poll["options"]]


def messages(guest: Guest) -> list[str]:
    return [told["text"] for told in guest.told("room:message")]


async def opened(host: Guest, **wanted: Any) -> Json:
    answer = await host.ask("poll:create", question="Which?", options=OPTIONS, **wanted)
    assert answer["ok"], answer
    return dict(answer["poll"])


# --- two servers --------------------------------------------------------------------------------------


async def test_people_of_two_servers_are_in_one_room_with_npms_client(two: Two) -> None:
    room = await new_room(two.one)
    async with browsing() as browser:
        olga = browser.connect(two.one.url(""), token("olga"), transports=["websocket"])
        ben = browser.connect(two.other.url(""), token("ben"), transports=["polling"])
        for client in (olga, ben):
            await client.once("connect")
        assert (await olga.ask("room:join", {"roomCode": room["room_code"]}))["ok"]
        joined = await ben.ask("room:join", {"roomCode": room["room_code"].lower()})
        assert [at["userId"] for at in joined["participants"]] == ["olga", "ben"]
        assert (await olga.once("room:participant_joined"))[0]["userId"] == "ben"
        sent = await ben.ask("room:message", {"text": "Shalom \U0001f44b", "clientId": "1"})
        assert (await olga.next("room:message"))[0] == sent["message"]
        assert (await ben.next("room:message"))[0] == sent["message"]
        made = await olga.ask("poll:create", {"question": "Which?", "options": OPTIONS})
        (told,) = await ben.next("poll:created")
        assert told["poll"]["id"] == made["poll"]["id"]
        voted = await ben.ask(
            "poll:vote", {"pollId": made["poll"]["id"], "optionIds": ["2"], "clientVoteSeq": 1}
        )
        assert (voted["poll"]["my_vote"], votes(voted["poll"])) == (["2"], [0, 1, 0])
        assert votes((await olga.next("poll:updated"))[0]["poll"]) == [0, 1, 0]
        closed = await olga.ask("poll:close", {"pollId": made["poll"]["id"]})
        assert closed["poll"]["winners"] == ["2"]
        assert (await ben.next("poll:closed"))[0]["poll"]["winners"] == ["2"]
        ben.break_off()
        await ben.next("connect")
        await olga.ask("room:message", {"text": "Missed you", "clientId": "2"})
        place = {"epoch": joined["epoch"], "offset": sent["message"]["offset"]}
        back = await ben.ask("room:join", {"roomCode": room["room_code"], "resume": place})
        assert (back["resumed"], [missed["data"]["text"] for missed in back["missed"]]) == (
            True,
            ["Missed you"],
        )
        await post(two.other, f"/{room['room_code']}/kick", user_id="ben")
        assert (await ben.next("room:participant_left"))[0]["reason"] == "kicked"
        assert (await ben.ask("room:join", {"roomCode": room["room_code"]}))["code"] == "KICKED_OUT"


async def test_two_hundred_who_come_at_once_fill_a_room_of_fifty(two: Two, guests: Party) -> None:
    room = await new_room(two.one, 50)
    here = await guests.guests(two.one, [f"u{number}" for number in range(100)])
    here += await guests.guests(two.other, [f"v{number}" for number in range(100)])
    answers = await asyncio.gather(*(guest.join(room["room_code"]) for guest in here))

    inside = [guest for guest, answer in zip(here, answers, strict=True) if answer["ok"]]
    assert len(inside) == 50
    assert {answer["code"] for answer in answers if not answer["ok"]} == {"ROOM_FULL"}
    await inside[0].say("Full house")
    for guest in inside:
        await guest.until("room:message", text="Full house")


async def test_everybody_hears_everything_in_one_order_also_while_redis_is_lost(
    two: Two, guests: Party
) -> None:
    room = await new_room(two.one)
    here = [
        await guests.joined((two.one, two.other)[number % 2], f"u{number}", room["room_code"])
        for number in range(6)
    ]
    poll_host = await guests.joined(two.one, "olga", room["room_code"])

    async def chatter(guest: Guest, first: int) -> None:
        for number in range(first, first + 5):
            assert (await guest.say(f"{guest.user}: {number}"))["ok"]

    await asyncio.gather(*(chatter(guest, 0) for guest in here))
    two.redis.kill()
    await asyncio.gather(*(chatter(guest, 5) for guest in here))
    poll = await opened(poll_host)
    await here[1].until("poll:created", id=poll["id"])
    await here[1].vote(poll, "1", seq=1)
    await poll_host.until("poll:updated", voters=1)
    two.redis.start()
    await asyncio.gather(*(chatter(guest, 10) for guest in here))
    last = await here[0].say("last")
    for guest in here:
        await guest.until("room:message", text="last")

    offsets = [told["offset"] for told in here[0].told("room:message")]
    assert len(offsets) == 91
    for guest in here:
        assert messages(guest) == messages(here[0])
        assert [told["offset"] for told in guest.told("room:message")] == offsets == sorted(set(offsets))
        for user in (other.user for other in here):
            own = [int(text.split()[1]) for text in messages(guest) if text.startswith(f"{user}:")]
            assert own == list(range(15))
    assert offsets[-1] == last["message"]["offset"]


async def test_who_comes_back_to_the_other_server_gets_exactly_what_was_missed(
    two: Two, guests: Party
) -> None:
    room = await new_room(two.one)
    olga = await guests.joined(two.one, "olga", room["room_code"])
    ben = await guests.guest(two.one, "ben")
    joined = await ben.join(room["room_code"])
    await ben.cut()
    texts = [f"line {number}" for number in range(20)]
    for text in texts:
        await olga.say(text)
    again = await guests.guest(two.other, "ben")
    place = {"epoch": joined["epoch"], "offset": joined["offset"]}
    back = await again.join(room["room_code"], place)
    await olga.say("and on")
    await again.until("room:message", text="and on")

    assert back["resumed"] is True
    assert [missed["data"]["text"] for missed in back["missed"]] == texts
    assert messages(again) == ["and on"]
    assert [left["userId"] for left in olga.told("room:participant_left")] == []


async def test_a_storm_of_votes_adds_up_to_the_ballots(two: Two, guests: Party) -> None:
    room = await new_room(two.one, VOTERS + 10)
    olga = await guests.joined(two.one, "olga", room["room_code"])
    here: list[Guest] = []
    for number, house in enumerate((two.one, two.other)):
        here += await guests.guests(house, [f"u{number}-{each}" for each in range(VOTERS // 2)])
    assert all(answer["ok"] for answer in await asyncio.gather(*(g.join(room["room_code"]) for g in here)))
    poll = await opened(olga)
    dice, held, answers = random.Random(3), dict[str, str](), list[Json]()

    async def voter(guest: Guest) -> None:
        for seq in range(1, 6):
            chosen = dice.choice("123")
            for _ in range(1 + (dice.random() < 0.2)):
                answers.append(await guest.vote(poll, chosen, seq=seq))
                if answers[-1]["ok"]:
                    held[guest.user] = chosen

    async def closing() -> Json:
        while len(answers) < 4 * VOTERS:
            await asyncio.sleep(0.005)
        return dict((await olga.ask("poll:close", pollId=poll["id"]))["poll"])

    async with asyncio.TaskGroup() as group:
        ending = group.create_task(closing())
        for guest in here:
            group.create_task(voter(guest))
    final = ending.result()
    expected = [sum(chosen == option for chosen in held.values()) for option in "123"]

    assert {answer["code"] for answer in answers if not answer["ok"]} <= {"POLL_CLOSED"}
    assert (votes(final), final["voters"]) == (expected, len(held))
    for guest in (olga, *here):
        told = await guest.until("poll:closed", id=poll["id"])
        assert votes(told["poll"]) == expected
        versions = [body["poll"]["version"] for body in guest.told("poll:updated")]
        assert versions == sorted(versions)


# --- one server that is killed ------------------------------------------------------------------------


async def test_every_vote_and_message_that_was_answered_is_there_after_a_kill(
    tmp_path: Path, guests: Party
) -> None:
    house = open_house(tmp_path, **QUIET)
    try:
        room = await new_room(house)
        olga = await guests.joined(house, "olga", room["room_code"])
        here = await guests.guests(house, [f"u{number}" for number in range(30)])
        joins = [await guest.join(room["room_code"]) for guest in here]
        poll = await opened(olga)
        held: dict[str, tuple[int, str]] = {}
        said: list[str] = []

        async def live(guest: Guest) -> None:
            seq = 0
            while True:
                seq += 1
                chosen = "123"[seq % 3]
                if (await guest.vote(poll, chosen, seq=seq))["ok"]:
                    held[guest.user] = (seq, chosen)
                if seq % 5 == 0 and (await guest.say(f"{guest.user}: {seq}"))["ok"]:
                    said.append(f"{guest.user}: {seq}")

        async def kill() -> None:
            while len(said) < 60:
                await asyncio.sleep(0.001)
            house.process.send_signal(signal.SIGKILL)

        results = await asyncio.gather(kill(), *map(live, here), return_exceptions=True)
        assert {type(result) for result in results[1:]} == {ConnectionResetError}
        await asyncio.to_thread(house.process.wait)
        close_house(house)
        house = open_house(tmp_path, **QUIET)

        for guest, join in zip(here, joins, strict=True):
            again = await guests.guest(house, guest.user)
            back = await again.join(room["room_code"], {"epoch": join["epoch"], "offset": join["offset"]})
            assert back["resumed"] is True, "within the grace time a restart loses no place"
            offsets = [missed["data"]["offset"] for missed in back["missed"]]
            assert offsets == list(range(join["offset"] + 1, back["offset"] + 1))
            texts = [m["data"]["text"] for m in back["missed"] if m["event"] == "room:message"]
            assert set(said) <= set(texts)
            assert len(texts) == len(set(texts))
            (mine,) = back["polls"]
            assert mine["my_seq"] >= held[guest.user][0]
            if mine["my_seq"] == held[guest.user][0]:
                assert mine["my_vote"] == [held[guest.user][1]]
        host = await guests.joined(house, "olga", room["room_code"])
        final = (await host.ask("poll:close", pollId=poll["id"]))["poll"]
        assert (final["voters"], sum(votes(final))) == (30, 30)
    finally:
        close_house(house)


async def test_nothing_of_an_anonymous_vote_is_in_the_log(tmp_path: Path, guests: Party) -> None:
    house = open_house(tmp_path, LOG_LEVEL="debug", **QUIET)
    try:
        room = await new_room(house)
        olga = await guests.joined(house, "olga", room["room_code"])
        poll = await opened(olga, visibility="anonymous")
        here = await guests.guests(house, [f"secret-{number}" for number in range(7)])
        for guest in here:
            await guest.join(room["room_code"])
        await asyncio.to_thread(house.log.write_text, "")
        for guest in here:
            assert (await guest.vote(poll, "2", seq=1))["ok"]
        final = (await olga.ask("poll:close", pollId=poll["id"]))["poll"]
        assert votes(final) == [0, 7, 0]
        assert "secret-" not in house.log.read_text()
    finally:
        close_house(house)


async def test_a_poll_closes_and_the_lost_go_on_time(tmp_path: Path, guests: Party) -> None:
    house = open_house(tmp_path, **(QUIET | {"ROOM_GRACE_SECONDS": "1", "REAPER_INTERVAL_SECONDS": "1"}))
    try:
        room = await new_room(house)
        olga = await guests.joined(house, "olga", room["room_code"])
        ben = await guests.joined(house, "ben", room["room_code"])
        poll = await opened(olga, closes_in_seconds=5)
        await ben.vote(poll, "1", seq=1)
        await ben.cut()
        left = await olga.until("room:participant_left", userId="ben")
        closed = await olga.until("poll:closed", id=poll["id"])

        assert left["reason"] == "lost"
        assert (closed["poll"]["winners"], closed["poll"]["voters"]) == (["1"], 1)
    finally:
        close_house(house)
