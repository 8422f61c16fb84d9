"""With nothing broken but connections, what is billed is what was sent: to the millisecond, once."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Postgres, apart
from tests.end_to_end.minutes import Books, Speaker, connections_are, fan, opened
from tests.end_to_end.peers import Crowd, Peer, caption, crowd_of
from tests.house import House, token
from tests.speech import needs_apertium


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    data_dir = tmp_path_factory.mktemp("minutes")
    if request.param == "sqlite":
        yield Books(data_dir)
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = apart(server.migrated_database())
    yield Books(data_dir, url)
    apart(server.drop(url))


@pytest.fixture(scope="module")
def house(books: Books) -> Iterator[House]:
    with opened(books.data_dir, books.url) as running:
        yield running


async def assert_billed(books: Books, expected: dict[str, int]) -> None:
    """Assert that each session was billed what is expected, and that the books add up."""
    await books.add_up()
    billed = await books.billed()
    assert {session_id: billed[session_id] for session_id in expected} == expected


class Fitful(Speaker):
    """Somebody who talks in frames of any size, on a line that breaks in every way; `due` is what is to be
    billed to each session that they had."""

    def __init__(self, crowd: Crowd, seed: int, kind: str = "subtitles") -> None:
        super().__init__(crowd, f"own-{seed}/{kind}?target_lang=en", fan(f"own-{kind}-{seed}"))
        self.due: dict[str, int] = {}
        self._chance = random.Random(seed)
        self._position: dict[str, Any] = {}

    async def performs(self, parts: int) -> None:
        """Talk, with something happening after each part, and end in order."""
        await self.joins()
        self._position = {"session_id": self.session_id, "epoch": self.peer.connected["epoch"]}
        for _ in range(parts):
            self._talks()
            await self._chance.choice([
                self._finalizes, self._retargets, self._is_cut, self._is_cut_in_mid_word, self._changes_line,
                self._begins_anew,
            ])()  # fmt: skip
        self._talks()
        ended = await self.ends()
        self.due[self.session_id] = self.sent_ms
        assert ended["audio_seconds"] == round(self.sent_bytes / 32_000, 3)
        assert round(ended["billed_seconds"] * 1000) == self.sent_ms

    def _talks(self) -> None:
        for _ in range(self._chance.randrange(5, 40)):
            self.says(2 * self._chance.randrange(320, 4000))

    async def _finalizes(self) -> None:
        self.peer.say(type="finalize")
        finalized = await self.peer.take("finalized")
        assert finalized["seconds"] == pytest.approx(self.sent_bytes / 32_000, abs=0.001)

    async def _retargets(self) -> None:
        self.peer.say(type="set_target", target_lang="en")
        await self.peer.take("target")

    async def _is_cut(self) -> None:
        await self.heard()
        await self._is_cut_in_mid_word()

    async def _is_cut_in_mid_word(self) -> None:
        sent_bytes, session_id = self.sent_bytes, self.session_id
        self.peer.cut()
        await self.peer.closed()
        await self.joins(self._position)
        assert self.session_id == session_id
        assert self.sent_bytes <= sent_bytes

    async def _changes_line(self) -> None:
        old = self.peer
        await self.heard()
        await self.joins(self._position)
        assert await old.closed() == 4409

    async def _begins_anew(self) -> None:
        await self.heard()
        self.due[self.session_id] = self.sent_ms
        self.peer.cut()
        self.sent_bytes = 0
        await self.joins()
        assert self.session_id not in self.due
        self._position = {"session_id": self.session_id, "epoch": self.peer.connected["epoch"]}


async def test_streams_of_ones_own_on_lines_that_break(house: House, crowd: Crowd, books: Books) -> None:
    people = [Fitful(crowd, seed) for seed in range(12)]
    people += [Fitful(crowd, seed, "dubbing") for seed in range(20, 22)]
    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(person.performs(parts=5))
    due = {session_id: ms for person in people for session_id, ms in person.due.items()}
    assert len(due) > len(people)
    await assert_billed(books, due)
    assert await books.billed_of("own-dubbing-20", "subtitles") == 0
    assert await books.billed_of("own-dubbing-20", "dubbing") == sum(people[12].due.values())


class Seat:
    """One viewer of a channel: what each of their sessions was sent while they were there."""

    def __init__(self, crowd: Crowd, path: str, user: str) -> None:
        self._crowd = crowd
        self._path = path
        self._bearer = fan(user)
        self.due: dict[str, int] = {}
        self.session_id = ""
        self.present = False
        self._position: dict[str, Any] = {}
        self._peer: Peer | None = None

    @property
    def peer(self) -> Peer:
        assert self._peer is not None
        return self._peer

    async def sits_down(self, resume: Any = None) -> None:
        self._peer = await self._crowd.joins(self._path, self._bearer, resume)
        self.session_id = self.peer.connected["session_id"]
        self.due.setdefault(self.session_id, 0)
        self._position = {key: self.peer.connected[key] for key in ("session_id", "epoch", "offset")}
        self.present = True

    async def comes_back(self, **changes: Any) -> None:
        """Resume where they were cut off."""
        session_id = self.session_id
        await self.sits_down(self._position | changes)
        assert self.session_id == session_id

    def is_cut(self) -> None:
        self.present = False
        self.peer.cut()

    async def leaves(self) -> None:
        """End in order; the server says what was billed to this session."""
        self.present = False
        self.peer.say(type="end")
        ended = await self.peer.take("ended")
        assert round(ended["billed_seconds"] * 1000) == self.due[self.session_id]
        assert round(ended["audio_seconds"] * 1000) == self.due[self.session_id]
        assert await self.peer.closed() == 1000


class Show:
    """A channel whose publisher waits, after each passage, until the server has all of it."""

    def __init__(self, house: House, crowd: Crowd, name: str) -> None:
        self._house = house
        self._crowd = crowd
        self._name = name
        self.publisher = Speaker(crowd, f"{name}/publish", token(f"{name}-creator"))
        self.seats: list[Seat] = []

    async def seat(self, user: str, kind: str = "subtitles", lang: str = "en") -> Seat:
        """Let somebody sit down."""
        taken = Seat(self._crowd, f"{self._name}/{kind}?target_lang={lang}", user)
        await taken.sits_down()
        self.seats.append(taken)
        return taken

    async def goes_on(self, ms: int, *, missed_by: Seat | None = None) -> None:
        """Play a passage to all who are there, and for one who will have it replayed."""
        self.publisher.says_ms(ms)
        await self.publisher.heard()
        for seat in self.seats:
            if seat.present or seat is missed_by:
                seat.due[seat.session_id] += ms

    async def loses(self, *seats: Seat) -> None:
        """Cut viewers off, and wait until the server knows."""
        for seat in seats:
            seat.is_cut()
        await connections_are(self._house, sum(seat.present for seat in self.seats) + 1)

    @property
    def due(self) -> dict[str, int]:
        return {session_id: ms for seat in self.seats for session_id, ms in seat.due.items()}


@needs_apertium
async def test_viewers_of_a_channel_who_come_go_and_are_cut_off(
    house: House, crowd: Crowd, books: Books
) -> None:
    await connections_are(house, 0)
    show = Show(house, crowd, "stage")
    early = await show.seat("early")
    spanish = await show.seat("spanish", lang="es")
    listener = await show.seat("listener", kind="dubbing")
    await show.publisher.joins()
    await show.goes_on(3000)
    late, faithful, forgetful, confused = [
        await show.seat(user) for user in ("late", "faithful", "forgetful", "confused")
    ]
    await show.goes_on(2150)
    await late.leaves()
    await show.loses(faithful, forgetful, confused)
    await show.goes_on(1720, missed_by=faithful)
    # One has what was missed sent again, one begins anew, and one cannot say where they were.
    await faithful.comes_back()
    await forgetful.sits_down()
    await confused.comes_back(epoch="another")
    await show.goes_on(4480)
    spanish.peer.say(type="set_target", target_lang="en")
    await spanish.peer.take("target")
    first = early.peer
    await early.comes_back()
    assert await first.closed() == 4409
    await show.goes_on(2060)
    position = {"session_id": show.publisher.session_id, "epoch": "", "offset": 0}
    show.publisher.peer.cut()
    await show.publisher.joins(position)
    await show.goes_on(1340)
    ended = await show.publisher.ends()
    assert ended["billed_seconds"] == 0
    assert round(ended["audio_seconds"] * 1000) == 14_750
    for seat in show.seats:
        if seat is not late:
            await seat.leaves()
    assert show.due[spanish.session_id] == show.due[listener.session_id] == 14_750
    assert len(forgetful.due) == 2
    await assert_billed(books, show.due)


async def test_captions_that_come_as_text_are_billed_by_the_clock_alike_to_all(
    crowd: Crowd, books: Books
) -> None:
    viewers = [
        await crowd.joins("typed/subtitles?target_lang=en", fan(f"reader-{number}")) for number in range(3)
    ]
    publisher = await crowd.joins("typed/publish")
    publisher.say(**caption("the first costs nothing"))
    await viewers[0].finals(1)
    began = time.monotonic()
    for number in range(20):
        publisher.say(**caption(f"line {number}", number))
        (_,) = await viewers[0].finals(1)
    took_ms = (time.monotonic() - began) * 1000
    billed = []
    for viewer in viewers:
        viewer.say(type="end")
        billed.append(round((await viewer.take("ended"))["billed_seconds"] * 1000))
    assert len(set(billed)) == 1
    assert 0 < billed[0] <= took_ms + 5
    await assert_billed(
        books, {viewer.connected["session_id"]: ms for viewer, ms in zip(viewers, billed, strict=True)}
    )


async def test_a_publisher_pays_once_for_whatever_audience(tmp_path: Path) -> None:
    with opened(tmp_path, CHANNEL_METERING="publisher") as house:
        async with crowd_of(house) as crowd:
            books = Books(tmp_path)
            show = Show(house, crowd, "paid")
            await show.publisher.joins()
            viewers = [await show.seat(f"guest-{number}") for number in range(5)]
            show.publisher.says_ms(3333)
            await show.publisher.heard()
            ended = await show.publisher.ends()
            assert round(ended["billed_seconds"] * 1000) == 3333
            for viewer in viewers:
                viewer.peer.say(type="end")
                assert (await viewer.peer.take("ended"))["billed_seconds"] == 0
            await assert_billed(books, {show.publisher.session_id: 3333} | show.due)
