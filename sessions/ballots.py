"""Ballots and what they add up to: counts, winners, percentages.

Invariant: a voter has one ballot, so nobody is counted twice; a tally that is kept vote by vote is the one
that counting every ballot gives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one voter has chosen, in the order of the poll's options; nothing, after a vote was taken back.

    `voter` is a user, or stands for one whom nobody can name. `seq` is the number that the voter's client
    gave to the vote; one that was taken back keeps it, so that an older vote which comes late stays old.
    """

    voter: str
    option_ids: tuple[str, ...]
    seq: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each option was chosen, in the order of the options, and by how many voters in all."""

    votes: tuple[int, ...]
    voters: int = 0

    @classmethod
    def empty(cls, options: int) -> "Tally":
        """Return the tally of nobody."""
        return cls((0,) * options)


def count(option_ids: Sequence[str], ballots: Iterable[Ballot]) -> Tally:
    """Count every ballot."""
    votes = dict.fromkeys(option_ids, 0)
    voters = 0
    for ballot in ballots:
        voters += bool(ballot.option_ids)
        for option_id in ballot.option_ids:
            votes[option_id] += 1
    return Tally(tuple(votes.values()), voters)


def count_alike(option_ids: Sequence[str], ballots: Mapping[tuple[str, ...], int]) -> Tally:
    """Count ballots of which so many hold the same options, as a database puts them together."""
    votes = {
        option_id: sum(n for held, n in ballots.items() if option_id in held) for option_id in option_ids
    }
    voters = sum(number for held, number in ballots.items() if held)
    return Tally(tuple(votes.values()), voters)


def recast(tally: Tally, option_ids: Sequence[str], before: Ballot | None, after: Ballot) -> Tally:
    """Return the tally when one ballot takes the place of another, or of none."""
    was = before.option_ids if before else ()
    votes = tuple(
        number - (option_id in was) + (option_id in after.option_ids)
        for option_id, number in zip(option_ids, tally.votes, strict=True)
    )
    return Tally(votes, tally.voters - bool(was) + bool(after.option_ids))


def winners(option_ids: Sequence[str], tally: Tally) -> tuple[str, ...]:
    """Return every option that nothing beats: several in a tie, none without a vote."""
    most = max(tally.votes)
    if not most:
        return ()
    return tuple(
        option_id for option_id, number in zip(option_ids, tally.votes, strict=True) if number == most
    )


def percentages(votes: Sequence[int]) -> tuple[int, ...]:
    """Return each option's share of all choices in whole percents, which add to 100 (to 0 without any).

    By largest remainder (Hare's method): each share is rounded down, and what is missing goes to those that
    lost most, the first of equals. None is off by a whole percent.
    """
    total = sum(votes)
    if not total:
        return (0,) * len(votes)
    shares = [divmod(100 * number, total) for number in votes]
    missing = 100 - sum(whole for whole, _ in shares)
    lost_most = sorted(range(len(votes)), key=lambda place: -shares[place][1])[:missing]
    return tuple(whole + (place in lost_most) for place, (whole, _) in enumerate(shares))
