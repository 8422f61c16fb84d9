"""Many at once, from two servers: nobody gets what only one may have, and nothing is counted twice."""

import asyncio
import random
from dataclasses import replace

import pytest

from gateway.stores.rooms.operations import ActInPoll, CreatePoll, CreateRoom, PollDone, RoomDone
from sessions import polls
from sessions.ballots import Tally
from sessions.poll_records import State
from sessions.polls import AnotherPollOpen, PollClosed
from sessions.room_events import (
    CloseRequested,
    DeadlinePassed,
    Event,
    HandOverRequested,
    JoinRequested,
    KickRequested,
    LeaveRequested,
)
from tests.gateway.stores.rooms.lobby import QUESTION, TENANT, Lobby, refusals


async def test_two_hundred_join_at_once_and_fifty_are_in(lobby: Lobby) -> None:
    room_id = await lobby.room(participants_max=50)
    answers = await lobby.do(*(lobby.event(room_id, JoinRequested(f"user{number}")) for number in range(200)))
    assert refusals(answers) == ["RoomFull"] * 150
    people = await lobby.people(room_id)
    assert people == [f"user{number}" for number in range(50)]


async def test_two_servers_fill_a_room_to_the_last_place_and_no_further(lobby: Lobby, other: Lobby) -> None:
    room_id = await lobby.room(participants_max=50)
    mine, theirs = await asyncio.gather(
        lobby.do(*(lobby.event(room_id, JoinRequested(f"mine{number}")) for number in range(100))),
        other.do(*(other.event(room_id, JoinRequested(f"their{number}")) for number in range(100))),
    )
    assert refusals([*mine, *theirs]) == ["RoomFull"] * 150
    assert len(await lobby.people(room_id)) == 50


async def test_one_user_who_comes_by_both_servers_is_one_participant(lobby: Lobby, other: Lobby) -> None:
    room_id = await lobby.room("olga")
    answers = await asyncio.gather(
        *(one.do(*(one.event(room_id, JoinRequested("ben")) for _ in range(20))) for one in (lobby, other))
    )
    assert refusals([answer for both in answers for answer in both]) == []
    assert await lobby.people(room_id) == ["olga", "ben"]
    await lobby.lose(room_id, "ben")
    assert (await lobby.whole(room_id)).room.participants["ben"].lost_at_ms is None
    await other.lose(room_id, "ben")
    assert (await lobby.whole(room_id)).room.participants["ben"].lost_at_ms == other.now_ms


async def test_a_code_that_two_servers_want_is_one_rooms(lobby: Lobby, other: Lobby) -> None:
    wanted = [
        [CreateRoom(one.new_room(code=f"AAAA{number:02}")) for number in range(22, 42)]
        for one in (lobby, other)
    ]
    mine, theirs = await asyncio.gather(lobby.do(*wanted[0]), other.do(*reversed(wanted[1])))
    assert refusals([*mine, *theirs]) == ["CodeTaken"] * 20
    for answer, rival in zip(mine, reversed(theirs), strict=True):
        assert isinstance(answer, RoomDone) != isinstance(rival, RoomDone)


async def test_whatever_happens_at_once_the_room_is_sound(lobby: Lobby, other: Lobby) -> None:
    chance = random.Random(7)
    rooms = [await lobby.room("olga", participants_max=4) for _ in range(3)]
    users = ["olga", "ana", "ben", "cem", "dan", "eva"]

    def anything() -> Event:
        user, second = chance.sample(users, 2)
        events: list[Event] = [
            JoinRequested(user), JoinRequested(second), LeaveRequested(user), lobby.message(user),
            HandOverRequested(user, second), DeadlinePassed(),
        ]  # fmt: skip
        return chance.choice(events)

    for _ in range(4):
        await asyncio.gather(*(
            one.do(*(one.event(chance.choice(rooms), anything()) for _ in range(60)))
            for one in (lobby, other)
        ))  # fmt: skip
        for room_id in rooms:
            await lobby.whole(room_id)


async def test_who_is_kicked_while_they_rush_in_is_out(lobby: Lobby, other: Lobby) -> None:
    room_id = await lobby.room("olga")
    joins = [other.event(room_id, JoinRequested("ben")) for _ in range(60)]
    kick = [lobby.event(room_id, KickRequested("olga", "ben"))]
    answers, (kicked,) = await asyncio.gather(other.do(*joins), lobby.do(*kick))
    assert isinstance(kicked, RoomDone)
    assert set(refusals(answers)) <= {"KickedOut"}
    assert await lobby.people(room_id) == ["olga"]


async def test_two_servers_open_one_poll(lobby: Lobby, other: Lobby) -> None:
    room_id = await lobby.room("olga")
    made = await asyncio.gather(*(
        one.do(*(CreatePoll(TENANT, one.new_poll(room_id), one.now_ms) for _ in range(5)))
        for one in (lobby, other)
    ))  # fmt: skip
    answers = [answer for both in made for answer in both]
    assert refusals(answers) == [AnotherPollOpen.__name__] * 9


async def test_users_who_vote_by_both_servers_at_once_are_counted_once(lobby: Lobby, other: Lobby) -> None:
    users = [f"user{number}" for number in range(40)]
    room_id = await lobby.room("olga", *users, participants_max=50)
    poll_id = await lobby.poll(room_id)
    chance = random.Random(11)
    for seq in range(1, 4):
        votes = [
            [one.vote(poll_id, user, str(chance.randint(1, 3)), seq=seq) for user in users]
            for one in (lobby, other)
        ]
        chance.shuffle(votes[1])
        answers = await asyncio.gather(lobby.do(*votes[0]), other.do(*votes[1]))
        assert refusals([answer for both in answers for answer in both]) == []
        assert (await lobby.polled(poll_id)).tally.voters == 40
    ballots = await lobby.ballots(poll_id)
    assert {ballot.seq for ballot in ballots.values()} == {3}


@pytest.mark.parametrize("room_closes", [False, True], ids=["the poll is closed", "its room is"])
async def test_a_vote_counts_or_is_told_that_it_came_too_late(
    lobby: Lobby, other: Lobby, room_closes: bool
) -> None:
    users = [f"user{number}" for number in range(100)]
    room_id = await lobby.room("olga", participants_max=200)
    await lobby.do(*(lobby.event(room_id, JoinRequested(user)) for user in users))
    poll_id = await lobby.poll(room_id)
    closing = lobby.event(room_id, CloseRequested("olga")) if room_closes else lobby.closing(poll_id)

    async def close_meanwhile() -> list[PollDone | RoomDone]:
        await other.do(other.vote(poll_id, "olga", "1"))
        return await lobby.do(closing)

    votes = [other.vote(poll_id, user, "2") for user in users]
    answers, (closed,) = await asyncio.gather(other.do(*votes), close_meanwhile())
    late = refusals(answers)
    assert set(late) <= {"PollClosed", "RoomOver"}
    poll = await lobby.polled(poll_id)
    assert poll.state is State.CLOSED
    assert poll.tally == Tally((1, 100 - len(late), 0), 101 - len(late))
    final = closed.polls[0] if isinstance(closed, RoomDone) else closed
    assert (final.poll, final.effects) == (poll, (polls.AnnounceClosed(),))


async def test_late_is_late_for_everybody(lobby: Lobby) -> None:
    users = [f"user{number}" for number in range(50)]
    room_id = await lobby.room("olga", *users, participants_max=60)
    poll_id = await lobby.poll(room_id, replace(QUESTION, open_ms=60_000))
    await lobby.do(*(lobby.vote(poll_id, user, "1") for user in users[:30]))
    lobby.now_ms += 60_000
    answers = await lobby.do(*(lobby.vote(poll_id, user, "2", seq=2) for user in users))
    assert [type(answer) for answer in answers] == [PollClosed] * 50
    (closed,) = await lobby.do(ActInPoll(TENANT, poll_id, polls.DeadlinePassed(), lobby.now_ms))
    assert closed.poll.tally == Tally((30, 0, 0), 30)
