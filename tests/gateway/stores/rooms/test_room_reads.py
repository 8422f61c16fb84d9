"""What is asked of rooms and polls: at one moment, in order, within one tenant, on both databases."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.stores.cursors import BadCursor
from gateway.stores.rooms import poll_reads, reads
from gateway.stores.rooms.operations import CreatePoll
from gateway.stores.rooms.reads import Head
from sessions.ballots import Ballot
from sessions.poll_records import State
from sessions.room_effects import MessagePosted, ParticipantJoined, Publish
from sessions.room_events import CloseRequested, JoinRequested, KickRequested, LeaveRequested
from sessions.room_snapshots import after, snapshot
from tests.gateway.stores.rooms.lobby import NOW_MS, TENANT, Lobby
from tests.gateway.stores.rooms.test_poll_changes import ANONYMOUS

NO_ROOMS = ["", "x", "\0", "\ud800", "00000000-0000-4000-8000-00000000000Z"]


async def ask(lobby: Lobby, query: Callable[..., Any], *arguments: Any) -> Any:
    return await lobby.database.read(lambda connection: query(connection, *arguments))


async def test_a_room_is_found_by_its_code_while_it_is_open(lobby: Lobby) -> None:
    room_id = await lobby.room("olga", "ben", code="XJ9K2M")
    found = await ask(lobby, reads.room_by_code, TENANT, "XJ9K2M")
    assert (found.id, found.count, found.participants) == (room_id, 2, {})
    assert await ask(lobby, reads.room_by_code, "other", "XJ9K2M") is None
    assert await ask(lobby, reads.room_by_code, TENANT, "ABCDEF") is None
    await lobby.act(room_id, CloseRequested("olga"))
    assert await ask(lobby, reads.room_by_code, TENANT, "XJ9K2M") is None
    assert (await ask(lobby, reads.room, TENANT, room_id)).closed_by == "host"
    assert await ask(lobby, reads.room, "other", room_id) is None


@pytest.mark.parametrize("room_id", NO_ROOMS)
async def test_what_is_no_id_finds_nothing(lobby: Lobby, room_id: str) -> None:
    for query in (reads.room, reads.whole):
        assert await ask(lobby, query, TENANT, room_id) is None
    assert await ask(lobby, reads.events_since, TENANT, room_id, 0) is None
    assert await ask(lobby, reads.is_in, room_id, "olga") is False
    assert await ask(lobby, reads.heads, [room_id]) == {}
    assert await ask(lobby, poll_reads.poll, TENANT, room_id, "olga") is None
    assert await ask(lobby, poll_reads.polls_of, room_id, "olga") == []
    assert await ask(lobby, poll_reads.named_ballots, room_id, 10) == []


async def test_ones_own_rooms_are_those_that_one_owns_or_is_in(lobby: Lobby) -> None:
    own = await lobby.room(owner="ben")
    lobby.now_ms += 1
    entered = await lobby.room("olga", "ben")
    await lobby.room("olga")
    closed = await lobby.room("olga", "ben")
    await lobby.act(closed, CloseRequested("olga"))
    await lobby.room(owner="ben", tenant_id="other")
    found = await ask(lobby, reads.rooms_of, TENANT, "ben", 10)
    assert [room.id for room in found] == [entered, own]
    assert [room.count for room in found] == [2, 0]
    await lobby.act(entered, LeaveRequested("ben"))
    assert [room.id for room in await ask(lobby, reads.rooms_of, TENANT, "ben", 10)] == [own]
    assert len(await ask(lobby, reads.rooms_of, TENANT, "olga", 1)) == 1


async def test_pages_have_every_public_room_once_newest_first(lobby: Lobby) -> None:
    expected = []
    for number in range(7):
        lobby.now_ms = NOW_MS + number // 3
        expected.append((lobby.now_ms, await lobby.room(code=f"AAAAA{number}")))
    await lobby.room(code="BBBBBB", is_private=True)
    await lobby.room(code="CCCCCC", tenant_id="other")
    found: list[str] = []
    cursor = None
    while True:
        rooms, cursor = await ask(lobby, reads.public_rooms, TENANT, 3, cursor)
        assert len(rooms) <= 3
        found += [room.id for room in rooms]
        if cursor is None:
            break
    assert found == [room_id for _, room_id in sorted(expected, reverse=True)]


@pytest.mark.parametrize("cursor", ["", "x", "WzFd", "WzEsICJ4Il0"])
async def test_a_cursor_that_is_none_is_refused(lobby: Lobby, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await ask(lobby, reads.public_rooms, TENANT, 3, cursor)


async def test_a_newcomer_sees_everybody_and_the_newest_messages(
    lobby: Lobby, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await lobby.room("olga", participants_max=200)
    await lobby.do(*(lobby.event(room_id, JoinRequested(f"user{number:03}")) for number in range(120)))
    await lobby.do(*(lobby.event(room_id, lobby.message("olga", f"{number}")) for number in range(60)))
    whole = await lobby.whole(room_id)
    assert list(whole.room.participants) == ["olga", *(f"user{number:03}" for number in range(120))]
    assert [message.text for message in whole.messages] == [str(number) for number in range(10, 60)]
    assert await ask(lobby, reads.whole, "other", room_id) is None


async def test_everybody_of_a_large_room_is_read_a_few_at_a_time(
    lobby: Lobby, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await lobby.room("olga", participants_max=10_000)
    users = [f"user{number}" for number in range(reads.PEOPLE_AT_ONCE + 20)]
    await lobby.do(*(lobby.event(room_id, JoinRequested(user)) for user in users))
    assert await lobby.people(room_id) == ["olga", *users]


async def test_what_was_missed_is_told_in_order_and_what_cannot_be_is_not_hidden(
    lobby: Lobby, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await lobby.room("olga", "ben")
    seen = await lobby.whole(room_id)
    await lobby.act(room_id, lobby.message("ben"))
    await lobby.act(room_id, JoinRequested("cem"))
    missed = await ask(lobby, reads.events_since, TENANT, room_id, 2)
    assert (missed.epoch, missed.offset, missed.complete) == ("e1", 4, True)
    assert [one.offset for one in missed.events] == [3, 4]
    assert isinstance(missed.events[0].event, MessagePosted)
    assert missed.events[1] == Publish(4, ParticipantJoined("cem", NOW_MS))
    caught_up = snapshot(seen.room, seen.messages)
    for published in missed.events:
        caught_up = after(caught_up, published)
    now = await lobby.whole(room_id)
    assert caught_up == snapshot(now.room, now.messages)

    nothing = await ask(lobby, reads.events_since, TENANT, room_id, 4)
    assert (nothing.events, nothing.complete) == ((), True)
    few = await ask(lobby, reads.events_since, TENANT, room_id, 0, 3)
    assert ([one.offset for one in few.events], few.complete) == ([1, 2, 3], False)
    ahead = await ask(lobby, reads.events_since, TENANT, room_id, 9)
    assert (ahead.events, ahead.complete) == ((), False)
    assert await ask(lobby, reads.events_since, "other", room_id, 0) is None
    monkeypatch.setattr("gateway.stores.rooms.history.EVENTS_KEPT", 5)
    monkeypatch.setattr("gateway.stores.rooms.history.TRIMMED_EVERY", 5)
    await lobby.do(*(lobby.event(room_id, lobby.message("olga")) for _ in range(20)))
    assert not (await ask(lobby, reads.events_since, TENANT, room_id, 4)).complete
    assert (await ask(lobby, reads.events_since, TENANT, room_id, 20)).complete


async def test_a_snapshot_is_of_one_moment_whoever_comes_meanwhile(lobby: Lobby, other: Lobby) -> None:
    room_id = await lobby.room("olga", participants_max=300)
    joins = [other.event(room_id, JoinRequested(f"user{number}")) for number in range(200)]
    rush = asyncio.gather(*(other.do(*joins[start : start + 10]) for start in range(0, 200, 10)))
    while not rush.done():
        await lobby.whole(room_id)
    await rush
    assert len(await lobby.people(room_id)) == 201


async def test_heads_tell_of_every_change_and_of_the_first_who_is_lost(lobby: Lobby) -> None:
    room_id, quiet = await lobby.room("olga", "ben"), await lobby.room()
    poll_id = await lobby.poll(room_id)
    first = (await ask(lobby, reads.heads, [room_id, quiet]))[room_id]
    assert first == Head(2, (await lobby.polled(poll_id)).version, None)
    await lobby.do(lobby.vote(poll_id, "ben", "1"))
    voted = (await ask(lobby, reads.heads, [room_id]))[room_id]
    assert (voted.offset, voted.polls) == (2, first.polls + 1)
    await lobby.lose(room_id, "ben")
    lobby.now_ms += 5
    await lobby.lose(room_id, "olga")
    await lobby.do(lobby.closing(poll_id), CreatePoll(TENANT, lobby.new_poll(room_id), lobby.now_ms))
    heads = await ask(lobby, reads.heads, [room_id, quiet])
    assert heads[quiet] == Head(0, 0, None)
    assert heads[room_id].lost_at_ms == NOW_MS
    assert heads[room_id].polls > voted.polls + 1


async def test_who_is_in_is_known(lobby: Lobby) -> None:
    room_id = await lobby.room("olga", "ben")
    await lobby.act(room_id, KickRequested("olga", "ben"))
    found = [await ask(lobby, reads.is_in, room_id, user) for user in ("olga", "ben", "a\0", "")]
    assert found == [True, False, False, False]


async def test_polls_are_read_with_ones_own_ballot_and_nobody_elses(lobby: Lobby) -> None:
    room_id = await lobby.room("olga", "ben")
    closed_id = await lobby.poll(room_id)
    await lobby.do(lobby.vote(closed_id, "ben", "2"), lobby.closing(closed_id))
    lobby.now_ms += 1
    open_id = await lobby.poll(room_id, ANONYMOUS)
    lobby.now_ms += 1
    draft_id = await lobby.poll(room_id, opened=False)
    await lobby.do(lobby.vote(open_id, "ben", "1", seq=3))
    seen = await ask(lobby, poll_reads.polls_of, room_id, "ben")
    assert [(poll.id, ballot and ballot.option_ids) for poll, ballot in seen] == [
        (closed_id, ("2",)), (open_id, ("1",)), (draft_id, None),
    ]  # fmt: skip
    for viewer in ("olga", None):
        seen = await ask(lobby, poll_reads.polls_of, room_id, viewer)
        assert [ballot for _, ballot in seen] == [None] * 3
    poll, ballot = await ask(lobby, poll_reads.poll, TENANT, open_id, "ben")
    assert (poll.state, ballot.seq) == (State.OPEN, 3)
    await lobby.do(lobby.closing(open_id))
    assert (await ask(lobby, poll_reads.poll, TENANT, open_id, "ben"))[1] is None
    assert await ask(lobby, poll_reads.poll, "other", open_id, "ben") is None


async def test_of_the_closed_polls_the_newest_are_listed(lobby: Lobby) -> None:
    room_id = await lobby.room("olga")
    ids = []
    for _ in range(4):
        ids.append(await lobby.poll(room_id))
        await lobby.do(lobby.closing(ids[-1]))
        lobby.now_ms += 1
    seen = await ask(lobby, poll_reads.polls_of, room_id, "olga", 2)
    assert [poll.id for poll, _ in seen] == ids[2:]


async def test_ballots_are_read_in_pages(lobby: Lobby) -> None:
    users = [f"user{number}" for number in range(5)]
    room_id = await lobby.room("olga", *users, participants_max=10)
    poll_id = await lobby.poll(room_id)
    await lobby.do(*(lobby.vote(poll_id, user, "1") for user in users))
    found: list[Ballot] = []
    while page := await ask(lobby, poll_reads.named_ballots, poll_id, 2, found[-1].voter if found else ""):
        found += page
    assert found == [Ballot(user, ("1",), 1) for user in users]


async def test_what_belongs_together_can_be_read_together(lobby: Lobby) -> None:
    room_id = await lobby.room("olga")
    await lobby.poll(room_id)

    def both(connection: Connection) -> tuple[Any, Any]:
        return reads.whole(connection, TENANT, room_id), poll_reads.polls_of(connection, room_id, "olga")

    whole, polls = await lobby.database.read(both)
    assert (whole.room.count, len(polls)) == (1, 1)
