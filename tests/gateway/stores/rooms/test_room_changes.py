"""Rooms in SQL: made, entered, left, written in and closed, on both databases, also for who means no good."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from gateway.ids import new_uuid
from gateway.stores.rooms.operations import (
    ROOMS_OPEN_MAX,
    ActInRoom,
    CodeTaken,
    CreateRoom,
    LoseSeats,
    RoomDone,
    TooManyRooms,
    UnknownRoom,
)
from gateway.stores.rooms.schema import (
    room_events,
    room_kicked,
    room_messages,
    room_participants,
    room_seats,
)
from sessions.room_effects import (
    Acknowledge,
    EndPolls,
    Expel,
    HostChanged,
    ParticipantLeft,
    Publish,
    RoomClosed,
)
from sessions.room_events import (
    ActivitySeen,
    CloseRequested,
    ConnectionLost,
    Event,
    HandOverRequested,
    JoinRequested,
    KickRequested,
    LeaveRequested,
    MessageSent,
    TypingSeen,
)
from sessions.room_records import State
from sessions.rooms import KICKED_MAX, CannotKick, KickedOut, NotHost, NotInRoom, RoomFull, RoomOver
from sessions.texts import TextRefused
from tests.gateway.stores.rooms.lobby import NOW_MS, TENANT, Lobby, refusals

NOBODYS = "00000000-0000-4000-8000-000000000000"


async def rows(lobby: Lobby, table: Any) -> list[Any]:
    return await lobby.database.read(lambda c: list(c.execute(select(table)).mappings()))


class TestMaking:
    async def test_a_room_is_as_it_was_made(self, lobby: Lobby) -> None:
        room = lobby.new_room(7, is_private=True)
        made = await lobby.one(CreateRoom(room))
        assert made == RoomDone(room)
        assert (await lobby.whole(room.id)).room == room

    async def test_one_that_is_made_again_is_answered_as_it_is_by_now(self, lobby: Lobby) -> None:
        room = lobby.new_room()
        await lobby.one(CreateRoom(room))
        await lobby.act(room.id, JoinRequested("ben"))
        (again,) = await lobby.do(CreateRoom(room))
        assert (again.room.host, again.room.count, again.effects) == ("ben", 1, ())

    async def test_a_code_is_taken_while_its_room_is_open_and_in_its_tenant_alone(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", code="XJ9K2M")
        wanted = lobby.new_room(code="XJ9K2M")
        with pytest.raises(CodeTaken) as refusal:
            await lobby.one(CreateRoom(wanted))
        assert refusal.value.code == "XJ9K2M"
        await lobby.one(CreateRoom(lobby.new_room(code="XJ9K2M", tenant_id="other")))
        await lobby.one(CreateRoom(replace(wanted, code="ABCDEF")))
        await lobby.act(room_id, CloseRequested("olga"))
        await lobby.one(CreateRoom(lobby.new_room(code="XJ9K2M")))

    async def test_of_many_who_draw_one_code_one_has_it(self, lobby: Lobby) -> None:
        answers = await lobby.do(*(CreateRoom(lobby.new_room(code="XJ9K2M")) for _ in range(20)))
        assert refusals(answers) == ["CodeTaken"] * 19
        assert isinstance(answers[0], RoomDone)

    async def test_a_user_has_so_many_open_rooms_and_no_more(self, lobby: Lobby) -> None:
        made = [lobby.new_room(code=f"{number:06}") for number in range(ROOMS_OPEN_MAX + 1)]
        answers = await lobby.do(*map(CreateRoom, made))
        assert refusals(answers) == [TooManyRooms.__name__]
        assert refusals(await lobby.do(CreateRoom(made[0]))) == []
        await lobby.one(CreateRoom(lobby.new_room(code="ZZZZZZ", owner="ana")))
        await lobby.act(made[0].id, CloseRequested("olga"))
        await lobby.one(CreateRoom(made[-1]))


class TestComingAndGoing:
    async def test_who_comes_is_in_and_has_a_seat_for_the_process_they_came_by(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        lobby.boot = "boot_2"
        again = await lobby.act(room_id, JoinRequested("ben"))
        assert (again.effects, again.room.count) == ((), 2)
        seats = {(row["subject"], row["boot_id"]) for row in await rows(lobby, room_seats)}
        assert seats == {("olga", "boot_1"), ("ben", "boot_1"), ("ben", "boot_2")}

    async def test_whoever_leaves_is_out_with_every_seat(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        done = await lobby.act(room_id, LeaveRequested("olga"))
        assert done.effects == (Publish(3, ParticipantLeft("olga", "left")), Publish(4, HostChanged("ben")))
        assert await lobby.people(room_id) == ["ben"]
        assert [row["subject"] for row in await rows(lobby, room_seats)] == ["ben"]
        assert (await lobby.act(room_id, LeaveRequested("olga"))).effects == ()

    async def test_who_was_lost_and_is_back_has_the_old_place(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben", "cem")
        lost = await lobby.lose(room_id, "ben", "stranger")
        assert lost.effects == ()
        assert (await lobby.whole(room_id)).room.participants["ben"].lost_at_ms == NOW_MS
        await lobby.act(room_id, JoinRequested("ben"))
        assert await lobby.people(room_id) == ["olga", "ben", "cem"]
        assert (await lobby.whole(room_id)).room.participants["ben"].lost_at_ms is None

    async def test_a_loss_and_a_return_keep_their_order(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        loss = LoseSeats(room_id, lobby.boot, ("ben",), NOW_MS)
        back = lobby.event(room_id, JoinRequested("ben"))
        await lobby.do(loss, back, loss, back)
        assert (await lobby.whole(room_id)).room.participants["ben"].lost_at_ms is None
        await lobby.do(back, loss)
        assert (await lobby.whole(room_id)).room.participants["ben"].lost_at_ms == NOW_MS

    async def test_a_full_room_has_place_for_one_when_the_lost_are_out_of_time(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben", participants_max=2)
        await lobby.lose(room_id, "ben")
        lobby.now_ms += 119_999
        with pytest.raises(RoomFull):
            await lobby.act(room_id, JoinRequested("cem"))
        lobby.now_ms += 1
        done = await lobby.act(room_id, JoinRequested("cem"))
        assert done.effects[0] == Publish(3, ParticipantLeft("ben", "lost"))
        assert await lobby.people(room_id) == ["olga", "cem"]

    async def test_the_next_host_is_the_first_in_line_of_a_room_of_many(self, lobby: Lobby) -> None:
        users = [f"user{number}" for number in range(40)]
        room_id = await lobby.room("olga", participants_max=50)
        await lobby.do(*(lobby.event(room_id, JoinRequested(user)) for user in users))
        await lobby.lose(room_id, "user0", "user1")
        done = await lobby.act(room_id, LeaveRequested("olga"))
        assert done.effects[-1] == Publish(43, HostChanged("user2"))
        assert (await lobby.whole(room_id)).room.host == "user2"

    async def test_a_room_that_empties_in_one_group_goes_on(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        events: list[Event] = [
            LeaveRequested("olga"), LeaveRequested("ben"), JoinRequested("cem"), LeaveRequested("cem"),
            JoinRequested("ben"),
        ]  # fmt: skip
        await lobby.do(*(lobby.event(room_id, event) for event in events))
        room = (await lobby.whole(room_id)).room
        assert (list(room.participants), room.host, room.participants["ben"].place) == (["ben"], "ben", 4)


class TestHost:
    async def test_a_kick_sticks_and_takes_every_seat(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        done = await lobby.act(room_id, KickRequested("olga", "ben"))
        assert done.effects == (Publish(3, ParticipantLeft("ben", "kicked")), Expel("ben"))
        for event in (JoinRequested("ben"), lobby.message("ben")):
            with pytest.raises(KickedOut):
                await lobby.act(room_id, event)
        assert (await lobby.act(room_id, KickRequested("olga", "ben"))).effects == ()
        (row,) = await rows(lobby, room_kicked)
        assert (row["subject"], row["kicked_by"], row["kicked_at"]) == ("ben", "olga", NOW_MS)
        assert [row["subject"] for row in await rows(lobby, room_seats)] == ["olga"]

    async def test_the_list_of_the_kicked_ends(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga")
        full = [
            {"room_id": room_id, "subject": f"user{number}", "kicked_by": "olga", "kicked_at": NOW_MS}
            for number in range(KICKED_MAX)
        ]
        await lobby.database.write(lambda c: c.execute(room_kicked.insert(), full).close())
        with pytest.raises(CannotKick):
            await lobby.act(room_id, KickRequested("olga", "ben"))
        assert (await lobby.act(room_id, KickRequested("olga", "user7"))).effects == ()

    async def test_a_room_that_was_given_away_is_the_others(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        for _ in range(2):
            await lobby.act(room_id, HandOverRequested("olga", "ben"))
        room = (await lobby.whole(room_id)).room
        assert (room.owner, room.host) == ("ben", "ben")
        with pytest.raises(NotHost):
            await lobby.act(room_id, CloseRequested("olga"))

    async def test_a_closed_room_is_empty_and_stays_so(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        lobby.now_ms += 5
        done = await lobby.act(room_id, CloseRequested("ada", admin=True))
        assert done.effects == (Publish(3, RoomClosed("admin")), EndPolls())
        room = (await lobby.whole(room_id)).room
        assert (room.state, room.closed_at_ms, room.closed_by) == (State.CLOSED, NOW_MS + 5, "admin")
        assert await rows(lobby, room_participants) == await rows(lobby, room_seats) == []
        assert (await lobby.lose(room_id, "ben")).effects == ()
        for event in (JoinRequested("cem"), lobby.message("ben"), KickRequested("olga", "ben")):
            with pytest.raises(RoomOver):
                await lobby.act(room_id, event)

    async def test_what_comes_after_the_end_in_one_group_is_refused(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        answers = await lobby.do(
            lobby.event(room_id, lobby.message("ben")), lobby.event(room_id, CloseRequested("olga")),
            lobby.event(room_id, JoinRequested("cem")), lobby.event(room_id, lobby.message("ben")),
        )  # fmt: skip
        assert refusals(answers) == ["RoomOver", "RoomOver"]
        assert await lobby.people(room_id) == []


class TestMessages:
    async def test_a_message_is_kept_to_the_letter(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        text = "<b>\u202e'); DROP TABLE rooms; --\n\U0001f600"
        message = lobby.message("ben", text)
        done = await lobby.act(room_id, message)
        assert done.effects[1] == Acknowledge(message.message_id, 3, NOW_MS)
        (kept,) = (await lobby.whole(room_id)).messages
        assert (kept.id, kept.offset, kept.user, kept.text) == (message.message_id, 3, "ben", text)

    async def test_a_retry_is_answered_as_before_also_much_later(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        first = lobby.message("ben", "Hi", "own")
        await lobby.act(room_id, first)
        await lobby.do(*(lobby.event(room_id, lobby.message("ben")) for _ in range(70)))
        retry = replace(first, message_id=new_uuid(), text="Hi again")
        expected = (Acknowledge(first.message_id, 3, NOW_MS, again=True),)
        assert (await lobby.act(room_id, retry)).effects == expected
        answers = await lobby.do(*(lobby.event(room_id, retry) for _ in range(3)))
        assert [answer.effects for answer in answers] == [expected] * 3
        assert len(await rows(lobby, room_messages)) == 71

    async def test_one_that_comes_twice_in_a_group_is_kept_once(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        message = lobby.event(room_id, lobby.message("ben"))
        answers = await lobby.do(message, message)
        assert [answer.effects[-1].again for answer in answers] == [False, True]
        assert len(await rows(lobby, room_messages)) == 1

    async def test_only_who_is_in_may_write(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga")
        with pytest.raises(NotInRoom):
            await lobby.act(room_id, lobby.message("ben"))

    async def test_history_has_its_newest_and_no_more(
        self, lobby: Lobby, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.stores.rooms.history.EVENTS_KEPT", 20)
        monkeypatch.setattr("gateway.stores.rooms.history.TRIMMED_EVERY", 5)
        room_id = await lobby.room("olga", participants_max=100)
        for number in range(30):
            events: list[Event] = [lobby.message("olga"), JoinRequested(f"user{number}")]
            await lobby.do(*(lobby.event(room_id, event) for event in events))
            assert len(await rows(lobby, room_messages)) <= 13
            assert len(await rows(lobby, room_events)) <= 13
        messages, events_kept = await rows(lobby, room_messages), await rows(lobby, room_events)
        offsets = sorted(row["event_offset"] for row in [*messages, *events_kept])
        assert offsets == list(range(offsets[0], 62))
        assert 20 <= len(offsets) < 25


class TestHostileCases:
    @pytest.mark.parametrize(
        ("tenant", "room_id"),
        [("other", None), (TENANT, NOBODYS), (TENANT, "' OR 1=1"), (TENANT, ""), (TENANT, "\0\ud800")],
        ids=["another tenant's", "nobody's", "no UUID", "empty", "not even text"],
    )
    async def test_a_room_that_is_not_there_is_unknown(
        self, lobby: Lobby, tenant: str, room_id: str | None
    ) -> None:
        own = await lobby.room("olga")
        before = await lobby.stored()
        for event in (JoinRequested("ben"), CloseRequested("olga", admin=True), lobby.message("olga")):
            with pytest.raises(UnknownRoom):
                await lobby.act(own if room_id is None else room_id, event, tenant=tenant)
        if room_id is not None:
            with pytest.raises(UnknownRoom):
                await lobby.lose(room_id, "olga")
        assert await lobby.stored() == before

    @pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 129, ""])
    async def test_a_name_that_cannot_be_stored_is_refused_and_never_an_error(
        self, lobby: Lobby, name: str
    ) -> None:
        room_id = await lobby.room("olga")
        for event in (JoinRequested(name), KickRequested("olga", name)):
            with pytest.raises(TextRefused):
                await lobby.act(room_id, event)
        with pytest.raises(NotInRoom):
            await lobby.act(room_id, HandOverRequested("olga", name))
        with pytest.raises(NotInRoom):
            await lobby.act(room_id, MessageSent(name, "c1", new_uuid(), "Hi"))
        if name != "x" * 129:
            with pytest.raises(TextRefused):
                await lobby.act(room_id, MessageSent("olga", name, new_uuid(), "Hi"))
        assert (await lobby.act(room_id, LeaveRequested(name))).effects == ()
        assert (await lobby.lose(room_id, name)).effects == ()
        assert await lobby.people(room_id) == ["olga"]

    async def test_users_who_differ_by_case_or_accent_are_different(self, lobby: Lobby) -> None:
        users = ["ben", "Ben", "b\u00e9n", "be\u0301n", "%", "_"]
        room_id = await lobby.room(*users, participants_max=10)
        assert await lobby.people(room_id) == users
        await lobby.act(room_id, LeaveRequested("Ben"))
        assert await lobby.people(room_id) == [user for user in users if user != "Ben"]

    async def test_one_refusal_changes_nothing_for_the_others(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga")
        answers = await lobby.do(
            lobby.event(room_id, JoinRequested("ben")), lobby.event(room_id, KickRequested("ben", "olga")),
            lobby.event(NOBODYS, JoinRequested("ben")), lobby.event(room_id, lobby.message("ben")),
        )  # fmt: skip
        assert refusals(answers) == ["NotHost", "UnknownRoom"]
        assert len((await lobby.whole(room_id)).messages) == 1

    async def test_what_needs_no_store_changes_nothing_in_it(self, lobby: Lobby) -> None:
        room_id = await lobby.room("olga", "ben")
        before = await lobby.stored()
        await lobby.do(
            lobby.event(room_id, TypingSeen("ben")), lobby.event(room_id, ConnectionLost("stranger")),
            lobby.event(room_id, ActivitySeen()),
        )  # fmt: skip
        assert await lobby.stored() == before


async def test_a_group_that_runs_again_after_its_commit_was_not_heard_of(lobby: Lobby) -> None:
    room = lobby.new_room()
    await lobby.one(CreateRoom(room))
    operations: list[Any] = [
        CreateRoom(room),
        *(lobby.event(room.id, JoinRequested(user)) for user in ("olga", "ben", "cem")),
        lobby.event(room.id, lobby.message("ben")),
        lobby.event(room.id, HandOverRequested("olga", "cem")),
        LoseSeats(room.id, lobby.boot, ("ben",), NOW_MS),
        ActInRoom(TENANT, NOBODYS, JoinRequested("ben"), lobby.boot, NOW_MS),
    ]
    first = await lobby.do(*operations)
    before = await lobby.stored()
    again = await lobby.do(*operations)
    assert refusals(again) == refusals(first) == ["UnknownRoom"]
    # Ben was lost at the end of it, and is at the end of the second run.
    assert (await lobby.whole(room.id)).room.participants["ben"].lost_at_ms == NOW_MS
    unlike = [
        (one, other)
        for one, other in zip(before[1:], (await lobby.stored())[1:], strict=True)
        if one != other
    ]
    assert unlike == []
