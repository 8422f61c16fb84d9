"""Ballots: counting, ties, and percentages that add up."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.ballots import Ballot, Tally, count, count_alike, percentages, recast, winners

OPTIONS = ("1", "2", "3")
CHOICES = st.sets(st.sampled_from(OPTIONS)).map(lambda chosen: tuple(sorted(chosen)))
BALLOTS = st.dictionaries(st.sampled_from("abcdefgh"), CHOICES, max_size=8).map(
    lambda chosen: {voter: Ballot(voter, options, 1) for voter, options in chosen.items()}
)


def test_voters_are_counted_and_so_are_choices() -> None:
    ballots = [Ballot("a", ("1", "3"), 1), Ballot("b", ("3",), 1), Ballot("c", (), 4)]
    assert count(OPTIONS, ballots) == Tally((1, 0, 2), voters=2)
    assert count(OPTIONS, []) == Tally.empty(3) == Tally((0, 0, 0), 0)


def test_a_ballot_for_what_is_no_option_is_our_mistake() -> None:
    with pytest.raises(KeyError):
        count(OPTIONS, [Ballot("a", ("4",), 1)])


@given(BALLOTS)
def test_ballots_that_are_alike_can_be_counted_together(ballots: dict[str, Ballot]) -> None:
    alike = Counter(ballot.option_ids for ballot in ballots.values())
    assert count_alike(OPTIONS, alike) == count(OPTIONS, ballots.values())


@given(BALLOTS, st.sampled_from("abcdefgh"), CHOICES)
def test_one_ballot_in_the_place_of_another_is_the_recount(
    ballots: dict[str, Ballot], voter: str, chosen: tuple[str, ...]
) -> None:
    new = Ballot(voter, chosen, 2)
    before = count(OPTIONS, ballots.values())
    assert recast(before, OPTIONS, ballots.get(voter), new) == count(
        OPTIONS, {**ballots, voter: new}.values()
    )


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((3, 1, 2), ("1",)),
        ((2, 1, 2), ("1", "3")),
        ((1, 1, 1), ("1", "2", "3")),
        ((0, 0, 0), ()),
        ((0, 0, 1), ("3",)),
    ],
)
def test_a_tie_has_several_winners_and_no_vote_none(
    votes: tuple[int, ...], expected: tuple[str, ...]
) -> None:
    assert winners(OPTIONS, Tally(votes, 9)) == expected


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((1, 1, 1), (34, 33, 33)),
        ((1, 1), (50, 50)),
        ((2, 1), (67, 33)),
        ((1, 2), (33, 67)),
        ((0, 0, 0), (0, 0, 0)),
        ((0, 7, 0), (0, 100, 0)),
        ((1, 1, 1, 1, 1, 1), (17, 17, 17, 17, 16, 16)),
        ((1, 999), (0, 100)),
        ((1, 1, 198), (1, 0, 99)),
        ((10**12, 1), (100, 0)),
    ],
)
def test_percentages_go_by_largest_remainder(votes: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert percentages(votes) == expected


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=10))
def test_percentages_add_to_100_and_none_is_off_by_a_whole(votes: list[int]) -> None:
    percents = percentages(votes)
    total = sum(votes)
    assert sum(percents) == (100 if total else 0)
    for number, percent in zip(votes, percents, strict=True):
        assert not total or abs(Fraction(100 * number, total) - percent) < 1
        assert number or not percent
    for number, percent in zip(votes, percents, strict=True):
        assert all(percent >= other for than, other in zip(votes, percents, strict=True) if number > than)
