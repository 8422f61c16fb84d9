"""Processes that are killed in mid-vote, and several that rush a room: what was acknowledged is there."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.stores.database import open_database
from sessions.ballots import Ballot
from sessions.poll_records import Poll
from sessions.room_events import JoinRequested
from tests.databases import Postgres
from tests.gateway.stores.rooms.at_work import at_work
from tests.gateway.stores.rooms.lobby import Lobby

USERS = 60


async def made(url: str, folder: Path) -> str:
    """A poll that is open, in a room full of users."""
    database = await open_database(url, folder)
    lobby = Lobby(database)
    room_id = await lobby.room("olga", participants_max=100)
    await lobby.do(*(lobby.event(room_id, JoinRequested(f"user{number}")) for number in range(USERS)))
    poll_id = await lobby.poll(room_id)
    await lobby.aclose()
    await database.aclose()
    return poll_id


async def killed(url: str, folder: Path, poll_id: str, first_seq: int, votes: int) -> list[str]:
    """Let a process vote until so many were acknowledged, kill it, and return all that it acknowledged."""
    async with at_work(url, folder, "vote", poll_id, str(first_seq), str(USERS)) as process:
        said = [await process.line() for _ in range(votes)]
        process.process.kill()
        said += await process.lines()
        if said[-1].count(" ") < 2 or not said[-1].rpartition(" ")[2]:
            del said[-1]  # Cut off by the kill: nobody was told.
        await process.process.wait()
        return said


async def voted(url: str, folder: Path, poll_id: str) -> tuple[Poll, dict[str, Ballot]]:
    database = await open_database(url, folder)
    lobby = Lobby(database)
    found = await lobby.polled(poll_id), await lobby.ballots(poll_id)
    await lobby.aclose()
    await database.aclose()
    return found


async def assert_nothing_is_lost(url: str, folder: Path, kills: int, most: int) -> None:
    poll_id = await made(url, folder)
    chance = random.Random(3)
    for life in range(kills):
        said = await killed(url, folder, poll_id, life * 1_000_000, chance.randrange(1, most))
        newest: dict[str, Ballot] = {}
        for line in said:
            user, option_id, seq = line.split()
            newest[user] = Ballot(user, (option_id,), int(seq))
        poll, ballots = await voted(url, folder, poll_id)
        assert newest
        assert poll.tally.voters == len(ballots)
        for user, ballot in newest.items():
            # One that was written and not acknowledged any more is newer.
            assert ballots[user] == ballot or ballots[user].seq > ballot.seq


async def test_every_vote_that_was_acknowledged_is_there_after_a_kill(
    database_url: str, tmp_path: Path
) -> None:
    await assert_nothing_is_lost(database_url, tmp_path, kills=1, most=300)


@pytest.mark.chaos
async def test_the_same_many_times(database_url: str, tmp_path: Path) -> None:
    await assert_nothing_is_lost(database_url, tmp_path, kills=25, most=2000)


async def test_two_processes_fill_a_room_to_the_last_place(postgres: Postgres, tmp_path: Path) -> None:
    async with postgres.fresh_database() as url:
        database = await open_database(url, tmp_path)
        lobby = Lobby(database)
        room_id = await lobby.room(participants_max=50)
        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(at_work(url, tmp_path, "join", room_id, f"p{number}-", "100"))
                for number in range(2)
            ]
            for process in processes:
                assert await process.line() == "ready"
            for process in processes:
                process.go()
            said = await asyncio.gather(*(process.lines() for process in processes))
        assert [lines[-1] for lines in said] == ["done"] * 2
        inside = {line for lines in said for line in lines[:-1]}
        assert len(inside) == 50
        assert set(await lobby.people(room_id)) == inside
        await lobby.aclose()
        await database.aclose()
