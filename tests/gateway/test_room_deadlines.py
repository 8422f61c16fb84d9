"""What is due in rooms and polls: found by index, done a few at a time, told to whoever looks on."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, text

from gateway import clock
from gateway.backing import room_bounds
from gateway.ids import new_uuid
from gateway.reaper import Reaper
from gateway.room_deadlines import Done, RoomDeadlines
from gateway.stores.memory.leases import MemoryLeases
from gateway.stores.rooms import deadlines
from gateway.stores.rooms.operations import LOST_AT_ONCE_MAX, LoseSeats, PollDone, RoomDone
from gateway.stores.rooms.rows import participant_row, poll_row, room_row
from gateway.stores.rooms.schema import (
    polls as poll_table,
)
from gateway.stores.rooms.schema import (
    room_events,
    room_kicked,
    room_messages,
    room_participants,
)
from gateway.stores.rooms.schema import (
    rooms as room_table,
)
from gateway.stores.schema import audit_log
from sessions.lifetimes import NEVER_MS
from sessions.poll_records import State as PollState
from sessions.polls import AnnounceClosed
from sessions.room_effects import HostChanged, ParticipantLeft, Publish, RoomClosed
from sessions.room_events import CloseRequested, JoinRequested, KickRequested
from sessions.room_records import Participant, State
from tests.gateway.rehearsal import settings
from tests.gateway.stores.rooms.lobby import NOW_MS, QUESTION, TENANT, Lobby

DAY = 24 * 3_600_000
IDLE = DAY
GRACE = 120_000


class Watched:
    """Deadlines, and what was told of them."""

    def __init__(self, lobby: Lobby) -> None:
        self.told: list[Done] = []
        self.deadlines = RoomDeadlines(lobby.database, lobby.bounds, self.told.extend)

    def published(self) -> list[Any]:
        done = [one for one in self.told if isinstance(one, RoomDone)]
        return [effect.event for one in done for effect in one.effects if isinstance(effect, Publish)]


@pytest.fixture
def watched(lobby: Lobby) -> Watched:
    return Watched(lobby)


async def count(lobby: Lobby, table: Any) -> int:
    query = select(func.count()).select_from(table)
    return int(await lobby.database.read(lambda c: c.execute(query).scalar_one()))


async def test_a_room_that_has_idled_is_closed_with_its_polls_and_told(
    lobby: Lobby, watched: Watched
) -> None:
    room_id = await lobby.room("olga", "ben")
    poll_id = await lobby.poll(room_id)
    await lobby.do(lobby.vote(poll_id, "ben", "2"))
    busy = await lobby.room("ana")
    lobby.now_ms += IDLE - 1
    await lobby.act(busy, lobby.message("ana"))
    assert await watched.deadlines.rooms_due(lobby.now_ms, 200) == 0
    assert await watched.deadlines.rooms_due(lobby.now_ms + 1, 200) == 1
    assert watched.published() == [RoomClosed("idle")]
    (done,) = watched.told
    assert isinstance(done, RoomDone)
    assert [(one.poll.state, one.poll.tally.voters, one.effects) for one in done.polls] == [
        (PollState.CLOSED, 1, (AnnounceClosed(),))
    ]
    assert (await lobby.polled(poll_id)).closed_by == "room"
    room = (await lobby.whole(room_id)).room
    assert (room.state, room.closed_by, room.count) == (State.CLOSED, "idle", 0)
    assert (await lobby.whole(busy)).room.state is State.OPEN
    assert await watched.deadlines.rooms_due(lobby.now_ms + 1, 200) == 0


async def test_a_room_that_is_only_voted_in_does_not_idle(lobby: Lobby, watched: Watched) -> None:
    room_id = await lobby.room("olga", "ben")
    poll_id = await lobby.poll(room_id)
    for seq in range(1, 4):
        lobby.now_ms += IDLE // 2
        await lobby.one(lobby.vote(poll_id, "ben", str(seq), seq=seq))
    assert await watched.deadlines.rooms_due(lobby.now_ms, 200) <= 1
    assert (await lobby.whole(room_id)).room.state is State.OPEN
    await lobby.act(room_id, lobby.message("ben"))


async def test_a_deadline_that_was_early_is_moved_and_not_found_again(lobby: Lobby, watched: Watched) -> None:
    room_id = await lobby.room("olga")
    lobby.now_ms += 30_000
    await lobby.act(room_id, lobby.message("olga"))
    assert await watched.deadlines.rooms_due(NOW_MS + IDLE, 200) == 1
    assert watched.told == []
    assert await watched.deadlines.rooms_due(NOW_MS + IDLE + 1, 200) == 0
    assert await watched.deadlines.rooms_due(NOW_MS + IDLE + 30_000, 200) == 1
    assert watched.published() == [RoomClosed("idle")]


async def test_the_lost_leave_when_their_time_is_over_and_the_room_is_told(
    lobby: Lobby, watched: Watched
) -> None:
    room_id = await lobby.room("olga", "ben", "cem")
    await lobby.lose(room_id, "olga")
    lobby.now_ms += 1000
    await lobby.lose(room_id, "ben")
    assert await watched.deadlines.lost_due(NOW_MS + GRACE - 1, 200) == 0
    assert await watched.deadlines.lost_due(NOW_MS + GRACE, 200) == 1
    assert watched.published() == [ParticipantLeft("olga", "lost"), HostChanged("cem")]
    assert await lobby.people(room_id) == ["ben", "cem"]


async def test_many_who_are_lost_leave_a_few_at_a_time(lobby: Lobby, watched: Watched) -> None:
    users = [f"user{number:03}" for number in range(250)]
    room_id = await lobby.room("olga", participants_max=300)
    await lobby.do(*(lobby.event(room_id, JoinRequested(user)) for user in users))
    for start in range(0, len(users), LOST_AT_ONCE_MAX):
        batch = tuple(users[start : start + LOST_AT_ONCE_MAX])
        await lobby.one(LoseSeats(room_id, lobby.boot, batch, lobby.now_ms))
    reaped = 0
    while left := await watched.deadlines.lost_due(NOW_MS + GRACE, 200):
        reaped += left
    assert reaped == 250
    assert len(watched.told) == 250 / LOST_AT_ONCE_MAX
    assert await lobby.people(room_id) == ["olga"]


async def test_polls_close_in_time_and_are_archived_when_they_are_old(lobby: Lobby, watched: Watched) -> None:
    room_id = await lobby.room("olga", "ben")
    poll_id = await lobby.poll(room_id, replace(QUESTION, open_ms=60_000))
    await lobby.do(lobby.vote(poll_id, "ben", "2"))
    assert await watched.deadlines.polls_due(NOW_MS + 59_999, 200) == 0
    assert await watched.deadlines.polls_due(NOW_MS + 60_000, 200) == 1
    (closed,) = watched.told
    assert isinstance(closed, PollDone)
    assert (closed.poll.state, closed.poll.closed_by, closed.effects) == (
        PollState.CLOSED, "time", (AnnounceClosed(),),
    )  # fmt: skip
    assert await watched.deadlines.polls_due(NOW_MS + 60_000, 200) == 0
    assert await watched.deadlines.polls_due(NOW_MS + 90 * DAY, 200) == 1
    assert (await lobby.polled(poll_id)).state is PollState.ARCHIVED
    assert len(watched.told) == 1


async def test_what_was_said_in_a_room_is_forgotten_long_after_its_end(
    lobby: Lobby, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.room_deadlines.ROWS_AT_ONCE", 3)
    room_id, kept = await lobby.room("olga", "ben"), await lobby.room("olga")
    for _ in range(7):
        await lobby.act(room_id, lobby.message("ben"))
    await lobby.act(room_id, KickRequested("olga", "eva"))
    await lobby.act(room_id, CloseRequested("olga"))
    assert await watched.deadlines.histories_due(NOW_MS + 90 * DAY - 1, 200) == 0
    assert (await count(lobby, room_messages), await count(lobby, room_kicked)) == (7, 1)
    assert await watched.deadlines.histories_due(NOW_MS + 90 * DAY, 200) == 1
    assert (await count(lobby, room_messages), await count(lobby, room_kicked)) == (0, 0)
    assert await count(lobby, room_events) == 1
    assert await watched.deadlines.histories_due(NEVER_MS - 1, 200) == 0
    assert await lobby.people(kept) == ["olga"]


async def test_the_reaper_does_all_of_it(lobby: Lobby, watched: Watched) -> None:
    reaper = Reaper(MemoryLeases(clock.steady), "boot_1", 300)
    watched.deadlines.register(reaper)
    lobby.now_ms = clock.wall_ms() - IDLE
    await lobby.room("olga")
    found = await reaper.run_once()
    assert found == {"room": 1, "participant": 0, "poll": 0, "room_history": 0}


async def test_an_admin_need_not_wait_and_leaves_a_row_in_the_log(lobby: Lobby, watched: Watched) -> None:
    lobby.now_ms = clock.wall_ms() - 91 * DAY
    idle = await lobby.room("olga")
    poll_id = await lobby.poll(idle)
    draft_id = await lobby.poll(idle, opened=False)
    theirs = await lobby.room(tenant_id="other")
    assert await watched.deadlines.archive_polls(TENANT, "ada") == 2
    states = {(await lobby.polled(key)).state for key in (poll_id, draft_id)}
    assert states == {PollState.ARCHIVED}
    assert await watched.deadlines.close_idle_rooms(TENANT, "ada") == 1
    assert await watched.deadlines.close_idle_rooms(TENANT, "ada") == 0
    query = select(room_table.c.is_active).where(room_table.c.id == theirs)
    assert await lobby.database.read(lambda c: c.execute(query).scalar_one())
    rows = await lobby.database.read(lambda c: c.execute(select(audit_log)).mappings().all())
    assert sorted((row["actor"], row["action"], str(row["detail"])) for row in rows) == [
        ("ada", "archive_polls", "{'archived': 2}"),
        ("ada", "cleanup_rooms", "{'closed': 0}"),
        ("ada", "cleanup_rooms", "{'closed': 1}"),
    ]


def plan_of(connection: Connection, statement: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
    return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{explain} {compiled}"))


async def test_each_look_goes_by_an_index_however_much_there_is(
    lobby: Lobby, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(connection: Connection) -> None:
        room = lobby.new_room(code="XJ9K2M")
        rooms = [replace(room, id=new_uuid(), code=f"{number:06}") for number in range(2000)]
        connection.execute(insert(room_table), [room_row(one, NOW_MS + DAY) for one in rooms])
        people = [participant_row(one, Participant("ben", 1, NOW_MS, NOW_MS)) for one in rooms]
        connection.execute(insert(room_participants), people)
        polls = [lobby.new_poll(one.id) for one in rooms]
        connection.execute(insert(poll_table), [poll_row(TENANT, one, NOW_MS + DAY) for one in polls])

    await lobby.database.write(fill)
    if lobby.database.dialect == "postgresql":
        await lobby.database.write(lambda c: c.execute(text("ANALYZE")).close())
    seen: list[Any] = []

    def plans(connection: Connection) -> list[str]:
        class Looking:
            def execute(self, statement: Any) -> Any:
                seen.append(statement)
                return connection.execute(statement)

        looking: Any = Looking()
        deadlines.idle_rooms(looking, NOW_MS, 200)
        deadlines.rooms_with_lost(looking, NOW_MS, 200, GRACE)
        deadlines.due_polls(looking, NOW_MS, 200)
        deadlines.old_histories(looking, NOW_MS, 200)
        return [plan_of(connection, statement) for statement in seen]

    found = await lobby.database.read(plans)
    indexes = (
        "idx_rooms_deadline_at", "idx_room_participants_lost_at", "idx_polls_deadline_at",
        "idx_rooms_deadline_at",
    )  # fmt: skip
    for plan, index in zip(found, indexes, strict=True):
        assert index in plan
        assert "Seq Scan" not in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


def test_the_settings_say_how_long() -> None:
    bounds = room_bounds(settings(room_idle_hours=1.5, room_grace_seconds=5, room_history_days=0))
    assert (bounds.room.idle_ms_max, bounds.room.grace_ms, bounds.history_ms) == (5_400_000, 5000, 0)
    assert bounds.poll.archive_ms == 90 * DAY
