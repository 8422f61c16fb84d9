"""Polls as their voters see them: one ballot each, results for those who may see them, the last one final."""

import asyncio
import itertools
import random
from typing import Any

import orjson
import pytest

from gateway.stores.interface import Database
from sessions import throttle
from sessions.room_events import CloseRequested, HandOverRequested, KickRequested
from tests.gateway.rooms.company import Company, Json, Page, Process, codes


async def opened(host: Page, **wanted: Any) -> Json:
    """A poll that is open."""
    given: Json = {"question": "Which?", "options": ["this", "that", "neither"]} | wanted
    answer = await host.send("poll:create", **given)
    assert answer["ok"], answer
    return dict(answer["poll"])


async def told(
    page: Page, poll: Json, *, state: str = "open", voters: int, counts: list[int] | None = None
) -> Json:
    """A poll as a page shows it, once it has come to this."""
    async with asyncio.timeout(10):
        while True:
            view = page.read() or {"polls": {}}
            shown = view["polls"].get(poll["id"])
            there = shown is not None and (shown["state"], shown["voters"]) == (state, voters)
            if there and (counts is None or votes(shown) == counts):
                return dict(shown)
            await asyncio.sleep(0.005)


def votes(poll: Json) -> list[int | None]:
    return [option.get("votes") for option in poll["options"]]


@pytest.fixture
async def two(company: Company) -> tuple[Process, Process]:
    return company.process(), company.process()


Two = tuple[Process, Process]


async def test_a_poll_from_its_opening_to_its_result(company: Company, two: Two) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    poll = await opened(olga)
    assert (poll["state"], poll["my_vote"], votes(poll)) == ("open", [], [0, 0, 0])
    assert (await told(ben, poll, voters=0))["question"] == "Which?"
    assert ben.heard("poll:created")[0]["poll"]["id"] == poll["id"]

    answer = await ben.vote(poll, "2", seq=1)
    assert (answer["poll"]["my_vote"], answer["poll"]["my_seq"], votes(answer["poll"])) == (
        ["2"],
        1,
        [0, 1, 0],
    )
    assert votes(await told(olga, poll, voters=1)) == [0, 1, 0]
    closed = await olga.send("poll:close", pollId=poll["id"])
    assert (closed["poll"]["state"], closed["poll"]["winners"]) == ("closed", ["2"])
    shown = await told(ben, poll, state="closed", voters=1)
    assert (shown["winners"], votes(shown)) == (["2"], [0, 1, 0])
    assert [option["percent"] for option in shown["options"]] == [0, 100, 0]


async def test_votes_count_once_however_often_they_are_sent(company: Company, two: Two) -> None:
    room = await company.room()
    olga = await two[0].joined("olga", room.code)
    ben, tab = await two[0].joined("ben", room.code), await two[1].joined("ben", room.code)
    poll = await opened(olga)
    await told(tab, poll, voters=0)
    for page in (ben, tab):
        for _ in range(3):
            answer = await page.vote(poll, "1", seq=5)
            assert (votes(answer["poll"]), answer["poll"]["voters"]) == ([1, 0, 0], 1)
    late = await tab.vote(poll, "3", seq=4)
    assert late["poll"]["my_vote"] == ["1"], "an older vote that another has overtaken"
    changed = await tab.vote(poll, "3", seq=6)

    assert votes(changed["poll"]) == [0, 0, 1]
    await told(olga, poll, voters=1, counts=[0, 0, 1])


async def test_late_votes_are_told_the_result(company: Company, two: Two) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    cem = await two[1].joined("cem", room.code)
    poll = await opened(olga)
    await ben.vote(poll, "1")
    await olga.send("poll:close", pollId=poll["id"])
    refused = await ben.vote(poll, "2")
    never = await cem.vote(poll, "2")

    assert codes([refused, never]) == ["POLL_CLOSED", "POLL_CLOSED"]
    assert (refused["poll"]["my_vote"], refused["poll"]["winners"]) == (["1"], ["1"])
    assert (never["poll"]["my_vote"], votes(never["poll"])) == ([], [1, 0, 0])


async def test_a_poll_closes_when_its_time_is_over(company: Company, two: Two, books: Database) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    poll = await opened(olga, closes_in_seconds=5)
    await ben.vote(poll, "1")
    await make_older(books, poll["id"], 5_000)
    await two[1].rooms.look([room.id])
    ended = await told(ben, poll, state="closed", voters=1)

    assert ended["winners"] == ["1"]
    assert (await told(olga, poll, state="closed", voters=1))["winners"] == ["1"]


async def test_who_votes_after_the_time_closes_the_poll_and_gets_the_result(
    company: Company, two: Two, books: Database
) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    poll = await opened(olga, closes_in_seconds=60)
    await ben.vote(poll, "1")
    await make_older(books, poll["id"], 60_000)
    refused = await ben.vote(poll, "2")

    assert (refused["code"], refused["poll"]["state"], refused["poll"]["winners"]) == (
        "POLL_CLOSED", "closed", ["1"],
    )  # fmt: skip
    assert (await told(olga, poll, state="closed", voters=1))["winners"] == ["1"]


async def make_older(books: Database, poll_id: str, ms: int) -> None:
    """Have a poll opened so much earlier."""
    from gateway.stores.rooms.schema import polls  # noqa: PLC0415

    def change(connection: Any) -> None:
        row = connection.execute(polls.select().where(polls.c.id == poll_id)).one()
        connection.execute(
            polls.update().where(polls.c.id == poll_id).values(
                opened_at=row.opened_at - ms, closes_at=row.closes_at - ms, deadline_at=row.deadline_at - ms,
                version=row.version + 1,
            )
        )  # fmt: skip

    await books.write(change)


# --- who sees the counts ------------------------------------------------------------------------------


def counts_heard(page: Page) -> list[list[int | None]]:
    """The counts in everything about polls that a page was told."""
    return [votes(body["poll"]) for body in page.heard("poll:created", "poll:updated", "poll:closed")]


NONE = [None, None, None]


async def test_counts_that_are_for_voters_reach_nobody_else(company: Company, two: Two) -> None:
    room = await company.room()
    olga = await two[0].joined("olga", room.code)
    ben, cem = await two[0].joined("ben", room.code), await two[1].joined("cem", room.code)
    poll = await opened(olga, results="after_vote")
    await told(cem, poll, voters=0)
    answer = await ben.vote(poll, "1")
    assert votes(answer["poll"]) == [1, 0, 0]
    assert votes(await told(olga, poll, voters=1)) == [1, 0, 0]
    assert votes(await told(ben, poll, voters=1)) == [1, 0, 0]
    assert votes(await told(cem, poll, voters=1)) == NONE
    assert all(counts == NONE for counts in counts_heard(cem))

    assert votes((await cem.vote(poll, "2"))["poll"]) == [1, 1, 0]
    assert votes(await told(cem, poll, voters=2)) == [1, 1, 0]
    assert votes((await cem.vote(poll))["poll"]) == NONE, "taken back"
    late = await two[1].joined("dana", room.code)
    assert votes(late.poll(poll["id"])) == NONE
    await olga.send("poll:close", pollId=poll["id"])
    assert votes(await told(late, poll, state="closed", voters=1)) == [1, 0, 0]


async def test_a_voters_other_tabs_see_what_the_voter_sees(company: Company, two: Two) -> None:
    room = await company.room()
    olga = await two[0].joined("olga", room.code)
    ben = [await process.joined("ben", room.code) for process in (two[0], two[0], two[1])]
    poll = await opened(olga, results="after_vote", visibility="anonymous")
    await told(ben[2], poll, voters=0)
    voters = [await two[0].joined(f"user {number}", room.code) for number in range(5)]
    for page in voters:
        await page.vote(poll, "1")
    await ben[0].vote(poll, "2", seq=3)
    await (await two[0].joined("eda", room.code)).vote(poll, "2")
    for _ in range(3):
        await (await two[0].joined("eda", room.code)).vote(poll, "2")
    for number in range(5, 10):
        await (await two[0].joined(f"user {number}", room.code)).vote(poll, "1")

    for tab in ben[1:]:
        async with asyncio.timeout(10):
            while tab.poll(poll["id"]).get("my_vote") != ["2"]:
                await asyncio.sleep(0.01)
        assert votes(await told(tab, poll, voters=10)) == [8, 2, 0] or votes(tab.poll(poll["id"])) != NONE


@pytest.mark.parametrize("results", ["after_close", "host"])
async def test_counts_that_are_for_the_host_reach_nobody_else(
    company: Company, two: Two, results: str
) -> None:
    room = await company.room()
    olga = await two[0].joined("olga", room.code)
    ben, cem = await two[0].joined("ben", room.code), await two[1].joined("cem", room.code)
    poll = await opened(olga, results=results)
    await told(cem, poll, voters=0)
    assert votes((await ben.vote(poll, "1"))["poll"]) == NONE
    assert votes(await told(olga, poll, voters=1)) == [1, 0, 0]
    assert votes(await told(cem, poll, voters=1)) == NONE
    await olga.send("poll:close", pollId=poll["id"])
    for page in (ben, cem):
        shown = await told(page, poll, state="closed", voters=1)
        assert votes(shown) == ([1, 0, 0] if results == "after_close" else NONE)
        assert shown.get("winners") == (["1"] if results == "after_close" else None)
    assert all(counts == NONE for page in (ben, cem) for counts in counts_heard(page)[:-1])


async def test_a_new_host_sees_what_a_host_sees_and_the_old_one_no_more(company: Company, two: Two) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    cem = await two[0].joined("cem", room.code)
    poll = await opened(olga, results="host")
    await told(ben, poll, voters=0)
    await ben.vote(poll, "1")
    await two[0].rooms.act(room.tenant_id, room.id, HandOverRequested("olga", "ben"))
    async with asyncio.timeout(10):
        while votes(ben.poll(poll["id"])) != [1, 0, 0]:
            await asyncio.sleep(0.005)
    seen_by_olga = len(counts_heard(olga))
    await cem.vote(poll, "1")

    assert votes(await told(ben, poll, voters=2)) == [2, 0, 0]
    await told(cem, poll, voters=2)
    assert all(counts == NONE for counts in counts_heard(olga)[seen_by_olga:])


async def test_an_anonymous_poll_reveals_no_voter(
    company: Company, two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    said: list[bytes] = []
    publish = two[0].topics.publish

    def overheard(topic: str, said_there: bytes) -> None:
        said.append(said_there)
        publish(topic, said_there)

    two[0].topics.publish = overheard  # type: ignore[method-assign, assignment]
    room = await company.room()
    olga = await two[0].joined("olga", room.code)
    pages = [await two[number % 2].joined(f"secret {number}", room.code) for number in range(12)]
    poll = await opened(olga, visibility="anonymous")
    await told(pages[1], poll, voters=0)
    marks = {page: len(page.client.emitted) for page in (olga, *pages)}
    said.clear()
    shown = [votes((await page.vote(poll, "1"))["poll"]) for page in pages]

    assert shown[:4] == [NONE] * 4, "the first few could be told apart"
    assert shown[4:9] == [[5, 0, 0]] * 5, "and so could those who come one by one"
    await olga.send("poll:close", pollId=poll["id"])
    await told(pages[1], poll, state="closed", voters=12)
    for page, mark in marks.items():
        heard = orjson.dumps(page.client.emitted[mark:])
        assert b"secret" not in heard
    assert b"secret" not in b"".join(said)
    assert not any("secret" in record.getMessage() + str(record.__dict__) for record in caplog.records
                   if record.name.startswith("gateway"))  # fmt: skip
    refused = await pages[0].vote(poll, "2")
    assert (refused["code"], refused["poll"].get("my_vote")) == ("POLL_CLOSED", None)


# --- hosts --------------------------------------------------------------------------------------------


async def test_only_a_host_makes_polls_and_one_at_a_time(company: Company, two: Two) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    given = {"question": "Which?", "options": ["this", "that"]}
    first = await olga.send("poll:create", **given, clientId="p1")
    again = await olga.send("poll:create", **given, clientId="p1")

    assert again["poll"]["id"] == first["poll"]["id"]
    refused = [
        await ben.send("poll:create", **given), await olga.send("poll:create", **given),
        await ben.send("poll:close", pollId=first["poll"]["id"]),
    ]  # fmt: skip
    assert codes(refused) == ["NOT_HOST", "ANOTHER_POLL_OPEN", "NOT_HOST"]


async def test_a_draft_is_shown_to_nobody_but_the_host_until_it_is_opened(company: Company, two: Two) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    tab = await two[0].joined("olga", room.code)
    draft = await opened(olga, draft=True)
    assert draft["state"] == "draft"
    assert (await ben.vote(draft, "1"))["code"] == "POLL_NOT_OPEN"
    edited = await olga.send(
        "poll:edit", pollId=draft["id"], question="Which one?", options=["a", "b"], multiple=True
    )
    assert edited["poll"]["question"] == "Which one?"
    assert tab.poll(draft["id"])["state"] == "draft"
    assert (ben.read() or {})["polls"] == {}
    assert ((await two[1].joined("cem", room.code)).read() or {})["polls"] == {}
    await olga.send("poll:open", pollId=draft["id"])

    assert (await told(ben, draft, voters=0))["question"] == "Which one?"
    assert ben.heard("poll:created")[0]["poll"]["state"] == "open"
    assert (await ben.vote(draft, "1", "2"))["ok"]
    refused = await olga.send("poll:edit", pollId=draft["id"], question="Or?", options=["a", "b"])
    assert refused["code"] == "POLL_NOT_DRAFT"


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"question": "", "options": ["a", "b"]}, "question"),
        ({"question": "?", "options": ["a"]}, "options"),
        ({"question": "?", "options": ["a", " a "]}, "options"),
        ({"question": "?", "options": ["a", "\u200b"]}, "options"),
        ({"question": "?", "options": ["a", "b"], "closes_in_seconds": 1}, "closes_in_seconds"),
        ({"question": "?", "options": ["a", "b"], "results": "never"}, "results"),
    ],
)
async def test_a_poll_that_cannot_be_is_refused_with_what_is_wrong(
    company: Company, process: Process, payload: Json, param: str
) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    refused = await olga.send("poll:create", **payload)

    assert (refused["code"], refused["param"].partition(".")[0]) == ("INVALID", param)


async def test_a_vote_that_is_none_is_refused(company: Company, process: Process) -> None:
    room = await company.room()
    olga = await process.joined("olga", room.code)
    poll = await opened(olga, allow_change=False)
    assert (
        codes([await olga.vote(poll, "9"), await olga.vote(poll, "1", "2"), await olga.vote(poll)])
        == ["INVALID"] * 3
    )
    assert (await olga.vote({"id": "7a0c8b4e-6f0d-4d39-9c55-2f0c1f7d0a77"}, "1"))["code"] == "NOT_FOUND"
    assert (await olga.vote({"id": "x\0"}, "1"))["code"] == "NOT_FOUND"
    await olga.vote(poll, "1")
    refused = await olga.vote(poll, "2")

    assert (refused["code"], refused["my_vote"]) == ("VOTE_FIXED", ["1"])


async def test_nobody_votes_from_outside(company: Company, two: Two) -> None:
    room, other = await company.room(), await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    cem, eve = await two[1].joined("cem", other.code), await two[0].joined("eve", room.code)
    poll = await opened(olga)
    stranger = two[1].page("ben", tenant="other")
    await two[0].rooms.act(room.tenant_id, room.id, KickRequested("olga", "eve"))
    await ben.send("room:leave")

    refused = [await page.vote(poll, "1") for page in (ben, cem, eve, stranger)]
    assert codes(refused) == ["NOT_IN_ROOM", "NOT_FOUND", "NOT_IN_ROOM", "NOT_IN_ROOM"]
    assert votes((await olga.vote(poll, "1"))["poll"]) == [1, 0, 0]


async def test_the_host_of_another_room_is_nobody_in_this_one(company: Company, two: Two) -> None:
    room, other = await company.room(), await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[0].joined("ben", room.code)
    ended = await opened(olga, results="host")
    await olga.send("poll:close", pollId=ended["id"])
    await two[0].rooms.act(room.tenant_id, room.id, HandOverRequested("olga", "ben"))
    running = await opened(ben)
    await two[0].rooms.act(room.tenant_id, room.id, HandOverRequested("ben", "olga"))
    elsewhere = await two[0].joined("ben", other.code)
    await two[0].rooms.act(room.tenant_id, room.id, KickRequested("olga", "ben"))

    refused = [
        await elsewhere.vote(ended, "1"),
        await elsewhere.send("poll:close", pollId=running["id"]),
        await elsewhere.send("poll:edit", pollId=running["id"], question="Mine?", options=["a", "b"]),
        await elsewhere.send("poll:open", pollId=running["id"]),
    ]
    assert codes(refused) == ["NOT_FOUND"] * 4
    assert not any("poll" in answer for answer in refused)


async def test_a_draft_that_somebody_came_in_beside_is_created_when_it_opens(
    company: Company, two: Two
) -> None:
    room = await company.room()
    olga = await two[0].joined("olga", room.code)
    draft = await opened(olga, draft=True)
    ben = await two[1].joined("ben", room.code)
    await olga.send("poll:open", pollId=draft["id"])
    await told(ben, draft, voters=0)
    assert [each["poll"]["id"] for each in ben.heard("poll:created")] == [draft["id"]]


async def test_polls_end_with_their_room_and_everybody_hears_how(company: Company, two: Two) -> None:
    room = await company.room()
    olga, ben = await two[0].joined("olga", room.code), await two[1].joined("ben", room.code)
    poll = await opened(olga)
    await told(ben, poll, voters=0)
    await ben.vote(poll, "3")
    await two[0].rooms.act(room.tenant_id, room.id, CloseRequested("olga"))

    for page in (olga, ben):
        assert (await told(page, poll, state="closed", voters=1))["winners"] == ["3"]
    await company.settle()
    assert not two[0].hall.audience(f"room:{room.id}").clients


# --- how often ----------------------------------------------------------------------------------------


async def test_a_room_is_told_four_times_a_second_and_of_the_last_always(
    company: Company, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await company.room(most=200)
    pages = [await two[number % 2].joined(f"user {number}", room.code) for number in range(60)]
    olga = await two[0].joined("olga", room.code)
    times: list[float] = []
    loop = asyncio.get_running_loop()
    emit = pages[1].client.emit

    def timed(event: str, *payloads: Any) -> None:
        if event.startswith("poll:") and "my_vote" not in plain_poll(payloads):
            times.append(loop.time())
        emit(event, *payloads)

    def plain_poll(payloads: Any) -> Json:
        return dict(payloads[0]["poll"])

    pages[1].client.emit = timed  # type: ignore[method-assign]
    poll = await opened(olga)
    dice = random.Random(1)

    async def voter(page: Page) -> None:
        while len(times) < 4:
            await page.vote(poll, dice.choice("123"))

    await asyncio.gather(*map(voter, pages))
    final = (await olga.send("poll:close", pollId=poll["id"]))["poll"]
    for page in pages:
        assert votes(await told(page, poll, state="closed", voters=60)) == votes(final)
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert min(gaps) >= throttle.INTERVAL_MS / 1000 - 0.002
    await company.settle()


async def test_a_storm_of_votes_adds_up_to_the_ballots(anywhere: Company) -> None:
    company, two = anywhere, (anywhere.process(), anywhere.process())
    room = await company.room(most=300)
    olga = await two[0].joined("olga", room.code)
    pages = await asyncio.gather(
        *(two[number % 2].joined(f"user {number}", room.code) for number in range(100))
    )
    poll = await opened(olga, multiple=True)
    dice = random.Random(2)
    held: dict[str, tuple[str, ...]] = {}
    answers: list[Json] = []

    async def voter(page: Page) -> None:
        for seq in range(1, 6):
            chosen = tuple(sorted(dice.sample("123", dice.randint(0, 3))))
            for _ in range(1 + (dice.random() < 0.2)):
                answer = await page.vote(poll, *chosen, seq=seq)
                answers.append(answer)
                if answer["ok"]:
                    held[page.user] = chosen

    async def closing() -> Json:
        while len(answers) < 400:
            await asyncio.sleep(0.001)
        return dict((await olga.send("poll:close", pollId=poll["id"]))["poll"])

    async with asyncio.TaskGroup() as group:
        ending = group.create_task(closing())
        for page in pages:
            group.create_task(voter(page))
    final = ending.result()
    expected = [sum(option in chosen for chosen in held.values()) for option in "123"]

    assert {answer["code"] for answer in answers if not answer["ok"]} == {"POLL_CLOSED"}
    assert votes(final) == expected
    assert final["voters"] == sum(bool(chosen) for chosen in held.values())
    for page in pages:
        assert votes(await told(page, poll, state="closed", voters=final["voters"])) == expected
