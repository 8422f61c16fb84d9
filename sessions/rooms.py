"""A room: who is in it, who is its host, and the one order in which everything happens there.

    event               a room that is open                                       one that is closed
    ------------------  --------------------------------------------------------  ------------------
    JoinRequested       in, at the end of the line; back in, in the old place,    RoomOver
                        after a loss; as it was for another tab; RoomFull, KickedOut
    LeaveRequested      out; as it was for a stranger                             as it was
    ConnectionLost      in until the grace time is over                           as it was
    KickRequested       by the host: out, and refused from now on; CannotKick     RoomOver
    HandOverRequested   by the host: another in the room is host; as it was       RoomOver
                        where that one is, so that a retry does no harm
    CloseRequested      by the host or an admin: CLOSED, nobody is in             as it was
    MessageSent         the next offset; the same one again for a retry           RoomOver
    TypingSeen          the others see it; nothing is stored                      RoomOver
    ActivitySeen        a later deadline                                          as it was
    DeadlinePassed      the lost are out; CLOSED after idling; else as it was     as it was

    Whoever is not in and sends or types gets NotInRoom, whoever is not host and acts as one NotHost. A room
    that has idled for too long refuses like a closed one, also before anybody has found its deadline.

Invariants: never more are in than `participants_max`; while anybody is in, exactly one of them is host; each
event that is published has the next offset, without a gap; what was once kicked never comes in again; CLOSED
stays so. A snapshot and the events after it are the next snapshot (sessions/room_snapshots.py).

The *owner* is who created the room, or was given it. The owner is host whenever in; otherwise the host is
whoever was, and when they go the next in line: by the order of joining, those with a connection first. So a
guest who is there first is host until the owner comes, and an owner who was lost for long is host again.
Times are milliseconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, assert_never

from sessions.lifetimes import NEVER_MS
from sessions.room_effects import (
    Acknowledge,
    Closure,
    Departure,
    Effect,
    EndPolls,
    Expel,
    HostChanged,
    Message,
    MessagePosted,
    ParticipantJoined,
    ParticipantLeft,
    Publish,
    RoomClosed,
    RoomEvent,
    ShowTyping,
)
from sessions.room_events import (
    ActivitySeen,
    CloseRequested,
    ConnectionLost,
    DeadlinePassed,
    Event,
    HandOverRequested,
    JoinRequested,
    KickRequested,
    LeaveRequested,
    MessageSent,
    TypingSeen,
)
from sessions.room_records import Bounds, Participant, Room, Sent, State
from sessions.texts import USER_CHARACTERS_MAX, checked

MESSAGE_CHARACTERS_MAX = 2000
CLIENT_ID_CHARACTERS_MAX = 64
KICKED_MAX = 1000
"""A room whose host has to turn out more should be closed; the list must end somewhere."""
SENT_MAX = 64
"""Messages of each participant whose retries are known: more than a client has under way at once."""

# --- refusals -----------------------------------------------------------------------------------------


class RoomOver(Exception):
    """The room is closed, or has idled for so long that it is."""

    def __init__(self, room: Room) -> None:
        super().__init__("This room is closed: create another")
        self.room_id = room.id
        self.closed_by: Closure = room.closed_by or "idle"


class RoomFull(Exception):
    """Everybody who may be in is."""

    def __init__(self, participants_max: int) -> None:
        super().__init__(f"This room is full ({participants_max}): try again when somebody has left")
        self.participants_max = participants_max


class KickedOut(Exception):
    """The host has turned this user out of the room."""

    def __init__(self) -> None:
        super().__init__("The host has removed you from this room")


class NotInRoom(Exception):
    """`user` has to be in the room for this, and is not."""

    def __init__(self, user: str) -> None:
        super().__init__("Only for participants of this room: join it first")
        self.user = user


class NotHost(Exception):
    """Only the host may do this."""

    def __init__(self) -> None:
        super().__init__("Only the host of this room may do this")


class CannotKick(Exception):
    """A kick that is not possible: of oneself, of the owner, or of too many."""

    def __init__(self, reason: Literal["yourself", "owner", "too_many"]) -> None:
        super().__init__(
            {
                "yourself": "You cannot remove yourself: leave the room instead",
                "owner": "The owner of a room cannot be removed from it",
                "too_many": f"At most {KICKED_MAX} users can be removed from a room: close it instead",
            }[reason]
        )
        self.reason = reason


# --- rules --------------------------------------------------------------------------------------------


class OthersNeeded(Exception):
    """Who is host now follows from everybody who is in, and the room has not all of them (`Room.unseen`)."""


Step = tuple[Room, tuple[Effect, ...]]


def in_charge(room: Room, user: str) -> bool:
    """Whether a user may do what a host may: the host, and the owner also from outside."""
    return user in (room.host, room.owner)


def inside(room: Room, user: str, now_ms: int, bounds: Bounds) -> Participant:
    """Return a user's participation: who may write, see and vote. Raises RoomOver, KickedOut, NotInRoom."""
    _must_be_open(room, now_ms, bounds)
    participant = room.participants.get(user)
    if participant is None:
        raise KickedOut if user in room.kicked else NotInRoom(user)
    return participant


def deadline_ms(room: Room, bounds: Bounds) -> int:
    """Return when something has to happen to a room unless it is touched."""
    if room.state is State.CLOSED:
        return NEVER_MS
    assert not room.unseen
    lost = (at.lost_at_ms + bounds.grace_ms for at in room.participants.values() if at.lost_at_ms is not None)
    return min(idle_deadline_ms(room, bounds), min(lost, default=NEVER_MS))


def idle_deadline_ms(room: Room, bounds: Bounds) -> int:
    """Return when a room that is open has idled for too long, whoever is in."""
    return room.active_at_ms + bounds.idle_ms_max if bounds.idle_ms_max else NEVER_MS


def concerned(room: Room, event: Event) -> frozenset[str]:
    """Return whom `step` looks up by name. A store may leave out who is neither among them nor overdue, and
    count them in `unseen`: the step is the same, or raises OthersNeeded. Of the kicked, too, those among them
    do, but for a kick, which counts them."""
    match event:
        case JoinRequested() | LeaveRequested() | ConnectionLost() | KickRequested():
            named = event.user
        case HandOverRequested():
            named = event.to
        case MessageSent() | TypingSeen():
            named = event.by
        case CloseRequested() | ActivitySeen() | DeadlinePassed():
            named = room.owner
        case _:
            assert_never(event)
    return frozenset({room.owner, room.host, named})


def step(room: Room, event: Event, now_ms: int, bounds: Bounds) -> Step:
    """Return the room after an event, and what to do about it, as the table above has it.

    A store need not load everybody for it (`concerned`), and for MessageSent and TypingSeen nobody but the
    sender. It may put an older message of the sender's into `sent`, and knows retries for as long as it keeps
    messages. Raises the refusals above, TextRefused, and OthersNeeded if somebody is left out.
    """
    after, effects = _step(room, event, now_ms, bounds)
    return (room if after is room else replace(after, version=room.version + 1)), effects


def _step(room: Room, event: Event, now_ms: int, bounds: Bounds) -> Step:
    match event:
        case JoinRequested():
            return _joined(room, event.user, now_ms, bounds)
        case LeaveRequested():
            return _gone(room, {event.user: "left"})
        case ConnectionLost():
            return _lost(room, event.user, now_ms, bounds)
        case KickRequested():
            return _kicked(room, event, now_ms, bounds)
        case HandOverRequested():
            return _handed_over(room, event, now_ms, bounds)
        case CloseRequested():
            return _close_requested(room, event, now_ms)
        case MessageSent():
            return _posted(room, event, now_ms, bounds)
        case TypingSeen():
            inside(room, event.by, now_ms, bounds)
            return room, (ShowTyping(event.by),)
        case ActivitySeen():
            return room if _over(room, now_ms, bounds) else _active(room, now_ms), ()
        case DeadlinePassed():
            return _deadline_passed(room, now_ms, bounds)
        case _:
            assert_never(event)


def _over(room: Room, now_ms: int, bounds: Bounds) -> bool:
    return room.state is State.CLOSED or now_ms >= idle_deadline_ms(room, bounds)


def _must_be_open(room: Room, now_ms: int, bounds: Bounds) -> None:
    if _over(room, now_ms, bounds):
        raise RoomOver(room)


def _active(room: Room, now_ms: int) -> Room:
    return room if now_ms <= room.active_at_ms else replace(room, active_at_ms=now_ms)


def _published(room: Room, *events: RoomEvent) -> tuple[Room, tuple[Publish, ...]]:
    effects = tuple(Publish(room.offset + number, event) for number, event in enumerate(events, 1))
    return replace(room, offset=room.offset + len(events)), effects


def _with_participants(
    room: Room, participants: Mapping[str, Participant], *events: RoomEvent
) -> tuple[Room, tuple[Publish, ...]]:
    """Publish who came or went, and who is host now."""
    host = room.owner
    if host not in participants and room.host in participants:
        host = room.host
    elif host not in participants and room.unseen:
        raise OthersNeeded
    elif host not in participants and participants:
        host = min(participants.values(), key=lambda at: (at.lost_at_ms is not None, at.place)).user
    after = replace(room, participants=participants, host=host)
    return _published(after, *events, *([HostChanged(host)] if host != room.host else []))


def _joined(room: Room, user: str, now_ms: int, bounds: Bounds) -> Step:
    _must_be_open(room, now_ms, bounds)
    checked(user, "userId", USER_CHARACTERS_MAX)
    if user in room.kicked:
        raise KickedOut
    known = room.participants.get(user)
    if known is not None:
        if known.lost_at_ms is None:
            return room, ()
        back = replace(known, lost_at_ms=None)
        return _active(replace(room, participants={**room.participants, user: back}), now_ms), ()
    room, evicted = _gone(room, _overdue(room, now_ms, bounds))
    if room.count >= room.participants_max:
        raise RoomFull(room.participants_max)
    new = Participant(user, room.places + 1, now_ms)
    room, published = _with_participants(
        _active(replace(room, places=new.place), now_ms),
        {**room.participants, user: new},
        ParticipantJoined(user, now_ms),
    )
    return room, (*evicted, *published)


def _gone(room: Room, going: Mapping[str, Departure]) -> Step:
    events = [ParticipantLeft(user, why) for user, why in going.items() if user in room.participants]
    if not events:
        return room, ()
    staying = {user: at for user, at in room.participants.items() if user not in going}
    return _with_participants(room, staying, *events)


def _overdue(room: Room, now_ms: int, bounds: Bounds) -> dict[str, Departure]:
    return {
        at.user: "lost"
        for at in room.participants.values()
        if at.lost_at_ms is not None and now_ms >= at.lost_at_ms + bounds.grace_ms
    }


def _lost(room: Room, user: str, now_ms: int, bounds: Bounds) -> Step:
    at = room.participants.get(user)
    if at is None or at.lost_at_ms is not None:
        return room, ()
    if not bounds.grace_ms:
        return _gone(room, {user: "lost"})
    return replace(room, participants={**room.participants, user: replace(at, lost_at_ms=now_ms)}), ()


def _kicked(room: Room, event: KickRequested, now_ms: int, bounds: Bounds) -> Step:
    _must_be_open(room, now_ms, bounds)
    if not in_charge(room, event.by):
        raise NotHost
    checked(event.user, "userId", USER_CHARACTERS_MAX)
    if event.user in room.kicked:
        return room, ()
    if event.user == event.by:
        raise CannotKick("yourself")
    if event.user == room.owner:
        raise CannotKick("owner")
    if len(room.kicked) >= KICKED_MAX:
        raise CannotKick("too_many")
    room = _active(replace(room, kicked=room.kicked | {event.user}), now_ms)
    room, published = _gone(room, {event.user: "kicked"})
    return room, (*published, Expel(event.user))


def _handed_over(room: Room, event: HandOverRequested, now_ms: int, bounds: Bounds) -> Step:
    _must_be_open(room, now_ms, bounds)
    if not in_charge(room, event.by):
        if event.to == room.host:
            return room, ()
        raise NotHost
    if event.to not in room.participants:
        raise NotInRoom(event.to)
    if event.to == event.by:
        return room, ()
    given = replace(room, owner=event.to) if event.by == room.owner else room
    if event.to == room.host:
        return _active(given, now_ms), ()
    return _published(_active(replace(given, host=event.to), now_ms), HostChanged(event.to))


def _close_requested(room: Room, event: CloseRequested, now_ms: int) -> Step:
    if not (event.admin or in_charge(room, event.by)):
        raise NotHost
    return _closed(room, "admin" if event.admin else "host", now_ms)


def _deadline_passed(room: Room, now_ms: int, bounds: Bounds) -> Step:
    if _over(room, now_ms, bounds):
        return _closed(room, "idle", now_ms)
    return _gone(room, _overdue(room, now_ms, bounds))


def _closed(room: Room, by: Closure, now_ms: int) -> Step:
    if room.state is State.CLOSED:
        return room, ()
    at_ms = max(now_ms, room.created_at_ms)
    after = replace(room, state=State.CLOSED, participants={}, unseen=0, closed_at_ms=at_ms, closed_by=by)
    after, published = _published(after, RoomClosed(by))
    return after, (*published, EndPolls())


def _posted(room: Room, event: MessageSent, now_ms: int, bounds: Bounds) -> Step:
    sender = inside(room, event.by, now_ms, bounds)
    for sent in sender.sent:
        if sent.client_id == event.client_id:
            return room, (Acknowledge(sent.message_id, sent.offset, sent.at_ms, again=True),)
    checked(event.client_id, "clientId", CLIENT_ID_CHARACTERS_MAX)
    text = checked(event.text, "text", MESSAGE_CHARACTERS_MAX)
    message = Message(event.message_id, room.offset + 1, event.by, text, now_ms)
    newest = Sent(event.client_id, message.id, message.offset, now_ms)
    sender = replace(sender, sent=(*sender.sent, newest)[-SENT_MAX:])
    room = _active(replace(room, participants={**room.participants, event.by: sender}), now_ms)
    room, published = _published(room, MessagePosted(message))
    return room, (*published, Acknowledge(message.id, message.offset, message.at_ms))
