"""What somebody sees of a poll: whole and by itself each time, never the difference to what they saw.

Invariant: nobody is shown a count that `sees_results` keeps from them, nobody but themselves what they voted,
and a snapshot that took longer than a newer one changes nothing. A page does what `after` does.

A room is told in one or two forms (`broadcast`), each encoded once for everybody who gets it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sessions.ballots import Ballot, percentages, winners
from sessions.poll_records import SHOWN_VOTERS_MIN, Poll, Results, State, Visibility


@dataclass(frozen=True, slots=True)
class OptionSeen:
    """An option; the counts are None where they are not to be seen."""

    id: str
    text: str
    votes: int | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class PollSnapshot:
    """A poll as one viewer sees it. `my_vote` is None where nothing is said of it: in a broadcast, or when
    nobody can tell any more; `()` is no vote. `winners` is None until the poll is closed and for whoever does
    not see the results."""

    id: str
    state: State
    version: int
    question: str
    multiple: bool
    allow_change: bool
    visibility: Visibility
    results: Results
    closes_at_ms: int | None
    options: tuple[OptionSeen, ...]
    voters: int
    my_vote: tuple[str, ...] | None = None
    my_seq: int | None = None
    winners: tuple[str, ...] | None = None


def sees_results(poll: Poll, *, voted: bool, host: bool) -> bool:
    """Whether somebody may see the counts now."""
    if host:
        return True
    match poll.wanted.results:
        case Results.ALWAYS:
            return True
        case Results.AFTER_VOTE:
            return voted or poll.state.over
        case Results.AFTER_CLOSE:
            return poll.state.over
        case Results.HOST:
            return False


def alike(poll: Poll) -> bool:
    """Whether everybody in the room sees the same counts, so that one form of a broadcast is enough."""
    return sees_results(poll, voted=False, host=False)


def listed(poll: Poll, user: str, *, host: bool) -> bool:
    """Whether a poll is shown to somebody at all: a draft is to its author and the host."""
    return poll.state is not State.DRAFT or host or user == poll.author


def snapshot(poll: Poll, ballot: Ballot | None, *, host: bool) -> PollSnapshot:
    """Return what one viewer sees now; `ballot` is their own, if they have one."""
    chosen = ballot.option_ids if ballot else ()
    seen = broadcast(poll, seeing=sees_results(poll, voted=bool(chosen), host=host))
    if _nobody_can_tell(seen):
        return seen
    return replace(seen, my_vote=chosen, my_seq=ballot.seq if ballot else None)


def broadcast(poll: Poll, *, seeing: bool) -> PollSnapshot:
    """Return what everybody is told who sees the results now, or everybody who does not."""
    tally = poll.shown.tally
    # Zeros would be wrong before the first voters of an anonymous poll are shown.
    too_few = poll.anonymous and poll.state is State.OPEN and tally.voters < SHOWN_VOTERS_MIN
    counted = seeing and not too_few
    percents = percentages(tally.votes)
    options = tuple(
        OptionSeen(option_id, text, votes, percent) if counted else OptionSeen(option_id, text)
        for option_id, text, votes, percent in zip(
            poll.option_ids, poll.wanted.options, tally.votes, percents, strict=True
        )
    )
    return PollSnapshot(
        id=poll.id,
        state=poll.state,
        version=poll.shown.version,
        question=poll.wanted.question,
        multiple=poll.wanted.multiple,
        allow_change=poll.wanted.allow_change,
        visibility=poll.wanted.visibility,
        results=poll.wanted.results,
        closes_at_ms=poll.closes_at_ms,
        options=options,
        voters=tally.voters,
        winners=winners(poll.option_ids, tally) if seeing and poll.state.over else None,
    )


def after(seen: PollSnapshot | None, told: PollSnapshot) -> PollSnapshot:
    """Return what a viewer sees who saw `seen` (None: not this poll) and is told this."""
    if seen is None:
        return told
    if told.version < seen.version:
        return seen
    if told.my_vote is not None or _nobody_can_tell(told):
        return told
    return replace(told, my_vote=seen.my_vote, my_seq=seen.my_seq)


def named_votes(
    poll: Poll, ballots: Iterable[Ballot], *, voted: bool, host: bool
) -> Mapping[str, tuple[str, ...]]:
    """Return who voted how, as far as this viewer may know it: empty where they may not."""
    match poll.wanted.visibility:
        case Visibility.ANONYMOUS:
            return {}
        case Visibility.HIDDEN:
            allowed = host
        case Visibility.PUBLIC:
            allowed = sees_results(poll, voted=voted, host=host)
    return {ballot.voter: ballot.option_ids for ballot in ballots if ballot.option_ids} if allowed else {}


def _nobody_can_tell(seen: PollSnapshot) -> bool:
    return seen.visibility is Visibility.ANONYMOUS and seen.state.over
