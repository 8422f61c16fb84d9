"""A room: every state with every event, who is host, who is in, and the order of what happens."""

from dataclasses import replace

import pytest

from sessions.lifetimes import NEVER_MS
from sessions.room_effects import (
    Acknowledge,
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
from sessions.room_records import Bounds, Participant, Room, RoomWanted, State, create
from sessions.rooms import (
    KICKED_MAX,
    SENT_MAX,
    CannotKick,
    KickedOut,
    NotHost,
    NotInRoom,
    RoomFull,
    RoomOver,
    deadline_ms,
    in_charge,
    inside,
    step,
)
from sessions.texts import TextRefused
from tests.sessions.watchers import WatchedRoom

HOUR = 3_600_000
START = 1_795_185_000_000
NOW = START + 200_000
BOUNDS = Bounds()


def new_room(participants_max: int = 5, **changes: object) -> Room:
    room = create(
        RoomWanted("Premiere", participants_max),
        room_id="room_1", tenant_id="acme", code="XJ9K2M", owner="olga", epoch="e1", now_ms=START,
    )  # fmt: skip
    return replace(room, **changes)  # type: ignore[arg-type]


def after(room: Room, *events: Event, at_ms: int = START) -> Room:
    for event in events:
        room, _ = step(room, event, at_ms, BOUNDS)
    return room


def room_with(*users: str, participants_max: int = 5) -> Room:
    return after(new_room(participants_max), *map(JoinRequested, users))


THREE = (JoinRequested("olga"), JoinRequested("ben"), JoinRequested("cem"), KickRequested("olga", "kit"))
OPEN = after(new_room(), *THREE)
FULL = after(new_room(3), *THREE)
ROOMS = {
    "empty": (new_room(), NOW),
    "open": (OPEN, NOW),
    "full": (FULL, NOW),
    "owner away": (after(OPEN, LeaveRequested("olga")), NOW),
    "ben lost": (after(OPEN, ConnectionLost("ben"), at_ms=NOW - BOUNDS.grace_ms + 1), NOW),
    "ben overdue": (after(FULL, ConnectionLost("ben"), at_ms=NOW - BOUNDS.grace_ms), NOW),
    "idled": (OPEN, START + 24 * HOUR),
    "closed": (after(OPEN, CloseRequested("olga")), NOW),
}
HI = "message ack"
OUT = "-ben:kicked expel:ben"
GONE = "-olga:left host:ben"
END = "closed:host polls"
TABLE: dict[str, tuple[Event, str]] = {
    "dan joins": (
        JoinRequested("dan"),
        "+dan host:dan | +dan | RoomFull | +dan | +dan | -ben:lost +dan | RoomOver | RoomOver",
    ),
    "olga joins": (JoinRequested("olga"), "+olga | = | = | +olga host:olga | = | = | RoomOver | RoomOver"),
    "ben joins": (JoinRequested("ben"), "+ben host:ben | = | = | = | ~ | ~ | RoomOver | RoomOver"),
    "kit joins": (
        JoinRequested("kit"),
        "+kit host:kit | KickedOut | KickedOut | KickedOut | KickedOut | KickedOut | RoomOver | RoomOver",
    ),
    "olga leaves": (
        LeaveRequested("olga"),
        f"= | {GONE} | {GONE} | = | -olga:left host:cem | -olga:left host:cem | {GONE} | =",
    ),
    "ben leaves": (
        LeaveRequested("ben"),
        "= | -ben:left | -ben:left | -ben:left host:cem | -ben:left | -ben:left | -ben:left | =",
    ),
    "dan leaves": (LeaveRequested("dan"), "= | = | = | = | = | = | = | ="),
    "ben is lost": (ConnectionLost("ben"), "= | ~ | ~ | ~ | = | = | ~ | ="),
    "dan is lost": (ConnectionLost("dan"), "= | = | = | = | = | = | = | ="),
    "olga kicks ben": (
        KickRequested("olga", "ben"),
        f"expel:ben | {OUT} | {OUT} | -ben:kicked host:cem expel:ben | {OUT} | {OUT} | RoomOver | RoomOver",
    ),
    "ben kicks cem": (
        KickRequested("ben", "cem"),
        "NotHost | NotHost | NotHost | -cem:kicked expel:cem | NotHost | NotHost | RoomOver | RoomOver",
    ),
    "ben kicks olga": (
        KickRequested("ben", "olga"),
        "NotHost | NotHost | NotHost | CannotKick | NotHost | NotHost | RoomOver | RoomOver",
    ),
    "olga kicks olga": (
        KickRequested("olga", "olga"),
        "CannotKick | CannotKick | CannotKick | CannotKick | CannotKick | CannotKick | RoomOver | RoomOver",
    ),
    "olga kicks kit again": (
        KickRequested("olga", "kit"), "expel:kit | = | = | = | = | = | RoomOver | RoomOver",
    ),
    "olga hands over to cem": (
        HandOverRequested("olga", "cem"),
        "NotInRoom | host:cem | host:cem | host:cem | host:cem | host:cem | RoomOver | RoomOver",
    ),
    "ben hands over to cem": (
        HandOverRequested("ben", "cem"),
        "NotHost | NotHost | NotHost | host:cem | NotHost | NotHost | RoomOver | RoomOver",
    ),
    "olga hands over to dan": (
        HandOverRequested("olga", "dan"),
        "NotInRoom | NotInRoom | NotInRoom | NotInRoom | NotInRoom | NotInRoom | RoomOver | RoomOver",
    ),
    "olga hands over to olga": (
        HandOverRequested("olga", "olga"), "NotInRoom | = | = | NotInRoom | = | = | RoomOver | RoomOver",
    ),
    "olga closes": (CloseRequested("olga"), f"{END} | {END} | {END} | {END} | {END} | {END} | {END} | ="),
    "ben closes": (
        CloseRequested("ben"), f"NotHost | NotHost | NotHost | {END} | NotHost | NotHost | NotHost | NotHost",
    ),
    "an admin closes": (
        CloseRequested("ada", admin=True), " | ".join(["closed:admin polls"] * 7 + ["="]),
    ),
    "ben writes": (
        MessageSent("ben", "c1", "m1", "Hi"),
        f"NotInRoom | {HI} | {HI} | {HI} | {HI} | {HI} | RoomOver | RoomOver",
    ),
    "dan writes": (
        MessageSent("dan", "c1", "m1", "Hi"),
        "NotInRoom | NotInRoom | NotInRoom | NotInRoom | NotInRoom | NotInRoom | RoomOver | RoomOver",
    ),
    "kit writes": (
        MessageSent("kit", "c1", "m1", "Hi"),
        "NotInRoom | KickedOut | KickedOut | KickedOut | KickedOut | KickedOut | RoomOver | RoomOver",
    ),
    "ben types": (
        TypingSeen("ben"), "NotInRoom | typing | typing | typing | typing | typing | RoomOver | RoomOver",
    ),
    "dan types": (
        TypingSeen("dan"),
        "NotInRoom | NotInRoom | NotInRoom | NotInRoom | NotInRoom | NotInRoom | RoomOver | RoomOver",
    ),
    "somebody votes": (ActivitySeen(), "~ | ~ | ~ | ~ | ~ | ~ | = | ="),
    "a deadline": (DeadlinePassed(), "= | = | = | = | = | -ben:lost | closed:idle polls | ="),
}  # fmt: skip
REFUSALS = {one.__name__: one for one in (RoomFull, RoomOver, KickedOut, NotInRoom, NotHost, CannotKick)}


def told(effects: tuple[Effect, ...]) -> str:
    words = []
    for effect in effects:
        match effect:
            case Publish(event=ParticipantJoined(user=user)):
                words.append(f"+{user}")
            case Publish(event=ParticipantLeft(user=user, why=why)):
                words.append(f"-{user}:{why}")
            case Publish(event=HostChanged(host=host)):
                words.append(f"host:{host}")
            case Publish(event=MessagePosted()):
                words.append("message")
            case Publish(event=RoomClosed(why=why)):
                words.append(f"closed:{why}")
            case Acknowledge(again=again):
                words.append("ack again" if again else "ack")
            case ShowTyping():
                words.append("typing")
            case Expel(user=user):
                words.append(f"expel:{user}")
            case EndPolls():
                words.append("polls")
    return " ".join(words)


@pytest.mark.parametrize("event", TABLE)
@pytest.mark.parametrize(("number", "state"), list(enumerate(ROOMS)), ids=list(ROOMS))
def test_every_state_with_every_event(number: int, state: str, event: str) -> None:
    room, now_ms = ROOMS[state]
    happened, row = TABLE[event]
    expected = [outcome.strip() for outcome in row.split("|")]
    assert len(expected) == len(ROOMS)
    watched = WatchedRoom(room)
    if refusal := REFUSALS.get(expected[number]):
        with pytest.raises(refusal):
            watched.do(happened, now_ms)
        return
    effects = watched.do(happened, now_ms)
    if expected[number] in "=~":
        assert effects == ()
        assert (watched.room is room) == (expected[number] == "=")
    else:
        assert told(effects) == expected[number]


class TestComingAndGoing:
    def test_a_rush_fills_the_room_to_the_last_place_and_no_further(self) -> None:
        watched, refused = WatchedRoom(new_room(50)), 0
        for number in range(200):
            try:
                watched.do(JoinRequested(f"user{number}"), NOW)
            except RoomFull as full:
                refused += full.participants_max == 50
        assert (len(watched.room.participants), refused) == (50, 150)

    def test_a_place_that_is_given_up_is_free_at_once(self) -> None:
        room = after(
            room_with("olga", "ben", participants_max=2), LeaveRequested("ben"), JoinRequested("cem")
        )
        assert list(room.participants) == ["olga", "cem"]

    def test_the_place_of_who_was_lost_is_kept_for_the_grace_time_to_the_millisecond(self) -> None:
        full = room_with("olga", "ben", participants_max=2)
        lost = after(full, ConnectionLost("ben"), at_ms=NOW)
        assert deadline_ms(lost, BOUNDS) == NOW + 120_000
        with pytest.raises(RoomFull):
            step(lost, JoinRequested("cem"), NOW + 119_999, BOUNDS)
        assert step(lost, DeadlinePassed(), NOW + 119_999, BOUNDS) == (lost, ())
        room, effects = step(lost, JoinRequested("cem"), NOW + 120_000, BOUNDS)
        assert told(effects) == "-ben:lost +cem"
        assert deadline_ms(room, BOUNDS) == NOW + 120_000 + 24 * HOUR

    def test_who_comes_back_in_time_has_the_old_place_in_the_line_and_nobody_is_told(self) -> None:
        lost = after(room_with("olga", "ben", "cem"), ConnectionLost("ben"))
        back, effects = step(lost, JoinRequested("ben"), START + 1000, BOUNDS)
        assert effects == ()
        assert [at.place for at in back.participants.values()] == [1, 2, 3]
        assert after(back, LeaveRequested("olga")).host == "ben"

    def test_who_left_and_comes_back_is_last_in_the_line(self) -> None:
        room = after(room_with("olga", "ben", "cem"), LeaveRequested("ben"), JoinRequested("ben"))
        assert after(room, LeaveRequested("olga")).host == "cem"

    def test_without_a_grace_time_a_lost_connection_is_a_leave(self) -> None:
        _, effects = step(room_with("olga", "ben"), ConnectionLost("ben"), NOW, Bounds(grace_ms=0))
        assert told(effects) == "-ben:lost"

    def test_a_name_that_cannot_be_stored_does_not_come_in(self) -> None:
        for user in ("", "a\0", "x" * 129):
            with pytest.raises(TextRefused):
                step(new_room(), JoinRequested(user), NOW, BOUNDS)


class TestHost:
    def test_a_guest_who_is_first_is_host_until_the_owner_comes(self) -> None:
        watched = WatchedRoom(new_room())
        assert told(watched.do(JoinRequested("ben"), NOW)) == "+ben host:ben"
        assert told(watched.do(JoinRequested("cem"), NOW)) == "+cem"
        assert told(watched.do(JoinRequested("olga"), NOW)) == "+olga host:olga"
        assert not in_charge(watched.room, "ben")

    def test_the_first_host_who_comes_back_is_host_again(self) -> None:
        room = after(room_with("olga", "ben"), LeaveRequested("olga"), JoinRequested("olga"))
        assert (room.host, room.owner) == ("olga", "olga")

    def test_what_was_handed_over_stays_so(self) -> None:
        given = after(room_with("olga", "ben"), HandOverRequested("olga", "ben"))
        assert (given.host, given.owner) == ("ben", "ben")
        assert after(given, LeaveRequested("olga"), JoinRequested("olga")).host == "ben"
        assert not in_charge(given, "olga")
        assert "olga" in after(given, KickRequested("ben", "olga")).kicked

    def test_a_host_who_stands_in_can_hand_over_and_cannot_give_the_room_away(self) -> None:
        away = after(room_with("olga", "ben", "cem"), LeaveRequested("olga"), HandOverRequested("ben", "cem"))
        assert (away.host, away.owner) == ("cem", "olga")
        assert after(away, JoinRequested("olga")).host == "olga"

    def test_an_owner_who_is_away_can_give_the_room_to_who_stands_in(self) -> None:
        away = after(room_with("olga", "ben"), LeaveRequested("olga"))
        given, effects = step(away, HandOverRequested("olga", "ben"), NOW, BOUNDS)
        assert (effects, given.owner, given.version) == ((), "ben", away.version + 1)

    def test_the_last_to_leave_leaves_the_room_to_its_owner(self) -> None:
        away = after(room_with("olga", "ben"), LeaveRequested("olga"))
        empty, effects = step(away, LeaveRequested("ben"), NOW, BOUNDS)
        assert told(effects) == "-ben:left host:olga"
        assert after(empty, JoinRequested("cem")).host == "cem"

    def test_a_host_is_host_until_the_grace_time_is_over(self) -> None:
        lost = after(
            room_with("olga", "ben", "cem"), ConnectionLost("olga"), ConnectionLost("ben"), at_ms=NOW
        )
        assert lost.host == "olga"
        late, effects = step(lost, DeadlinePassed(), NOW + 120_000, BOUNDS)
        assert told(effects) == "-olga:lost -ben:lost host:cem"
        assert list(late.participants) == ["cem"]


class TestKick:
    def test_a_kick_sticks_also_through_a_hand_over_and_to_who_is_not_there(self) -> None:
        room = after(room_with("olga", "ben"), KickRequested("olga", "cem"), HandOverRequested("olga", "ben"))
        with pytest.raises(KickedOut):
            step(room, JoinRequested("cem"), NOW, BOUNDS)
        with pytest.raises(NotInRoom):
            step(room, HandOverRequested("ben", "cem"), NOW, BOUNDS)

    def test_the_list_of_the_kicked_ends(self) -> None:
        many = new_room(kicked=frozenset(f"user{number}" for number in range(KICKED_MAX)))
        with pytest.raises(CannotKick) as refusal:
            step(many, KickRequested("olga", "ben"), NOW, BOUNDS)
        assert refusal.value.reason == "too_many"

    @pytest.mark.parametrize("user", ["", "a\0b", "\ud800", "x" * 129])
    def test_what_is_no_user_cannot_be_kicked(self, user: str) -> None:
        with pytest.raises(TextRefused):
            step(OPEN, KickRequested("olga", user), NOW, BOUNDS)

    @pytest.mark.parametrize(
        ("by", "user", "reason"), [("olga", "olga", "yourself"), ("ben", "olga", "owner")]
    )
    def test_it_says_who_cannot_be_kicked(self, by: str, user: str, reason: str) -> None:
        with pytest.raises(CannotKick) as refusal:
            step(ROOMS["owner away"][0], KickRequested(by, user), NOW, BOUNDS)
        assert refusal.value.reason == reason


class TestMessages:
    def test_they_have_the_offsets_of_everything_else_that_happens(self) -> None:
        watched = WatchedRoom(room_with("olga", "ben"))
        for number, text in enumerate(["one", "two"], 3):
            effects = watched.do(MessageSent("ben", text, f"m{number}", text), NOW)
            message = Message(f"m{number}", number, "ben", text, NOW)
            assert effects == (Publish(number, MessagePosted(message)), Acknowledge(message.id, number, NOW))
        watched.do(LeaveRequested("ben"), NOW)
        watched.do(MessageSent("olga", "one", "m6", "three"), NOW)
        assert [message.offset for message in watched.messages] == [3, 4, 6]

    def test_a_retry_has_the_same_answer_and_nobody_is_told_again(self) -> None:
        watched = WatchedRoom(room_with("olga", "ben"))
        watched.do(MessageSent("ben", "c1", "m1", "Hi"), NOW)
        effects = watched.do(MessageSent("ben", "c1", "m2", "Hi, twice"), NOW + 5)
        assert effects == (Acknowledge("m1", 3, NOW, again=True),)
        assert [message.text for message in watched.messages] == ["Hi"]

    def test_it_is_known_again_after_a_lost_connection_too(self) -> None:
        sent = after(room_with("olga", "ben"), MessageSent("ben", "c1", "m1", "Hi"))
        back = after(sent, ConnectionLost("ben"), JoinRequested("ben"))
        _, effects = step(back, MessageSent("ben", "c1", "m2", "Hi"), NOW, BOUNDS)
        assert told(effects) == "ack again"

    def test_the_names_that_clients_give_are_theirs_alone(self) -> None:
        room = after(room_with("olga", "ben"), MessageSent("ben", "c1", "m1", "Hi"))
        _, effects = step(room, MessageSent("olga", "c1", "m2", "Hello"), NOW, BOUNDS)
        assert told(effects) == "message ack"

    def test_the_newest_of_each_sender_are_known_and_no_more(self) -> None:
        room = room_with("olga", "ben")
        for number in range(SENT_MAX + 1):
            room = after(room, MessageSent("ben", f"c{number}", f"m{number}", "Hi"))
        assert len(room.participants["ben"].sent) == SENT_MAX
        assert told(step(room, MessageSent("ben", "c1", "n", "Hi"), NOW, BOUNDS)[1]) == "ack again"
        assert told(step(room, MessageSent("ben", "c0", "n", "Hi"), NOW, BOUNDS)[1]) == "message ack"

    @pytest.mark.parametrize(
        ("client_id", "text", "param", "fault"),
        [
            ("c1", "", "text", "empty"),
            ("c1", " \u200b\n", "text", "empty"),
            ("c1", "x" * 2001, "text", "too_long"),
            ("c1", "a\0b", "text", "not_text"),
            ("c1", "\ud83d", "text", "not_text"),
            ("", "Hi", "clientId", "empty"),
            ("c" * 65, "Hi", "clientId", "too_long"),
            ("c\0", "Hi", "clientId", "not_text"),
        ],
    )
    def test_what_is_no_message_is_refused(self, client_id: str, text: str, param: str, fault: str) -> None:
        with pytest.raises(TextRefused) as refusal:
            step(OPEN, MessageSent("ben", client_id, "m1", text), NOW, BOUNDS)
        assert (refusal.value.param, refusal.value.fault) == (param, fault)

    @pytest.mark.parametrize("text", ["x" * 2000, "<b>\u202ebold</b>", "  two\n lines ", "\U0001f600" * 2000])
    def test_it_is_kept_to_the_letter(self, text: str) -> None:
        watched = WatchedRoom(OPEN)
        watched.do(MessageSent("ben", "c1", "m1", text), NOW)
        assert watched.messages[0].text == text

    @pytest.mark.parametrize("event", [MessageSent("ben", "c1", "m1", "Hi"), TypingSeen("ben")])
    def test_the_sender_is_the_only_participant_it_needs(self, event: Event) -> None:
        alone = replace(OPEN, participants={"ben": OPEN.participants["ben"]})
        whole, effects = step(OPEN, event, NOW, BOUNDS)
        part, same = step(alone, event, NOW, BOUNDS)
        assert effects == same
        assert replace(part, participants={}) == replace(whole, participants={})
        assert part.participants["ben"] == whole.participants["ben"]
        others = {user: at for user, at in whole.participants.items() if user != "ben"}
        assert others == {user: at for user, at in OPEN.participants.items() if user != "ben"}


class TestTime:
    def test_a_room_is_over_after_a_day_in_which_nothing_happened(self) -> None:
        assert deadline_ms(OPEN, BOUNDS) == START + 24 * HOUR
        assert step(OPEN, DeadlinePassed(), START + 24 * HOUR - 1, BOUNDS) == (OPEN, ())
        closed, effects = step(OPEN, DeadlinePassed(), START + 24 * HOUR, BOUNDS)
        assert told(effects) == "closed:idle polls"
        assert (closed.state, closed.closed_at_ms) == (State.CLOSED, START + 24 * HOUR)
        assert deadline_ms(closed, BOUNDS) == NEVER_MS

    @pytest.mark.parametrize(
        "event",
        [JoinRequested("dan"), MessageSent("ben", "c1", "m1", "Hi"), KickRequested("olga", "ben"),
         HandOverRequested("olga", "ben"), ActivitySeen()],
    )  # fmt: skip
    def test_what_people_do_keeps_it_open(self, event: Event) -> None:
        assert deadline_ms(after(OPEN, event, at_ms=NOW), BOUNDS) == NOW + 24 * HOUR

    @pytest.mark.parametrize("event", [LeaveRequested("ben"), TypingSeen("ben"), JoinRequested("ben")])
    def test_other_things_do_not(self, event: Event) -> None:
        assert deadline_ms(after(OPEN, event, at_ms=NOW), BOUNDS) == START + 24 * HOUR

    def test_a_clock_that_was_set_back_moves_no_deadline(self) -> None:
        early = after(OPEN, MessageSent("ben", "c1", "m1", "Hi"), at_ms=START - HOUR)
        assert early.active_at_ms == START
        closed = after(OPEN, CloseRequested("olga"), at_ms=START - HOUR)
        assert closed.closed_at_ms == START

    def test_0_is_no_deadline(self) -> None:
        forever = Bounds(idle_ms_max=0)
        assert deadline_ms(OPEN, forever) == NEVER_MS
        assert step(OPEN, DeadlinePassed(), START + 9000 * HOUR, forever) == (OPEN, ())

    def test_it_says_why_it_is_over(self) -> None:
        for state, why in (("idled", "idle"), ("closed", "host")):
            room, now_ms = ROOMS[state]
            with pytest.raises(RoomOver) as refusal:
                inside(room, "ben", now_ms, BOUNDS)
            assert (refusal.value.room_id, refusal.value.closed_by) == ("room_1", why)


def test_who_is_in_is_known() -> None:
    assert inside(OPEN, "ben", NOW, BOUNDS) == Participant("ben", 2, START)
    with pytest.raises(NotInRoom):
        inside(OPEN, "dan", NOW, BOUNDS)
    with pytest.raises(KickedOut):
        inside(OPEN, "kit", NOW, BOUNDS)
