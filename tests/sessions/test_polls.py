"""A poll: every state with every event, and every way in which a vote could be counted wrongly."""

from dataclasses import replace
from typing import Any

import pytest

from sessions.ballots import Ballot, Tally
from sessions.lifetimes import NEVER_MS
from sessions.poll_records import BadPoll, Poll, PollWanted, State, Visibility, create, voter_of
from sessions.polls import (
    SEQ_MAX,
    AnnounceChanged,
    AnnounceClosed,
    AnnounceOpened,
    AnotherPollOpen,
    BadBallot,
    Bounds,
    CloseRequested,
    DeadlinePassed,
    Edited,
    Effect,
    Event,
    NotPollHost,
    OpenRequested,
    PollClosed,
    PollNotDraft,
    PollNotOpen,
    ReportMiscount,
    StoreBallot,
    VoteCast,
    VoteFixed,
    deadline_ms,
    step,
)
from tests.sessions.watchers import WatchedPoll

DAY = 24 * 3_600_000
START = 1_795_185_000_000
NOW = START + 10_000
BOUNDS = Bounds()
KEY = b"sixteen bytes or more"
USERS = ("ana", "ben", "cem", "dan", "eva", "fay", "gil", "hal", "ida", "jan", "kim")
OPENING = OpenRequested("olga", host=True, open_already=0)
CLOSING = CloseRequested("olga", host=True)


def wanted(**changes: Any) -> PollWanted:
    return replace(PollWanted("Lunch?", ("Soup", "Salad", "Cake")), **changes)


def draft(*, author: str = "olga", **changes: Any) -> Poll:
    return create(wanted(**changes), poll_id="poll_1", room_id="room_1", author=author, key=KEY, now_ms=START)


def open_poll(**changes: Any) -> WatchedPoll:
    watched = WatchedPoll(draft(**changes), USERS, host="olga")
    watched.do(OPENING, START)
    return watched


def vote(user: str, *options: str, seq: int = 1) -> VoteCast:
    return VoteCast(user, options, seq)


def voted(*votes: VoteCast, **changes: Any) -> WatchedPoll:
    watched = open_poll(**changes)
    for cast in votes:
        watched.do(cast, NOW)
    return watched


def closed_poll() -> Poll:
    return step(step(draft(), {}, OPENING, START, BOUNDS)[0], {}, CLOSING, NOW, BOUNDS)[0]


OLD = START + 90 * DAY
POLLS = {
    "draft": draft(),
    "open": open_poll().poll,
    "open for a minute": open_poll(open_ms=60_000).poll,
    "closed": closed_poll(),
    "archived": step(closed_poll(), {}, DeadlinePassed(), OLD, BOUNDS)[0],
}
TABLE: dict[str, tuple[Event, int, str]] = {
    "edited": (
        Edited("olga", host=True, wanted=wanted(question="Dinner?")), NOW,
        "draft | PollNotDraft | PollNotDraft | PollNotDraft | PollNotDraft",
    ),
    "edited by a guest": (
        Edited("ben", host=False, wanted=wanted()), NOW, " | ".join(["NotPollHost"] * 5),
    ),
    "opened": (OPENING, NOW, "open | = | = | PollClosed | PollClosed"),
    "opened by a guest": (
        OpenRequested("ben", host=False, open_already=0), NOW, " | ".join(["NotPollHost"] * 5),
    ),
    "opened beside another": (
        OpenRequested("olga", host=True, open_already=1), NOW,
        "AnotherPollOpen | = | = | PollClosed | PollClosed",
    ),
    "vote": (vote("ana", "1"), NOW, "PollNotOpen | open | open | PollClosed | PollClosed"),
    "vote after a minute": (
        vote("ana", "1"), START + 60_000, "PollNotOpen | open | PollClosed | PollClosed | PollClosed",
    ),
    "vote for nothing that is": (
        vote("ana", "9"), NOW, "PollNotOpen | BadBallot | BadBallot | PollClosed | PollClosed",
    ),
    "closed": (CLOSING, NOW, "PollNotOpen | closed | closed | = | ="),
    "closed by a guest": (
        CloseRequested("ben", host=False), NOW, " | ".join(["NotPollHost"] * 5),
    ),
    "closed with its room": (
        CloseRequested("", host=False, reason="room"), NOW, "PollNotOpen | closed | closed | = | =",
    ),
    "a minute": (DeadlinePassed(), START + 60_000, "= | = | closed | = | ="),
    "not quite a minute": (DeadlinePassed(), START + 59_999, "= | = | = | = | ="),
    "ninety days": (DeadlinePassed(), OLD, "archived | closed | closed | archived | ="),
    "not quite ninety days": (DeadlinePassed(), OLD - 1, "= | = | closed | = | ="),
}  # fmt: skip
REFUSALS = {
    one.__name__: one
    for one in (PollNotDraft, PollNotOpen, PollClosed, AnotherPollOpen, NotPollHost, BadBallot)
}


@pytest.mark.parametrize("event", TABLE)
@pytest.mark.parametrize(("number", "state"), list(enumerate(POLLS)), ids=list(POLLS))
def test_every_state_with_every_event(number: int, state: str, event: str) -> None:
    happened, now_ms, row = TABLE[event]
    expected = [outcome.strip() for outcome in row.split("|")]
    assert len(expected) == len(POLLS)
    if refusal := REFUSALS.get(expected[number]):
        with pytest.raises(refusal):
            step(POLLS[state], {}, happened, now_ms, BOUNDS)
        return
    poll, effects = step(POLLS[state], {}, happened, now_ms, BOUNDS)
    if expected[number] == "=":
        assert (poll is POLLS[state], effects) == (True, ())
        return
    assert poll.state.value == expected[number]
    assert poll.version == POLLS[state].version + 1
    assert poll.state.over == (poll.closed_at_ms is not None) or state == "draft"


class TestBallots:
    def test_a_vote_replaces_the_whole_ballot(self) -> None:
        watched = voted(vote("ana", "1", "2"), vote("ben", "2"), multiple=True)
        assert watched.poll.tally == Tally((1, 2, 0), 2)
        watched.do(vote("ana", "3", seq=2), NOW)
        assert watched.poll.tally == Tally((0, 1, 1), 2)
        assert watched.ballots["ana"] == Ballot("ana", ("3",), 2)

    def test_a_retry_counts_once_and_has_the_same_answer(self) -> None:
        watched = voted(vote("ana", "1"))
        answer, before = watched.seen["ana"], watched.poll
        assert watched.do(vote("ana", "1"), NOW + 5000) == ()
        assert (watched.poll, watched.seen["ana"]) == (before, answer)

    def test_one_number_stands_for_one_vote_whatever_a_retry_says(self) -> None:
        watched = voted(vote("ana", "1", seq=7))
        assert watched.do(vote("ana", "2", seq=7), NOW) == ()
        assert watched.ballots["ana"].option_ids == ("1",)

    def test_a_vote_that_another_has_overtaken_changes_nothing(self) -> None:
        watched = voted(vote("ana", "2", seq=2), vote("ana", "1", seq=1))
        assert watched.poll.tally == Tally((0, 1, 0), 1)

    def test_that_holds_where_the_later_vote_was_the_same_as_before(self) -> None:
        watched = voted(vote("ana", "1", seq=1), vote("ana", "1", seq=3), vote("ana", "2", seq=2))
        assert watched.poll.tally == Tally((1, 0, 0), 1)
        assert watched.ballots["ana"].seq == 3

    def test_a_vote_can_be_taken_back_and_an_older_one_does_not_bring_it_back(self) -> None:
        watched = voted(vote("ana", "1", seq=1), vote("ana", seq=3), vote("ana", "2", seq=2))
        assert watched.poll.tally == Tally.empty(3)
        watched.do(vote("ana", "2", seq=4), NOW)
        assert watched.poll.tally == Tally((0, 1, 0), 1)

    def test_taking_back_may_overtake_the_vote_itself(self) -> None:
        watched = voted(vote("ana", seq=2), vote("ana", "1", seq=1))
        assert watched.poll.tally == Tally.empty(3)

    def test_a_user_has_one_ballot_from_however_many_devices(self) -> None:
        watched = voted(*[vote("ana", str(seq % 3 + 1), seq=seq) for seq in (5, 3, 9, 1, 9, 2)])
        assert watched.poll.tally == Tally((1, 0, 0), 1)
        assert list(watched.ballots) == ["ana"]

    def test_the_host_votes_too(self) -> None:
        assert voted(vote("olga", "1")).poll.tally.voters == 1

    def test_the_order_in_which_options_are_named_says_nothing(self) -> None:
        watched = voted(vote("ana", "3", "1"), multiple=True)
        assert watched.ballots["ana"].option_ids == ("1", "3")

    @pytest.mark.parametrize(
        ("options", "seq", "param", "changes"),
        [
            (("4",), 1, "optionIds", {}),
            (("0",), 1, "optionIds", {}),
            (("",), 1, "optionIds", {}),
            (("1 ",), 1, "optionIds", {}),
            (("\u0661",), 1, "optionIds", {}),
            (("1", "2"), 1, "optionIds", {}),
            (("1", "1"), 1, "optionIds", {}),
            (("1", "1"), 1, "optionIds", {"multiple": True}),
            (("1",) * 100_000, 1, "optionIds", {"multiple": True}),
            (("1", "2", "3", "4"), 1, "optionIds", {"multiple": True}),
            ((), 1, "optionIds", {"allow_change": False}),
            (("1",), -1, "clientVoteSeq", {}),
            (("1",), SEQ_MAX + 1, "clientVoteSeq", {}),
        ],
    )
    def test_what_is_no_choice_is_refused(
        self, options: tuple[str, ...], seq: int, param: str, changes: dict[str, Any]
    ) -> None:
        watched = open_poll(**changes)
        with pytest.raises(BadBallot) as refusal:
            watched.do(VoteCast("ana", options, seq), NOW)
        assert refusal.value.param == param
        assert watched.ballots == {}

    def test_all_options_of_a_multiple_poll_may_be_chosen(self) -> None:
        assert voted(vote("ana", "1", "2", "3"), multiple=True).poll.tally == Tally((1, 1, 1), 1)

    def test_a_fixed_vote_stays_and_a_retry_of_it_is_no_fault(self) -> None:
        watched = voted(vote("ana", "1", seq=1), allow_change=False)
        assert watched.do(vote("ana", "1", seq=1), NOW) == ()
        assert watched.do(vote("ana", "1", seq=2), NOW) == ()
        assert watched.do(vote("ana", "2", seq=0), NOW) == ()
        with pytest.raises(VoteFixed) as refusal:
            watched.do(vote("ana", "2", seq=2), NOW)
        assert refusal.value.ballot == Ballot("ana", ("1",), 1)
        assert watched.poll.tally == Tally((1, 0, 0), 1)

    def test_no_more_than_the_own_ballot_is_needed(self) -> None:
        watched = voted(vote("ana", "1"), vote("ben", "2"))
        own = {"ana": watched.ballots["ana"]}
        cast = vote("ana", "3", seq=2)
        assert step(watched.poll, own, cast, NOW, BOUNDS) == step(
            watched.poll, watched.ballots, cast, NOW, BOUNDS
        )


class TestClosing:
    def test_time_is_over_to_the_millisecond_whether_or_not_anybody_has_closed_it(self) -> None:
        watched = open_poll(open_ms=60_000)
        watched.do(vote("ana", "1"), START + 59_999)
        with pytest.raises(PollClosed) as refusal:
            watched.do(vote("ben", "1"), START + 60_000)
        assert (refusal.value.poll, refusal.value.ballot) == (watched.poll, None)
        assert watched.do(DeadlinePassed(), START + 60_000) == (AnnounceClosed(),)
        assert (watched.poll.closed_by, watched.poll.tally.voters) == ("time", 1)

    def test_it_is_closed_by_hand_before_its_time(self) -> None:
        watched = open_poll(open_ms=60_000)
        watched.do(CLOSING, NOW)
        with pytest.raises(PollClosed):
            watched.do(vote("ana", "1"), NOW)
        assert watched.do(DeadlinePassed(), START + 60_000) == ()
        assert (watched.poll.closed_at_ms, watched.poll.closed_by) == (NOW, "host")

    def test_late_says_what_was_counted_also_to_a_retry(self) -> None:
        watched = voted(vote("ana", "1"))
        watched.do(CLOSING, NOW)
        for cast in (vote("ana", "1"), vote("ana", "2", seq=2)):
            with pytest.raises(PollClosed) as refusal:
                watched.do(cast, NOW)
            assert refusal.value.ballot == Ballot("ana", ("1",), 1)
            assert refusal.value.poll.tally == Tally((1, 0, 0), 1)

    def test_it_is_closed_once_and_stays_so(self) -> None:
        watched = voted(vote("ana", "1"))
        assert watched.do(CLOSING, NOW) == (AnnounceClosed(),)
        closed = watched.poll
        assert watched.do(CLOSING, NOW + 1000) == ()
        assert watched.do(CloseRequested("", host=False, reason="room"), NOW + 1000) == ()
        assert watched.poll is closed

    def test_the_result_is_what_the_ballots_say(self) -> None:
        watched = voted(vote("ana", "1"), vote("ben", "1"))
        wrong = replace(watched.poll, tally=Tally((7, 0, 0), 7))
        closed, effects = step(wrong, watched.ballots, CLOSING, NOW, BOUNDS)
        assert closed.tally == closed.shown.tally == Tally((2, 0, 0), 2)
        assert effects == (ReportMiscount(wrong.tally, closed.tally), AnnounceClosed())

    def test_a_store_may_count_the_ballots_itself(self) -> None:
        watched = voted(vote("ana", "1"), vote("ben", "2"))
        counted = step(watched.poll, watched.poll.tally, CLOSING, NOW, BOUNDS)
        assert counted == step(watched.poll, watched.ballots, CLOSING, NOW, BOUNDS)
        closed, effects = step(watched.poll, Tally((2, 0, 0), 2), CLOSING, NOW, BOUNDS)
        assert (closed.tally, len(effects)) == (Tally((2, 0, 0), 2), 2)

    def test_its_author_may_close_it_and_another_guest_may_not(self) -> None:
        watched = open_poll(author="ana")
        with pytest.raises(NotPollHost):
            watched.do(CloseRequested("ben", host=False), NOW)
        watched.do(CloseRequested("ana", host=False), NOW)
        assert watched.poll.state is State.CLOSED

    def test_a_clock_that_was_set_back_does_not_end_it_before_it_began(self) -> None:
        watched = open_poll()
        watched.do(CLOSING, START - 5000)
        assert watched.poll.closed_at_ms == START


class TestLife:
    def test_its_time_runs_from_when_it_is_opened(self) -> None:
        opened, effects = step(draft(open_ms=60_000), {}, OPENING, NOW, BOUNDS)
        assert effects == (AnnounceOpened(),)
        assert (opened.opened_at_ms, opened.closes_at_ms) == (NOW, NOW + 60_000)
        assert deadline_ms(opened, BOUNDS) == NOW + 60_000
        assert step(opened, {}, OPENING, NOW + 1000, BOUNDS) == (opened, ())

    def test_a_room_may_have_more_open_where_that_is_set(self) -> None:
        beside = OpenRequested("olga", host=True, open_already=1)
        assert step(draft(), {}, beside, NOW, Bounds(open_max=2))[0].state is State.OPEN
        with pytest.raises(AnotherPollOpen) as refusal:
            step(draft(), {}, beside, NOW, BOUNDS)
        assert refusal.value.open_max == 1

    def test_a_draft_can_be_written_anew_and_nothing_else_can(self) -> None:
        edited = Edited("olga", host=False, wanted=wanted(options=("Yes", "No")))
        poll, effects = step(draft(), {}, edited, NOW, BOUNDS)
        assert (poll.option_ids, poll.tally, effects) == (("1", "2"), Tally.empty(2), ())
        assert step(poll, {}, edited, NOW, BOUNDS) == (poll, ())
        with pytest.raises(PollNotDraft):
            step(open_poll().poll, {}, edited, NOW, BOUNDS)

    def test_a_draft_that_is_written_anew_is_checked_anew(self) -> None:
        with pytest.raises(BadPoll):
            step(draft(), {}, Edited("olga", host=True, wanted=wanted(options=())), NOW, BOUNDS)
        anonymous = wanted(visibility=Visibility.ANONYMOUS)
        with pytest.raises(BadPoll) as refusal:
            step(draft(), {}, Edited("olga", host=True, wanted=anonymous), NOW, BOUNDS)
        assert refusal.value.param == "visibility"

    def test_it_is_archived_ninety_days_after_it_was_made(self) -> None:
        closed = closed_poll()
        assert deadline_ms(closed, BOUNDS) == OLD
        archived, effects = step(closed, {}, DeadlinePassed(), OLD, BOUNDS)
        assert (archived.state, archived.tally, effects) == (State.ARCHIVED, closed.tally, ())
        assert deadline_ms(archived, BOUNDS) == NEVER_MS

    def test_one_that_was_open_all_the_time_is_closed_and_archived_by_the_next_look(self) -> None:
        watched = voted(vote("ana", "1"))
        watched.do(DeadlinePassed(), OLD)
        assert (watched.poll.state, watched.poll.closed_by) == (State.CLOSED, "time")
        assert deadline_ms(watched.poll, BOUNDS) <= OLD
        watched.do(DeadlinePassed(), OLD)
        assert watched.poll.state is State.ARCHIVED

    def test_it_is_kept_for_ever_where_that_is_set(self) -> None:
        assert deadline_ms(closed_poll(), Bounds(archive_ms=0)) == NEVER_MS


class TestAnonymity:
    def test_a_ballot_bears_no_name_and_when_it_is_over_nobody_can_tell(self) -> None:
        watched = voted(vote("ana", "1"), visibility=Visibility.ANONYMOUS)
        (voter,) = watched.ballots
        assert voter == voter_of(watched.poll, "ana") != "ana"
        other = replace(watched.poll, key=b"another key of a poll")
        assert voter_of(other, "ana") != voter
        watched.do(CLOSING, NOW)
        assert watched.poll.key == b""
        assert voter_of(watched.poll, "ana") is None

    def test_one_user_still_has_one_ballot(self) -> None:
        watched = voted(
            vote("ana", "1", seq=1), vote("ana", "2", seq=2), vote("ana", "1", seq=1),
            visibility=Visibility.ANONYMOUS,
        )  # fmt: skip
        assert watched.poll.tally == Tally((0, 1, 0), 1)

    def test_late_is_late_and_says_nothing_of_the_vote(self) -> None:
        watched = voted(vote("ana", "1"), visibility=Visibility.ANONYMOUS)
        watched.do(CLOSING, NOW)
        with pytest.raises(PollClosed) as refusal:
            watched.do(vote("ana", "2", seq=2), NOW)
        assert refusal.value.ballot is None
        assert refusal.value.poll.tally == Tally((1, 0, 0), 1)

    def test_the_room_is_told_when_five_have_voted_and_when_five_others_have(self) -> None:
        watched = open_poll(visibility=Visibility.ANONYMOUS)
        announced = [AnnounceChanged() in watched.do(vote(user, "1"), NOW) for user in USERS]
        assert announced == [number in (4, 9) for number in range(len(USERS))]
        assert watched.poll.tally.voters == 11
        assert watched.poll.shown.tally.voters == 10

    def test_one_who_votes_to_and_fro_moves_nothing_that_is_shown(self) -> None:
        watched = voted(*[vote(user, "1") for user in USERS[:6]], visibility=Visibility.ANONYMOUS)
        shown = watched.poll.shown
        for seq in range(2, 30):
            watched.do(vote("ana", str(seq % 3 + 1), seq=seq), NOW)
        assert watched.poll.shown == shown

    def test_a_draft_that_is_never_opened_keeps_no_key(self) -> None:
        archived, _ = step(draft(visibility=Visibility.ANONYMOUS), {}, DeadlinePassed(), OLD, BOUNDS)
        assert archived.key == b""


def test_what_is_stored_is_what_was_chosen() -> None:
    effects: tuple[Effect, ...] = open_poll().do(vote("ana", "2", seq=4), NOW)
    assert effects == (StoreBallot(Ballot("ana", ("2",), 4)), AnnounceChanged())
