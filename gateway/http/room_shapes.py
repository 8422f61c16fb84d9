"""What rooms are asked for over HTTP, and what is answered; a success is `{"success": true, "data": ...}`.

Users are named by their `sub`; moments are RFC 3339 in UTC, to the second.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.http.admin_shapes import Body, Cursor, PageLimit, UserName
from sessions.room_messages import RoomBody
from sessions.room_records import NAME_CHARACTERS_MAX, PARTICIPANTS_MAX, PARTICIPANTS_MIN


class CreateRoom(Body):
    """The room to make. A private one is in nobody's list of public rooms; whoever has its code may join."""

    name: Annotated[str, Field(max_length=NAME_CHARACTERS_MAX)]
    max_participants: Annotated[int, Field(ge=PARTICIPANTS_MIN, le=PARTICIPANTS_MAX)]
    is_private: bool = False


class SomeUser(Body):
    """Whom."""

    user_id: UserName


class RoomQuery(BaseModel):
    """Which rooms, and which page of them."""

    scope: Literal["mine", "public"] = "mine"
    limit: PageLimit = 50
    cursor: Cursor | None = None


class RoomRow(RoomBody):
    """A room, with how many are in it now. `is_owner`: it belongs to the one who asks."""

    participants: int
    is_owner: bool
    created_at: str
    closed_at: str | None = None


class RoomAnswer(BaseModel):
    """One room."""

    success: Literal[True] = True
    data: RoomRow


class Rooms(BaseModel):
    """Rooms, the newest first; `next_cursor` is for the next page, null on the last."""

    success: Literal[True] = True
    data: list[RoomRow]
    next_cursor: str | None


class OptionResult(BaseModel):
    """An option of a poll that is closed, with its count."""

    id: str
    text: str
    votes: int
    percent: int


class PollResults(BaseModel):
    """The result of a poll that is closed. `ballots` has what each user chose, as far as the one who asks may
    know: it is empty for an anonymous poll, and in a hidden one for everybody but the host."""

    id: str
    question: str
    visibility: Literal["public", "hidden", "anonymous"]
    opened_at: str
    closed_at: str
    closed_by: Literal["host", "time", "room"]
    voters: int
    options: list[OptionResult]
    winners: list[str]
    ballots: dict[str, list[str]]


class PollResultsAnswer(BaseModel):
    """The result of one poll."""

    success: Literal[True] = True
    data: PollResults


class RoomsCleaned(BaseModel):
    """How many rooms of the tenant were closed because nothing had happened in them for too long."""

    rooms_closed: int


class RoomsCleanedAnswer(BaseModel):
    """Done."""

    success: Literal[True] = True
    data: RoomsCleaned


class PollsArchived(BaseModel):
    """How many polls of the tenant were archived because they were old."""

    polls_archived: int


class PollsArchivedAnswer(BaseModel):
    """Done."""

    success: Literal[True] = True
    data: PollsArchived


class QuotasReset(BaseModel):
    """None was reset, because none has to be: each month's minutes begin by themselves, next at
    `resets_at`."""

    quotas_reset: Literal[0]
    resets_at: str


class QuotasResetAnswer(BaseModel):
    """Done."""

    success: Literal[True] = True
    data: QuotasReset
