"""Rows of rooms and what the rules make of them: room, participant, message, event, poll, ballot.

Invariant: what a row was made of is what it is read as. Rows are read by their place in `ROOM` and the other
lists of columns, for at thousands a second names cost too much.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, assert_never

from sqlalchemy import Column

from auth import principal
from gateway.stores.rooms.schema import poll_votes, polls, room_messages, rooms
from sessions.ballots import Ballot, Tally
from sessions.poll_records import Poll, PollWanted, Results, Shown, Visibility
from sessions.poll_records import State as PollState
from sessions.room_effects import (
    HostChanged,
    Message,
    MessagePosted,
    ParticipantJoined,
    ParticipantLeft,
    RoomClosed,
    RoomEvent,
)
from sessions.room_records import Participant, Room, State

Row = Sequence[Any]
Values = dict[str, Any]
user_uuid = lru_cache(maxsize=20_000)(principal.user_uuid)
"""A digest for each row that a user writes; two megabytes remember those of a large audience."""


def _columns(table: Any, names: str) -> list[Column[Any]]:
    return [table.c[name] for name in names.split()]


# --- rooms ----------------------------------------------------------------------------------------------

ROOM = _columns(
    rooms,
    "id tenant_id room_code name owner host max_participants is_private epoch created_at active_at is_active "
    "closed_at closed_by last_offset places version participants deadline_at",
)
ROOM_CHANGES = (
    "owner", "host", "host_user_id", "is_active", "active_at", "deadline_at", "closed_at", "closed_by",
    "last_offset", "places", "participants", "version",
)  # fmt: skip
"""What of a room ever changes."""


def room_of(row: Row) -> Room:
    """Return the room of a row, without its participants."""
    return Room(
        id=row[0], tenant_id=row[1], code=row[2], name=row[3], owner=row[4], host=row[5],
        participants_max=row[6], is_private=row[7], epoch=row[8], created_at_ms=row[9], active_at_ms=row[10],
        state=State.OPEN if row[11] else State.CLOSED, closed_at_ms=row[12], closed_by=row[13],
        offset=row[14], places=row[15], version=row[16], unseen=row[17],
    )  # fmt: skip


def room_changes(room: Room, deadline_ms: int) -> Values:
    """Return the values of what changes of a room."""
    return {
        "owner": room.owner,
        "host": room.host,
        "host_user_id": user_uuid(room.tenant_id, room.host),
        "is_active": room.state is State.OPEN,
        "active_at": room.active_at_ms,
        "deadline_at": deadline_ms,
        "closed_at": room.closed_at_ms,
        "closed_by": room.closed_by,
        "last_offset": room.offset,
        "places": room.places,
        "participants": room.count,
        "version": room.version,
    }


def room_row(room: Room, deadline_ms: int) -> Values:
    """Return the row of a new room."""
    return {
        "id": room.id,
        "tenant_id": room.tenant_id,
        "room_code": room.code,
        "name": room.name,
        "max_participants": room.participants_max,
        "is_private": room.is_private,
        "epoch": room.epoch,
        "created_at": room.created_at_ms,
        **room_changes(room, deadline_ms),
    }


def participant_row(room: Room, participant: Participant) -> Values:
    """Return the row of somebody who is in."""
    return {
        "room_id": room.id,
        "subject": participant.user,
        "tenant_id": room.tenant_id,
        "user_id": user_uuid(room.tenant_id, participant.user),
        "place": participant.place,
        "joined_at": participant.joined_at_ms,
        "lost_at": participant.lost_at_ms,
    }


# --- what happened --------------------------------------------------------------------------------------

MESSAGE = _columns(room_messages, "id event_offset subject text created_at")


def message_of(row: Row) -> Message:
    """Return the message of a row."""
    return Message(*row)


def message_row(room: Room, message: Message, client_id: str) -> Values:
    """Return the row of a message."""
    return {
        "room_id": room.id,
        "event_offset": message.offset,
        "id": message.id,
        "tenant_id": room.tenant_id,
        "user_id": user_uuid(room.tenant_id, message.user),
        "subject": message.user,
        "client_id": client_id,
        "text": message.text,
        "created_at": message.at_ms,
    }


def event_row(room_id: str, offset: int, event: RoomEvent, now_ms: int) -> Values:
    """Return the row of an event that is no message."""
    subject: str | None = None
    why: str | None = None
    at_ms = now_ms
    match event:
        case ParticipantJoined():
            kind, subject, at_ms = "joined", event.user, event.joined_at_ms
        case ParticipantLeft():
            kind, subject, why = "left", event.user, event.why
        case HostChanged():
            kind, subject = "host", event.host
        case RoomClosed():
            kind, why = "closed", event.why
        case MessagePosted():
            raise AssertionError("a message has a row of its own")
        case _:
            assert_never(event)
    return {
        "room_id": room_id,
        "event_offset": offset,
        "kind": kind,
        "subject": subject,
        "why": why,
        "occurred_at": at_ms,
    }


def event_of(kind: str, subject: Any, why: Any, at_ms: int) -> RoomEvent:
    """Return the event of a row."""
    match kind:
        case "joined":
            return ParticipantJoined(subject, at_ms)
        case "left":
            return ParticipantLeft(subject, why)
        case "host":
            return HostChanged(subject)
        case "closed":
            return RoomClosed(why)
        case _:
            raise AssertionError(f"an event of no kind that is known: {kind}")


# --- polls ----------------------------------------------------------------------------------------------

POLL = _columns(
    polls,
    "id room_id author created_at state version opened_at closes_at closed_at closed_by ballot_key question "
    "options multiple allow_change visibility results open_ms votes voters shown_version shown_votes "
    "shown_voters unshown",
)
POLL_CHANGES = (
    "question", "options", "multiple", "allow_change", "visibility", "results", "open_ms", "state",
    "opened_at", "closes_at", "closed_at", "closed_by", "deadline_at", "votes", "voters", "shown_version",
    "shown_votes", "shown_voters", "unshown", "ballot_key", "version",
)  # fmt: skip
"""What of a poll ever changes."""
BALLOT = _columns(poll_votes, "voter option_ids seq")


def poll_of(row: Row) -> Poll:
    """Return the poll of a row."""
    wanted = PollWanted(
        question=row[11], options=tuple(row[12]), multiple=row[13], allow_change=row[14],
        visibility=Visibility(row[15]), results=Results(row[16]), open_ms=row[17],
    )  # fmt: skip
    return Poll(
        id=row[0], room_id=row[1], author=row[2], wanted=wanted, created_at_ms=row[3],
        tally=Tally(tuple(row[18]), row[19]), shown=Shown(row[20], Tally(tuple(row[21]), row[22])),
        key=bytes(row[10]), state=PollState(row[4]), opened_at_ms=row[6], closes_at_ms=row[7],
        closed_at_ms=row[8], closed_by=row[9], unshown=frozenset(row[23]), version=row[5],
    )  # fmt: skip


def poll_changes(poll: Poll, deadline_ms: int) -> Values:
    """Return the values of what changes of a poll."""
    wanted = poll.wanted
    return {
        "question": wanted.question,
        "options": list(wanted.options),
        "multiple": wanted.multiple,
        "allow_change": wanted.allow_change,
        "visibility": wanted.visibility.value,
        "results": wanted.results.value,
        "open_ms": wanted.open_ms,
        "state": poll.state.value,
        "opened_at": poll.opened_at_ms,
        "closes_at": poll.closes_at_ms,
        "closed_at": poll.closed_at_ms,
        "closed_by": poll.closed_by,
        "deadline_at": deadline_ms,
        "votes": list(poll.tally.votes),
        "voters": poll.tally.voters,
        "shown_version": poll.shown.version,
        "shown_votes": list(poll.shown.tally.votes),
        "shown_voters": poll.shown.tally.voters,
        "unshown": sorted(poll.unshown),
        "ballot_key": poll.key,
        "version": poll.version,
    }


def poll_row(tenant_id: str, poll: Poll, deadline_ms: int) -> Values:
    """Return the row of a new poll."""
    return {
        "id": poll.id,
        "tenant_id": tenant_id,
        "room_id": poll.room_id,
        "author": poll.author,
        "author_user_id": user_uuid(tenant_id, poll.author),
        "created_at": poll.created_at_ms,
        **poll_changes(poll, deadline_ms),
    }


def ballot_of(voter: str, option_ids: str, seq: int) -> Ballot:
    """Return the ballot of a row."""
    return Ballot(voter, options_of(option_ids), seq)


def options_of(option_ids: str) -> tuple[str, ...]:
    """Return the options of a ballot, as they are stored."""
    return tuple(option_ids.split(",")) if option_ids else ()


def ballot_row(tenant_id: str, poll: Poll, ballot: Ballot, now_ms: int) -> Values:
    """Return the row of a ballot; an anonymous one does not say whose it is, nor when it was cast."""
    named = not poll.anonymous
    return {
        "poll_id": poll.id,
        "voter": ballot.voter,
        "user_id": user_uuid(tenant_id, ballot.voter) if named else None,
        "option_ids": ",".join(ballot.option_ids),
        "seq": ballot.seq,
        "voted_at": now_ms if named else None,
    }
