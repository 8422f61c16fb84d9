"""The messages of polls on the Socket.IO connection, beside those of sessions/room_messages.py.

A poll is always sent whole, with a version: of two, the one with the higher version is how it stands. Counts
are there only for those who may see them now.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from sessions.payloads import Accepted, ClientEvent, Payload, ServerEvent
from sessions.poll_records import (
    OPEN_MS_MAX,
    OPEN_MS_MIN,
    OPTION_CHARACTERS_MAX,
    OPTIONS_MAX,
    OPTIONS_MIN,
    QUESTION_CHARACTERS_MAX,
    PollWanted,
    Results,
    State,
    Visibility,
)
from sessions.polls import SEQ_MAX

POLL_ID_CHARACTERS_MAX = 64

PollId = Annotated[str, Field(alias="pollId", min_length=1, max_length=POLL_ID_CHARACTERS_MAX)]


class OptionBody(Payload):
    """One option. `votes` and `percent` are missing where the counts are not to be seen."""

    id: str
    text: str
    votes: int | None = None
    percent: int | None = None


class PollBody(Payload):
    """A poll as one viewer sees it. `voters` is how many have voted. `my_vote` is what the viewer has chosen
    (an empty list: nothing), and `my_seq` the number of that vote; both are missing in what a whole room is
    told, and where nobody can tell any more (an anonymous poll that is closed). `winners` are the options
    that nothing beats, once the poll is closed, for those who see the results. `closes_at` is missing if it
    stays open until somebody closes it."""

    id: str
    state: State
    version: int
    question: str
    options: list[OptionBody]
    voters: int
    my_vote: list[str] | None = None
    my_seq: int | None = None
    winners: list[str] | None = None
    multiple: bool
    allow_change: bool
    visibility: Visibility
    results: Results
    closes_at: str | None = None


# --- from the client ----------------------------------------------------------------------------------


class PollShown(Accepted):
    """The poll, as the one who asked sees it now."""

    poll: PollBody


class PollText(Payload):
    """What a poll is about, and how it is voted."""

    question: Annotated[str, Field(max_length=QUESTION_CHARACTERS_MAX)]
    options: Annotated[
        list[Annotated[str, Field(max_length=OPTION_CHARACTERS_MAX)]],
        Field(min_length=OPTIONS_MIN, max_length=OPTIONS_MAX),
    ]
    multiple: bool = False
    allow_change: bool = True
    visibility: Visibility = Visibility.HIDDEN
    results: Results = Results.ALWAYS
    closes_in_seconds: Annotated[int, Field(ge=OPEN_MS_MIN // 1000, le=OPEN_MS_MAX // 1000)] | None = None

    def wanted(self) -> PollWanted:
        """Return it as the rules want it."""
        return PollWanted(
            question=self.question,
            options=tuple(self.options),
            multiple=self.multiple,
            allow_change=self.allow_change,
            visibility=self.visibility,
            results=self.results,
            open_ms=None if self.closes_in_seconds is None else self.closes_in_seconds * 1000,
        )


class CreatePoll(ClientEvent, PollText):
    """Make a poll, as host of the room. Unless it is a `draft`, everybody can vote at once, for
    `closes_in_seconds` or until it is closed. With a `clientId`, the same in each retry, it is made once."""

    event: ClassVar[str] = "poll:create"
    ack: ClassVar[type[Accepted]] = PollShown
    draft: bool = False
    client_id: Annotated[str | None, Field(alias="clientId", min_length=1, max_length=64)] = None


class EditPoll(ClientEvent, PollText):
    """Have a draft be another, all of it; only its visibility stays."""

    event: ClassVar[str] = "poll:edit"
    ack: ClassVar[type[Accepted]] = PollShown
    poll_id: PollId


class OpenPoll(ClientEvent):
    """Have everybody vote on a draft, as host of the room or as whoever made it."""

    event: ClassVar[str] = "poll:open"
    ack: ClassVar[type[Accepted]] = PollShown
    poll_id: PollId


class Vote(ClientEvent):
    """Have the ballot of this user hold these options, and nothing else; with none, the vote is taken back.
    `clientVoteSeq` is the same when it is sent again, and higher in each later vote of the user."""

    event: ClassVar[str] = "poll:vote"
    ack: ClassVar[type[Accepted]] = PollShown
    poll_id: PollId
    option_ids: Annotated[
        list[Annotated[str, Field(max_length=8)]], Field(alias="optionIds", max_length=OPTIONS_MAX)
    ]
    client_vote_seq: Annotated[int, Field(alias="clientVoteSeq", ge=0, le=SEQ_MAX)]


class ClosePoll(ClientEvent):
    """End the voting, as host of the room or as whoever made the poll; the answer has the result."""

    event: ClassVar[str] = "poll:close"
    ack: ClassVar[type[Accepted]] = PollShown
    poll_id: PollId


# --- from the server ----------------------------------------------------------------------------------


class PollCreated(ServerEvent):
    """There is something to vote on; or, for a host, a draft."""

    event: ClassVar[str] = "poll:created"
    poll: PollBody


class PollUpdated(ServerEvent):
    """How a poll stands, at most four times a second for all polls of a room together."""

    event: ClassVar[str] = "poll:updated"
    poll: PollBody


class PollClosed(ServerEvent):
    """A poll is closed, with its result for those who see it."""

    event: ClassVar[str] = "poll:closed"
    poll: PollBody
