"""The events of a room: in order, once, whole, whatever comes late, twice, or not at all."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from gateway.rooms import stream as streams
from gateway.rooms.stream import Stream, StreamClosed
from gateway.stores.interface import StoreDown
from gateway.stores.rooms.reads import Missed
from gateway.tasks import Tasks
from sessions.room_effects import Message, MessagePosted, Publish
from sessions.room_records import RoomWanted, create
from sessions.room_snapshots import RoomSnapshot, after, snapshot

EMPTY = snapshot(
    create(
        RoomWanted("Talk", 10), room_id="r", tenant_id="t", code="XJ9K2M", owner="olga", epoch="e", now_ms=1
    ),
    [],
)


def said(offset: int) -> Publish:
    return Publish(offset, MessagePosted(Message(f"m{offset}", offset, "ben", f"line {offset}", offset)))


class Book:
    """What is written of a room, and read; `forgotten` events are there no more."""

    def __init__(self) -> None:
        self.written: list[Publish] = []
        self.forgotten = 0
        self.down = False
        self.reads: list[str] = []

    def write(self, *offsets: int) -> list[Publish]:
        self.written += [said(offset) for offset in offsets]
        return self.written[-len(offsets) :]

    async def whole(self) -> RoomSnapshot:
        self._read("whole")
        seen = EMPTY
        for published in self.written:
            seen = after(seen, published)
        await asyncio.sleep(0)
        return seen

    async def since(self, offset: int) -> Missed | None:
        self._read(f"since {offset}")
        await asyncio.sleep(0)
        events = tuple(each for each in self.written if each.offset > max(offset, self.forgotten))
        newest = self.written[-1].offset if self.written else 0
        return Missed("e", newest, events, complete=offset >= self.forgotten)

    def _read(self, what: str) -> None:
        self.reads.append(what)
        if self.down:
            raise StoreDown("away")


class People:
    """Who is told; each event must follow the last."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.anew = 0

    def tell(self, published: Publish) -> int:
        self.heard.append(published.offset)
        return 3

    def tell_anew(self) -> None:
        self.anew += 1


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.aclose()


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "GAP_SECONDS", 0.0)
    monkeypatch.setattr(streams, "RETRY_SECONDS", 0.001)


async def opened(book: Book, people: People, tasks: Tasks, offset: int = 0) -> Stream:
    stream = Stream(book, people, tasks)
    await stream.reach(offset)
    return stream


async def test_it_is_read_once_however_many_wait(book: Book, people: People, tasks: Tasks) -> None:
    book.write(1, 2)
    stream = Stream(book, people, tasks)
    seen = await asyncio.gather(*(stream.reach(2) for _ in range(20)))

    assert {room.offset for room in seen} == {2}
    assert book.reads == ["whole"]
    assert people.heard == []


async def test_events_are_told_as_they_come(book: Book, people: People, tasks: Tasks) -> None:
    stream = await opened(book, people, tasks)
    stream.offer(book.write(1))
    stream.offer(book.write(2, 3))

    assert people.heard == [1, 2, 3]
    assert stream.seen == await book.whole()
    assert book.reads == ["whole", "whole"]


async def test_what_comes_early_waits_and_what_comes_twice_is_told_once(
    book: Book, people: People, tasks: Tasks
) -> None:
    stream = await opened(book, people, tasks)
    one, two, three = book.write(1, 2, 3)
    stream.offer([three])
    stream.offer([two, three])
    assert people.heard == []
    stream.offer([one, two])
    stream.offer([one, two, three])

    assert people.heard == [1, 2, 3]


async def test_a_gap_is_read_from_the_database(book: Book, people: People, tasks: Tasks) -> None:
    stream = await opened(book, people, tasks)
    *_, last = book.write(1, 2, 3, 4)
    stream.offer([last])
    await stream.reach(4)

    assert people.heard == [1, 2, 3, 4]
    assert book.reads == ["whole", "since 0"]


async def test_an_event_that_is_only_known_of_is_read_too(book: Book, people: People, tasks: Tasks) -> None:
    stream = await opened(book, people, tasks)
    book.write(1, 2)
    stream.offer((), 2)
    await stream.reach(2)

    assert people.heard == [1, 2]


async def test_what_history_has_forgotten_is_told_as_a_whole_room(
    book: Book, people: People, tasks: Tasks
) -> None:
    stream = await opened(book, people, tasks)
    book.write(*range(1, 9))
    book.forgotten = 5
    stream.offer((), 8)
    await stream.reach(8)
    stream.offer(book.write(9))

    assert people.anew == 1
    assert people.heard == [9]
    assert stream.seen == await book.whole()


async def test_more_than_there_is_ends_the_search(book: Book, people: People, tasks: Tasks) -> None:
    stream = await opened(book, people, tasks)
    stream.offer(book.write(1), known=50)
    while len(tasks):
        await asyncio.sleep(0)
    stream.offer(book.write(2))

    assert people.heard == [1, 2]
    assert book.reads == ["whole", "since 1"]


async def test_a_database_that_is_away_is_asked_again_and_whoever_waits_hears_of_it(
    book: Book, people: People, tasks: Tasks
) -> None:
    stream = await opened(book, people, tasks)
    book.write(1, 2)
    book.down = True
    with pytest.raises(StoreDown):
        await stream.reach(2)
    book.down = False
    await stream.reach(2)

    assert people.heard == [1, 2]


async def test_a_room_that_cannot_be_read_fails_whoever_wants_in_and_is_read_for_the_next(
    book: Book, people: People, tasks: Tasks
) -> None:
    stream = Stream(book, people, tasks)
    book.down = True
    with pytest.raises(StoreDown):
        await stream.reach(0)
    book.down = False

    assert (await stream.reach(0)).offset == 0


async def test_a_flood_is_told_in_turns_and_in_order(
    book: Book, people: People, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FRAMES_PER_TURN", 10)
    stream = await opened(book, people, tasks)
    stream.offer(book.write(*range(1, 101)))
    told_at_once = len(people.heard)
    stream.offer(book.write(101))
    await stream.reach(101)

    assert told_at_once < 10
    assert people.heard == list(range(1, 102))
    assert book.reads == ["whole"]


async def test_what_was_told_lately_is_remembered(book: Book, people: People, tasks: Tasks) -> None:
    book.write(1, 2)
    stream = await opened(book, people, tasks, 2)
    stream.offer(book.write(3, 4))

    assert [each.offset for each in stream.since(2) or []] == [3, 4]
    assert [each.offset for each in stream.since(3) or []] == [4]
    assert stream.since(4) == []
    assert stream.since(1) is None, "what was read whole is not known event by event"
    assert stream.since(5) is None, "what never was"


async def test_a_closed_one_tells_nothing_and_lets_nobody_wait(
    book: Book, people: People, tasks: Tasks
) -> None:
    stream = await opened(book, people, tasks)
    book.down = True
    waiting = tasks.start(_closed(stream), name="waiting")
    await asyncio.sleep(0)
    stream.close()
    assert await waiting
    with pytest.raises(StreamClosed):
        await stream.reach(1)
    stream.offer(book.write(1))

    assert people.heard == []


async def _closed(stream: Stream) -> bool:
    with pytest.raises(StreamClosed):
        await stream.reach(5)
    return True


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_is_lost_doubled_or_mixed_up_everything_is_told_in_order(
    seed: int, book: Book, people: People, tasks: Tasks
) -> None:
    dice = random.Random(seed)
    stream = await opened(book, people, tasks)
    offset = 0
    for _ in range(60):
        some = book.write(*range(offset + 1, offset + 1 + dice.randint(1, 4)))
        offset = some[-1].offset
        arriving = [each for each in some * 2 if dice.random() < 0.6]
        dice.shuffle(arriving)
        for each in arriving:
            stream.offer([each], dice.choice([0, each.offset]))
        if dice.random() < 0.3:
            await asyncio.sleep(0)
    stream.offer((), offset)
    await stream.reach(offset)

    assert people.heard == list(range(1, offset + 1))
    assert people.anew == 0
    assert stream.seen == await book.whole()
