"""The session book: what waits is bounded, what is written is in order, and what others ended is told."""

import asyncio
from typing import Any

import pytest

from gateway.session_book import TOUCHES_PER_FLUSH, SessionBook
from gateway.stores.interface import Database
from gateway.stores.sessions import Change, Open, Over, UnknownSession
from gateway.stores.writer import GroupWriter
from sessions.lifetimes import BY_ADMIN, Ended, EndRequested, LiveSession, OwnerGone, State, Touched
from tests.gateway.stores.books import BOUNDS, NOW_MS, Books


class PaperWriter:
    """Keeps what is submitted until the test answers."""

    waiting, down = 0, False

    def __init__(self) -> None:
        self.submitted: list[tuple[Any, asyncio.Future[Any]]] = []

    def submit(self, _journal: Any, operation: Any, *, patience_seconds: float) -> asyncio.Future[Any]:
        assert patience_seconds == float("inf")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.submitted.append((operation, answer))
        return answer

    async def aclose(self, deadline_seconds: float) -> None:
        """Nothing runs."""

    def taken(self) -> list[Any]:
        return [operation for operation, _ in self.submitted]

    async def answer(self, result: Any) -> None:
        for operation, answer in self.submitted:
            given = result if not callable(result) else result(operation)
            if isinstance(given, Exception):
                answer.set_exception(given)
            else:
                answer.set_result(given)
        self.submitted.clear()
        await asyncio.sleep(0)


def session(session_id: str = "live_1", state: State = State.ACTIVE) -> LiveSession:
    return LiveSession(
        session_id, "acme", "noa", "main", "subtitles", "free", "boot_1", NOW_MS, NOW_MS, state
    )


class Desk:
    def __init__(self) -> None:
        self.writer = PaperWriter()
        self.told: list[LiveSession] = []
        loop = asyncio.get_running_loop()
        self.book = SessionBook(self.writer, "boot_1", BOUNDS, self.told.append, loop)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_only_the_newest_activity_of_a_session_waits(desk: Desk) -> None:
    desk.book.opened(session())
    desk.book.flush()
    await desk.writer.answer(session())
    for second in range(1, 4):
        desk.book.touched("live_1", NOW_MS + second * 1000, second * 900)
    desk.book.flush()
    assert desk.writer.taken() == [Change("live_1", Touched("boot_1", NOW_MS + 3000, 2700))]
    desk.book.touched("live_1", NOW_MS + 9000, 8000)
    desk.book.flush()
    desk.book.flush()
    assert len(desk.writer.submitted) == 1
    await desk.writer.answer(session())
    desk.book.flush()
    assert desk.writer.taken() == [Change("live_1", Touched("boot_1", NOW_MS + 9000, 8000))]
    await desk.writer.answer(session())
    desk.book.flush()
    assert desk.writer.submitted == []


async def test_a_crowd_is_written_a_few_at_a_time_and_in_turn(desk: Desk) -> None:
    names = [f"live_{n:03d}" for n in range(120)]
    for name in names:
        desk.book.opened(session(name))
    desk.book.flush()
    await desk.writer.answer(session())
    written: list[str] = []
    for second in range(1, 4):
        for name in names:
            desk.book.touched(name, NOW_MS + second * 1000, second)
        desk.book.flush()
        assert len(desk.writer.submitted) <= TOUCHES_PER_FLUSH
        written += [change.session_id for change in desk.writer.taken()]
        await desk.writer.answer(session())
    assert sorted(set(written)) == names


async def test_the_end_is_written_once_and_is_the_last_word(desk: Desk) -> None:
    desk.book.opened(session())
    desk.book.touched("live_1", NOW_MS + 1000, 900)
    desk.book.ended("live_1", State.COMPLETED, "done", NOW_MS + 2000, 1800)
    desk.book.ended("live_1", State.INTERRUPTED, "client_lost", NOW_MS + 3000, 1800)
    desk.book.touched("live_1", NOW_MS + 4000, 2000)
    desk.book.flush()
    assert desk.writer.taken() == [
        Open(session()), Change("live_1", Ended(State.COMPLETED, "done", NOW_MS + 2000, 1800)),
    ]  # fmt: skip
    assert len(desk.book) == 0
    await desk.writer.answer(session(state=State.COMPLETED))
    assert desk.told == []


async def test_a_crowd_that_comes_and_goes_is_submitted_at_once_and_in_order(desk: Desk) -> None:
    for name in ("live_1", "live_2"):
        desk.book.opened(session(name))
    desk.book.ended("live_1", State.COMPLETED, "done", NOW_MS + 10, 0)
    assert desk.writer.taken() == []
    while not desk.writer.submitted:
        await asyncio.sleep(0.001)
    assert desk.writer.taken() == [
        Open(session("live_1")), Open(session("live_2")),
        Change("live_1", Ended(State.COMPLETED, "done", NOW_MS + 10, 0)),
    ]  # fmt: skip


async def test_activity_is_never_written_before_the_beginning(desk: Desk) -> None:
    desk.book.opened(session())
    desk.book.touched("live_1", NOW_MS + 1000, 900)
    desk.book.flush()
    assert [type(operation) for operation in desk.writer.taken()] == [Open, Change]


async def test_a_session_that_the_store_says_is_over_is_told_once(desk: Desk) -> None:
    desk.book.opened(session())
    desk.book.flush()
    await desk.writer.answer(session())
    desk.book.touched("live_1", NOW_MS + 1000, 900)
    desk.book.flush()
    expired = session(state=State.EXPIRED)
    await desk.writer.answer(expired)
    assert desk.told == [expired]
    assert len(desk.book) == 0


async def test_one_that_cannot_be_resumed_any_more_is_told(desk: Desk) -> None:
    desk.book.opened(session())
    desk.book.flush()
    await desk.writer.answer(Over(session(state=State.COMPLETED)))
    assert [told.state for told in desk.told] == [State.COMPLETED]


async def test_what_the_store_does_not_know_is_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.book.opened(session())
    desk.book.flush()
    await desk.writer.answer(UnknownSession("live_1"))
    desk.book.opened(session("live_2"))
    desk.book.flush()
    await desk.writer.answer(ValueError("mistake"))
    assert "live_1 is not in the store" in caplog.text
    assert "live_2 was not written" in caplog.text
    assert desk.told == []


async def test_a_process_with_a_new_boot_says_that_its_sessions_live(database: Database) -> None:
    books, told = Books(database), list[LiveSession]()
    writer = GroupWriter(database)
    book = SessionBook(writer, "boot_1", BOUNDS, told.append, asyncio.get_running_loop())
    book.opened(books.session())
    book.opened(books.session("live_2"))
    book.flush()
    await written(writer)
    await books.change("live_1", OwnerGone(NOW_MS + 1000))
    await books.change("live_2", EndRequested("ada", NOW_MS))
    await books.change("live_2", OwnerGone(NOW_MS + 1000))
    book.rebooted("boot_2")
    await written(writer)
    assert await books.states() == {"live_1": "ACTIVE", "live_2": "ENDED_BY_ADMIN"}
    assert [(session.id, session.end_reason) for session in told] == [("live_2", BY_ADMIN)]
    book.ended("live_1", State.COMPLETED, "done", NOW_MS + 3000, 10)
    book.flush()
    await writer.aclose(5.0)
    assert (await books.states())["live_1"] == "COMPLETED"


async def written(writer: GroupWriter) -> None:
    while writer.waiting:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0)
