"""What somebody sees of a poll, whoever they are and however often it is told."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sessions.ballots import Ballot, count
from sessions.poll_records import Results, State, Visibility
from sessions.poll_snapshots import (
    OptionSeen,
    PollSnapshot,
    after,
    alike,
    broadcast,
    listed,
    named_votes,
    sees_results,
    snapshot,
)
from sessions.polls import BadBallot, CloseRequested, PollClosed, VoteCast, VoteFixed
from tests.sessions.test_polls import CLOSING, NOW, OPENING, START, USERS, draft, open_poll, vote, voted
from tests.sessions.watchers import WatchedPoll


def test_it_is_the_whole_of_it_each_time() -> None:
    watched = voted(vote("ana", "1"), vote("ben", "1"), vote("cem", "3"), open_ms=60_000)
    assert watched.seen["ana"] == PollSnapshot(
        id="poll_1",
        state=State.OPEN,
        version=5,
        question="Lunch?",
        multiple=False,
        allow_change=True,
        visibility=Visibility.HIDDEN,
        results=Results.ALWAYS,
        closes_at_ms=START + 60_000,
        options=(
            OptionSeen("1", "Soup", 2, 67),
            OptionSeen("2", "Salad", 0, 0),
            OptionSeen("3", "Cake", 1, 33),
        ),
        voters=3,
        my_vote=("1",),
        my_seq=1,
    )


@pytest.mark.parametrize(
    ("results", "open_seen", "closed_seen"),
    [
        (Results.ALWAYS, "guest voter host", "guest voter host"),
        (Results.AFTER_VOTE, "voter host", "guest voter host"),
        (Results.AFTER_CLOSE, "host", "guest voter host"),
        (Results.HOST, "host", "host"),
    ],
)
def test_who_sees_the_counts_when(results: Results, open_seen: str, closed_seen: str) -> None:
    watched = voted(vote("ana", "1"), results=results)
    viewers = {
        "guest": {"voted": False, "host": False},
        "voter": {"voted": True, "host": False},
        "host": {"voted": False, "host": True},
    }
    for expected in (open_seen, closed_seen):
        seen = [who for who, viewer in viewers.items() if sees_results(watched.poll, **viewer)]
        assert " ".join(seen) == expected
        assert alike(watched.poll) == (len(seen) == 3)
        for user, who in (("ben", "guest"), ("ana", "voter"), ("olga", "host")):
            shown = watched.snapshot(user)
            assert {option.votes is not None for option in shown.options} == {who in seen}
            assert (shown.winners is not None) == (who in seen and watched.poll.state is State.CLOSED)
            assert shown.voters == 1
        if watched.poll.state is State.OPEN:
            watched.do(CLOSING, NOW)


def test_who_takes_the_vote_back_sees_no_longer_what_voters_see() -> None:
    watched = voted(vote("ana", "1", seq=1), vote("ana", seq=2), results=Results.AFTER_VOTE)
    seen = watched.seen["ana"]
    assert seen is not None
    assert (seen.my_vote, seen.options[0].votes) == ((), None)


def test_a_tie_and_an_empty_poll_have_their_winners() -> None:
    watched = voted(vote("ana", "1"), vote("ben", "3"))
    watched.do(CLOSING, NOW)
    assert watched.snapshot("cem").winners == ("1", "3")
    empty = open_poll()
    empty.do(CLOSING, NOW)
    assert empty.snapshot("cem").winners == ()


def test_who_comes_late_sees_it_all_and_the_own_vote() -> None:
    watched = voted(vote("ana", "1"), vote("ben", "2"))
    assert watched.snapshot("ana").my_vote == ("1",)
    assert watched.snapshot("nobody").my_vote == ()
    watched.do(CLOSING, NOW)
    assert watched.snapshot("ana").my_vote == ("1",)


def test_a_broadcast_says_nothing_of_anybodys_vote_and_takes_nobodys_away() -> None:
    watched = voted(vote("ana", "1"), vote("ben", "2"))
    told = broadcast(watched.poll, seeing=True)
    assert (told.my_vote, told.my_seq) == (None, None)
    assert after(watched.snapshot("ana"), told) == watched.snapshot("ana")
    assert after(None, told) == told


def test_what_was_overtaken_on_the_way_changes_nothing() -> None:
    watched = voted(vote("ana", "1"))
    early = broadcast(watched.poll, seeing=True)
    watched.do(vote("ben", "1"), NOW)
    late = watched.snapshot("ana")
    assert after(late, early) is late


def test_a_draft_is_for_those_who_write_it() -> None:
    poll = draft(author="ana")
    assert [listed(poll, user, host=user == "olga") for user in ("ana", "olga", "ben")] == [True, True, False]
    assert listed(open_poll(author="ana").poll, "ben", host=False)


class TestAnonymity:
    def test_nothing_is_counted_before_the_fifth_not_even_for_the_host(self) -> None:
        watched = voted(*[vote(user, "1") for user in USERS[:4]], visibility=Visibility.ANONYMOUS)
        for user in ("olga", "ana", "kim"):
            seen = watched.snapshot(user)
            assert {option.votes for option in seen.options} == {None}
            assert seen.voters == 0
        watched.do(vote("eva", "2"), NOW)
        assert [option.votes for option in watched.snapshot("kim").options] == [4, 1, 0]

    def test_taking_back_does_not_show_what_fewer_than_five_voted(self) -> None:
        watched = voted(
            vote("ana", "1"), vote("ana", seq=2), *[vote(user, "2") for user in USERS[1:5]],
            visibility=Visibility.ANONYMOUS,
        )  # fmt: skip
        assert watched.poll.tally.voters == 4
        assert {option.votes for option in watched.snapshot("olga").options} == {None}

    def test_a_sixth_vote_shows_in_no_snapshot_but_its_voters_own_choice(self) -> None:
        watched = voted(*[vote(user, "1") for user in USERS[:5]], visibility=Visibility.ANONYMOUS)
        before = {user: watched.snapshot(user) for user in ("olga", "ana", "kim")}
        watched.do(vote("fay", "2"), NOW)
        assert {user: watched.snapshot(user) for user in before} == before
        assert watched.snapshot("fay").my_vote == ("2",)
        assert [option.votes for option in watched.snapshot("fay").options] == [5, 0, 0]

    def test_once_closed_the_result_is_whole_and_nobodys_vote_is_known(self) -> None:
        watched = voted(vote("ana", "1"), vote("ben", "3"), visibility=Visibility.ANONYMOUS)
        watched.do(CLOSING, NOW)
        seen = watched.snapshot("ana")
        assert [option.votes for option in seen.options] == [1, 0, 1]
        assert (seen.my_vote, seen.voters, seen.winners) == (None, 2, ("1", "3"))


@pytest.mark.parametrize(
    ("visibility", "results", "who"),
    [
        (Visibility.PUBLIC, Results.ALWAYS, "guest voter host"),
        (Visibility.PUBLIC, Results.AFTER_VOTE, "voter host"),
        (Visibility.PUBLIC, Results.AFTER_CLOSE, "host"),
        (Visibility.HIDDEN, Results.ALWAYS, "host"),
        (Visibility.ANONYMOUS, Results.ALWAYS, ""),
    ],
)
def test_who_may_know_how_somebody_voted(visibility: Visibility, results: Results, who: str) -> None:
    watched = voted(
        vote("ana", "1"), vote("ben", "2"), vote("ben", seq=2), visibility=visibility, results=results
    )
    ballots = list(watched.ballots.values())
    known = {
        "guest": named_votes(watched.poll, ballots, voted=False, host=False),
        "voter": named_votes(watched.poll, ballots, voted=True, host=False),
        "host": named_votes(watched.poll, ballots, voted=False, host=True),
    }
    for viewer, named in known.items():
        assert named == ({"ana": ("1",)} if viewer in who.split() else {})


CHOICES = st.lists(st.sampled_from(["1", "2", "3", "4"]), max_size=3)


class PollLife(RuleBasedStateMachine):
    """Votes in any order, again and again, late and wrong; what must hold after each is in WatchedPoll."""

    @initialize(
        multiple=st.booleans(),
        allow_change=st.booleans(),
        visibility=st.sampled_from(Visibility),
        results=st.sampled_from(Results),
        open_ms=st.sampled_from([None, 5_000]),
    )
    def opened(self, **changes: Any) -> None:
        self.watched = WatchedPoll(draft(**changes), USERS, host="ana")
        self.now_ms = START
        self.cast: list[VoteCast] = []
        self.accepted: dict[str, VoteCast] = {}
        self.watched.do(OPENING, START)

    @rule(user=st.sampled_from(USERS), options=CHOICES, seq=st.integers(0, 6))
    def somebody_votes(self, user: str, options: list[str], seq: int) -> None:
        self._vote(VoteCast(user, tuple(options), seq))

    @precondition(lambda self: self.cast)
    @rule(data=st.data())
    def a_vote_comes_again(self, data: st.DataObject) -> None:
        again = data.draw(st.sampled_from(self.cast))
        accepted = self.accepted.get(again.user)
        before = self.watched.poll
        self._vote(again)
        if accepted is not None and again.seq <= accepted.seq:
            assert self.watched.poll is before

    @rule(pause_ms=st.integers(0, 3_000))
    def time_passes(self, pause_ms: int) -> None:
        self.now_ms += pause_ms

    @precondition(lambda self: len(self.cast) > 8)
    @rule(reason=st.sampled_from(["host", "room"]))
    def it_is_closed(self, reason: Any) -> None:
        self.watched.do(CloseRequested("ana", host=True, reason=reason), self.now_ms)
        assert self.watched.poll.state is State.CLOSED

    def _vote(self, cast: VoteCast) -> None:
        self.cast.append(cast)
        poll, ballots = self.watched.poll, dict(self.watched.ballots)
        late = poll.state is State.CLOSED or (poll.closes_at_ms or self.now_ms + 1) <= self.now_ms
        try:
            self.watched.do(cast, self.now_ms)
        except (BadBallot, VoteFixed, PollClosed) as refusal:
            refused = refusal
        else:
            assert not late
            last = self.accepted.get(cast.user)
            if last is None or (cast.seq > last.seq and poll.wanted.allow_change):
                self.accepted[cast.user] = cast
            return
        assert isinstance(refused, PollClosed) == late
        assert (self.watched.poll, self.watched.ballots) == (poll, ballots)

    @invariant()
    def the_result_is_the_newest_vote_of_each(self) -> None:
        """An account of its own: the last vote of each user that was accepted, and nothing else."""
        if not hasattr(self, "watched"):
            return
        ballots = [Ballot(user, cast.option_ids, cast.seq) for user, cast in self.accepted.items()]
        assert self.watched.poll.tally == count(self.watched.poll.option_ids, ballots)
        assert self.watched.poll.tally.voters <= len(USERS)


def test_however_people_vote() -> None:
    run_state_machine_as_test(
        PollLife, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


def test_a_snapshot_of_nobody_in_particular_has_no_vote() -> None:
    assert snapshot(open_poll().poll, None, host=False).my_vote == ()
