"""A poll: written, open, closed, archived; and the one ballot that each user has in it.

    state     Edited        OpenRequested  VoteCast     CloseRequested  DeadlinePassed
    --------  ------------  -------------  -----------  --------------  ------------------------------------
    DRAFT     DRAFT         OPEN           PollNotOpen  PollNotOpen     ARCHIVED when it is old
    OPEN      PollNotDraft  as it was      a ballot     CLOSED          CLOSED when its time is over, or old
    CLOSED    PollNotDraft  PollClosed     PollClosed   as it was       ARCHIVED when it is old
    ARCHIVED  PollNotDraft  PollClosed     PollClosed   as it was       as it was

    Each of them leaves DRAFT, OPEN and CLOSED as they were when a deadline is not over. Whoever is neither
    host nor author gets NotPollHost for all but a vote. Opening is refused with AnotherPollOpen while a room
    has as many open as it may.

    a vote that comes          then
    -------------------------  --------------------------------------------------------------------------
    in time, with a higher     the ballot holds this and nothing else; with no option it is taken back
    number than the last
    with no higher number      as it was: a retry, or one that another has overtaken
    for the same again         as it was, also where a vote cannot be changed
    for other than before      VoteFixed where a vote cannot be changed, which is so from the first on
    at `closes_at_ms`, later   PollClosed, whether or not anybody has closed the poll yet
    for what is no choice      BadBallot

Invariants: a user has one ballot, whatever is retried, reordered or sent from two devices; `tally` is what
counting the ballots gives, and closing counts them again; a poll that is CLOSED has its final result. Nobody
is told how often before five have voted in an anonymous poll that is open, nor after that before five others
have: a count that goes up as somebody comes in would tell whose vote it was.

Who may vote is whoever is in the room when the vote comes (`rooms.inside`), the host too. Who leaves keeps
their vote, and so does who is kicked: a host must not be able to remove the votes that they do not like.
Times are milliseconds since the epoch; that of a vote is when the server received it, taken before any queue.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from sessions import poll_records
from sessions.ballots import Ballot, Tally, count, recast
from sessions.lifetimes import NEVER_MS
from sessions.poll_records import SHOWN_VOTERS_MIN, CloseReason, Poll, PollWanted, Shown, State, voter_of

SEQ_MAX = 2**53 - 1
"""The largest number that JavaScript counts to exactly, which both databases can store."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many polls of a room are open at once, and when a poll is archived after it was made, in
    milliseconds (0: never)."""

    open_max: int = 1
    archive_ms: int = 90 * 24 * 3_600_000


# --- events -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody wants the poll to be another; `host`: as host of the room."""

    by: str
    host: bool
    wanted: PollWanted


@dataclass(frozen=True, slots=True)
class OpenRequested:
    """Somebody wants votes; `open_already` counts the open polls of the room, without this one."""

    by: str
    host: bool
    open_already: int


@dataclass(frozen=True, slots=True)
class VoteCast:
    """Somebody in the room wants their ballot to hold these options. `seq` is their client's number for it:
    the same in each retry, higher in each later vote."""

    user: str
    option_ids: tuple[str, ...]
    seq: int


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """Somebody wants the result; with reason "room", the end of the room does."""

    by: str
    host: bool
    reason: CloseReason = "host"


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Somebody found that the deadline may be over."""


Event = Edited | OpenRequested | VoteCast | CloseRequested | DeadlinePassed

# --- effects ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreBallot:
    """Write a ballot in the place of the voter's last, in the transaction that stores the poll."""

    ballot: Ballot


@dataclass(frozen=True, slots=True)
class AnnounceOpened:
    """Tell the room that there is something to vote on."""


@dataclass(frozen=True, slots=True)
class AnnounceChanged:
    """Tell the room how it stands, when the room may be told again (sessions/throttle.py)."""


@dataclass(frozen=True, slots=True)
class AnnounceClosed:
    """Tell the room the result, when the room may be told again."""


@dataclass(frozen=True, slots=True)
class ReportMiscount:
    """Note that counting again gave another result than the votes, one by one; the recount stands."""

    kept: Tally
    counted: Tally


Effect = StoreBallot | AnnounceOpened | AnnounceChanged | AnnounceClosed | ReportMiscount

# --- refusals -----------------------------------------------------------------------------------------


class PollNotDraft(Exception):
    """A poll that was opened once stays as it is, so that no vote is for what its voter did not read."""

    def __init__(self) -> None:
        super().__init__("This poll has been opened and cannot be changed: close it and create another")


class PollNotOpen(Exception):
    """The poll has not been opened yet."""

    def __init__(self) -> None:
        super().__init__("This poll is not open yet")


class PollClosed(Exception):
    """The poll is closed, or its time is over; then `poll` is not CLOSED until a deadline is found to have
    passed. `ballot` is what the user had voted in time, None if nothing or if nobody can tell."""

    def __init__(self, poll: Poll, ballot: Ballot | None = None) -> None:
        super().__init__("This poll is closed: votes no longer count")
        self.poll = poll
        self.ballot = ballot


class AnotherPollOpen(Exception):
    """The room has as many open polls as it may."""

    def __init__(self, open_max: int) -> None:
        super().__init__(f"A room has at most {open_max} open at once: close the poll that is open first")
        self.open_max = open_max


class NotPollHost(Exception):
    """Only the host of the room and the poll's author may do this."""

    def __init__(self) -> None:
        super().__init__("Only the host of the room or the author of the poll may do this")


class BadBallot(Exception):
    """A vote is for what cannot be chosen; `param` says which field is wrong."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


class VoteFixed(Exception):
    """A vote cannot be changed in this poll; `ballot` is the one that counts."""

    def __init__(self, ballot: Ballot) -> None:
        super().__init__("You have voted, and a vote cannot be changed in this poll")
        self.ballot = ballot


# --- rules --------------------------------------------------------------------------------------------

Step = tuple[Poll, tuple[Effect, ...]]


def deadline_ms(poll: Poll, bounds: Bounds) -> int:
    """Return when something has to happen to a poll by itself."""
    if poll.state is State.ARCHIVED:
        return NEVER_MS
    old_ms = poll.created_at_ms + bounds.archive_ms if bounds.archive_ms else NEVER_MS
    return min(old_ms, poll.closes_at_ms or NEVER_MS) if poll.state is State.OPEN else old_ms


def step(
    poll: Poll, ballots: Mapping[str, Ballot] | Tally, event: Event, now_ms: int, bounds: Bounds
) -> Step:
    """Return the poll after an event, and what to do about it, as the tables above have it.

    `ballots` are those of the poll by voter. A vote reads none but the voter's own (`voter_of`): a store need
    not load the others for it. Closing reads all, or what counting them just gave; a draft has none. Raises
    the refusals above, and TextRefused, BadPoll.
    """
    match event:
        case Edited():
            return _edited(poll, event)
        case OpenRequested():
            return _opened(poll, event, now_ms, bounds)
        case VoteCast():
            assert not isinstance(ballots, Tally)
            return _voted(poll, ballots, event, now_ms)
        case CloseRequested():
            _must_be_in_charge(poll, event.by, host=event.host or event.reason == "room")
            if poll.state is State.DRAFT:
                raise PollNotOpen
            return (poll, ()) if poll.state.over else _closed(poll, ballots, event.reason, now_ms)
        case DeadlinePassed():
            if now_ms < deadline_ms(poll, bounds):
                return poll, ()
            if poll.state is State.OPEN:
                return _closed(poll, ballots, "time", now_ms)
            return _changed(replace(poll, state=State.ARCHIVED, key=b"")), ()
        case _:
            assert_never(event)


def _changed(poll: Poll, *, shown: bool = True) -> Poll:
    version = poll.version + 1
    if not shown:
        return replace(poll, version=version)
    return replace(poll, version=version, shown=Shown(version, poll.tally), unshown=frozenset())


def _must_be_in_charge(poll: Poll, by: str, *, host: bool) -> None:
    if not host and by != poll.author:
        raise NotPollHost


def _edited(poll: Poll, event: Edited) -> Step:
    _must_be_in_charge(poll, event.by, host=event.host)
    if poll.state is not State.DRAFT:
        raise PollNotDraft
    if event.wanted.visibility is not poll.wanted.visibility:
        # An anonymous poll has a key from the start, so that none can lose or gain its anonymity.
        raise poll_records.BadPoll("visibility", "Create another poll to have another visibility")
    poll_records.check(event.wanted)
    if event.wanted == poll.wanted:
        return poll, ()
    return _changed(replace(poll, wanted=event.wanted, tally=Tally.empty(len(event.wanted.options)))), ()


def _opened(poll: Poll, event: OpenRequested, now_ms: int, bounds: Bounds) -> Step:
    _must_be_in_charge(poll, event.by, host=event.host)
    if poll.state is State.OPEN:
        return poll, ()
    if poll.state.over:
        raise PollClosed(poll)
    if event.open_already >= bounds.open_max:
        raise AnotherPollOpen(bounds.open_max)
    open_ms = poll.wanted.open_ms
    closes_at_ms = None if open_ms is None else now_ms + open_ms
    opened = replace(poll, state=State.OPEN, opened_at_ms=now_ms, closes_at_ms=closes_at_ms)
    return _changed(opened), (AnnounceOpened(),)


def _closed(poll: Poll, ballots: Mapping[str, Ballot] | Tally, reason: CloseReason, now_ms: int) -> Step:
    assert poll.opened_at_ms is not None
    counted = ballots if isinstance(ballots, Tally) else count(poll.option_ids, ballots.values())
    miscount = (ReportMiscount(poll.tally, counted),) if counted != poll.tally else ()
    closed = replace(
        poll,
        state=State.CLOSED,
        closed_at_ms=max(now_ms, poll.opened_at_ms),
        closed_by=reason,
        tally=counted,
        key=b"",
    )
    return _changed(closed), (*miscount, AnnounceClosed())


def _voted(poll: Poll, ballots: Mapping[str, Ballot], event: VoteCast, now_ms: int) -> Step:
    if poll.opened_at_ms is None:
        raise PollNotOpen
    voter = voter_of(poll, event.user)
    last = ballots.get(voter) if voter is not None else None
    if voter is None or poll.state.over or (poll.closes_at_ms is not None and now_ms >= poll.closes_at_ms):
        raise PollClosed(poll, last)
    ballot = Ballot(voter, _chosen(poll, event), event.seq)
    if last is not None and ballot.seq <= last.seq:
        return poll, ()
    if last is not None and not poll.wanted.allow_change:
        if ballot.option_ids != last.option_ids:
            raise VoteFixed(last)
        return poll, ()
    if ballot.option_ids == (last.option_ids if last else ()):
        # Only the number is new: it is kept, or a vote that comes late could still change the ballot.
        return poll, (StoreBallot(ballot),)
    tally = recast(poll.tally, poll.option_ids, last, ballot)
    after = replace(poll, tally=tally, unshown=poll.unshown | {voter} if poll.anonymous else frozenset())
    shown = not poll.anonymous or len(after.unshown) >= SHOWN_VOTERS_MIN
    return _changed(after, shown=shown), (StoreBallot(ballot), *([AnnounceChanged()] if shown else []))


def _chosen(poll: Poll, event: VoteCast) -> tuple[str, ...]:
    """Return the options of a vote in the poll's order. Raises BadBallot."""
    if not 0 <= event.seq <= SEQ_MAX:
        raise BadBallot("clientVoteSeq", f"The number of a vote is 0 to {SEQ_MAX}")
    chosen = set(event.option_ids)
    if not chosen <= set(poll.option_ids):
        raise BadBallot("optionIds", f"Options of this poll are {', '.join(poll.option_ids)}")
    if len(chosen) < len(event.option_ids):
        raise BadBallot("optionIds", "An option can be chosen once")
    if len(chosen) > 1 and not poll.wanted.multiple:
        raise BadBallot("optionIds", "Choose one option")
    if not chosen and not poll.wanted.allow_change:
        raise BadBallot("optionIds", "Choose an option: a vote cannot be taken back in this poll")
    return tuple(option_id for option_id in poll.option_ids if option_id in chosen)
