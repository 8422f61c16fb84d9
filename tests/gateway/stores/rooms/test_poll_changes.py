"""Polls and ballots in SQL: one ballot for each user, counted once, whoever asks how often."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from gateway.stores.rooms.operations import (
    POLLS_MAX,
    ActInPoll,
    CreatePoll,
    PollDone,
    TooManyPolls,
    UnknownPoll,
    UnknownRoom,
)
from gateway.stores.rooms.schema import poll_votes
from gateway.stores.rooms.schema import polls as poll_table
from gateway.stores.rooms.schema import rooms as room_table
from sessions import polls
from sessions.ballots import Ballot, Tally
from sessions.poll_records import BadPoll, PollWanted, State, Visibility
from sessions.polls import (
    AnnounceChanged,
    AnnounceClosed,
    AnnounceOpened,
    AnotherPollOpen,
    BadBallot,
    NotPollHost,
    PollClosed,
    PollNotOpen,
    ReportMiscount,
    StoreBallot,
    VoteFixed,
)
from sessions.room_events import CloseRequested, JoinRequested, KickRequested, LeaveRequested
from sessions.rooms import KickedOut, NotInRoom, RoomOver
from tests.gateway.stores.rooms.lobby import NOW_MS, QUESTION, TENANT, Lobby, refusals

NOBODYS = "00000000-0000-4000-9000-000000000000"
ANONYMOUS = replace(QUESTION, visibility=Visibility.ANONYMOUS)


async def row_of(lobby: Lobby, poll_id: str) -> Any:
    query = select(poll_table).where(poll_table.c.id == poll_id)
    return await lobby.database.read(lambda c: c.execute(query).mappings().one())


class TestMaking:
    async def test_a_poll_is_opened_as_it_is_made_or_kept_as_a_draft(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        wanted = PollWanted("A \U0001f600?", ("Yes", "No"), multiple=True, allow_change=False, open_ms=60_000)
        draft = lobby.new_poll(room_id, wanted, author="ben")
        kept = await lobby.one(CreatePoll(TENANT, draft, NOW_MS, opened=False))
        assert kept == PollDone(draft, host=False)
        made = await lobby.one(CreatePoll(TENANT, lobby.new_poll(room_id, wanted), NOW_MS))
        assert (made.effects, made.host, made.ballot) == ((AnnounceOpened(),), True, None)
        assert (made.poll.state, made.poll.closes_at_ms) == (State.OPEN, NOW_MS + 60_000)
        assert await lobby.polled(draft.id) == draft
        assert await lobby.polled(made.poll.id) == made.poll

    async def test_one_that_is_made_again_is_answered_as_it_is_by_now(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga")
        creation = CreatePoll(TENANT, lobby.new_poll(room_id), NOW_MS)
        await lobby.do(creation, creation)
        await lobby.do(lobby.vote(creation.poll.id, "olga", "1"))
        (again,) = await lobby.do(creation)
        assert (again.poll.tally, again.effects, again.host) == (Tally((1, 0, 0), 1), (), True)

    async def test_a_room_has_one_open_at_a_time(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga")
        creations = [CreatePoll(TENANT, lobby.new_poll(room_id), NOW_MS) for _ in range(3)]
        draft = CreatePoll(TENANT, lobby.new_poll(room_id), NOW_MS, opened=False)
        answers = await lobby.do(draft, *creations)
        assert refusals(answers) == [AnotherPollOpen.__name__] * 2
        opening = ActInPoll(
            TENANT, draft.poll.id, polls.OpenRequested("olga", host=False, open_already=0), NOW_MS
        )
        assert refusals(await lobby.do(opening)) == [AnotherPollOpen.__name__]
        await lobby.do(lobby.closing(answers[1].poll.id))
        (opened,) = await lobby.do(opening)
        assert opened.effects == (AnnounceOpened(),)
        with pytest.raises(UnknownPoll):
            await lobby.one(lobby.vote(creations[1].poll.id, "olga", "1"))

    async def test_who_makes_one_is_in_the_room_and_its_host_where_that_is_asked(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        for author, host_only, refusal in (("eva", False, NotInRoom), ("ben", True, NotPollHost)):
            creation = CreatePoll(TENANT, lobby.new_poll(room_id, author=author), NOW_MS, host_only=host_only)
            with pytest.raises(refusal):
                await lobby.one(creation)
        await lobby.one(CreatePoll(TENANT, lobby.new_poll(room_id), NOW_MS, host_only=True))

    async def test_a_room_has_so_many_and_no_more(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga")
        drafts = [
            CreatePoll(TENANT, lobby.new_poll(room_id), NOW_MS, opened=False) for _ in range(POLLS_MAX + 1)
        ]
        answers = await lobby.do(*drafts)
        assert refusals(answers) == [TooManyPolls.__name__]

    async def test_a_draft_is_written_anew_by_its_author_or_the_host(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben", "cem")
        draft = lobby.new_poll(room_id, author="ben")
        await lobby.one(CreatePoll(TENANT, draft, NOW_MS, opened=False))
        wanted = PollWanted("Which?", ("A", "B"))

        def edited(by: str, wanted: PollWanted) -> ActInPoll:
            return ActInPoll(TENANT, draft.id, polls.Edited(by, host=True, wanted=wanted), NOW_MS)

        answers = await lobby.do(edited("cem", wanted), edited("ben", replace(wanted, options=("A",))))
        assert refusals(answers) == [NotPollHost.__name__, BadPoll.__name__]
        for by in ("ben", "olga"):
            await lobby.one(edited(by, replace(wanted, question=f"Which, {by}?")))
            assert (await lobby.polled(draft.id)).wanted.question == f"Which, {by}?"
        with pytest.raises(PollNotOpen):
            await lobby.one(lobby.vote(draft.id, "ben", "1"))


class TestVoting:
    async def test_a_vote_is_kept_and_counted(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id)
        done = await lobby.one(lobby.vote(poll_id, "ben", "2", seq=7))
        ballot = Ballot("ben", ("2",), 7)
        assert done == PollDone(done.poll, (StoreBallot(ballot), AnnounceChanged()), ballot, host=False)
        assert await lobby.polled(poll_id) == done.poll
        assert done.poll.tally == Tally((0, 1, 0), 1)
        (row,) = await lobby.database.read(lambda c: list(c.execute(select(poll_votes)).mappings()))
        assert (row["voter"], row["option_ids"], row["voted_at"]) == ("ben", "2", NOW_MS)
        assert row["user_id"] is not None

    async def test_what_a_user_sends_in_one_group_counts_as_they_meant_it(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id, replace(QUESTION, multiple=True))
        await lobby.do(
            lobby.vote(poll_id, "ben", "1", seq=1), lobby.vote(poll_id, "ben", "3", "2", seq=3),
            lobby.vote(poll_id, "ben", "1", seq=2), lobby.vote(poll_id, "ben", "2", "3", seq=3),
        )  # fmt: skip
        assert (await lobby.polled(poll_id)).tally == Tally((0, 1, 1), 1)
        (taken_back,) = await lobby.do(lobby.vote(poll_id, "ben", seq=4))
        assert taken_back.ballot == Ballot("ben", (), 4)
        assert (await lobby.polled(poll_id)).tally == Tally((0, 0, 0), 0)
        await lobby.do(lobby.vote(poll_id, "ben", "1", seq=2))
        assert (await lobby.polled(poll_id)).tally == Tally((0, 0, 0), 0)

    async def test_a_vote_that_is_final_is_final(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id, replace(QUESTION, allow_change=False))
        first = lobby.vote(poll_id, "ben", "1")
        await lobby.do(first, first)
        with pytest.raises(VoteFixed) as refusal:
            await lobby.one(lobby.vote(poll_id, "ben", "2", seq=2))
        assert refusal.value.ballot == Ballot("ben", ("1",), 1)
        assert (await lobby.polled(poll_id)).tally == Tally((1, 0, 0), 1)

    async def test_only_who_is_in_may_vote(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben", "cem")
        poll_id = await lobby.poll(room_id)
        await lobby.do(lobby.vote(poll_id, "ben", "1"), lobby.vote(poll_id, "cem", "1"))
        await lobby.act(room_id, LeaveRequested("ben"))
        await lobby.act(room_id, KickRequested("olga", "cem"))
        answers = await lobby.do(
            lobby.vote(poll_id, "ben", "2", seq=2), lobby.vote(poll_id, "cem", "2", seq=2),
            lobby.vote(poll_id, "eva", "2"), lobby.vote(poll_id, "a\0b", "2"), lobby.vote(poll_id, "", "2"),
        )  # fmt: skip
        assert refusals(answers) == [
            NotInRoom.__name__, KickedOut.__name__, *[NotInRoom.__name__] * 3,
        ]  # fmt: skip
        assert (await lobby.polled(poll_id)).tally == Tally((2, 0, 0), 2)

    async def test_the_lost_may_vote_while_their_place_is_kept(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id)
        await lobby.lose(room_id, "ben")
        await lobby.one(lobby.vote(poll_id, "ben", "1"))

    async def test_what_is_no_choice_is_refused_for_itself_alone(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id)
        answers = await lobby.do(
            lobby.vote(poll_id, "ben", "4"), lobby.vote(poll_id, "ben", "1", "2"),
            lobby.vote(poll_id, "ben", "1", "1"), lobby.vote(poll_id, "ben", "1", seq=2**53),
            lobby.vote(poll_id, "olga", "1", seq=2**53 - 1),
        )  # fmt: skip
        assert refusals(answers) == [BadBallot.__name__] * 4
        assert (await lobby.ballots(poll_id)) == {"olga": Ballot("olga", ("1",), 2**53 - 1)}

    @pytest.mark.parametrize(
        ("tenant", "poll_id"),
        [("other", None), (TENANT, NOBODYS), (TENANT, "1; DROP TABLE polls"), (TENANT, "\0\ud800")],
        ids=["another tenant's", "nobody's", "no UUID", "not even text"],
    )
    async def test_a_poll_that_is_not_there_is_unknown(
        self, lobby: Lobby, tenant: str, poll_id: str | None
    ) -> None:
        room_id = await lobby.room("olga")
        own = await lobby.poll(room_id)
        for event in (polls.VoteCast("olga", ("1",), 1), polls.CloseRequested("olga", host=True)):
            with pytest.raises(UnknownPoll):
                await lobby.one(ActInPoll(tenant, poll_id or own, event, NOW_MS))
        with pytest.raises(UnknownRoom):
            await lobby.one(CreatePoll("other", lobby.new_poll(room_id), NOW_MS))
        with pytest.raises(UnknownRoom):
            await lobby.one(CreatePoll(TENANT, lobby.new_poll(NOBODYS), NOW_MS))

    async def test_votes_in_several_polls_of_several_rooms_share_a_group(self, lobby: Lobby) -> None:
        rooms = [await lobby.room("olga", "ben") for _ in range(3)]
        ids = [await lobby.poll(room_id) for room_id in rooms]
        votes = [
            lobby.vote(poll_id, user, str(number))
            for number, poll_id in enumerate(ids, 1)
            for user in ("olga", "ben", "eva")
        ]
        assert refusals(await lobby.do(*votes)) == [NotInRoom.__name__] * 3
        tallies = [(await lobby.polled(poll_id)).tally for poll_id in ids]
        assert tallies == [Tally((2, 0, 0), 2), Tally((0, 2, 0), 2), Tally((0, 0, 2), 2)]


class TestClosing:
    async def test_what_was_voted_before_in_the_same_group_is_counted(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id)
        answers = await lobby.do(
            lobby.vote(poll_id, "ben", "1"), lobby.closing(poll_id), lobby.vote(poll_id, "olga", "1")
        )
        assert refusals(answers) == [PollClosed.__name__]
        assert (answers[1].effects, answers[1].host) == ((AnnounceClosed(),), True)
        assert answers[1].poll.tally == Tally((1, 0, 0), 1)
        assert (await lobby.one(lobby.closing(poll_id))).effects == ()

    async def test_late_says_what_was_counted(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id)
        await lobby.do(lobby.vote(poll_id, "ben", "1"), lobby.closing(poll_id))
        with pytest.raises(PollClosed) as refusal:
            await lobby.one(lobby.vote(poll_id, "ben", "2", seq=2))
        assert refusal.value.ballot == Ballot("ben", ("1",), 1)
        assert refusal.value.poll.tally == Tally((1, 0, 0), 1)

    async def test_the_ballots_have_the_last_word(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        poll_id = await lobby.poll(room_id)
        await lobby.do(lobby.vote(poll_id, "ben", "1"))
        wrong = poll_table.update().values(votes=[5, 0, 0], voters=5)
        await lobby.database.write(lambda c: c.execute(wrong).close())
        done = await lobby.one(lobby.closing(poll_id))
        assert done.effects == (
            ReportMiscount(Tally((5, 0, 0), 5), Tally((1, 0, 0), 1)), AnnounceClosed(),
        )  # fmt: skip
        assert (await lobby.polled(poll_id)).tally == Tally((1, 0, 0), 1)

    async def test_its_author_may_close_it_and_another_guest_may_not(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben", "cem")
        made = await lobby.one(CreatePoll(TENANT, lobby.new_poll(room_id, author="ben"), NOW_MS))
        with pytest.raises(NotPollHost):
            await lobby.one(lobby.closing(made.poll.id, by="cem"))
        assert (await lobby.one(lobby.closing(made.poll.id, by="ben"))).poll.state is State.CLOSED

    async def test_polls_end_with_their_room_and_drafts_stay_drafts(self, lobby: Lobby) -> None:
        room_id, other_id = await lobby.room("olga", "ben"), await lobby.room("olga", "ben")
        poll_id, beside = await lobby.poll(room_id), await lobby.poll(other_id)
        draft = await lobby.poll(room_id, opened=False)
        await lobby.do(lobby.vote(poll_id, "ben", "1"))
        closed = await lobby.act(room_id, CloseRequested("olga"))
        assert [done.poll.id for done in closed.polls] == [poll_id]
        states = [(await lobby.polled(key)).state for key in (poll_id, draft, beside)]
        assert states == [State.CLOSED, State.DRAFT, State.OPEN]
        answers = await lobby.do(
            lobby.vote(poll_id, "ben", "2"),
            ActInPoll(TENANT, draft, polls.OpenRequested("olga", host=True, open_already=0), NOW_MS),
        )
        assert refusals(answers) == [RoomOver.__name__] * 2


class TestAnonymity:
    async def test_nothing_that_is_stored_says_whose_a_ballot_is(self, lobby: Lobby) -> None:
        users = [f"user{number}" for number in range(6)]
        room_id = await lobby.room(*users, participants_max=10)
        poll_id = await lobby.poll(room_id, ANONYMOUS, author="user0")
        await lobby.do(*(lobby.vote(poll_id, user, "2") for user in users))
        (again,) = await lobby.do(lobby.vote(poll_id, "user3", "1", seq=2))
        assert again.ballot is not None
        assert again.ballot.option_ids == ("1",)
        assert (await lobby.polled(poll_id)).tally == Tally((1, 5, 0), 6)
        assert len(bytes((await row_of(lobby, poll_id))["ballot_key"])) == 16
        ballots = await lobby.database.read(lambda c: list(c.execute(select(poll_votes)).mappings()))
        assert not {row["voter"] for row in ballots} & set(users)
        assert {(row["user_id"], row["voted_at"]) for row in ballots} == {(None, None)}
        await lobby.one(lobby.closing(poll_id, by="user0"))
        row = await row_of(lobby, poll_id)
        assert (bytes(row["ballot_key"]), row["unshown"]) == (b"", [])

    async def test_what_is_shown_lags_behind_also_over_a_restart(self, lobby: Lobby, other: Lobby) -> None:
        users = [f"user{number}" for number in range(7)]
        room_id = await lobby.room(*users, participants_max=10)
        poll_id = await lobby.poll(room_id, ANONYMOUS, author="user0")
        await lobby.do(*(lobby.vote(poll_id, user, "2") for user in users[:3]))
        assert (await lobby.polled(poll_id)).shown.tally == Tally((0, 0, 0), 0)
        answers = await other.do(*(other.vote(poll_id, user, "2") for user in users[3:]))
        changed = [AnnounceChanged() in answer.effects for answer in answers]
        assert changed == [False, True, False, False]
        poll = await lobby.polled(poll_id)
        assert (poll.shown.tally.voters, poll.tally.voters, len(poll.unshown)) == (5, 7, 2)


async def test_a_vote_is_activity_and_writes_its_room_once_a_minute(lobby: Lobby) -> None:
    room_id = await lobby.room("olga", "ben")
    poll_id = await lobby.poll(room_id)

    async def active_at_ms() -> int:
        query = select(room_table.c.active_at).where(room_table.c.id == room_id)
        return int(await lobby.database.read(lambda c: c.execute(query).scalar_one()))

    seen = []
    for seq in range(1, 7):
        lobby.now_ms += 20_000
        await lobby.one(lobby.vote(poll_id, "ben", "1", seq=seq))
        seen.append((await active_at_ms()) - NOW_MS)
    assert seen == [0, 0, 60_000, 60_000, 60_000, 120_000]


async def test_a_vote_does_not_wait_for_a_room_that_somebody_is_at_work_in(
    lobby: Lobby, other: Lobby
) -> None:
    room_id = await lobby.room("olga", "ben", participants_max=300)
    poll_id = await lobby.poll(room_id)
    lobby.now_ms += 120_000
    joins = [other.event(room_id, JoinRequested(f"user{number}")) for number in range(200)]
    votes = [lobby.vote(poll_id, user, "1", seq=seq) for seq in range(60) for user in ("olga", "ben")]
    answers = await asyncio.gather(other.do(*joins), lobby.do(*votes))
    assert [refusals(each) for each in answers] == [[], []]
    assert (await lobby.polled(poll_id)).tally == Tally((2, 0, 0), 2)
