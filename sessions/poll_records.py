"""A poll as it is stored, and how one is made. What becomes of it is decided in sessions/polls.py.

Invariant: a poll that was made has a question, 2 to 10 options that differ, and a name for each of them.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from sessions.ballots import Tally
from sessions.texts import checked

QUESTION_CHARACTERS_MAX = 300
OPTION_CHARACTERS_MAX = 100
OPTIONS_MIN = 2
OPTIONS_MAX = 10
OPEN_MS_MIN = 5_000
OPEN_MS_MAX = 7 * 24 * 3_600_000
KEY_BYTES_MIN = 16
SHOWN_VOTERS_MIN = 5
"""So many voters together change what is shown of an anonymous poll that is open."""

CloseReason = Literal["host", "time", "room"]
"""Somebody in charge closed it, its time was over, or its room was closed."""


class State(StrEnum):
    """Where a poll is in its life."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"

    @property
    def over(self) -> bool:
        """Whether its result is final."""
        return self in (State.CLOSED, State.ARCHIVED)


class Visibility(StrEnum):
    """Who may know how somebody voted: whoever sees the results, the host alone, or nobody at all."""

    PUBLIC = "public"
    HIDDEN = "hidden"
    ANONYMOUS = "anonymous"


class Results(StrEnum):
    """When participants see the counts; the host sees them at any time."""

    ALWAYS = "always"
    AFTER_VOTE = "after_vote"
    AFTER_CLOSE = "after_close"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class PollWanted:
    """What somebody asks for who creates a poll. `open_ms` is how long it is open; None: until it is closed.

    Without a word on it, a vote can be changed, and only the host can find out how somebody voted.
    """

    question: str
    options: tuple[str, ...]
    multiple: bool = False
    allow_change: bool = True
    visibility: Visibility = Visibility.HIDDEN
    results: Results = Results.ALWAYS
    open_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be seen of the count, and the version of the poll that it is of."""

    version: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll. `version` goes up by one whenever anything of it changes, for a compare-and-set.

    `key` makes the names on anonymous ballots and is forgotten (empty) when the poll is closed. `tally` is
    the count; `shown` is the same, but lags behind it while an anonymous poll is open, and `unshown` are the
    voters who make the difference.
    """

    id: str
    room_id: str
    author: str
    wanted: PollWanted
    created_at_ms: int
    tally: Tally
    shown: Shown
    key: bytes = b""
    state: State = State.DRAFT
    opened_at_ms: int | None = None
    closes_at_ms: int | None = None
    closed_at_ms: int | None = None
    closed_by: CloseReason | None = None
    unshown: frozenset[str] = field(default=frozenset())
    version: int = 1

    @property
    def option_ids(self) -> tuple[str, ...]:
        """The names of the options, in order: "1", "2" and so on."""
        return tuple(str(number) for number in range(1, len(self.wanted.options) + 1))

    @property
    def anonymous(self) -> bool:
        """Whether nobody may ever know who voted how."""
        return self.wanted.visibility is Visibility.ANONYMOUS


class BadPoll(Exception):
    """A poll cannot be made like this; `param` says which field is wrong."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def create(
    wanted: PollWanted, *, poll_id: str, room_id: str, author: str, key: bytes = b"", now_ms: int
) -> Poll:
    """Return a draft. `key` is KEY_BYTES_MIN or more random bytes if it is anonymous, and of this poll alone.
    Raises TextRefused, BadPoll."""
    check(wanted)
    anonymous = wanted.visibility is Visibility.ANONYMOUS
    assert not anonymous or len(key) >= KEY_BYTES_MIN
    tally = Tally.empty(len(wanted.options))
    return Poll(
        id=poll_id,
        room_id=room_id,
        author=author,
        wanted=wanted,
        created_at_ms=now_ms,
        tally=tally,
        shown=Shown(1, tally),
        key=key if anonymous else b"",
    )


def check(wanted: PollWanted) -> None:
    """Raise TextRefused or BadPoll unless a poll can be made like this."""
    checked(wanted.question, "question", QUESTION_CHARACTERS_MAX)
    if not OPTIONS_MIN <= len(wanted.options) <= OPTIONS_MAX:
        raise BadPoll("options", f"A poll has {OPTIONS_MIN} to {OPTIONS_MAX} options")
    for text in wanted.options:
        checked(text, "options", OPTION_CHARACTERS_MAX)
    if len({" ".join(text.split()) for text in wanted.options}) < len(wanted.options):
        raise BadPoll("options", "Two options of this poll are the same: make them differ")
    if wanted.open_ms is not None and not OPEN_MS_MIN <= wanted.open_ms <= OPEN_MS_MAX:
        raise BadPoll(
            "closes_in_seconds",
            f"A poll is open for {OPEN_MS_MIN // 1000} to {OPEN_MS_MAX // 1000} seconds, or until closed",
        )


def voter_of(poll: Poll, user: str) -> str | None:
    """Return the name on a user's ballot; None when nobody can tell any more.

    In an anonymous poll it is an HMAC (RFC 2104, SHA-256) of the user, under a key that is gone once the poll
    is closed: from then on the ballots that are stored belong to nobody.
    """
    if not poll.anonymous:
        return user
    if not poll.key:
        return None
    return hmac.new(poll.key, user.encode(), hashlib.sha256).hexdigest()
