"""Minutes that run out: all of a user's sessions together get what is left, and nobody else notices."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.end_to_end.minutes import FRAME_MS, Books, Speaker, fan, opened
from tests.end_to_end.peers import Crowd, Peer
from tests.end_to_end.test_session_ends import admin
from tests.house import House, token

LEFT_MS = 60_000
SESSIONS = 50
GAP_SECONDS_MAX = 3.0
"""Between two acknowledgements of somebody else's stream; they come once a second."""
LIMITS = {
    f"LIVE_QUOTA_FREE_{kind}_MINUTES_PER_{window}": minutes
    for kind in ("SUBTITLE", "DUBBING")
    for window, minutes in (("HOUR", "-1"), ("DAY", "-1"), ("MONTH", "1"))
}
"""The month, so that no test is cut in two by the end of an hour or a day."""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books(tmp_path_factory.mktemp("fairness"))


@pytest.fixture(scope="module")
def house(books: Books) -> Iterator[House]:
    with opened(books.data_dir, LIVE_QUOTA_SLICE_SECONDS="5", **LIMITS) as running:
        yield running


def next_month() -> str:
    now = datetime.fromtimestamp(time.time(), UTC)
    return f"{now.year + now.month // 12}-{now.month % 12 + 1:02d}-01T00:00:00Z"


async def told_that_it_is_spent(peer: Peer) -> dict[str, Any]:
    """Return the error, and assert what it says."""
    error: dict[str, Any] = await peer.take("error", within_seconds=30)
    assert error["code"] == "QUOTA_EXCEEDED"
    assert error["recoverable"] is False
    assert error["window"] == "month"
    assert error["resets_at"] == next_month()
    return error


@asynccontextmanager
async def somebody_else(crowd: Crowd) -> AsyncIterator[None]:
    """Let another user talk meanwhile, who is to be heard as ever."""
    other = Speaker(crowd, "other/subtitles?target_lang=en", token("other"))
    await other.joins()
    came: list[float] = [time.monotonic()]

    async def listens() -> None:
        while True:
            await other.peer.take("audio_ack")
            came.append(time.monotonic())

    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(listens())
        other.speaks(keep=True)
        yield
        await other.peer.until(lambda _: len(came) > 2)
        listening.cancel()
    gaps = [after - before for before, after in itertools.pairwise(came)]
    assert max(gaps) < GAP_SECONDS_MAX, gaps
    ended = await other.ends()
    assert round(ended["billed_seconds"] * 1000) == other.sent_ms


async def test_fifty_streams_share_the_last_minute(house: House, crowd: Crowd, books: Books) -> None:
    path = "rush-{}/subtitles?target_lang=en"
    async with somebody_else(crowd):
        rush = [Speaker(crowd, path.format(number), fan("rush")) for number in range(SESSIONS)]
        await asyncio.gather(*(speaker.joins() for speaker in rush))
        for speaker in rush:
            speaker.speaks(keep=True)
        seconds = await asyncio.gather(*(spends(speaker) for speaker in rush))
    assert round(sum(seconds) * 1000) <= LEFT_MS
    await books.settled()
    billed = await books.billed_of("rush")
    assert round(sum(seconds) * 1000) == billed <= LEFT_MS
    assert billed > LEFT_MS * 0.9
    assert await books.media_ms("rush") == billed
    # Each had a share: what is left is divided among those who are there.
    assert min(seconds) > 0


async def spends(speaker: Speaker) -> float:
    """Say why it is over, what was said last, and how much it came to; in that order, before the close."""
    await told_that_it_is_spent(speaker.peer)
    kinds: list[str] = []
    while not kinds or kinds[-1] != "ended":
        message = await speaker.peer.take()
        kinds.append(message["type"])
    assert message["audio_seconds"] == message["billed_seconds"]
    assert await speaker.peer.closed() == 4402
    return float(message["billed_seconds"])


async def test_fifty_viewers_share_the_last_minute(house: House, crowd: Crowd, books: Books) -> None:
    async with somebody_else(crowd):
        publisher = Speaker(crowd, "premiere/publish", token("director"))
        await publisher.joins()
        path = "premiere/subtitles?target_lang=en"
        viewers = await asyncio.gather(*(crowd.joins(path, fan("crowd")) for _ in range(SESSIONS)))
        publisher.speaks()
        await asyncio.gather(*(is_turned_out(viewer) for viewer in viewers))
    await books.settled()
    billed = await books.billed_of("crowd")
    assert LEFT_MS * 0.9 < billed <= LEFT_MS
    assert billed <= await books.media_ms("crowd") <= LEFT_MS + SESSIONS * FRAME_MS
    assert publisher.peer.close_code is None
    assert (await publisher.ends())["billed_seconds"] == 0


async def is_turned_out(viewer: Peer) -> None:
    await told_that_it_is_spent(viewer)
    assert await viewer.closed() == 4402


async def test_one_who_is_warned_once_is_stopped_and_let_in_again_with_a_grant(
    house: House, crowd: Crowd, books: Books
) -> None:
    path = "mine/subtitles?target_lang=en"
    mine = Speaker(crowd, path, fan("mine"))
    await mine.joins()
    mine.says_ms(47_900)
    await mine.heard()
    mine.says_ms(13_000)
    taken = [await mine.peer.take("warning", "quota", "error", "ended") for _ in range(1)]
    while taken[-1]["type"] != "ended":
        taken.append(await mine.peer.take("warning", "quota", "error", "ended"))
    assert await mine.peer.closed() == 4402
    of_minutes = [message for message in taken if message.get("code") != "audio_too_fast"]
    warning, quota, error, ended = of_minutes
    assert (warning["type"], warning["code"]) == ("warning", "quota_80")
    assert (quota["type"], quota["window"], quota["limit_seconds"]) == ("quota", "month", 60)
    assert (error["code"], ended["billed_seconds"]) == ("QUOTA_EXCEEDED", 60.0)

    refused = await crowd.arrives(path)
    answer = await refused.authenticate(fan("mine"))
    assert (answer["code"], answer["window"]) == ("QUOTA_EXCEEDED", "month")
    assert answer["resets_at"] == next_month()
    assert await refused.closed() == 4402

    async with admin(house) as client:
        grant = {"user": "mine", "kind": "subtitles", "minutes": 1, "window": "month", "reason": "a test"}
        granted = await client.post("/grants", json=grant, headers={"Idempotency-Key": "once"})
        again = await client.post("/grants", json=grant, headers={"Idempotency-Key": "once"})
    assert granted.status_code == 200, granted.text
    assert again.json()["grant_id"] == granted.json()["grant_id"]
    await mine.joins()
    mine.sent_bytes = 0
    mine.says_ms(59_000)
    assert (await mine.ends())["billed_seconds"] == 59.0
    await books.settled()
    assert await books.billed_of("mine") == 60_000 + 59_000


async def test_when_dubbing_is_spent_it_goes_on_as_subtitles(
    house: House, crowd: Crowd, books: Books
) -> None:
    dubbed = Speaker(crowd, "dubbed/dubbing?target_lang=en", fan("dubbed"))
    await dubbed.joins()
    dubbed.says_ms(65_000)
    told: set[str] = set()
    while not {"dubbing_spent", "en"} <= told:
        message = await dubbed.peer.take("warning", "target", within_seconds=30)
        # The first target is the move to a stream of one's own.
        told.add(message["code"] if message["type"] == "warning" else message["target_lang"])
    ended = await dubbed.ends()
    assert (ended["audio_seconds"], ended["billed_seconds"]) == (65.0, 65.0)
    await books.settled()
    assert await books.billed_of("dubbed", "dubbing") == 60_000
    assert await books.billed_of("dubbed", "subtitles") == 5_000


async def test_and_it_all_adds_up(house: House, books: Books) -> None:
    await books.add_up()
